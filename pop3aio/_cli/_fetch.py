"""``pop3aio fetch``: what is new on a server, into a Maildir."""

from __future__ import annotations

import argparse
import datetime
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from maildir import Maildir
from pop3aio._cli._arguments import JOURNAL
from pop3aio._cli._errors import describe, one_line
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._output import Output, size
from pop3aio._cli._progress import show_progress
from pop3aio._cli._session import Target, find_target
from pop3aio._cli._signals import run_to_end
from pop3aio._client import Client
from pop3aio._errors import CommandError, MailboxInUse, ServerTemporaryError, counted
from pop3aio._fetch._collect import collect
from pop3aio._fetch._deletion import After, Delete, Keep, Policy
from pop3aio._fetch._report import Failure, FetchReport, Progress
from pop3aio._fetch._sqlite_journal import SQLiteJournal

__all__ = ("Choices", "Job", "run_fetch")


_KEEP = Keep()
_AT_STAKE = "stopping: what came is being committed"


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

    async def run(self, open_session: Callable[[], Awaitable[Client]], output: Output) -> FetchReport:
        """Fetch over as many sessions as it takes, and show how far it is."""
        output.facts |= {"maildir": self.folder, "journal": self.journal_file}
        report = FetchReport()
        choices = self.choices
        box, journal = Maildir(self.folder), SQLiteJournal(self.journal_file)
        async with AsyncExitStack() as stack:

            async def open_and_prepare() -> Client:
                """Make the Maildir behind the first login, so that a refused one leaves nothing behind."""
                client = await open_session()
                if not report.sessions:
                    try:
                        await stack.enter_async_context(box)
                        # What a killed run left in tmp/ long ago.
                        await box.clean()
                        await stack.enter_async_context(journal)
                    except BaseException:
                        client.abort()
                        raise
                return client

            try:
                with show_progress(output) as show:

                    def progress(now: Progress) -> None:
                        if now.octets:
                            output.at_stake = _AT_STAKE
                        if show is not None:
                            show(now)

                    await collect(
                        open_and_prepare,
                        box,
                        journal=journal,
                        delete=self.policy,
                        limit=choices.limit,
                        max_size=choices.max_size,
                        newest_first=choices.newest_first,
                        since=choices.since,
                        adopt=choices.adopt,
                        again=choices.again,
                        patience=choices.patience,
                        progress=progress,
                        account=self.account,
                        report=report,
                    )
            finally:
                # Also of a run that was broken off: scripts want to know how far it came.
                output.at_stake = None
                output.facts |= _facts(report)
                if report.sessions:
                    output.resume = _resume(report, self.maildir)
        output.resume = None
        return report


def _resume(report: FetchReport, maildir: str) -> str:
    """Return what to say of a run that was broken off: what is safe, and what to do."""
    if not report.fetched:
        return "nothing is lost: run the same command again"
    are = "is" if report.fetched == 1 else "are"
    return f"{counted(report.fetched)} {are} safe in {maildir}: run the same command again for the rest"


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
    async with target.sessions(output) as open_session:
        report = await job.run(open_session, output)
    return tell(report, job, output)


def tell(report: FetchReport, job: Job, output: Output) -> int:
    """Say what was done, failures on standard error; returns the exit status."""
    refused = None if report.commit != "refused" else _say_refused(report, output)
    for error in report.broken:
        output.warn(f"{describe(error)}; another session went on")
    failed = [failure for failure in report.failed if failure.error is not refused]
    for failure in failed:
        uid = "" if failure.uid is None else f" (unique-id {failure.uid})"
        output.warn(f"message {failure.number}{uid}: {failure.error}")
    if report.commit == "unknown":
        output.warn(
            f"the connection broke at the very end: whether {counted(report.deleted)} marked for deletion are deleted "
            "is not known; run it again, that settles it"
        )
    if not (output.quiet and _unchanged(report)):
        for line in _summary(report, job):
            output.line(line)
    return _status(report)


def _unchanged(report: FetchReport) -> bool:
    """Return whether a run has nothing to say that a person without a wish for it wants to know."""
    happened = report.fetched or report.recovered or report.adopted or report.deleted or report.returned
    return not (happened or report.failed or report.doubtful or report.resolved)


