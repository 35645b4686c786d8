"""How much a server may send before it is no longer believed."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ("Limits",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for what a server may send.

    When a limit is exceeded, the connection ends with `LimitExceeded`, unless the field names another error.

    The defaults are far above what real servers need (RFC 1939 allows 512 octets in a status line) and far below
    what would hurt.

    `Connection` keeps nothing and knows no time, and so it does not read `message_in_memory`, `abandoned` and
    `min_rate`. The client on top of it, which keeps and waits, applies these three; they stand here so that all limits
    are set in one place.

    Raises:
        ValueError: a limit is no whole number above 0.
    """

    status_line: int = 8192
    """Octets of a greeting or status line, its line end included."""

    challenge: int = 65536
    """Octets of one SASL challenge line, its line end included."""

    sasl_rounds: int = 16
    """Challenges in one AUTH exchange."""

    capability_lines: int = 1000
    """Lines in the answer to CAPA, or in the language listing of LANG."""

    listing_entries: int = 1_000_000
    """Lines in the answer to LIST or UIDL."""

    listing_line: int = 2048
    """Octets of one line of a CAPA, LANG, LIST or UIDL answer, its line end included."""

    message: int | None = None
    """Octets of one message that is streamed; None: no bound, since nothing is kept."""

    message_in_memory: int = 256 << 20
    """Octets of one message that is collected in memory, or of one listing; applied by the client."""

    abandoned: int = 1 << 20
    """Octets of the answer to a cancelled command that are read and dropped to keep the connection. Beyond that a new
    connection is cheaper, and this one ends by `ConnectionLost`; applied by the client."""

    min_rate: int = 100
    """Octets a second at which an answer must come in the long run. Below that the connection ends by
    `ResponseTimeout`; applied by the client."""

    unanswered: int = 4096
    """Octets of command lines that may be written but not answered. So many fit the smallest socket buffer: a server
    that stops reading can never block the client in a write."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "message":
                continue
            if type(value) is not int or value < 1:
                raise ValueError(f"limit {field.name} must be a whole number above 0, not {value!r}")
