"""A campaign: one maildrop, fetched by the real command, which is killed again and again until it may finish."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from maildir import Maildir
from pop3aio._cli._options import JOURNAL

from .world import PASSWORD, Findings, Maildrop, Relay, Watch, make_message

__all__ = ("Campaign",)

ROOT = Path(__file__).resolve().parents[2]
AFTER_COMMAND = 0.002
AFTER_START = 0.15
"""Seconds, on average: how long after a command, or after the start of the process, to kill it."""

DEADLINE = 300.0


class Campaign:
    """One Maildir and journal, one maildrop, and how often what was asked for went wrong.

    Args:
        maildrop: an empty one.
        folder: where the Maildir goes.
        seed: what all chance comes from.
        keep: whether to fetch with --keep; otherwise with --delete.
        without: a step of the job to take out, see `tests.crash.mutants`.
        record: a file for what is done to files, see `tests.crash.power`.
    """

    def __init__(
        self,
        maildrop: Maildrop,
        folder: Path,
        *,
        seed: int,
        keep: bool = False,
        without: str = "",
        record: Path | None = None,
    ) -> None:
        self._maildrop = maildrop
        self._keep = keep
        self._without = without
        self._record = record
        self._chance = random.Random(seed)
        self._sent = 0
        self._waiting = 1
        self._relay = Relay(maildrop)
        self.watch = Watch(maildrop, folder, keep=keep)

    @property
    def account(self) -> str:
        """The maildrop's name in the journal."""
        return f"{self._maildrop.user}@127.0.0.1:{self._relay.port}"

    def send(self, count: int) -> None:
        """Have so many messages delivered to the maildrop."""
        for _ in range(count):
            self._sent += 1
            self._waiting += 1
            self.watch.send(make_message(self._sent, self._chance))

    async def __aenter__(self) -> Campaign:
        await self._relay.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._relay.__aexit__(*error)

    async def killed_at_random(self) -> bool:
        """Run the command, and kill it somewhere; return whether it was killed before its end."""
        chance = self._chance
        at = chance.choice(("time", "connect", "UIDL", "RETR", "RETR", "RETR", "DELE", "QUIT", "QUIT"))
        # How many of these commands there will be is not known beforehand; a run that comes to its end is no kill.
        left = chance.randrange(1, self._waiting + 1) if at in ("RETR", "DELE") else 1
        delay = chance.expovariate(1 / (AFTER_START if at == "time" else AFTER_COMMAND))
        arrives = left if chance.random() < 0.3 else 0
        process = await self._start()
        loop = asyncio.get_running_loop()
        timers = []

        phase = ""

        def kill() -> None:
            nonlocal phase
            if process.returncode is None:
                phase = self._relay.phase
                with suppress(ProcessLookupError):
                    process.kill()

        def on_command(keyword: str) -> None:
            nonlocal left
            if keyword == at:
                if left == arrives:
                    self.send(1)
                left -= 1
                if not left:
                    timers.append(loop.call_later(delay, kill))

        self._relay.phase = "before the connection"
        self._relay.on_command = on_command
        if at == "time":
            timers.append(loop.call_later(delay, kill))
        status = await self._end(process)
        for timer in timers:
            timer.cancel()
        if status >= 0:
            self._waiting = 1
            return False
        self._note_kill(phase)
        return True

    async def killed_at(self, step: str, count: int = 1) -> bool:
        """Run the command, which kills itself when it comes to a step the `count`-th time; return whether it did."""
        status = await self._end(await self._start(f"{step}:{count}"))
        if status >= 0:
            return False
        self._note_kill(f"step {step}")
        return True

    async def run(self) -> None:
        """Run the command to its end."""
        status = await self._end(await self._start())
        assert status == 0, f"the command ended by {status}"

    async def run_two(self) -> list[tuple[int, str]]:
        """Run the command, and another one while that is at work; return how each ended, and what it said of errors."""
        at_work, go_on = asyncio.Event(), asyncio.Event()
        self._relay.held = go_on
        first = await self._start()
        self._relay.on_command = lambda keyword: at_work.set() if keyword == "RETR" else None
        ended = asyncio.ensure_future(first.communicate())
        async with asyncio.timeout(DEADLINE):
            await at_work.wait()
            self._relay.held = None
            second = await self._start()
            _, second_errors = await second.communicate()
            go_on.set()
            _, first_errors = await ended
            await self._relay.settled()
        both = ((first, first_errors), (second, second_errors))
        return [(process.returncode or 0, errors.decode()) for process, errors in both]

    async def complete(self) -> Findings:
        """Run the command to its end, look at everything, and return what was found."""
        await self.run()
        box = self.watch.box
        async with Maildir(box) as maildir:
            swept = len(await maildir.clean(0))
        self.watch.at_end(_journalled(box / JOURNAL), swept)
        return self.watch.findings

    def _note_kill(self, phase: str) -> None:
        findings = self.watch.findings
        findings.kills += 1
        journalled = _journalled(self.watch.box / JOURNAL)
        if phase == "bodies" and self.watch.stored().total() > journalled:
            phase = "between commit and journal"
        findings.phases[phase] += 1
        self.watch.after_kill(journalled)

    async def _start(self, crash_at: str = "") -> asyncio.subprocess.Process:
        self.watch.findings.runs += 1
        self._relay.on_command = lambda keyword: None
        hooked = crash_at or self._without or self._record
        program: Sequence[str] = ("-m", "tests.crash.victim") if hooked else ("-m", "pop3aio")
        # Most are killed before they could tell what they covered, and all would be slower.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        environment = {
            "PYTHONPATH": str(ROOT),
            "PYTHONASYNCIODEBUG": "",
            "POP3AIO_PASSWORD": PASSWORD,
            "CRASH_AT": crash_at,
            "CRASH_RECORD": str(self._record or ""),
            "CRASH_WITHOUT": self._without,
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            "fetch",
            "--insecure-plaintext",
            f"pop3://{self.account}",
            str(self.watch.box),
            "--keep" if self._keep else "--delete",
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            cwd=ROOT,
            env=inherited | environment,
        )

    async def _end(self, process: asyncio.subprocess.Process) -> int:
        async with asyncio.timeout(DEADLINE):
            _, errors = await process.communicate()
            await self._relay.settled()
        assert process.returncode is not None
        if process.returncode > 0:
            raise AssertionError(f"the command failed: {errors.decode(errors='replace')}")
        return process.returncode


def _journalled(path: Path) -> int:
    """Return how many messages a journal knows, from a copy: to open it would change it."""
    with tempfile.TemporaryDirectory() as folder:
        for end in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(f"{path}{end}", f"{folder}/journal{end}")
        with closing(sqlite3.connect(f"{folder}/journal")) as database, suppress(sqlite3.OperationalError):
            (count,) = database.execute("SELECT count(*) FROM fetched").fetchone()
            return int(count)
        return 0
