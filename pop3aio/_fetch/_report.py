"""What the job of fetching says about itself: while it runs, and at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pop3aio._fetch._notes import FailureKind
from pop3core import POP3Error

__all__ = ("Failure", "FetchReport", "Progress", "Resolved")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: messages and octets that have come, and how many of both are to come.

    Attributes:
        messages: messages that have come.
        total_messages: messages that the run is going to ask for.
        octets: octets that have come.
        total_octets: the sum of the sizes that the server lists for these messages, which are hints.
    """

    messages: int
    total_messages: int
    octets: int
    total_octets: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that was not fetched, or not deleted, though it should have been.

    Attributes:
        number: its number in the session, from 1.
        uid: its unique-id, or None if the server gives none.
        kind: what went wrong; see `FailureKind`.
        error: what was raised, or what says why.
        retry_at: when it is tried again at the earliest, in seconds since 1970; None: in the next run.
    """

    number: int
    uid: str | None
    kind: FailureKind
    error: Exception
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What came of deletions that an earlier run could not see the end of.

    Attributes:
        deleted: how many of the messages are gone.
        left: how many of them are still there.
    """

    deleted: int
    left: int


@dataclass(slots=True)
class FetchReport:
    """What a run did; while it runs, and when it was broken off, what it has done so far.

    All counts are of messages, but for `octets`.
    """

    account: str = ""
    """The maildrop's name in the journal."""
    listed: int = 0
    """Messages on the server."""
    known: int = 0
    """Of these, fetched in an earlier run."""
    recovered: int = 0
    """Of these, found in the store under their keys, although the journal knew nothing of this maildrop."""
    adopted: int = 0
    """Messages taken as known without having been fetched (``adopt=True``); they are never deleted."""
    fetched: int = 0
    """Messages fetched, durable, proved to be whole, and journalled."""
    octets: int = 0
    """Octets of these, as the server sent them."""
    postponed: int = 0
    """New messages left for the next run by `limit`, by `StopFetching`, or since the server refused too many."""
    left: int = 0
    """New messages left on the server on purpose: by the store, by `max_size`, or by `since`."""
    put_off: int = 0
    """New messages left out because of what went wrong with them before; they are tried again later."""
    doubtful: int = 0
    """Messages that the store has, perhaps, but that are not proved to be whole; they are fetched again."""
    failed: list[Failure] = field(default_factory=list)
    """Messages that were not fetched, or not deleted, though they should have been."""
    deleted: int = 0
    """Messages marked as deleted; see `commit` for whether they are."""
    returned: int = 0
    """Messages whose deletion the server confirmed in an earlier session, and that it lists again."""
    commit: Literal["committed", "refused", "unknown"] | None = None
    """What came of the deletions; None if there were none, or the run was broken off before QUIT."""
    resolved: Resolved | None = None
    """What came of an earlier run's deletions, if that ended without a word of the server about it."""
    sessions: int = 0
    """Sessions that the run has used."""
    broken: list[POP3Error] = field(default_factory=list)
    """What ended the sessions that broke, where another one followed."""
    more: bool = False
    """Whether another session would find something to do at once: messages put off, or deletions not asked for yet."""
