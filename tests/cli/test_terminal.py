"""The command on a terminal, and off it."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
import termios
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pop3aio._cli import _progress
from pop3aio._cli._output import Output
from pop3aio._cli._progress import show_progress
from pop3aio._fetch._report import Progress
from pop3aio.testing import Server, Session

from .support import PASSWORD, ROOT, contents, finish, mails, start, url

# Makes the terminal that of the session, as a shell's is, and becomes the command.
CONTROLLED = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """The other end of a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.shown = ""

    async def until(self, text: str | None) -> None:
        """Read until `text` has been shown; None reads to the end."""
        loop = asyncio.get_running_loop()
        while text is None or text not in self.shown:
            readable = loop.create_future()
            loop.add_reader(self._descriptor, readable.set_result, None)
            try:
                await readable
            finally:
                loop.remove_reader(self._descriptor)
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:
                data = b""
            if not data:
                assert text is None, self.shown
                return
            self.shown += data.decode(errors="replace")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._descriptor, text.encode())


@asynccontextmanager
async def on_terminal(*arguments: str | Path, folder: Path) -> AsyncIterator[tuple[Process, Terminal]]:
    """Run the command with a terminal for all of its streams."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (25, 120))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "TERM": "xterm",
        "PYTHONUTF8": "1",
    }
    for name in ("POP3AIO_PASSWORD", "COLUMNS", "NO_COLOR"):
        environment.pop(name, None)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            CONTROLLED,
            sys.executable,
            "-m",
            "pop3aio",
            *map(str, arguments),
            stdin=its,
            stdout=its,
            stderr=its,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        os.close(its)
        yield process, Terminal(ours)
        await process.wait()
    finally:
        os.close(ours)


async def test_a_prompt_and_a_bar(tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    release = asyncio.Event()

    async def hold(session: Session, keyword: str, argument: str) -> None:
        if (keyword, argument) == ("RETR", "3"):
            await session.drain()
            await release.wait()

    async with (
        Server(mails(3, 2_000_000), on_command=hold) as server,
        on_terminal("fetch", *url(server), box, folder=tmp_path) as (process, terminal),
    ):
        await terminal.until(f"Password for pop3://user@127.0.0.1:{server.port}: ")
        terminal.type(PASSWORD + "\n")
        # While it goes on, and not only when all is over.
        await terminal.until("2 of 3 messages")
        release.set()
        await terminal.until(None)
        assert await process.wait() == 0
    assert PASSWORD not in terminal.shown.replace("Password for", "")
    assert "\x1b[" in terminal.shown
    assert "3 of 3 messages" in terminal.shown
    assert re.search("6.0 MB of 6.0 MB, [0-9.]+ [kM]B/s", terminal.shown)
    # The bar takes the place of the lines.
    assert "fetching 3 new messages" not in terminal.shown
    assert "fetched:  3 messages, 6.0 MB" in terminal.shown
    assert contents(box) == mails(3, 2_000_000)


async def test_ctrl_c_under_the_bar(tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    release = asyncio.Event()

    async def hold(session: Session, keyword: str, argument: str) -> None:
        if (keyword, argument) == ("RETR", "3"):
            await session.drain()
            await release.wait()

    async with (
        Server(mails(3), on_command=hold) as server,
        on_terminal("fetch", *url(server), box, folder=tmp_path) as (process, terminal),
    ):
        await terminal.until("Password for ")
        terminal.type(PASSWORD + "\n")
        await terminal.until("2 of 3 messages")
        process.send_signal(signal.SIGINT)
        await terminal.until(None)
        release.set()
        assert await process.wait() == 130
    # The cursor is there again, and the line stands by itself.
    left = terminal.shown.rpartition("\x1b[?25h")[2].split("\r\n")
    assert left == [
        "pop3aio: interrupted; nothing is lost: run the same command again",
        "",
    ]
    assert contents(box) == mails(3)[:2]


async def test_ctrl_c_at_the_prompt(tmp_path: Path) -> None:
    async with on_terminal("list", "pop3s://user@localhost", folder=tmp_path) as (process, terminal):
        await terminal.until("Password for ")
        process.send_signal(signal.SIGINT)
        await terminal.until(None)
        assert await process.wait() == 130
    assert terminal.shown.count("pop3aio: interrupted") == 1
    assert "Traceback" not in terminal.shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_while_a_command_asks(tmp_path: Path, number: signal.Signals) -> None:
    """On a terminal the password command may ask for a passphrase; a signal ends it, too."""
    command = "printf 'Passphrase: ' >&2; read line; echo $line"
    async with on_terminal(
        "list", "pop3s://user@localhost", "--password-command", command, folder=tmp_path
    ) as (process, terminal):
        await terminal.until("Passphrase: ")
        process.send_signal(number)
        await terminal.until(None)
        assert await process.wait() == 128 + number
    assert "Traceback" not in terminal.shown


async def test_a_command_that_asks(tmp_path: Path) -> None:
    command = "printf 'Passphrase: ' >&2; read line; echo $line"
    async with (
        Server(mails(1)) as server,
        on_terminal("list", *url(server), "--password-command", command, folder=tmp_path) as (
            process,
            terminal,
        ),
    ):
        await terminal.until("Passphrase: ")
        terminal.type(PASSWORD + "\n")
        await terminal.until(None)
        assert await process.wait() == 0
    assert "number 1" in terminal.shown


async def test_nothing_to_come_shows_no_bar(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    async with (
        Server() as server,
        on_terminal(
            "fetch", *url(server), tmp_path / "Mail", "--password-file", password, folder=tmp_path
        ) as (process, terminal),
    ):
        await terminal.until(None)
        assert await process.wait() == 0
    assert " of 0 messages" not in terminal.shown


async def test_piped_there_are_no_escapes(tmp_path: Path) -> None:
    async with Server(mails(3)) as server:
        for arguments in (["fetch", *url(server), "Mail"], ["list", *url(server)], ["check", *url(server)]):
            result = await finish(await start(arguments, tmp_path))
            assert (result.status, result.err) == (0, "")
            assert "\x1b" not in result.out


class _Terminal:
    """A stream that takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_rich_there_are_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "rich.progress", None)
        patched.setitem(sys.modules, "rich.console", None)
        patched.setattr("sys.stderr", _Terminal())
        with show_progress(Output()) as update:
            assert update is not None
            update(Progress(0, 2, 0, 1000))
    assert capsys.readouterr().out == "fetching 2 new messages, 1.0 kB\n"


