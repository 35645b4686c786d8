"""SASL mechanisms as small objects without I/O (RFC 4422).

Anything with these four members is a mechanism: `name`, `client_first`, `done` and `respond`. The caller sends what
`respond` returns; a `ChallengeRefused` from it means that the exchange must be cancelled.
"""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from pop3core._errors import LocalProtocolError, POP3Error

__all__ = ("ChallengeRefused", "Mechanism", "Plain")


class ChallengeRefused(POP3Error):
    """The server's challenge is not one that the mechanism may answer; cancel the exchange."""


@runtime_checkable
class Mechanism(Protocol):
    """What the login needs of a mechanism."""

    @property
    def name(self) -> str:
        """The mechanism's registered name, in upper case."""

    @property
    def client_first(self) -> bool:
        """Whether the client speaks first, so that an initial response may be sent (RFC 5034 section 4)."""

    @property
    def done(self) -> bool:
        """Whether the mechanism is finished; a success before that is none (RFC 4422 section 3.6)."""

    def respond(self, challenge: bytes) -> bytes:
        """Return the response to a decoded challenge, an empty one for the initial response."""


class Plain:
    """PLAIN: name and password in one message, for use under TLS only (RFC 4616).

    `user` and `password` are sent as UTF-8; `authzid` is the identity to act as, empty for the user's own.
    """

    name = "PLAIN"
    client_first = True

    def __init__(self, user: str, password: str, authzid: str = "") -> None:
        if not user or not password:
            raise LocalProtocolError("PLAIN needs a user name and a password; one of them is empty")
        if "\0" in user + password + authzid:
            raise LocalProtocolError("PLAIN separates its parts by NUL; none of them may hold one")
        if re.search("[\ud800-\udfff]", user + password + authzid):
            # Not left to encode(): its error would carry the password.
            raise LocalProtocolError("PLAIN sends UTF-8; half a character (a lone surrogate) has none")
        self._message = f"{authzid}\0{user}\0{password}".encode()
        self.done = False

    def __repr__(self) -> str:
        return "Plain(***)"

    def respond(self, challenge: bytes) -> bytes:
        """Return the credentials; raises ChallengeRefused on anything but one empty challenge."""
        if self.done or challenge:
            raise ChallengeRefused("PLAIN has one empty challenge; the server sent another")
        self.done = True
        return self._message
