"""The recorder as the library's users have it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

import pop3aio
from pop3aio.testing import Server, replay


async def use(host: str, port: int, recorder: pop3aio.Recorder | None = None) -> bytes:
    """Log in and retrieve one message."""
    async with pop3aio.connect(host, port, tls="none", record=recorder) as client:
        await client.login("canary", "canary-password", allow_insecure=True)
        return await client.retr(1)


async def test_a_program_records_and_a_test_replays(tmp_path: Path) -> None:
    recorder = pop3aio.Recorder(tmp_path / "session.txt")
    async with Server([b"Subject: hello\r\n\r\nyou\r\n"], users={"canary": "canary-password"}) as server:
        assert await use(server.host, server.port, recorder) == b"Subject: hello\r\n\r\nyou\r\n"
    assert "canary" not in (tmp_path / "session.txt").read_text()
    async with replay(tmp_path / "session.txt") as again:
        assert await use(again.host, again.port) == b"xxxxxxx: xxxxx\r\n\r\nxxx\r\n"


async def test_the_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    recorder = pop3aio.Recorder("~/session.txt", mail=True)
    assert repr(recorder) == f"Recorder({str(tmp_path / 'session.txt')!r})"
    assert (tmp_path / "session.txt").read_text() == "pop3aio recording 1\n"


def test_a_file_that_was_there_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "session.txt"
    path.write_text("old")
    path.chmod(0o644)
    pop3aio.Recorder(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "old" not in path.read_text()


def test_a_device_stays_as_it_is() -> None:
    before = os.stat(os.devnull).st_mode
    pop3aio.Recorder(os.devnull)
    assert os.stat(os.devnull).st_mode == before


async def test_a_full_disk_ends_the_recording_and_not_the_session(caplog: pytest.LogCaptureFixture) -> None:
    class Full(pop3aio.Recorder):
        def tap(self, stream: object, /) -> object:  # type: ignore[override]
            self._path = "/dev/full"
            return super().tap(stream)  # type: ignore[arg-type]

    recorder = Full(os.devnull)
    messages = [b"x" * 70 + b"\r\n" for _ in range(1)]
    messages[0] *= 1000
    async with Server(messages, users={"canary": "canary-password"}) as server:
        assert await use(server.host, server.port, recorder) == messages[0]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the recording ends here: No space left on device"
    ]


async def test_a_short_session_finds_the_disk_full_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    class Full(pop3aio.Recorder):
        def tap(self, stream: object, /) -> object:  # type: ignore[override]
            self._path = "/dev/full"
            return super().tap(stream)  # type: ignore[arg-type]

    async with Server([b"x\r\n"], users={"canary": "canary-password"}) as server:
        assert await use(server.host, server.port, Full(os.devnull)) == b"x\r\n"
    assert "the recording ends here: No space left on device" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((1,), {}, "path is the name of a file"),
        (("x",), {"mail": "yes"}, "mail is True or False, not 'yes'"),
        (("x",), {"bare_lf": 1}, "bare_lf is True or False, not 1"),
    ],
)
def test_odd_arguments(
    arguments: tuple[str],
    options: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError, match=message):
        pop3aio.Recorder(*arguments, **options)
    assert not list(tmp_path.iterdir())
