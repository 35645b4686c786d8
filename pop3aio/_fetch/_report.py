"""What the job of fetching says about itself: while it runs, and at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ("Failure", "FetchReport", "Progress", "Resolved")


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
