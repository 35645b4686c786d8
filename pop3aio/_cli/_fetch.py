"""``pop3aio fetch``: what is new on a server, into a Maildir."""

from __future__ import annotations

import argparse
import datetime
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from maildir import Maildir
from pop3aio._cli._errors import Failed, describe
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._options import JOURNAL
from pop3aio._cli._output import Output
from pop3aio._cli._progress import show_progress
from pop3aio._cli._session import Target, find_target
from pop3aio._cli._signals import run_to_end
from pop3aio._cli._summary import facts, resume, tell
from pop3aio._client import Client
from pop3aio._errors import ResponseTimeout
from pop3aio._fetch._collect import collect
from pop3aio._fetch._deletion import After, Delete, Keep, Policy
from pop3aio._fetch._report import FetchReport, Progress
from pop3aio._fetch._sqlite_journal import SQLiteJournal

__all__ = ("Choices", "Job", "run_fetch")

OpenSession: TypeAlias = Callable[[], Awaitable[Client]]


_KEEP = Keep()
_AT_STAKE = "stopping: the messages received so far are being committed"


@dataclass(frozen=True, slots=True)
class Choices:
    """Which messages to fetch, and for how long to wait; see `collect`."""

    limit: int | None = None
    max_size: int | None = None
    newest_first: bool = False
    since: datetime.date | None = None
    adopt: bool = False
    again: bool = False
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """What to fetch into which Maildir.

    `journal` is a file; None stands for one beside the mail. `account` names the maildrop in it, None for the name
    made of user and host.
    """

    maildir: str
    journal: str | None = None
    policy: Policy = _KEEP
    account: str | None = None
    choices: Choices = field(default_factory=Choices)

    @property
    def folder(self) -> str:
        """The Maildir's absolute path."""
        return _absolute(self.maildir)

    @property
    def journal_file(self) -> str:
        """The journal's absolute path."""
        return os.path.join(self.folder, JOURNAL) if self.journal is None else _absolute(self.journal)

    async def run(self, open_session: OpenSession, output: Output) -> FetchReport:
        """Fetch over as many sessions as it takes, and show how far it is.

        Args:
            open_session: connects and logs in.
            output: gets the progress, and the facts also of a run that is broken off.

        Raises what `collect` does. Cancelling journals what is certain.
        """
        output.facts |= {"maildir": self.folder, "journal": self.journal_file}
        report = FetchReport()
        box, journal = Maildir(self.folder), SQLiteJournal(self.journal_file)
        async with AsyncExitStack() as stack:
            try:
                with show_progress(output) as show:
                    await collect(
                        _preparing(open_session, stack, box, journal),
                        box,
                        journal=journal,
                        delete=self.policy,
                        progress=_noting(output, show),
                        account=self.account,
                        report=report,
                        **asdict(self.choices),
                    )
            finally:
                # Also of a run that was broken off: scripts want to know how far it came.
                output.at_stake = None
                output.facts |= facts(report)
                if report.sessions:
                    output.resume = resume(report, self.maildir)
        output.resume = None
        return report


def _preparing(
    open_session: OpenSession, stack: AsyncExitStack, box: Maildir, journal: SQLiteJournal
) -> OpenSession:
    """Return what opens sessions, and the Maildir behind the first: a refused login leaves nothing behind."""
    prepared = False

    async def open_and_prepare() -> Client:
        nonlocal prepared
        client = await open_session()
        if not prepared:
            try:
                await stack.enter_async_context(box)
                # A run that was killed may have left files in tmp/.
                await box.clean()
                await stack.enter_async_context(journal)
            except BaseException:
                client.abort()
                raise
            prepared = True
        return client

    return open_and_prepare


def _noting(output: Output, show: Callable[[Progress], None] | None) -> Callable[[Progress], None]:
    """Return what shows the progress, and notes that there is something to commit if the run is stopped."""

    def note(progress: Progress) -> None:
        if progress.octets:
            output.at_stake = _AT_STAKE
        if show is not None:
            show(progress)

    return note


def run_fetch(arguments: argparse.Namespace, output: Output) -> int:
    """Carry out ``fetch``; returns the exit status."""
    target = find_target(arguments, output)
    policy: Policy = _KEEP
    if arguments.delete:
        policy = Delete()
    elif arguments.keep_days is not None:
        policy = After(arguments.keep_days)
    choices = Choices(
        arguments.limit,
        arguments.max_size,
        arguments.newest,
        arguments.since,
        arguments.adopt,
        arguments.again,
        arguments.patience,
    )
    account = arguments.account_name or target.account
    job = Job(arguments.maildir, arguments.journal, policy, account, choices)
    return run_to_end(_fetch(target, job, output), output)


async def _fetch(target: Target, job: Job, output: Output) -> int:
    try:
        async with target.sessions(output) as open_session:
            report = await job.run(open_session, output)
    except ResponseTimeout as error:
        # Behind the login: nothing is wrong that does not pass by itself, unless the error knows better.
        status = ExitStatus.TRY_LATER if error.hint is None else ExitStatus.FAILED
        raise Failed(output.masked(describe(error, output.resume)), status) from error
    return tell(report, job.maildir, job.policy, output)


def _absolute(path: str) -> str:
    """Return `path` made absolute; a shell leaves a quoted ``~`` as it is, so it is expanded here."""
    return os.path.abspath(os.path.expanduser(path))
