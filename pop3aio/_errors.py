"""What can go wrong between a caller and a POP3 server.

`-ERR` is data in pop3core and an exception here. All of these descend from `POP3Error`.

The facts of an error are its attributes. The words are made of them at the end, for people: a program decides by class
and attributes, never by words.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from pop3core import Capabilities, Greeting, LocalProtocolError, POP3Error, Reply

__all__ = (
    "KNOWN_CODES",
    "AuthenticationError",
    "CommandError",
    "CommitUncertain",
    "ConcurrencyError",
    "ConnectionLost",
    "CredentialsNotCarried",
    "LoginDelay",
    "MailboxInUse",
    "MechanismUnavailable",
    "ResponseTimeout",
    "ServerPermanentError",
    "ServerTemporaryError",
    "Stage",
    "TlsError",
    "TlsFault",
    "TlsRequired",
    "command_error",
    "counted",
    "printable",
)

Stage: TypeAlias = Literal["resolve", "connect", "greeting", "login", "session"]
"""How far a connection had come when it was lost."""

TlsFault: TypeAlias = Literal[
    "certificate", "name", "expired", "pin", "version", "not TLS", "closed", "timeout", "handshake"
]
"""Why TLS could not be had."""

_CAPA = "; if the server cannot answer CAPA, connect with capa=False"

# C0, DEL, C1, and the Unicode controls that reorder or hide text on a terminal. The two joiners U+200C and U+200D stay:
# Persian, Indian scripts and emoji of several parts cannot be written without them.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


def printable(text: str, limit: int = 300) -> str:
    """Return a server's text as it may be shown to a person: no control characters, not endless."""
    text = _UNPRINTABLE.sub("\ufffd", text)
    return text if len(text) <= limit else text[:limit] + "..."


