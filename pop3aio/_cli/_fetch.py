"""``pop3aio fetch``: what is new on a server, into a Maildir."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace

from maildir import Maildir
from pop3aio._cli._arguments import JOURNAL
from pop3aio._cli._errors import ExitStatus, cannot_pipeline, one_line
from pop3aio._cli._loop import run_to_end
from pop3aio._cli._output import Output, count, size
from pop3aio._cli._progress import show_progress
from pop3aio._cli._session import Target, find_target
from pop3aio._client import Client
from pop3aio._errors import ResponseTimeout
from pop3aio._fetch._deletion import After, Delete, Keep, Policy
from pop3aio._fetch._fetch import fetch
from pop3aio._fetch._report import FetchReport
from pop3aio._fetch._sqlite_journal import SQLiteJournal
from pop3core import RemoteProtocolError

__all__ = ("Job", "run_fetch")


_KEEP = Keep()


@dataclass(frozen=True, slots=True)
class Job:
    """What to fetch into which Maildir.

    `journal` is a file; None stands for one beside the mail. `account` names the maildrop in it, None for the name
    made of user and host.
    """

    maildir: str
    journal: str | None = None
    policy: Policy = _KEEP
    limit: int | None = None
    account: str | None = None

    @property
    def folder(self) -> str:
        """The Maildir's absolute path."""
        return _absolute(self.maildir)

    @property
    def journal_file(self) -> str:
        """The journal's absolute path."""
        return os.path.join(self.folder, JOURNAL) if self.journal is None else _absolute(self.journal)

    async def run(self, client: Client, output: Output) -> FetchReport:
        """Fetch over `client`, which is logged in, and show how far it is."""
        output.facts |= {"maildir": self.folder, "journal": self.journal_file}
        report = FetchReport()
        async with Maildir(self.folder) as box:
            # What a killed run left in tmp/ long ago. This makes the Maildir, too, before the journal is put into it.
            await box.clean()
            async with SQLiteJournal(self.journal_file) as journal:
                output.resume = (
                    f"what came whole is safe in {self.maildir}: run the same command again for the rest"
                )
                try:
                    with show_progress(output) as progress:
                        await fetch(
                            client,
                            box,
                            journal=journal,
                            delete=self.policy,
                            limit=self.limit,
                            progress=progress,
                            account=self.account,
                            report=report,
                        )
                finally:
                    # Also of a run that was broken off: scripts want to know how far it came.
                    output.facts |= _facts(report)
        output.resume = None
        return report


def run_fetch(arguments: argparse.Namespace, output: Output) -> int:
    """Carry out ``fetch``; returns the exit status."""
    target = find_target(arguments, output)
    policy: Policy = _KEEP
    if arguments.delete:
        policy = Delete()
    elif arguments.keep_days is not None:
        policy = After(arguments.keep_days)
    job = Job(arguments.maildir, arguments.journal, policy, arguments.limit, target.account)
    return run_to_end(_fetch(target, job, output))


async def _fetch(target: Target, job: Job, output: Output) -> int:
    try:
        report = await _session(target, job, output)
    except (RemoteProtocolError, ResponseTimeout) as error:
        if target.window == 1 or not cannot_pipeline(error):
            raise
        output.warn(f"{error}; fetching the rest one by one, as with --window 1")
        fetched, octets = output.facts["fetched"], output.facts["octets"]
        limit = None if job.limit is None else job.limit - fetched
        report = await _session(replace(target, window=1), replace(job, limit=limit), output)
        # What came in the first session is new, and no earlier run's.
        report.known -= fetched
        report.fetched += fetched
        report.octets += octets
        output.facts |= _facts(report)
    return tell(report, job, output)


async def _session(target: Target, job: Job, output: Output) -> FetchReport:
    async with target.logged_in(output) as client:
        return await job.run(client, output)


def tell(report: FetchReport, job: Job, output: Output) -> int:
    """Say what was done, failures on standard error; returns the exit status."""
    refused = "" if report.commit != "refused" else _say_refused(report, output)
    failed = [failure for failure in report.failed if str(failure.error) != refused]
    for failure in failed:
        uid = "" if failure.uid is None else f" (unique-id {failure.uid})"
        output.warn(f"message {failure.number}{uid}: {failure.error}")
    if report.commit == "unknown":
        output.warn(
            f"the connection broke at the very end: whether {count(report.deleted)} marked for deletion are deleted is "
            "not known; run it again, that settles it"
        )
    for line in _summary(report, job):
        output.line(line)
    troubled = report.failed or report.commit in ("refused", "unknown")
    return ExitStatus.FAILED if troubled else ExitStatus.DONE


def _facts(report: FetchReport) -> dict[str, object]:
    resolved = report.resolved
    return {
        "account": report.account,
        "listed": report.listed,
        "fetched": report.fetched,
        "octets": report.octets,
        "known": report.known,
        "recovered": report.recovered,
        "left": report.postponed,
        "failed": [
            {"number": failure.number, "uid": failure.uid, "error": one_line(str(failure.error))}
            for failure in report.failed
        ],
        "deleted": report.deleted,
        "commit": report.commit,
        "resolved": resolved and {"deleted": resolved.deleted, "left": resolved.left},
    }


def _say_refused(report: FetchReport, output: Output) -> str:
    """Say once what stands in the report for each message that should have been deleted; returns its text."""
    text = str(report.failed[-1].error)
    output.warn(
        f"{text}: of {count(report.deleted)} marked for deletion some or none are deleted; run it again later"
    )
    return text


def _summary(report: FetchReport, job: Job) -> list[str]:
    lines = []
    if report.resolved is not None:
        deleted, left = report.resolved.deleted, report.resolved.left
        lines.append(
            f"settled:  of {count(deleted + left)} whose deletion an earlier run saw no end of, {deleted} "
            f"{'is' if deleted == 1 else 'are'} deleted, {left} {'is' if left == 1 else 'are'} still there"
        )
    if report.fetched:
        lines.append(f"fetched:  {count(report.fetched)}, {size(report.octets)}, into {job.maildir}")
    elif not report.failed:
        lines.append(f"fetched:  nothing new among {count(report.listed)}")
    else:
        lines.append("fetched:  nothing")
    if report.known:
        lines.append(f"known:    {count(report.known)}, fetched by an earlier run")
    if report.recovered:
        lines.append(
            f"found:    {count(report.recovered)} that an earlier run had stored before it was broken off"
        )
    if report.postponed:
        lines.append(f"left:     {count(report.postponed)} for the next run (--limit)")
    if report.failed:
        lines.append(f"failed:   {count(len(report.failed))}, named on standard error")
    if not isinstance(job.policy, Keep):
        outcome = {"committed": ", confirmed", "refused": ", not confirmed", "unknown": ", not confirmed"}
        lines.append(f"deleted:  {count(report.deleted)} on the server{outcome.get(report.commit or '', '')}")
    return lines


def _absolute(path: str) -> str:
    """Return `path` made absolute; a shell leaves a quoted ``~`` as it is, so it is expanded here."""
    return os.path.abspath(os.path.expanduser(path))
