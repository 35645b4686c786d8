"""The parts that all mechanisms share: the interface, the errors, and the check of names and secrets."""

from __future__ import annotations

import re
from typing import ClassVar, Protocol, runtime_checkable

from pop3core._errors import LocalProtocolError, POP3Error

__all__ = (
    "ChallengeRefused",
    "Mechanism",
    "MechanismUnusable",
    "ServerNotAuthenticated",
    "SingleMessage",
    "check_text",
    "escape_name",
)

# SASLprep prohibits these (RFC 4013 section 2.3); a password that ends in a line break was read from a file.
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class ChallengeRefused(POP3Error):
    """The server's challenge is not one that the mechanism may answer; cancel the exchange."""


class ServerNotAuthenticated(ChallengeRefused):
    """The server could not prove that it knows the password. It may be an impostor: the connection must be closed."""


class MechanismUnusable(POP3Error):
    """This build of Python lacks what the mechanism is made of, such as MD5; nothing was sent."""


@runtime_checkable
class Mechanism(Protocol):
    """What a login needs of a mechanism; a mechanism object serves one exchange.

    A mechanism may have more. These attributes are read if they are there, and no others:

    - `secrets`, a tuple of bytes: what no log and no exception may show. It is read once, before the first `respond`.
      Without it the text of every refusal is hidden as a whole.
    - `secret_sent`, a bool: whether a response was returned that holds the secret, or depends on it. It is read behind
      each `respond`. Without it the first response counts as such.
    - `slow`, a bool: whether the next `respond` takes long; it is run in a thread then. Without it: no.
    - `status` and `scope`, each a str or None: what the server gave as the reason of a refusal. They are read behind a
      refusal.
    """

    @property
    def name(self) -> str:
        """The mechanism's registered name, in upper case."""

    @property
    def done(self) -> bool:
        """Whether the mechanism is finished; a success before that is none (RFC 4422 section 3.6)."""

    def respond(self, challenge: bytes) -> bytes:
        """Return the response to a challenge.

        Args:
            challenge: the server's challenge without base64; an empty one asks for the first message of a mechanism in
                which the client speaks first.

        Returns:
            The response without base64.

        Raises:
            ChallengeRefused: the challenge must not be answered; the exchange has to be cancelled.
        """


class SingleMessage:
    """A mechanism that is over with one message from the client.

    Args:
        message: the message.
        secrets: what of the message must not be shown.
    """

    name: ClassVar[str]
    client_first: ClassVar[bool] = True

    def __init__(self, message: bytes, *secrets: str) -> None:
        self._message = message
        self._secrets = secrets
        self.done: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What a log must not show; empty once it has been sent."""
        return tuple(secret.encode() for secret in self._secrets)

    def respond(self, challenge: bytes) -> bytes:
        """Return the message.

        Args:
            challenge: the server's challenge without base64, which must be empty.

        Raises:
            ChallengeRefused: the challenge is not empty, or it is the second one.
        """
        if self.done or challenge:
            raise ChallengeRefused(f"{self.name} has one empty challenge; the server sent another")
        self.done = True
        message, self._message, self._secrets = self._message, b"", ()
        return message


def check_text(mechanism: str, what: str, value: object, *, optional: bool = False) -> str:
    """Return a name or a secret that can be sent.

    Args:
        mechanism: the mechanism's name, for the error.
        what: what the value is, for the error.
        value: the name or the secret.
        optional: whether it may be empty.

    Raises:
        LocalProtocolError: it is no str, empty, or holds a character that must not be sent; the message does not hold
            the text.
    """
    if not isinstance(value, str):
        raise LocalProtocolError(f"{mechanism} needs the {what} as a str, not {type(value).__name__}")
    if not value and not optional:
        raise LocalProtocolError(f"{mechanism} needs a {what}; it is empty")
    if _SURROGATE.search(value):
        # Not left to encode(): its error would carry the password.
        raise LocalProtocolError(
            f"the {what} holds half a character (a lone surrogate), which {mechanism} cannot send as UTF-8"
        )
    if _CONTROL.search(value):
        raise LocalProtocolError(
            f"the {what} holds a control character (a line break, NUL or the like), which {mechanism} does not send"
        )
    return value


def escape_name(name: str) -> str:
    """Return a name as a saslname: commas and equals signs separate the parts around it (RFC 5801 section 4)."""
    return name.replace("=", "=3D").replace(",", "=2C")
