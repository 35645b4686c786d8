"""Files of killed processes go at once, and those of live ones stay, whatever the names say."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import maildir._cleaning
from maildir import Maildir

HOST = "mx.example"

# Writes half a message, says so, and waits to be killed.
HALF = f"""
import asyncio, sys
from maildir import Maildir

async def main():
    async with Maildir(sys.argv[1], hostname={HOST!r}) as box, box.open() as writer:
        await writer.write(b"x" * 300_000)
        await box.keys()
        print("half", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def start(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HALF, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "half\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def leave(path: Path, pid: int, host: str = HOST, *, form: str = "1700000000.M1P{}Q1Rab.{}") -> str:
    name = form.format(pid, host)
    (path / "tmp" / name).touch()
    return name


@pytest.fixture
def dead() -> int:
    """A process id that is not in use."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


async def test_a_killed_process(path: Path) -> None:
    process = start(path)
    async with Maildir(path, hostname=HOST) as box:
        assert await box.clean() == []
        [name] = os.listdir(path / "tmp")
        end(process)
        assert await box.clean() == [name]


async def test_a_live_process_in_another_pid_namespace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name says nothing that can be trusted, but its lock holds."""
    process = start(path)
    try:
        async with Maildir(path, hostname=HOST) as box:
            monkeypatch.setattr(maildir._cleaning, "_is_abandoned", lambda name, host: True)
            assert await box.clean() == []
            assert len(os.listdir(path / "tmp")) == 1
            # And the lock of this Maildir is held again.
            other = os.open(path / "tmp", os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(other)
    finally:
        end(process)


async def test_what_the_name_must_say(path: Path, dead: int) -> None:
    async with Maildir(path, hostname=HOST) as box:
        gone = [leave(path, dead), leave(path, os.getpid(), form="1700000000.M2P{}Q1Rab.{}")]
        for pid, host in (
            (dead, "other.example"),
            (dead, f"{HOST}.other"),
            (os.getppid(), HOST),
            (1, HOST),
            (0, HOST),
            (1 << 70, HOST),
        ):
            leave(path, pid, host)
        leave(path, dead, form="1700000000.{}_1.{}")
        assert await box.clean() == sorted(gone)
        assert len(os.listdir(path / "tmp")) == 7


async def test_a_host_without_a_name(path: Path, dead: int) -> None:
    async with Maildir(path, hostname="localhost") as box:
        leave(path, dead, "localhost")
        assert await box.clean() == []


@pytest.mark.parametrize("lack", ["no locks on this file system", "no such system call"])
async def test_without_locks_only_the_age_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch, dead: int, lack: str
) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, lack)

    if lack == "no such system call":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    else:
        monkeypatch.setattr(fcntl, "flock", refuse)
    async with Maildir(path, hostname=HOST) as box:
        name = leave(path, dead)
        assert await box.clean() == []
        assert await box.clean(0) == [name]


async def test_another_maildir_of_this_process(path: Path, dead: int) -> None:
    async with Maildir(path, hostname=HOST) as box:
        name = leave(path, dead)
        async with Maildir(path, hostname=HOST):
            assert await box.clean() == []
        assert await box.clean() == [name]


async def test_what_is_coming_in_is_spared(path: Path, look: Any) -> None:
    async with Maildir(path, hostname=HOST) as box:
        async with box.open() as writer:
            await writer.write(b"x" * 300_000)
            assert await box.clean() == []
            assert len(look().tmp) == 1
        assert len(look().new) == 1
