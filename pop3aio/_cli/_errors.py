"""What goes wrong, as one line that says what to do, and an exit status."""

from __future__ import annotations

import enum
import ssl

from maildir import MaildirError
from pop3aio._cli._mechanisms import EXTERNAL, TOKEN_MECHANISMS
from pop3aio._errors import (
    AuthenticationError,
    CommandError,
    ConnectionLost,
    LoginDelay,
    MailboxInUse,
    ResponseTimeout,
    ServerPermanentError,
    ServerTemporaryError,
    TlsError,
    printable,
)
from pop3aio._fetch._journal import JournalError
from pop3core import POP3Error, RemoteProtocolError

__all__ = ("WITHOUT_UIDS", "ExitStatus", "Failed", "cannot_pipeline", "describe", "one_line")

WITHOUT_UIDS = (
    "without unique-ids fetch knows messages by their content, and retrieves all of them in every run"
)

_LONGEST_LINE = 2000

# OpenSSL's numbers (x509_vfy.h): the certificate is past its days, and the name or address is another.
_EXPIRED = (9, 10)
_WRONG_NAME = (62, 64)

_AGAIN = "try again"
_MAY_WANT_CERTIFICATE = "if the server wants a certificate of its clients, give one by --client-cert"

# What the library says to programmers, and what the command says to people.
_OPTIONS = {
    "connect with bare_lf=True": "say --bare-lf",
    "name one as mechanism to try it": "name one by --auth to try it",
}


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
    INTERRUPTED = 130
    TERMINATED = 143


class Failed(Exception):
    """The command cannot go on: one line for a person, and the exit status."""

    def __init__(self, message: str, status: ExitStatus = ExitStatus.FAILED) -> None:
        super().__init__(message)
        self.status = status


def one_line(text: str) -> str:
    """Return text from anywhere as one line that is safe to show."""
    return printable(text, _LONGEST_LINE)


def describe(error: BaseException, resume: str | None = None) -> str:
    """Return one line about `error` that says what happened and what to do.

    `resume` is what to do about a run that was broken off.
    """
    if isinstance(error, POP3Error):
        text = str(error)
        for name, option in _OPTIONS.items():
            text = text.replace(name, option)
        hint = _hint(error, text)
        if hint == _AGAIN and resume is not None:
            hint = ""
        parts = [text, hint, resume or ""]
    elif isinstance(error, OSError):
        parts = [_of_system(error), resume or ""]
    else:
        parts = [f"unexpected {type(error).__name__}: {error}", "run it again with -v to see where"]
    return one_line("; ".join(part for part in parts if part).replace("?;", "?"))


def cannot_pipeline(error: POP3Error) -> bool:
    """Return whether `error` looks as if the server loses or mixes up the answers to commands that come together."""
    if isinstance(error, ResponseTimeout):
        return "use window=1" in str(error)
    return "RETR" in str(error) and "neither +OK nor -ERR" in str(error)


def _of_system(error: OSError) -> str:
    if isinstance(error, MaildirError):
        return str(error)
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}"


def _hint(error: POP3Error, text: str) -> str:
    """Return what to do about `error`, as far as its own text does not say so."""
    if isinstance(error, CommandError):
        return _hint_for_refusal(error)
    if isinstance(error, TlsError):
        return _hint_for_tls(error, text)
    if isinstance(error, ResponseTimeout):
        if "--bare-lf" in text:
            return ""
        if "the greeting" in text:
            return "check the port (one for TLS from the start needs pop3s://), or allow more by --timeout"
        return "try again later, or allow more by --timeout"
    if isinstance(error, ConnectionLost):
        if text.startswith("no connection"):
            return "check host and port in the URL, and that the server is running"
        if text.startswith("there is no host"):
            return "check the host in the URL, and the network"
        if text.endswith("where the greeting was due"):
            return f"{_AGAIN}; {_MAY_WANT_CERTIFICATE}"
        return _AGAIN
    if isinstance(error, JournalError):
        return _hint_for_journal(text)
    if isinstance(error, RemoteProtocolError):
        if "--bare-lf" in text:
            return ""
        return "run with -v to see what the server said"
    return ""


def _hint_for_journal(text: str) -> str:
    if text.endswith(": database or disk is full"):
        return "make room and run again"
    if text.endswith((": unable to open database file", ": attempt to write a readonly database")):
        return "check that its folder is there and can be written, or choose another file by --journal"
    return ""


def _hint_for_refusal(error: CommandError) -> str:
    if isinstance(error, MailboxInUse):
        return "another program has this mailbox open: try again later"
    if isinstance(error, LoginDelay):
        wait = "a while" if error.seconds is None else f"{error.seconds} s"
        return f"the last login was too recent: wait {wait}"
    if isinstance(error, ServerTemporaryError):
        return "a passing trouble of the server: try again later"
    if isinstance(error, ServerPermanentError):
        return "a trouble of the server that its operator must mend"
    if isinstance(error, AuthenticationError):
        return _hint_for_credentials(error)
    if error.command == "UIDL":
        return "without unique-ids nobody can tell which messages are new"
    return ""


def _hint_for_credentials(error: AuthenticationError) -> str:
    mechanism = error.command.removeprefix("AUTH ")
    if mechanism in TOKEN_MECHANISMS:
        scope = "" if error.scope is None else f", and its scope ({printable(error.scope, 200)})"
        return f"check the user name and what the token command prints{scope}"
    if mechanism == EXTERNAL:
        return "check that the client certificate is this user's"
    return "check the user name and the password"


def _hint_for_tls(error: TlsError, text: str) -> str:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in _EXPIRED:
            return "the server's operator must renew it, or this machine's clock is wrong"
        if cause.verify_code in _WRONG_NAME:
            return "write the host as the certificate names it"
        return "if the authority is a private one, give its certificate by --ca-file"
    if "not the pinned one" in text:
        return "if the server's operator confirms the new one, give that by --pin"
    if "pop3://" in text:
        return ""
    if isinstance(cause, ssl.SSLError):
        return "if it is one for STLS, write pop3:// in the URL"
    certificate = f"; {_MAY_WANT_CERTIFICATE}" if "in the TLS handshake" in text else ""
    return f"check the port, and try again{certificate}"
