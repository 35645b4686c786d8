"""What was fetched already, noted so that a power cut does not undo it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from pop3core import POP3Error

__all__ = ("Identity", "Journal", "JournalError", "identities")


class JournalError(POP3Error):
    """The journal cannot be used; the message says what to do."""


class Identity(NamedTuple):
    """What a message is recognised by in later sessions.

    `uid` is its unique-id. Servers give equal messages the same one now and then; `ordinal` counts those from 0, in
    the order of the listing.
    """

    uid: str
    ordinal: int

    def key(self, account: str) -> str:
        """Return 32 hex digits for this message of this account, to find it in a store.

        Unique-ids may be chosen by whoever sends the mail, so they are hashed before they become part of a name.
        """
        octets = f"{account}\0{self.uid}\0{self.ordinal}".encode()
        return hashlib.sha256(octets).hexdigest()[:32]


def identities(uids: Sequence[str], start: int = 0) -> list[Identity]:
    """Return the identities of the messages of a listing, from position `start` on."""
    counts: Counter[str] = Counter()
    if start:
        # Few are new as a rule, and looking for those is cheaper than counting all the others.
        late = set(uids[start:])
        counts.update(uid for uid in uids[:start] if uid in late)
    found = []
    for uid in uids[start:]:
        found.append(Identity(uid, counts[uid]))
        counts[uid] += 1
    return found


class Journal(Protocol):
    """What `fetch` asks of a journal; bring your own to keep it in PostgreSQL, Redis or elsewhere.

    Listings come as the unique-ids in the order of the server's listing; `identities` turns them into what `record`
    gets.
    """

    async def compare(self, account: str, uids: Sequence[str]) -> Sequence[int]:
        """Take the complete listing of a maildrop, and return the positions of what was not fetched, ascending.

        A run asks at its start, and again at its end if most of the listing was new.

        Messages that are known and not listed may be forgotten after some time, not at once: servers hide messages now
        and then.
        """

    async def fetched_until(self, account: str, uids: Sequence[str], when: float) -> Sequence[int]:
        """Return the positions of what was fetched until `when` (seconds since the epoch), ascending."""

    async def record(self, account: str, fetched: Iterable[Identity]) -> None:
        """Note messages as fetched; when this returns it must survive a power cut."""

    async def memo(self, account: str, text: str | None = None) -> str:
        """Return the text that is kept for an account, empty if there is none; keep `text` instead if it is given.

        What is in it is the business of `fetch`. When this returns it must survive a power cut.
        """
