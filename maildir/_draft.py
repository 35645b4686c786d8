"""One message on its way into the Maildir, and what is known of it when it has arrived."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, TypeAlias

from maildir._newlines import Newlines
from maildir._ticket import Ticket

__all__ = ("Delivered", "Draft", "Octets", "Step")

Octets: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that is in the Maildir.

    Attributes:
        key: the random part of its name, or the key it was delivered under.
        name: its file name, empty for a duplicate.
        path: the absolute path of its file when it was delivered, empty for a duplicate. A mail reader may move it.
        octets: the size of the file, 0 for a duplicate.
        virtual_octets: the same with every line end counted as CRLF, 0 for a duplicate.
        duplicate: a message with this key was there already; nothing was written, the source was not read.
    """

    key: str
    name: str
    path: str
    octets: int
    virtual_octets: int
    duplicate: bool


class Step(enum.Enum):
    """What the thread is to do with a draft next."""

    SPILL = enum.auto()  # write what has come so far
    COMMIT = enum.auto()  # write the rest, make it durable and visible
    DISCARD = enum.auto()  # leave nothing of it


class Draft:
    """A message that is not yet in the Maildir.

    It belongs to the event loop until it is put into the queue, to the thread until its ticket is settled, and so on in
    turn; only `withdrawn` may be set at any time.
    """

    __slots__ = (
        "base",
        "charge",
        "chunks",
        "date",
        "delivered",
        "dropped",
        "error",
        "fd",
        "flags",
        "key",
        "linked",
        "name",
        "newlines",
        "replaces",
        "step",
        "taken",
        "ticket",
        "withdrawn",
    )

    def __init__(
        self, key: str, flags: str, date: int | None, newlines: Newlines, *, replaces: bool = False
    ) -> None:
        self.key = key
        self.flags = flags
        self.date = date
        self.newlines = newlines
        self.replaces = replaces
        self.chunks: list[bytes] = []
        self.charge = 0
        self.step = Step.COMMIT
        self.ticket: Ticket[Any] | None = None
        self.taken = False
        self.withdrawn = False
        self.dropped = False
        self.error: Exception | None = None
        self.delivered: Delivered | None = None
        # The file: descriptor, name in tmp/ (and, until the sizes are known, of the message).
        self.fd = -1
        self.base = ""
        self.name = ""
        self.linked = False
