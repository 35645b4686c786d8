"""What goes wrong, as one line that says what to do.

How it works. An error of the library has facts as attributes; the words for people are made of these here. No function
of this module searches the words of an error.
"""

from __future__ import annotations

from maildir import MaildirError
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._mechanisms import EXTERNAL, TOKEN_MECHANISMS
from pop3aio._errors import (
    AuthenticationError,
    CommandError,
    ConnectionLost,
    CredentialsNotCarried,
    LoginDelay,
    MailboxInUse,
    MechanismUnavailable,
    ResponseTimeout,
    ServerPermanentError,
    ServerTemporaryError,
    TlsError,
    counted,
    printable,
)
from pop3aio._fetch._changed import MaildropChanged
from pop3aio._fetch._journal import JournalError
from pop3core import POP3Error, RemoteProtocolError

__all__ = ("WITHOUT_UIDS", "Failed", "describe", "one_line")

WITHOUT_UIDS = (
    "without unique-ids fetch knows messages by their content, and retrieves all of them in every run"
)

_LONGEST_LINE = 2000

_AGAIN = "try again"
_MAY_WANT_CERTIFICATE = "if the server wants a certificate of its clients, give one by --client-cert"
_BARE_LF = "if the server ends its lines by LF alone, say --bare-lf"
_NO_CAPA = "if the server cannot answer CAPA, say --no-capa"
_HINTS = {"bare_lf": _BARE_LF, "capa": _NO_CAPA}


_WITH_ADVICE = (
    ConnectionLost,
    CredentialsNotCarried,
    MechanismUnavailable,
    RemoteProtocolError,
    ResponseTimeout,
)


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
        hint = _hint(error)
        if hint == _AGAIN and resume is not None:
            hint = ""
        parts = [_what(error), hint, _about_credentials(error), resume or ""]
    elif isinstance(error, OSError):
        parts = [_of_system(error), resume or ""]
    else:
        parts = [f"unexpected {type(error).__name__}: {error}", "run it again with -v to see where"]
    return one_line("; ".join(part for part in parts if part).replace("?;", "?"))


def _about_credentials(error: POP3Error) -> str:
    """Say that a login failed for another reason than a wrong password, where the rest does not say it."""
    if error.credentials != "unjudged" or isinstance(
        error, LoginDelay | ServerTemporaryError | ServerPermanentError
    ):
        return ""
    return "the server has not said that the credentials are wrong"


def _of_system(error: OSError) -> str:
    if isinstance(error, MaildirError):
        return str(error)
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}"


def _what(error: POP3Error) -> str:
    """Return what is wrong, without the library's advice to programmers."""
    if isinstance(error, _WITH_ADVICE):
        return error.what
    if isinstance(error, MaildropChanged):
        return _what_changed(error)
    return str(error)


def _what_changed(error: MaildropChanged) -> str:
    if error.reason == "account":
        return (
            f"of {counted(error.listed)} of {error.account} {error.known} are known as those of {error.other}, so "
            f"nothing was fetched: say --account-name {error.other} to go on with them, --again to fetch them again, "
            "or --adopt to take them as known"
        )
    return (
        f"each of {counted(error.listed)} of {error.account} has a new unique-id, and {error.known} of them look like "
        "messages that are known, so nothing was fetched: say --adopt to take them as known, or --again to fetch them "
        "again"
    )


def _hint(error: POP3Error) -> str:
    """Return what to do about `error`."""
    match error:
        case CommandError():
            return _hint_for_refusal(error)
        case TlsError():
            return _hint_for_tls(error)
        case ResponseTimeout():
            return _hint_for_silence(error)
        case ConnectionLost():
            return _hint_for_lost_connection(error)
        case JournalError():
            return _hint_for_journal(error)
        case RemoteProtocolError():
            return _HINTS.get(error.hint or "", "run with -v to see what the server said")
        case MechanismUnavailable(hint="mechanism"):
            return "name one by --auth to try it"
        case CredentialsNotCarried():
            return "say --auth USER to send them even so"
    return ""


def _hint_for_silence(error: ResponseTimeout) -> str:
    match error.hint:
        case "capa":
            return f"{_NO_CAPA}; else try again later"
        case "bare_lf":
            return f"its last octets were LF, dot, CRLF: {_BARE_LF}"
        case "final_dot":
            return "if that was all, the final dot stands right behind the text, and the end cannot be told"
        case "window":
            return (
                f"{error.in_flight} commands were in flight: if the server cannot pipeline though it says so, say "
                "--window 1; else try again later, or allow more by --timeout"
            )
    if error.command is None:
        return "check the port (one for TLS from the start needs pop3s://), or allow more by --timeout"
    return "try again later, or allow more by --timeout"


def _hint_for_lost_connection(error: ConnectionLost) -> str:
    if error.hint == "capa":
        return f"{_AGAIN}; {_NO_CAPA}"
    match error.stage:
        case "connect":
            return "check host and port in the URL, and that the server is running"
        case "resolve":
            return "check the host in the URL, and the network"
        case "greeting":
            return f"{_AGAIN}; {_MAY_WANT_CERTIFICATE}"
    return _AGAIN


def _hint_for_journal(error: JournalError) -> str:
    match error.reason:
        case "full":
            return "make room and run again"
        case "cannot open" | "read-only":
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
        return "without unique-ids it is not known which messages are new"
    return ""


def _hint_for_credentials(error: AuthenticationError) -> str:
    mechanism = error.command.removeprefix("AUTH ")
    if error.credentials == "unsent":
        return "check the user name, or name another way to log in by --auth"
    if mechanism in TOKEN_MECHANISMS:
        scope = "" if error.scope is None else f", and its scope ({printable(error.scope, 200)})"
        return f"check the user name and what the token command prints{scope}"
    if mechanism == EXTERNAL:
        return "check that the client certificate is this user's"
    return "check the user name and the password"


def _hint_for_tls(error: TlsError) -> str:
    match error.reason:
        case "expired":
            return "the server's operator must renew it, or this machine's clock is wrong"
        case "name":
            return "write the host as the certificate names it, or give the name in it by --tls-name"
        case "certificate":
            return (
                "if the authority is a private one, give its certificate by --ca-file; a certificate that no authority "
                "has signed is accepted by --pin with --pin-only (check shows its SHA-256)"
            )
        case "pin":
            return "if the server's operator confirms the new one, give that by --pin"
        case "version":
            return "the server's operator should bring its TLS up to date"
        case "not TLS":
            return "if the port is one for STLS, write pop3:// in the URL"
        case "timeout":
            return "check the port, and try again"
    return f"check the port, and try again; {_MAY_WANT_CERTIFICATE}"
