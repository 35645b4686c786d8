"""What can go wrong while speaking POP3.

`POP3Error` is the root of everything this project raises on purpose, so that one `except` catches all of it. It
lives in the core because the core must not know who uses it.

The facts of an error are its attributes; the words are for people, may change, and no program should search them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = (
    "Credentials",
    "LimitExceeded",
    "LocalProtocolError",
    "POP3Error",
    "ProtocolError",
    "RemoteProtocolError",
    "StartTlsInjection",
    "TruncatedResponse",
    "UnsolicitedResponse",
)


Credentials: TypeAlias = Literal["unsent", "unjudged", "refused", "accepted"]
"""What became of the password, the token or the like in a login that failed.

- "unsent": nothing secret was sent, neither password nor token nor a digest or a proof made of them.
- "unjudged": something was sent, and the server did not say whether it is right.
- "refused": the server said no to it.
- "accepted": the server said, or let know, that it is right; something else is wrong.
"""


class POP3Error(Exception):
    """The root of every error that pop3core and pop3aio raise on purpose.

    Attributes:
        credentials: for an error of a login, whether the password, the token or the like was judged: "unsent",
            "unjudged", "refused" or "accepted" (see `Credentials`). Ask for another password only after "refused". None
            for all other errors.
    """

    credentials: Credentials | None = None


class ProtocolError(POP3Error):
    """The protocol was about to be, or has been, violated."""


class LocalProtocolError(ProtocolError):
    """We were asked for something POP3 forbids; nothing was sent and the connection stays usable."""


class RemoteProtocolError(ProtocolError):
    """The server broke the protocol; the connection is in state ERROR and says so at every later call.

    Attributes:
        command: the command whose answer was wrong, without what is secret in it (``"RETR 1"``, ``"PASS ***"``); None
            where no answer to a command was due, as for the greeting.
        hint: what may help. ``"bare_lf"``: the line ends in LF alone; connect with ``bare_lf=True`` if the server
            always does that. ``"capa"``: the answer to CAPA was wrong; connect with ``capa=False`` if the server cannot
            do better. None: nothing is known to help.
        what: what is wrong, without the advice that `str` adds for programmers.
    """

    def __init__(
        self, message: str = "", *, command: str | None = None, hint: Literal["bare_lf", "capa"] | None = None
    ) -> None:
        super().__init__(message)
        self.command = command
        self.hint = hint

    @property
    def what(self) -> str:
        """What is wrong, without advice."""
        return super().__str__()

    def __str__(self) -> str:
        match self.hint:
            case "bare_lf":
                return f"{self.what}; if the server ends lines by LF alone, connect with bare_lf=True"
            case "capa":
                return f"{self.what}; if the server cannot answer CAPA, connect with capa=False"
        return self.what


class LimitExceeded(RemoteProtocolError):
    """The server sent more than `Limits` allows."""


class TruncatedResponse(RemoteProtocolError):
    """The stream ended while an answer was due or half received."""


class StartTlsInjection(RemoteProtocolError):
    """Octets arrived in clear between the `+OK` to STLS and the TLS handshake (RFC 2595 section 4)."""


class UnsolicitedResponse(RemoteProtocolError):
    """The server sent octets that answer no command.

    Attributes:
        raw: the first of these octets: a line such as ``-ERR Disconnected for inactivity.``, or the rest of a message
            that the server did not dot-stuff.
    """

    def __init__(self, message: str = "", raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw
