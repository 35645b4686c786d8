"""What ``pop3aio fetch`` says at its end: lines for people, facts for scripts, and the exit status."""

from __future__ import annotations

from collections.abc import Iterator

from pop3aio._cli._errors import describe, one_line
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._output import Output, size
from pop3aio._errors import CommandError, MailboxInUse, ServerTemporaryError, counted
from pop3aio._fetch._deletion import Keep, Policy
from pop3aio._fetch._report import Failure, FetchReport

__all__ = ("facts", "resume", "tell")


def tell(report: FetchReport, maildir: str, policy: Policy, output: Output) -> int:
    """Say what was done, failures on standard error; returns the exit status.

    Args:
        report: of the run.
        maildir: the Maildir as the person named it.
        policy: what was to be deleted.
        output: where it is said.
    """
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
        for line in _summary(report, maildir, policy):
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


def facts(report: FetchReport) -> dict[str, object]:
    """Return what the JSON object says of a run."""
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


def _summary(report: FetchReport, maildir: str, policy: Policy) -> list[str]:
    lines = [*_settled(report), _fetched(report, maildir)]
    for label, number, what in (
        ("returned", report.returned, "whose deletion the server had confirmed, and that it still lists"),
        ("known", report.known, "fetched by an earlier run"),
        ("found", report.recovered, "in the Maildir already, though the journal does not know them"),
        ("adopted", report.adopted, "taken as known, without having been fetched"),
        ("left", report.left, "on the server, as was wished"),
        ("later", report.postponed, "for the next run"),
        ("put off", report.put_off, "that failed before; tried again later"),
        ("doubtful", report.doubtful, "not proved to be whole; fetched again by the next run"),
        ("failed", len(report.failed), "named on standard error"),
    ):
        if number:
            comma = "," if label in ("known", "failed") else ""
            lines.append(_line(label, f"{counted(number)}{comma} {what}"))
    if not isinstance(policy, Keep):
        outcome = {"committed": ", confirmed", "refused": ", not confirmed", "unknown": ", not confirmed"}
        confirmed = outcome.get(report.commit or "", "")
        lines.append(_line("deleted", f"{counted(report.deleted)} on the server{confirmed}"))
    return lines


def _line(label: str, text: str) -> str:
    return f"{label + ':':<9} {text}"


def _settled(report: FetchReport) -> Iterator[str]:
    if report.resolved is not None:
        deleted, left = report.resolved.deleted, report.resolved.left
        yield _line(
            "settled",
            f"of {counted(deleted + left)} whose deletion an earlier run saw no end of, {deleted} "
            f"{_is(deleted)} deleted, {left} {_is(left)} still there",
        )


def _fetched(report: FetchReport, maildir: str) -> str:
    if report.fetched:
        return _line("fetched", f"{counted(report.fetched)}, {size(report.octets)}, into {maildir}")
    return _line("fetched", "nothing" if report.failed else f"nothing new among {counted(report.listed)}")


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def resume(report: FetchReport, maildir: str) -> str:
    """Return what to say of a run that was broken off: what is safe, and what to do."""
    if not report.fetched:
        return "nothing is lost: run the same command again"
    return f"{counted(report.fetched)} {_is(report.fetched)} safe in {maildir}: run the same command again for the rest"
