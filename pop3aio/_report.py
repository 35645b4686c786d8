"""What the job of fetching is given besides a session, and what it says about itself."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

__all__ = (
    "After",
    "Delete",
    "Deliver",
    "Failure",
    "FetchReport",
    "Keep",
    "MessageStore",
    "Policy",
    "Progress",
    "Resolved",
)


@runtime_checkable
class MessageStore(Protocol):
    """Where messages go; `maildir.Maildir` is one by its shape."""

    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> Awaitable[object]:
        """Take a message's octets, and return what to await for it to be durable.

        `key` is 32 hex digits that name the message for ever. A store that has a method ``keys()``, a coroutine
        function that returns the keys it holds durably, is asked before anything is fetched: what a crash left
        delivered but not journalled is not fetched twice then.
        """


Deliver: TypeAlias = Callable[[AsyncIterable[bytes], str], Awaitable[object]]
"""A plain coroutine function ``deliver(message, key)`` is a store too; the message is durable when it returns."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave everything on the server."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete from the server what is durable and journalled here, whenever it was fetched."""


@dataclass(frozen=True, slots=True)
class After:
    """Delete from the server what was fetched more than `days` days ago."""

    days: float

    def __post_init__(self) -> None:
        if not self.days >= 0:
            raise ValueError(f"After needs a number of days from 0, not {self.days!r}")


Policy: TypeAlias = Keep | Delete | After


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: messages and octets that have come, and how many of both are to come.

    `total_octets` is the sum of the sizes the server lists, which are hints.
    """

    messages: int
    total_messages: int
    octets: int
    total_octets: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that could not be fetched or deleted: its number in this session, its unique-id, and why."""

    number: int
    uid: str | None
    error: Exception


@dataclass(frozen=True, slots=True)
class Resolved:
    """What came of deletions that an earlier run could not see the end of: how many are deleted, and how many not."""

    deleted: int
    left: int


@dataclass(slots=True)
class FetchReport:
    """What a run did; while it runs, and when it was broken off, what it has done so far."""

    account: str = ""
    listed: int = 0
    """Messages on the server."""
    known: int = 0
    """Of these, fetched in an earlier run."""
    recovered: int = 0
    """Of these, delivered by an earlier run that was broken off before it could note so."""
    fetched: int = 0
    """Messages fetched, durable and journalled."""
    octets: int = 0
    """Octets of these, as the server sent them."""
    postponed: int = 0
    """New messages left for the next run by `limit`."""
    failed: list[Failure] = field(default_factory=list)
    """Messages that were not fetched, or not deleted, though they should have been."""
    deleted: int = 0
    """Messages marked as deleted; see `commit` for whether they are."""
    commit: Literal["committed", "refused", "unknown"] | None = None
    """What came of the deletions; None if there were none, or the run was broken off before QUIT."""
    resolved: Resolved | None = None
    """What came of an earlier run's deletions, if that ended without a word of the server about it."""
