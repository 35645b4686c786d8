"""One message on its way into the Maildir, and what is known of it when it has arrived."""

# How it works: a draft passes between two owners. The event loop owns it until it is put into the queue. The writer
# thread owns it while a hop with its group runs. When its ticket is settled the loop owns it again. A large message
# goes this way several times (SPILL, SPILL, COMMIT). No lock is needed, since each field has one writer at a time. The
# hand-over itself (a thread pool's queue, and a future's callback) orders the memory of both.
#
#   field                      | the loop writes it               | the thread writes it    | the other side reads it
#   -------------------------- | -------------------------------- | ----------------------- | -------------------------
#   key, flags, date, replaces | once, when made                  | never                   | thread: any time
#   newlines                   | once, when made                  | while it owns the draft | loop: never
#   step, chunks, charge       | before it is queued              | empties chunks          | thread: while it owns
#   ticket                     | set when queued, None if settled | never                   | thread: never
#   taken                      | False if queued, True in a group | never                   | thread: never
#   withdrawn                  | ANY TIME, False to True only     | never                   | thread: before each stage
#   dropped, error, delivered  | error, if the hop itself failed  | while it owns the draft | loop: after the hop
#   fd, base, name, linked     | never                            | while it owns the draft | loop: fd, after the hop
#
# Invariants:
# - `withdrawn` is the only field that both sides use at the same time. The thread looks at it before each stage; a
#   value that it sees late only means that the message is one stage further.
# - `fd` is -1, or an open file in tmp/. The loop reads it only while the thread does not own the draft.
# - `base` is empty, or the name of a file in tmp/ that this draft created.

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
        duplicate: the key was known; nothing was written, and the source was not read.
    """

    key: str
    name: str
    path: str
    octets: int
    virtual_octets: int
    duplicate: bool


class Step(enum.Enum):
    """What the thread is to do with a draft next."""

    SPILL = enum.auto()  # write the chunks so far; more will follow
    COMMIT = enum.auto()  # write the rest, make it durable and visible
    DISCARD = enum.auto()  # leave nothing of it


class Draft:
    """A message that is not yet in the Maildir; the head of this file says which side may write which field."""

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
        self.key: str = key
        self.flags: str = flags
        self.date: int | None = date
        self.newlines: Newlines = newlines
        self.replaces: bool = replaces
        self.chunks: list[bytes] = []
        self.charge: int = 0
        self.step: Step = Step.COMMIT
        self.ticket: Ticket[Any] | None = None
        self.taken: bool = False
        self.withdrawn: bool = False
        self.dropped: bool = False
        self.error: Exception | None = None
        self.delivered: Delivered | None = None
        # The file: descriptor, name in tmp/ (and, until the sizes are known, of the message).
        self.fd: int = -1
        self.base: str = ""
        self.name: str = ""
        self.linked: bool = False
