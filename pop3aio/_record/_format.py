"""A session written down: the format in which one is recorded and from which it is replayed.

A recording is a text of one event a line. ``S: `` and ``C: `` are what came in one piece from the server and what was
sent in one piece to it; a piece goes on, behind each line end in it, with `` | ``. ``= `` are the events of the
connection, see `Mark`. All but printable ASCII is escaped as in Python's bytes, a backslash too. ``***`` stands for
what was not written down.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ("HEADER", "HIDDEN", "Event", "Mark", "Received", "Sent", "read_events", "write_event")

HEADER = "pop3aio recording 1"
HIDDEN = b"***"

_MORE = " | "
_PIECES = re.compile(b"[^\n]*\n|[^\n]+")
_SPECIAL = re.compile(rb"[^ -\[\]-~]| (?=\Z)")
_ESCAPES = {b"\r": b"\\r", b"\n": b"\\n", b"\t": b"\\t", b"\\": b"\\\\"}
_ESCAPED = re.compile(rb"\\(x[0-9a-f]{2}|.?)", re.DOTALL)
_LETTERS = {escape[1:]: octet for octet, escape in _ESCAPES.items()}


class Mark(enum.Enum):
    """What happened to the connection."""

    CONNECTED = "connected"
    TLS = "TLS"
    """TLS begins here: at once, or behind the answer to STLS."""
    END = "end"
    """The server sent no more."""
    RESET = "reset"
    """The connection broke."""


@dataclass(frozen=True, slots=True)
class Received:
    """What the client received in one piece."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """What the client sent in one piece: whole lines."""

    data: bytes


Event: TypeAlias = Mark | Received | Sent


def write_event(event: Event) -> str:
    """Return the lines of an event."""
    if isinstance(event, Mark):
        return f"= {event.value}\n"
    label = "S: " if isinstance(event, Received) else "C: "
    pieces = (_escape(piece) for piece in _PIECES.findall(event.data))
    return label + f"\n{_MORE}".join(pieces) + "\n"


def read_events(lines: Iterable[str]) -> Iterator[tuple[int, Event]]:
    """Return the events of a recording, each with the number of its line from 1.

    Raises ValueError when it is none; empty lines and those that begin with ``#`` are passed over.
    """
    label, start, data = "", 0, b""
    numbered = enumerate(lines, 1)
    if next(numbered, (0, ""))[1].strip() != HEADER:
        raise ValueError(f"this is no recording: the first line must be {HEADER!r}")
    for number, line in numbered:
        text = line.rstrip("\n")
        if label and text.startswith(_MORE):
            data += _unescape(text[len(_MORE) :], number)
            continue
        if label:
            yield start, _event(label, data)
            label = ""
        if text.startswith(("S: ", "C: ")):
            label, start, data = text[0], number, _unescape(text[3:], number)
        elif text.startswith("= "):
            try:
                yield number, Mark(text[2:])
            except ValueError:
                raise ValueError(f"line {number}: there is no event {text[2:]!r}") from None
        elif text and not text.startswith("#"):
            raise ValueError(f"line {number}: a line begins with 'S: ', 'C: ', ' | ' or '= '")
    if label:
        yield start, _event(label, data)


def _event(label: str, data: bytes) -> Event:
    return Received(data) if label == "S" else Sent(data)


def _escape(octets: bytes) -> str:
    return _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], b"\\x%02x" % match[0][0]), octets).decode(
        "ascii"
    )


def _unescape(text: str, number: int) -> bytes:
    def octet(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if len(code) == 3:
            return bytes((int(code[1:], 16),))
        if code not in _LETTERS:
            raise ValueError(f"line {number}: {match[0].decode()!r} is no escape")
        return _LETTERS[code]

    try:
        return _ESCAPED.sub(octet, text.encode("ascii"))
    except UnicodeEncodeError as error:
        raise ValueError(f"line {number}: all but ASCII must be escaped") from error
