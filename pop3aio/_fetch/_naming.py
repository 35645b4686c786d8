"""Names for the messages of a listing that have no unique-id: they are retrieved, and named by their content.

How it works. A server without UIDL names no message; a server that contradicts itself leaves single messages without a
name. Such a message is retrieved once to be named, before anything is compared with the journal. Where the server is
asked for one thing at a time, each message is retrieved by itself, with its proof behind it. So the message that breaks
the session is known, and gets a note under a name that is made of its number and size.

Invariants:
- A message with a note does not keep the others: it is tried only in a session that follows one which left it out. It
  rests as long as its note says.
- A message that has no name is never fetched and never deleted.
"""

from __future__ import annotations

import time

from pop3aio._client import Client
from pop3aio._fetch._content import content_uids
from pop3aio._fetch._journal import Identity
from pop3aio._fetch._listing import Listing, too_large
from pop3aio._fetch._memo import Memo
from pop3aio._fetch._notes import FailureKind, noted, resting
from pop3aio._fetch._report import Failure, FetchReport
from pop3aio._fetch._wishes import Wishes

__all__ = ("Naming",)


class Naming:
    """Names the nameless messages of one listing.

    Attributes:
        current: the number of the message that is under way by itself, or None.
    """

    def __init__(
        self, client: Client, listing: Listing, memo: Memo, wishes: Wishes, report: FetchReport
    ) -> None:
        self._client = client
        self._listing = listing
        self._memo = memo
        self._wishes = wishes
        self._report = report
        self.current: int | None = None

    async def run(self) -> None:
        """Retrieve the messages, and put their names into the listing.

        Raises:
            RemoteProtocolError: a message came cut, or the session is not in step behind it.
            POP3Error: what is wrong with the connection.
        """
        listing = self._listing
        numbers = self._chosen()
        proof = listing.proof(self._memo.proof or "UIDL n")
        named: dict[int, str] = dict(listing.given)
        alone = self._client.window == 1
        for group in [[number] for number in numbers] if alone else [numbers]:
            self.current = group[0] if alone else None
            for number, uid in (await content_uids(self._client, listing.sizes, group, proof)).items():
                if isinstance(uid, str):
                    named[number] = uid
                    self._memo.notes.pop(self._stand_in(number), None)
                else:
                    listing.unnamed[number] = uid
        self.current = None
        listing.numbers = sorted(named)
        listing.uids = [named[number] for number in listing.numbers]

    def note(self, kind: FailureKind) -> None:
        """Note that the message under way has broken the session."""
        assert self.current is not None
        stand_in = self._stand_in(self.current)
        self._memo.notes[stand_in] = noted(self._memo.notes.get(stand_in), kind, time.time())

    def _chosen(self) -> list[int]:
        """Return the messages to retrieve; the report learns of the others."""
        listing, memo, report = self._listing, self._memo, self._report
        most, wanted = self._client.limits.message, self._wishes.max_size
        sound, due, left_out = [], [], []
        now = time.time()
        for number in listing.nameless:
            size = listing.sizes.get(number, 0)
            note = memo.notes.get(self._stand_in(number))
            if most is not None and size > most:
                listing.unnamed[number] = too_large(number, size, most)
            elif wanted is not None and size > wanted:
                report.left += 1
            elif note is None:
                sound.append(number)
            elif note.count < 2 or note.retry_at <= now:
                due.append(number)
            else:
                left_out.append(number)
        if due and not memo.skipped:
            # First all else is fetched and deleted: these may break the session once more.
            left_out += due
            memo.skipped = report.more = True
        else:
            # The message that was tried last waits longest.
            sound += sorted(due, key=lambda number: memo.notes[self._stand_in(number)].last)
            memo.skipped = False
        for number in left_out:
            note = memo.notes[self._stand_in(number)]
            retry_at = note.retry_at if note.count > 1 else None
            report.put_off += 1
            report.failed.append(Failure(number, None, note.kind, resting(number, note), retry_at))
        return sound

    def _stand_in(self, number: int) -> Identity:
        """Return under what a nameless message is noted. No server can give this: it has blanks in it."""
        return Identity(f"message {number} of {self._listing.sizes.get(number)} octets", 0)
