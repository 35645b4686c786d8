"""Signals: every one that ends a run does it in good order, at once, and says what it does."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from pop3aio._cli import _main
from pop3aio.testing import Server, Session

from .support import ROOT, Cli, contents, finish, mails, secured, start, url

MESSAGES = mails(5)
ENDINGS = [
    (signal.SIGINT, 130, "interrupted"),
    (signal.SIGTERM, 143, "terminated"),
    (signal.SIGHUP, 129, "hung up"),
]


class Stalling:
    """A hook that stops in the middle of message 3."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, session: Session, keyword: str, argument: str) -> bool:
        if (keyword, argument) != ("RETR", "3"):
            return False
        session.write(b"+OK the third\r\n" + MESSAGES[2][: len(MESSAGES[2]) // 2])
        await session.drain()
        self.reached.set()
        await self.release.wait()
        return True


async def exists(file: Path, process: Process) -> None:
    """Wait for a file that a child of the process makes."""
    while not file.exists():
        assert process.returncode is None
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("number", "status", "word"), ENDINGS)
async def test_a_signal_in_the_middle(
    cli: Cli, tmp_path: Path, number: signal.Signals, status: int, word: str
) -> None:
    box = tmp_path / "Mail"
    stalling = Stalling()
    async with Server(MESSAGES, on_command=stalling) as server:
        process = await start(["fetch", *url(server), box, "-v"], tmp_path)
        assert process.stderr is not None
        while b"the third" not in await process.stderr.readline():
            pass
        process.send_signal(number)
        result = await finish(process)
        stalling.release.set()
        assert result.status == status
        first, *_, last = (line for line in result.err.splitlines() if line.startswith("pop3aio: "))
        assert first.startswith("pop3aio: stopping: the messages received so far are being committed")
        assert ("Ctrl-C once more" in first) == (number == signal.SIGINT)
        assert re.fullmatch(
            f"pop3aio: {word}; (nothing is lost|. messages? (is|are) safe in .*): run .*", last
        )
        assert len(contents(box)) <= 2
        server.on_command = None
        again = await cli("fetch", *url(server), box)
        assert (again.status, again.err) == (0, "")
        assert sorted(contents(box)) == sorted(MESSAGES)


async def test_nothing_is_said_where_nothing_is_at_stake(tmp_path: Path) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def hold(session: Session, keyword: str, argument: str) -> None:
        if keyword == "UIDL":
            reached.set()
            await release.wait()

    async with Server(MESSAGES, on_command=hold) as server:
        process = await start(["fetch", *url(server), "Mail"], tmp_path)
        await reached.wait()
        process.send_signal(signal.SIGINT)
        result = await finish(process)
        release.set()
    assert result.status == 130
    assert result.error == "pop3aio: interrupted; nothing is lost: run the same command again"


async def test_nohup(tmp_path: Path) -> None:
    """A signal that is ignored when the command begins stays ignored."""
    stalling = Stalling()
    async with Server(MESSAGES, on_command=stalling) as server:
        process = await start(["fetch", *url(server), "Mail"], tmp_path, prefix=["sh", "-c", NOHUP, "sh"])
        await stalling.reached.wait()
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        result = await finish(process)
        stalling.release.set()
    # Only the other one counts.
    assert result.status == 143


NOHUP = "trap '' HUP; exec \"$@\""

SLOW = """
import asyncio, sys
from pop3aio._cli._output import Output
from pop3aio._cli._signals import run_to_end

async def work():
    print("ready", flush=True)
    try:
        await asyncio.sleep(600)
    finally:
        print("ending", flush=True)
        await asyncio.sleep(600)

run_to_end(work(), Output())
"""


async def run_source(source: str) -> Process:
    """Run a program of a few lines that imports the command."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdout=PIPE, stderr=PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_second_ctrl_c_ends_at_once(first: signal.Signals) -> None:
    process = await run_source(SLOW)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(first)
    assert await process.stdout.readline() == b"ending\n"
    # A service manager may send both, and means one end.
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    result = await finish(process)
    assert result.status == 130
    assert result.error == "pop3aio: ended at once; run the same command again"


@pytest.mark.parametrize("option", ["--token-command", "--password-command"])
@pytest.mark.parametrize(("number", "status", "word"), ENDINGS)
async def test_a_signal_while_a_command_runs(
    tmp_path: Path, option: str, number: signal.Signals, status: int, word: str
) -> None:
    """The command's own children hold its output open; they are ended, too."""
    running = tmp_path / "running"
    command = (
        f"sleep 600 & echo $! > {shlex.quote(str(running))}.part; mv running.part running; wait; echo token"
    )
    async with Server(
        mails(1), tls="implicit", capabilities=["USER", "UIDL", "TOP", "SASL PLAIN XOAUTH2"]
    ) as server:
        process = await start(
            ["list", *secured(server, tmp_path), option, command], tmp_path, prefix=["setsid"]
        )
        await exists(running, process)
        child = int(running.read_text())
        process.send_signal(number)
        async with asyncio.timeout(5):
            result = await finish(process)
    assert result.status == status
    assert result.error == f"pop3aio: {word}"
    while alive(child):
        # It was killed; the kernel may need a moment.
        await asyncio.sleep(0.01)


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_command_that_does_not_want_to_end(tmp_path: Path) -> None:
    running = tmp_path / "running"
    command = f"trap '' TERM; echo > {shlex.quote(str(running))}; sleep 600; sleep 600"
    process = await start(["list", "pop3s://user@localhost", "--password-command", command], tmp_path)
    await exists(running, process)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(5):
        assert (await finish(process)).status == 143


async def test_an_interrupt_between_two_handlers(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_main, "_command", interrupted)
        result = await cli("list", "pop3s://user@localhost")
    assert (result.status, result.error) == (130, "pop3aio: interrupted")


async def test_a_signal_while_a_command_starts() -> None:
    """It is raised when the command is known, so that it can be ended."""
    process = await run_source(STARTING)
    result = await finish(process)
    assert (result.status, result.out, result.err) == (0, "held back, raised behind\n", "")


STARTING = """
import os, signal
from pop3aio._cli._signals import Stopped, held_back, raising_signals

with raising_signals():
    try:
        with held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            print("held back", end=", ")
    except Stopped as stopped:
        assert stopped.status == 143
        print("raised behind")
"""
