"""What can go wrong between a caller and a POP3 server.

`-ERR` is data in pop3core and an exception here. All of these descend from `POP3Error`.
"""

from __future__ import annotations

import re

from pop3core import Capabilities, Greeting, POP3Error, Reply

__all__ = (
    "AuthenticationError",
    "CommandError",
    "CommitUncertain",
    "ConcurrencyError",
    "ConnectionLost",
    "LoginDelay",
    "MailboxInUse",
    "MechanismUnavailable",
    "ResponseTimeout",
    "ServerPermanentError",
    "ServerTemporaryError",
    "TlsError",
    "TlsRequired",
    "command_error",
    "printable",
)

# C0, DEL, C1, and the Unicode controls that reorder or hide text on a terminal.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def printable(text: str, limit: int = 300) -> str:
    """Return a server's text as it may be shown to a person: no control characters, not endless."""
    text = _UNPRINTABLE.sub("\ufffd", text)
    return text if len(text) <= limit else text[:limit] + "..."


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
    """Another session holds the maildrop; try again later, the credentials are right (code IN-USE)."""


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
    """The login was refused, or the server said no to the credentials (code AUTH).

    After `login_oauth`, `status` and `scope` are what the server gave as the reason (RFC 7628 section 3.2.2), or None.
    """

    status: str | None = None
    scope: str | None = None

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.status is None else f"{text} (status {printable(self.status, 60)})"


class ConnectionLost(POP3Error):
    """There is no connection, or none any more; deletions that QUIT has not committed are not carried out."""


class CommitUncertain(POP3Error):
    """The connection broke after QUIT was sent: nobody knows whether the marked messages were deleted.

    The next session's unique-ids tell.
    """


class TlsRequired(POP3Error):
    """Something that needs TLS was asked for without it; nothing secret was sent."""


class TlsError(POP3Error):
    """TLS could not be set up, or the server's certificate was not accepted."""


class MechanismUnavailable(POP3Error):
    """The way of logging in that was asked for is not offered, or not known here."""


class ResponseTimeout(POP3Error, TimeoutError):
    """The server did not answer in time; a late answer could be mistaken, so the connection is closed."""


class ConcurrencyError(POP3Error):
    """A task asked for something while it has a message open: it would wait for itself."""


_BY_CODE: dict[str, type[CommandError]] = {
    "IN-USE": MailboxInUse,
    "LOGIN-DELAY": LoginDelay,
    "SYS/TEMP": ServerTemporaryError,
    "SYS/PERM": ServerPermanentError,
    "AUTH": AuthenticationError,
}


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
