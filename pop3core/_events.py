"""What comes out of `Connection.next_event`, in the order it came over the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = (
    "BodyChunk",
    "BodyEnd",
    "ConnectionClosed",
    "Continuation",
    "Event",
    "Greeting",
    "Reply",
    "StartTls",
)


@dataclass(frozen=True, slots=True)
class Greeting:
    """The server's first line (RFC 1939 section 4).

    `raw` is the line without its line end, `text` what follows the status, decoded as UTF-8 or else Latin-1.
    `apop_timestamp` is the time stamp for APOP, angle brackets included, or None; `code` the response code in
    upper case, or None.
    """

    raw: bytes
    text: str
    apop_timestamp: bytes | None
    code: str | None

    @property
    def ok(self) -> bool:
        """Whether the server offers service; after a `-ERR` greeting the connection is over."""
        return self.raw.startswith(b"+OK")


@dataclass(frozen=True, slots=True)
class Reply:
    """The status line that answers the command with this `handle` (RFC 1939 section 3).

    `raw` is the line without its line end, `text` what follows the status, decoded as UTF-8 or else Latin-1, and
    `code` the response code in upper case (``"IN-USE"``, ``"SYS/TEMP"``) or None. With `more`, the lines of a
    multi-line response follow as `BodyChunk` up to a `BodyEnd`; without it, this was the whole answer.
    """

    handle: int
    ok: bool
    raw: bytes
    text: str
    code: str | None
    more: bool


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """Some octets of a multi-line response, dot-stuffing removed, line ends kept; cut anywhere."""

    handle: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The lone dot that ends a multi-line response has come."""

    handle: int


@dataclass(frozen=True, slots=True)
class Continuation:
    """The server's challenge in a SASL exchange, decoded; reply to it by `Connection.answer`.

    `data` is None when the challenge was no valid base64: then only ``answer(None)``, which cancels the exchange,
    is allowed (RFC 5034 section 4).
    """

    handle: int
    data: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StartTls:
    """STLS was accepted: start the TLS handshake now, then call `Connection.tls_established`."""

    handle: int


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The server closed the connection with no answer due."""


Event: TypeAlias = Greeting | Reply | BodyChunk | BodyEnd | Continuation | StartTls | ConnectionClosed
