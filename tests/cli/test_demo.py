"""``pop3aio demo``."""

from __future__ import annotations

from pathlib import Path

import pytest

from pop3aio.testing import sample_messages

from .support import Cli, contents, finish, start


def expected() -> list[bytes]:
    # A Maildir's lines end in LF, and the wire's in CRLF; the last one ends, too.
    return sorted(
        message if message.endswith(b"\r\n") else message + b"\r\n" for message in sample_messages()
    )


async def test_twice(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    first = await cli("demo", box)
    assert (first.status, first.err) == (0, "")
    lines = first.out.splitlines()
    assert lines[0].startswith("A POP3 server with 36 messages runs at pop3s://demo@127.0.0.1:")
    assert lines[0].endswith(" (under TLS).")
    assert any("会議の資料をお送りします" in line for line in lines)
    assert lines[-1] == f"36 messages are in {box}/new"
    assert sorted(contents(box)) == expected()
    second = await cli("demo", box)
    assert (second.status, second.err) == (0, "")
    assert "known:    36 messages, fetched by an earlier run\n" in second.out
    assert second.out.splitlines()[-1] == f"36 messages are in {box}/new"
    assert len(contents(box)) == 36


async def test_what_a_reader_moved(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    await cli("demo", box)
    files = sorted((box / "new").iterdir())
    for file in files[1:]:
        file.rename(box / "cur" / (file.name + ":2,S"))
    result = await cli("demo", box)
    assert result.out.splitlines()[-1] == f"1 message is in {box}/new, and 35 messages in {box}/cur"


async def test_without_certificates(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes them is only there where the tests are."""
    monkeypatch.setitem(__import__("sys").modules, "trustme", None)
    result = await cli("demo", tmp_path / "Mail")
    assert result.status == 0
    assert "runs at pop3://demo@127.0.0.1:" in result.out
    assert "(in clear, on this machine only)" in result.out
    assert sorted(contents(tmp_path / "Mail")) == expected()


async def test_json(cli: Cli, tmp_path: Path) -> None:
    facts = (await cli("demo", tmp_path / "Mail", "--json")).json
    assert (facts["fetched"], facts["new"], facts["cur"], facts["exit_status"]) == (36, 36, 0, 0)


async def test_a_path_that_is_no_maildir(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = await cli("demo", tmp_path / "file")
    assert result.status == 1
    assert "is no directory; a Maildir is one" in result.error


async def test_as_a_command(tmp_path: Path) -> None:
    result = await finish(await start(["demo"], tmp_path, password=None))
    assert (result.status, result.err) == (0, "")
    box = tmp_path / "pop3aio-demo-maildir"
    assert result.out.splitlines()[-1] == f"36 messages are in {box}/new"
    assert "\x1b" not in result.out
    assert len(contents(box)) == 36