def counted(number: int, noun: str = "message") -> str:
    """Return a number with its noun, in the plural where it belongs there."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class CommandError(POP3Error):
    """The server answered a command by ``-ERR``; the connection stays usable.

    `command` is the command as it may be logged, `text` and `code` are the server's, `reply` its whole answer.
    """

    def __init__(self, reply: Reply | Greeting, command: str) -> None:
        super().__init__(reply, command)
        self.reply = reply
        self.command = command

    @property
    def text(self) -> str:
        """What the server said, as it said it."""
        return self.reply.text

    @property
    def code(self) -> str | None:
        """The response code in upper case, such as ``"IN-USE"``, or None (RFC 2449 section 8)."""
        return self.reply.code

    def __str__(self) -> str:
        return f"the server refused {self.command}: {printable(self.text) or '-ERR'}"


class MailboxInUse(CommandError):
    """Another session holds the maildrop; try again later (code IN-USE)."""


class LoginDelay(CommandError):
    """The last login is too recent; wait before the next (code LOGIN-DELAY).

    `seconds` is the least time between two logins that the server announced, or None.
    """

    def __init__(self, reply: Reply | Greeting, command: str, seconds: int | None = None) -> None:
        super().__init__(reply, command)
        self.seconds = seconds


class ServerTemporaryError(CommandError):
    """The server has a problem that passes by itself; try again later (code SYS/TEMP)."""


class ServerPermanentError(CommandError):
    """The server has a problem that a person must look at (code SYS/PERM)."""


class AuthenticationError(CommandError):
    """The server refused the login, by the code AUTH or without a code (RFC 3206 section 4).

    Attributes:
        status: after `login_oauth`, the server's reason (RFC 7628 section 3.2.2), or None.
        scope: likewise, the scope that the token would need.
        credentials: "unsent" where the server refused the name, or the way of logging in, before something secret was
            sent; else "refused".
    """

    status: str | None = None
    scope: str | None = None

    def __str__(self) -> str:
        text = super().__str__()
        if self.status is not None:
            text += f" (status {printable(self.status, 60)})"
        return text + ("; nothing secret was sent" if self.credentials == "unsent" else "")


class ConnectionLost(POP3Error):
    """There is no connection, or none any more; deletions that QUIT has not committed are not carried out.

    Attributes:
        stage: how far the connection had come. ``"resolve"``: the host's name was not found; ``"connect"``: no address
            of the host could be reached; ``"greeting"``: the server said nothing; ``"login"``: it was lost before the
            login was done; ``"session"``: behind the login, or it was ended by `quit` or `abort`.
        hint: ``"capa"``: it was lost behind CAPA; connect with ``capa=False`` if the server cannot answer that. None:
            nothing is known to help.
        what: what is wrong, without the advice that `str` adds for programmers.
    """

    def __init__(
        self, message: str = "", *, stage: Stage = "session", hint: Literal["capa"] | None = None
    ) -> None:
        super().__init__(message)
        self.stage: Stage = stage
        self.hint = hint

    @property
    def what(self) -> str:
        """What is wrong, without advice."""
        return super().__str__()

    def __str__(self) -> str:
        return self.what + (_CAPA if self.hint == "capa" else "")


class CommitUncertain(POP3Error):
    """The connection broke after QUIT was sent: nobody knows whether the marked messages were deleted.

    The next session's unique-ids tell.
    """


class TlsRequired(POP3Error):
    """Something that needs TLS was asked for without it; nothing secret was sent."""


class TlsError(POP3Error):
    """TLS could not be set up, or the server's certificate was not accepted.

    Attributes:
        reason: ``"name"``: the certificate is for another name; ``"expired"``: it is past its days, or before them;
            ``"pin"``: it is valid and not the pinned one; ``"certificate"``: it is not accepted for another reason,
            as an authority that is not trusted; ``"version"``: client and server have no TLS version or cipher in
            common; ``"not TLS"``: what answers at this port does not speak TLS; ``"closed"``: the server closed the
            connection in the handshake; ``"timeout"``: the handshake took too long; ``"handshake"``: it failed in
            another way, which the cause tells.
    """

    def __init__(self, message: str = "", *, reason: TlsFault = "handshake") -> None:
        super().__init__(message)
        self.reason: TlsFault = reason


class MechanismUnavailable(POP3Error):
    """The way of logging in that was asked for is not offered, or not known here.

    Attributes:
        hint: ``"mechanism"``: to name a mechanism tries it though the server does not list it; else None.
        what: what is wrong, without the advice that `str` adds for programmers.
    """

    def __init__(self, message: str = "", *, hint: Literal["mechanism"] | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def what(self) -> str:
        """What is wrong, without advice."""
        return super().__str__()

    def __str__(self) -> str:
        return self.what + ("; name one as mechanism to try it" if self.hint == "mechanism" else "")


class CredentialsNotCarried(LocalProtocolError):
    """The name or the password has characters that the commands of this server must not carry (RFC 6856 section 2.2).

    Nothing was sent. ``mechanism="USER"`` sends them by USER and PASS knowingly.

    Attributes:
        what: what is wrong, without the advice that `str` adds for programmers.
    """

    @property
    def what(self) -> str:
        """What is wrong, without advice."""
        return super().__str__()

    def __str__(self) -> str:
        return self.what + "; mechanism='USER' sends them even so"


class ResponseTimeout(POP3Error, TimeoutError):
    """The server did not answer in time; a late answer could be mistaken, so the connection is closed.

    Attributes:
        command: the command whose answer did not come, without what is secret in it; None for the greeting.
        in_flight: how many commands were not answered yet.
        hint: what may help. ``"bare_lf"``: the last octets look like the end of a message of a server that ends lines
            by LF alone; ``"final_dot"``: they look like a message whose final dot does not stand alone; ``"window"``:
            the server may be unable to pipeline; ``"capa"``: the server may be unable to answer CAPA. None: nothing is
            known to help.
        what: what is wrong, without the advice that `str` adds for programmers.
    """

    def __init__(
        self,
        message: str = "",
        *,
        command: str | None = None,
        in_flight: int = 0,
        hint: Literal["bare_lf", "final_dot", "window", "capa"] | None = None,
    ) -> None:
        super().__init__(message)
        self.command = command
        self.in_flight = in_flight
        self.hint = hint

    @property
    def what(self) -> str:
        """What is wrong, without advice."""
        return super().__str__()

    def __str__(self) -> str:
        match self.hint:
            case "bare_lf":
                advice = "; its last octets were LF, dot, CRLF: if it ends lines by LF alone, connect with bare_lf=True"
            case "final_dot":
                advice = "; if that was all, the final dot stands right behind the text, and the end cannot be told"
            case "window":
                advice = f"; {self.in_flight} commands were in flight"
                advice += ": if it cannot pipeline though it says so, use window=1"
            case "capa":
                advice = _CAPA
            case None:
                advice = ""
        return self.what + advice


class ConcurrencyError(POP3Error):
    """A task asked for something while it has a message open: it would wait for itself."""


_BY_CODE: dict[str, type[CommandError]] = {
    "IN-USE": MailboxInUse,
    "LOGIN-DELAY": LoginDelay,
    "SYS/TEMP": ServerTemporaryError,
    "SYS/PERM": ServerPermanentError,
    "AUTH": AuthenticationError,
}


KNOWN_CODES = tuple(_BY_CODE)
"""The response codes that have an exception of their own; any other may be made of anything, a secret too."""


def command_error(
    reply: Reply | Greeting, command: str, capabilities: Capabilities | None = None, *, login: bool = False
) -> CommandError:
    """Choose the exception for a ``-ERR``, by its response code and never by its text (RFC 2449 section 8).

    A refused `login` without a code counts as a refusal of the credentials, unless the server promised to mark
    those (RFC 3206 section 6).
    """
    # Deeper levels that are not known are ignored: SYS/TEMP/DISK is SYS/TEMP.
    levels = (reply.code or "").split("/")
    for depth in range(len(levels), 0, -1):
        kind = _BY_CODE.get("/".join(levels[:depth]))
        if kind is LoginDelay:
            return LoginDelay(reply, command, capabilities.login_delay if capabilities else None)
        if kind is not None:
            return kind(reply, command)
    if login and not (capabilities is not None and capabilities.auth_resp_code):
        return AuthenticationError(reply, command)
    return CommandError(reply, command)