@pytest.mark.parametrize("verbose", [True, False])
def test_json_shows_nothing_and_the_dialogue_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verbose: bool
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", _Terminal())
        with show_progress(Output(as_json=not verbose, verbose=verbose)) as update:
            assert (update is None) == (not verbose)
            if update is not None:
                update(Progress(0, 2, 0, 1000))
    assert capsys.readouterr().out == ("fetching 2 new messages, 1.0 kB\n" if verbose else "")


def test_a_bar_is_never_beyond_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    class Bar:
        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def add_task(self, *_: object, **__: object) -> int:
            return 0

        def update(self, _: int, **state: object) -> None:
            seen.append((state["completed"], state["total"], state["octets"]))

    now = 0.0
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", _Terminal())
        patched.setattr(_progress, "_make_bar", lambda _: Bar())
        with show_progress(Output(), lambda: now) as update:
            assert update is not None
            update(Progress(0, 2, 0, 100))
            now = 2.0
            update(Progress(1, 2, 120, 100))
            update(Progress(2, 2, 150, 200))
    # More than was listed may come, and less.
    assert seen == [
        (0, 100, "0 octets of 100 octets"),
        (120, 120, "120 octets of 120 octets, 60 octets/s"),
        (150, 150, "150 octets of 150 octets, 75 octets/s"),
    ]
