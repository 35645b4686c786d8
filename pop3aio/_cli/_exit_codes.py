"""The exit codes of the command: what each says, and which errors of a connection lead to which.

Where another exit code is chosen: `_main` for what ends a run, `_fetch` for what a report says.
"""

from __future__ import annotations

import enum

from pop3aio._errors import ConnectionLost, LoginDelay, MailboxInUse, ResponseTimeout, ServerTemporaryError
from pop3core import POP3Error, RemoteProtocolError

__all__ = ("ExitStatus", "status_of")


class ExitStatus(enum.IntEnum):
    """What the command's exit status says."""

    DONE = 0
    FAILED = 1
    """Some messages failed, or the run was broken off after the login."""
    USAGE = 2
    CONNECTION = 3
    """There is no connection, or no TLS."""
    LOGIN = 4
    TRY_LATER = 75
    """Nothing is wrong that does not pass by itself: run it again later (EX_TEMPFAIL of sysexits.h)."""
    HUNG_UP = 129
    """SIGHUP has ended the run, in good order; so for SIGINT and SIGTERM below."""
    INTERRUPTED = 130
    TERMINATED = 143


def status_of(error: POP3Error, during: ExitStatus) -> ExitStatus:
    """Return the exit code for an error of connecting or of the login; `during` says which of them it was."""
    if isinstance(error, ConnectionLost | ResponseTimeout | RemoteProtocolError):
        # Also in the middle of a login: nothing was said about it.
        return ExitStatus.CONNECTION
    if isinstance(error, MailboxInUse | LoginDelay | ServerTemporaryError):
        return ExitStatus.TRY_LATER
    return during