def _status(report: FetchReport) -> ExitStatus:
    """Tell a run that went well from one to repeat later, and from one that a person must look at."""
    if report.returned or report.commit == "refused" or any(not _passes(f) for f in report.failed):
        return ExitStatus.FAILED
    if report.failed or report.doubtful or report.commit == "unknown":
        return ExitStatus.TRY_LATER
    return ExitStatus.DONE


def _passes(failure: Failure) -> bool:
    """Return whether a failure is one that passes by itself."""
    if isinstance(failure.error, CommandError):
        return isinstance(failure.error, MailboxInUse | ServerTemporaryError)
    return failure.kind == "broke"


def _facts(report: FetchReport) -> dict[str, object]:
    resolved = report.resolved
    return {
        "account": report.account,
        "listed": report.listed,
        "fetched": report.fetched,
        "octets": report.octets,
        "known": report.known,
        "recovered": report.recovered,
        "adopted": report.adopted,
        "postponed": report.postponed,
        "left": report.left,
        "put_off": report.put_off,
        "doubtful": report.doubtful,
        "failed": [_failure(failure) for failure in report.failed],
        "broken": [one_line(str(error)) for error in report.broken],
        "deleted": report.deleted,
        "returned": report.returned,
        "sessions": report.sessions,
        "commit": report.commit,
        "resolved": resolved and {"deleted": resolved.deleted, "left": resolved.left},
    }


def _failure(failure: Failure) -> dict[str, object]:
    error = failure.error
    return {
        "number": failure.number,
        "uid": failure.uid,
        "kind": failure.kind,
        "error": one_line(str(error)),
        "code": error.code if isinstance(error, CommandError) else None,
        "retry_at": failure.retry_at,
    }


def _say_refused(report: FetchReport, output: Output) -> BaseException:
    """Say once what stands in the report for each message that should have been deleted; returns that error."""
    error = report.failed[-1].error
    output.warn(
        f"{error}: of {counted(report.deleted)} marked for deletion some or none are deleted; run it again later"
    )
    return error


def _summary(report: FetchReport, job: Job) -> list[str]:
    lines = []
    if report.resolved is not None:
        deleted, left = report.resolved.deleted, report.resolved.left
        lines.append(
            f"settled:  of {counted(deleted + left)} whose deletion an earlier run saw no end of, {deleted} "
            f"{'is' if deleted == 1 else 'are'} deleted, {left} {'is' if left == 1 else 'are'} still there"
        )
    if report.fetched:
        lines.append(f"fetched:  {counted(report.fetched)}, {size(report.octets)}, into {job.maildir}")
    elif not report.failed:
        lines.append(f"fetched:  nothing new among {counted(report.listed)}")
    else:
        lines.append("fetched:  nothing")
    if report.returned:
        lines.append(
            f"returned: {counted(report.returned)} whose deletion the server had confirmed, and that it still lists"
        )
    if report.known:
        lines.append(f"known:    {counted(report.known)}, fetched by an earlier run")
    if report.recovered:
        lines.append(
            f"found:    {counted(report.recovered)} in the Maildir already, though the journal does not know them"
        )
    if report.adopted:
        lines.append(f"adopted:  {counted(report.adopted)} taken as known, without having been fetched")
    if report.left:
        lines.append(f"left:     {counted(report.left)} on the server, as was wished")
    if report.postponed:
        lines.append(f"later:    {counted(report.postponed)} for the next run")
    if report.put_off:
        lines.append(f"put off:  {counted(report.put_off)} that failed before; tried again later")
    if report.doubtful:
        lines.append(
            f"doubtful: {counted(report.doubtful)} not proved to be whole; fetched again by the next run"
        )
    if report.failed:
        lines.append(f"failed:   {counted(len(report.failed))}, named on standard error")
    if not isinstance(job.policy, Keep):
        outcome = {"committed": ", confirmed", "refused": ", not confirmed", "unknown": ", not confirmed"}
        lines.append(
            f"deleted:  {counted(report.deleted)} on the server{outcome.get(report.commit or '', '')}"
        )
    return lines


def _absolute(path: str) -> str:
    """Return `path` made absolute; a shell leaves a quoted ``~`` as it is, so it is expanded here."""
    return os.path.abspath(os.path.expanduser(path))
