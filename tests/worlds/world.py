"""One world, drawn from one number: its server, its mail, its store, its journal, and the runs that it lets happen.

How it works. A world has two times. In the first, the turbulent one, anything may happen: connections are cut at any
octet, the journal and the store fail, runs are killed or cancelled at any suspension, mail comes, is hidden, and gets
new names. In the second, the calm one, only what is wrong for good goes on: messages that break their session, a server
that cannot do this or that. In it everything that the server can deliver alone must come, and go, within `bound` days.

Invariant: whatever is drawn comes from generators that are seeded by the world's number, so that it repeats.
"""

from __future__ import annotations

import asyncio
import datetime
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pop3aio
from pop3aio._session import _proof

from .between import Between
from .clock import Hang, WorldLoop
from .drawing import draw_habits
from .journals import FailingJournal
from .killing import Killed, Mortal
from .mail import Mail, Trouble
from .model import Model, Violation
from .server import Maildrop, Session
from .stores import Appender, Box, StoreTrouble, Table, WiseBox
from .wire import Wire

__all__ = ("World", "bound", "run_world")

_DAY = 86400.0
# A run that takes longer waits for ever.
_LONG = 7200.0
_ACCOUNT = "user@world"


def bound(messages: int, faults: int, limit: int | None) -> int:
    """Return within how many days of calm all that can come has come, with a run on each day at least.

    Args:
        messages: how many messages the maildrop holds.
        faults: how many of these, and of the server's habits, are faulty.
        limit: how many messages a run may take.
    """
    return 6 + 4 * faults + (0 if limit is None else -(-messages // limit))


@dataclass
class Outcome:
    """How a run ended."""

    report: pop3aio.FetchReport
    error: BaseException | None
    sessions: list[Session]
    killed: bool
    cancelled: bool


class World:
    """A world, and the runs in it."""

    def __init__(self, seed: int, loop: WorldLoop, folder: Path) -> None:
        self.seed = seed
        self._loop = loop
        self._chance = random.Random(f"world {seed}")
        self._folder = folder
        chance = self._chance
        kind = chance.choice((WiseBox, Box, Box, Table, Appender))
        self.store: Box | Table | Appender = kind(random.Random(f"store {seed}"), self._which)
        self.policy: pop3aio.Policy = chance.choice(
            (pop3aio.Delete(), pop3aio.Delete(), pop3aio.Delete(), pop3aio.Keep(), pop3aio.After(3))
        )
        self.collects = chance.random() < 0.35
        self.limit = chance.choice((None, None, None, None, 1, 2, 5))
        self.newest_first = not chance.randrange(6)
        self.concurrency = chance.choice((1, 1, 3))
        self.model = Model(self.store, self.policy)
        self.habits = draw_habits(chance)
        self.max_size = self._draw_max_size()
        self.drop = Maildrop(self.habits, self.model.at_quit)
        self.between = Between(chance, self.habits, self.drop, self.model, folder / "journal")
        self._turbulence = chance.choice((0.0, 0.2, 0.6))
        self._deadly = not chance.randrange(3)
        if not chance.randrange(10):
            # Little goes wrong here, but no deletion is confirmed, and each name is soon used again.
            self.policy = self.model.policy = pop3aio.Delete()
            self.habits.quit = Trouble("silent done", 6)
            self._turbulence, self._deadly = 0.0, False
        # A date between the two of which the senders draw theirs.
        self.since = None if chance.randrange(8) else _date(loop.wall() - 100 * _DAY)
        self._again = self._adopt = False
        self._sessions: list[Session] = []
        self._journal: FailingJournal | None = None
        self._dead = False
        self._calm = False
        self.runs = 0
        self.log: list[str] = []
        self.between.arrive(loop.wall(), chance.choice((1, 2, 3, 5, 8, 12)))
        if self.habits.uidl == "good" and chance.randrange(12) == 0 and len(self.drop.mails) > 2:
            self.between.share_a_uid(loop.wall())

    def _draw_max_size(self) -> int | None:
        told = (self.habits.uidl, self.habits.list_all, self.habits.list_one) == ("good", "good", "good")
        return self._chance.choice((100, 2000)) if told and not self._chance.randrange(6) else None

    # -- mail

    def _which(self, number: int) -> Mail | None:
        session = self.drop.session
        if session is None or not 1 <= number <= len(session.numbered):
            return None
        return session.numbered[number - 1]

    # -- one run

    async def _open(self) -> pop3aio.Client:
        number = len(self._sessions)
        chance = random.Random(f"session {self.seed} {self.runs} {number}")
        cut_at = None
        if not self._calm and chance.random() < self._turbulence * (0.2 if self._deadly else 1.0):
            cut_at = chance.choice((chance.randrange(1, 200), chance.randrange(1, 4000)))
        delay = self.habits.delay
        if not self._calm and chance.random() < self._turbulence / 6:
            # One that is beyond the time-out, or beyond all but the longest.
            delay = chance.choice((0.7, 6.0))
        wire = Wire(self._loop, chance, cut_at, delay)
        session = Session(self.drop, wire, chance)
        if self._dead:
            wire.drop()
        self._sessions.append(session)
        client = await pop3aio.Client.from_streams(
            wire.reader,
            wire.writer,
            secure=True,
            timeout=chance.choice((0.5, 5.0)),
            window=chance.choice((2, 8, 256)),
        )
        try:
            await client.login("user", "password", mechanism="USER")
        except BaseException:
            client.abort()
            raise
        return client

    async def _job(self, report: pop3aio.FetchReport) -> None:
        assert self._journal is not None
        options: dict[str, Any] = {
            "journal": self._journal,
            "delete": self.policy,
            "limit": self.limit,
            "max_size": self.max_size,
            "newest_first": self.newest_first,
            "account": _ACCOUNT,
            "report": report,
            "concurrency": self.concurrency,
            "again": self._again and not self._adopt,
            "adopt": self._adopt,
            "since": self.since,
        }
        store = cast(Any, self.store)
        if self.collects:
            await pop3aio.collect(self._open, store, **options)
            return
        client = await self._open()
        async with client:
            await pop3aio.fetch(client, store, **options)

    def _kill(self) -> None:
        self._dead = True
        if self._journal is not None:
            self._journal.dead = True
        self.store.kill()
        for session in self._sessions:
            session.lost()

    async def run(self) -> Outcome:
        """Let one run happen."""
        chance = self._chance
        self.runs += 1
        self._sessions = []
        self._dead = False
        self.store.begin()
        self.model.now = self._loop.wall()
        rough = not self._calm and chance.random() < self._turbulence
        if self._journal is None or not chance.randrange(6):
            self._journal = await self._open_the_journal()
        self._adopt = not self._calm and not chance.randrange(25)
        self._journal.rate = 0.05 if rough and not chance.randrange(3) else 0.0
        self.store.full = rough and not chance.randrange(6)
        deadly = not self._calm and (
            chance.random() < 0.7 if self._deadly else rough and not chance.randrange(3)
        )
        last = chance.randrange(1, chance.choice((30, 80, 200))) if deadly else None
        kills = chance.random() < 0.7
        self._journal.die = self._kill
        self._journal.calls_left = None
        if deadly and kills and not chance.randrange(2):
            self._journal.calls_left, last = chance.randrange(4, 20), None
        report = pop3aio.FetchReport()
        job = Mortal(self._job(report), last if kills else None, self._kill)

        async def awaited() -> None:
            await job

        task = self._loop.create_task(awaited())
        if last is not None and not kills:
            for _ in range(last):
                await asyncio.sleep(0)
            task.cancel()
        await self._end(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self._dead:
            await self._journal.aclose()
            self._journal = None
        # What is still on its way into the store arrives.
        await asyncio.sleep(5)
        return Outcome(report, error, self._sessions, self._dead, isinstance(error, asyncio.CancelledError))

    async def _end(self, task: asyncio.Task[None]) -> None:
        """Wait for the end of a run; cancel one whose store has fallen silent, as a person does some day."""
        await asyncio.wait([task], timeout=_LONG)
        if not task.done():
            if not self.store.words["silent"]:
                self.model.violate(
                    "strange", f"run {self.runs} goes on for ever, though its store is not silent"
                )
            task.cancel()
            await asyncio.wait([task], timeout=60)
        if not task.done():
            raise Hang("the run does not end though it was cancelled")

    async def _open_the_journal(self) -> FailingJournal:
        if self._journal is not None:
            await self._journal.aclose()
        path = self._folder / "journal"
        while True:
            journal = FailingJournal(path, random.Random(f"journal {self.seed} {self.runs}"))
            try:
                await journal.hurry()
            except pop3aio.JournalError as error:
                await journal.aclose()
                self._read_what_is_damaged(error)
            else:
                return journal

    def _read_what_is_damaged(self, error: BaseException | None) -> None:
        """Do what the error of a damaged journal says: move it away."""
        if isinstance(error, pop3aio.JournalError) and error.reason == "damaged":
            self.between.lose_the_journal()
        else:
            raise AssertionError(f"the journal cannot be opened: {error}")

    async def _change_the_journal(self) -> None:
        """Let a backup of the journal be made, or the journal be lost, between two runs."""
        if self._chance.randrange(10):
            return
        if self._journal is not None:
            await self._journal.aclose()
            self._journal = None
        if self._chance.randrange(2):
            self.between.keep_a_copy()
            return
        self.between.spoil_the_journal()
        for copy in self.store.copies():
            # With Keep, what the store has under its key is taken as known: also a copy that was never proven.
            if isinstance(self.policy, pop3aio.Keep) and copy.mail and copy.data != copy.mail.content:
                copy.mail.taken_as_known = True

    async def _run_and_check(self) -> None:
        outcome = await self.run()
        self._note(outcome)
        error, model = outcome.error, self.model
        expected = (pop3aio.POP3Error, OSError, StoreTrouble, asyncio.CancelledError, Killed)
        if error is not None and not outcome.killed and not isinstance(error, expected):
            model.violate("strange", f"run {self.runs} raised {error!r}")
        if isinstance(error, pop3aio.JournalError) and error.reason == "damaged":
            assert self._journal is not None
            await self._journal.aclose()
            self._journal = None
            self._read_what_is_damaged(error)
        if self._adopt:
            # Also where the run broke: the journal may have noted them before.
            for mail in (mail for session in outcome.sessions for mail in session.numbered):
                mail.taken_as_known = True
        if self._adopt and outcome.report.fetched:
            model.violate("limit", f"run {self.runs} fetched, and was told to adopt")
        self._again = isinstance(error, pop3aio.MaildropChanged)
        if self._again and not self.between.renames and not self.between.forgotten:
            model.violate(
                "strange", f"run {self.runs} takes an unchanged maildrop for a renamed one: {error}"
            )
        model.now = self._loop.wall()
        model.look()
        model.check_report(
            outcome.report,
            outcome.sessions,
            error,
            taken=self.store.taken,
            limit=self.limit,
            excused=self._too_old,
            exact=not (outcome.killed or outcome.cancelled),
        )
        for mail in (mail for session in outcome.sessions for mail in session.retrieved):
            if self._too_large(mail):
                model.violate("limit", f"{mail!r} of {mail.size} octets was fetched")
        # A run that broke behind its listing has forgotten by then what is not in it.
        listed = error is None or outcome.report.listed > 0
        hides = any(session.hides for session in outcome.sessions)
        quiet = listed and not hides and not outcome.killed and not outcome.cancelled
        if quiet and self._journal is not None and not self._journal.failed:
            shown = {mail.uid for session in outcome.sessions for mail in session.numbered}
            self.between.offer_for_reuse(shown)

    def _note(self, outcome: Outcome) -> None:
        report = outcome.report
        self.log.append(
            f"run {self.runs}{' calm' if self._calm else ''}{' killed' if outcome.killed else ''} at day "
            f"{(self._loop.time()) / _DAY:.2f}: {type(outcome.error).__name__} {str(outcome.error)[:160]!r}; "
            f"sessions {len(outcome.sessions)} listed {report.listed} known {report.known} fetched {report.fetched} "
            f"deleted {report.deleted} {report.commit} postponed {report.postponed} left {report.left} put off "
            f"{report.put_off} doubtful {report.doubtful} failed {[(f.number, f.kind) for f in report.failed]} "
            f"words {dict(self.store.words)}; on the server {[mail.serial for mail in self.drop.mails]}"
        )

    # -- the two times

    async def live(self) -> None:
        """Let the turbulent time and the calm one happen, and check all along."""
        chance = self._chance
        for _ in range(chance.randrange(3, 11)):
            await self._run_and_check()
            self._loop.pass_by(chance.choice((300.0, 300.0, 3600.0, 6 * 3600.0, _DAY)))
            self.between.happen(self._loop.wall())
            await self._change_the_journal()
            if chance.random() < 0.15:
                self.max_size = self._draw_max_size()
        await self._live_calmly()
        self.model.broken += self._duplicates()
        if self._journal is not None:
            await self._journal.aclose()

    def _duplicates(self) -> list[Violation]:
        names = {mail.serial: 1 + self.between.renames + self._unsure(mail) for mail in self.model.all}
        return self.model.duplicates(names, renamed=self.between.renames > 0)

    def _unsure(self, mail: Mail) -> int:
        if type(self.store) is not Box:
            # The others compare copies, or are not asked.
            return 0
        # A deletion that nobody confirmed, and a listing without the message: it is gone, or hidden. Nobody can tell.
        hidden = 10 if mail.was_hidden and mail in self.model.asked else 0
        return hidden + mail.returned + (self.between.forgotten if mail.was_forgotten else 0)

    async def _live_calmly(self) -> None:
        chance = self._chance
        self._calm = True
        self.store.full = False
        for mail in self.model.all:
            mail.was_hidden = mail.hidden > 0
            mail.hidden = 0.0
        model = self.model
        days = bound(len(model.all), self.faults, self.limit)
        if isinstance(self.policy, pop3aio.After):
            days += int(self.policy.days) + 1
        passed = since = 0.0
        while (self.unfinished() or self._duplicates()) and passed < days:
            await self._run_and_check()
            step = chance.choice((300.0, 3600.0, 6 * 3600.0, _DAY + 60))
            self._loop.pass_by(step)
            since += step
            if since >= _DAY:
                passed, since = passed + 1, 0.0
        for mail, promise in self.unfinished():
            model.violate(promise, f"{mail!r} after {days} days of calm, with {self.faults} faults")

    @property
    def faults(self) -> int:
        """How many messages and habits are faulty."""
        return self.habits.faults + sum(mail.faulty for mail in self.model.all)

    def _comes(self, mail: Mail) -> bool:
        if mail.taken_as_known or self._too_old(mail):
            return False
        return mail.comes_alone and not mail.store.for_good and not self._too_large(mail)

    def _too_old(self, mail: Mail) -> bool:
        return self.since is not None and _date(mail.sent) < self.since

    def _too_large(self, mail: Mail) -> bool:
        return self.max_size is not None and mail.size > self.max_size

    def unfinished(self) -> list[tuple[Mail, str]]:
        """Return what has not come and should have, and what has not gone and should have."""
        held = self.store.contents()
        left = [(mail, "starved") for mail in self.drop.mails if self._comes(mail) and not held[mail.content]]
        if isinstance(self.policy, pop3aio.Keep):
            return left
        for mail in self.drop.mails:
            # Those that share a unique-id go together.
            sharing = [other for other in self.drop.mails if other.uid == mail.uid]
            deletable = all(map(self._comes, sharing)) and not mail.dele.for_good
            if deletable and held[mail.content]:
                left.append((mail, "kept"))
        return left


def _date(seconds: float) -> datetime.date:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date()


@contextmanager
def _in_world(loop: WorldLoop, seed: int) -> Iterator[None]:
    """Give the code under test this world's clock, and its chance."""
    with (
        mock.patch("time.time", loop.wall),
        mock.patch.object(_proof, "_draw", random.Random(f"proof {seed}")),
    ):
        yield


def run_world(seed: int, folder: Path) -> tuple[World, list[Violation]]:
    """Run the world of this number in a folder of its own; return it, and the promises that were broken."""
    loop = WorldLoop()
    loop.set_debug(False)
    loop.set_exception_handler(lambda loop, context: None)
    try:
        with _in_world(loop, seed):
            world = World(seed, loop, folder)
            try:
                loop.run_until_complete(world.live())
            except Hang as hang:
                world.model.violate("strange", f"run {world.runs} hangs: {hang}")
        return world, world.model.broken
    finally:
        loop.close()
