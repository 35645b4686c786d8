"""What was fetched already, noted so that a power cut does not undo it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from pop3core import POP3Error

__all__ = ("Identity", "Journal", "JournalError", "JournalFault", "identities")


JournalFault: TypeAlias = Literal["in use", "full", "read-only", "cannot open", "damaged", "newer"]
"""Why a journal cannot be used."""


class JournalError(POP3Error):
    """The journal cannot be used; the message says what to do.

    Attributes:
        reason: ``"in use"``: another run or process has it; ``"full"``: there is no room on its disk;
            ``"read-only"``: it or its file system cannot be written; ``"cannot open"``: its folder is missing or
            forbidden; ``"damaged"``: it is no journal, or no longer one; ``"newer"``: a newer version of this library
            wrote it; None: another one, which the message tells.
    """

    def __init__(self, message: str = "", *, reason: JournalFault | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class Identity(NamedTuple):
    """What a message is recognised by in later sessions.

    `uid` is its unique-id. Servers give equal messages the same one now and then; `ordinal` counts those from 0, in
    the order of the listing.
    """

    uid: str
    ordinal: int

    def key(self, account: str, generation: int = 0) -> str:
        """Return 32 hex digits for this message of this account, to find it in a store.

        Unique-ids may be chosen by the sender of a mail, so they are hashed before they become part of a name.

        Args:
            account: the maildrop's name.
            generation: 0, or how many other messages had this unique-id before.
        """
        text = f"{account}\0{self.uid}\0{self.ordinal}"
        octets = (f"{text}\0{generation}" if generation else text).encode()
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
    gets. While a run goes on, no other run may use the journal for the same account: two would take the same messages
    for new. `fetch` sees to that for one journal object; for several processes the journal must.

    If `compare` has a keyword argument ``complete``, that is False where some messages of the maildrop could not be
    named: nothing follows then from what is missing in the listing.

    Four methods more are used where a journal has them; `SQLiteJournal` does:

    - ``async def forget(self, account, gone: Iterable[Identity]) -> None``: forget messages that were deleted. A server
      may use their unique-ids again (RFC 1939 section 7).
    - ``async def adopt(self, account, known: Iterable[Identity]) -> None``: note messages as known that were never
      fetched. `compare` does not return them, and `fetched_until` never does.
    - ``async def present(self, account) -> int``: how many known messages the last complete listing had.
    - ``async def elsewhere(self, account, uids: Sequence[str]) -> Mapping[str, int]``: other accounts of the same user,
      on another host, for which these unique-ids are known, and how many of them.
    """

    async def compare(self, account: str, uids: Sequence[str]) -> Sequence[int]:
        """Take the listing of a maildrop, and return the positions of what was not fetched, ascending.

        A run asks at its start, and again at its end if most of the listing was new.

        Messages that are known and not listed may be forgotten after some time, not at once: servers hide messages now
        and then.

        Args:
            account: the maildrop's name.
            uids: the unique-ids in the order of the listing.
        """

    async def fetched_until(self, account: str, uids: Sequence[str], when: float) -> Sequence[int]:
        """Return the positions of what was fetched until `when` (seconds since 1970), ascending."""

    async def record(self, account: str, fetched: Iterable[Identity]) -> None:
        """Note messages as fetched; when this returns it must survive a power cut."""

    async def memo(self, account: str, text: str | None = None) -> str:
        """Return the text that is kept for an account, empty if there is none; keep `text` instead if it is given.

        What stands in the text is the business of `fetch`. When this returns it must survive a power cut.
        """
