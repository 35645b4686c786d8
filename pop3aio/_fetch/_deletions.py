"""Deletions: which are asked for in this session, and what is learnt from how they end.

How it works. A server carries deletions out at QUIT, all of them or none, and some servers end the session at a DELE
that they do not like, or after some number of commands. Then nothing would ever be deleted. So the number of deletions
of one session is halved when a session with deletions did not come to its end, until one alone is left; that one gets a
note, and the others go on. A number that worked grows again.

Invariants:
- What is to be deleted is noted in the journal before the first DELE is sent.
- Messages that share a unique-id are deleted together or not at all: one that stays would be taken for one that went.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pop3aio._fetch._journal import Identity
from pop3aio._fetch._listing import Item, Listing
from pop3aio._fetch._memo import Memo
from pop3aio._fetch._notes import noted

__all__ = ("choose_deletions", "learn_from_failure", "learn_from_success")

_DAY = 86400.0
# Above this a bound on the deletions of one session serves nothing any more.
_ENOUGH = 4096


def choose_deletions(
    deletable: Iterable[Item], listing: Listing, memo: Memo, now: float
) -> tuple[list[Item], int]:
    """Return the messages to delete in this session, and how many are left for later sessions.

    Those with a note come last, and rest as long as the note says.
    """
    items = {item.identity: item for item in deletable}
    if not items:
        return [], 0
    shared = Counter(listing.uids)
    going = Counter(identity.uid for identity in items)
    whole = [item for item in items.values() if going[item.identity.uid] == shared[item.identity.uid]]
    sound, noted_ones = [], []
    for item in whole:
        note = memo.notes.get(item.identity)
        if note is None or note.kind != "undeleted":
            sound.append(item)
        elif note.retry_at <= now or note.count < 2:
            noted_ones.append(item)
    sound.sort(key=lambda item: item.number)
    if not memo.batch:
        return sound + noted_ones, 0
    ordered = sound or noted_ones
    chosen = ordered[: memo.batch]
    if chosen:
        # All that share the last one's unique-id go with it.
        last = {item.identity.uid for item in chosen if shared[item.identity.uid] > 1}
        chosen += [item for item in ordered[memo.batch :] if item.identity.uid in last]
    return chosen, len(sound) + len(noted_ones) - len(chosen)


def learn_from_failure(memo: Memo, attempted: list[Identity], left: list[Identity], now: float) -> None:
    """Ask for fewer deletions in one session, since `left` of those that were asked for are still there.

    The first failure in a row changes nothing.
    """
    if not left:
        memo.stalled = 0
        return
    memo.stalled += 1
    if memo.stalled == 1:
        # A network may break at any time: that alone says nothing of the deletions.
        return
    if len(attempted) == 1:
        [culprit] = attempted
        memo.notes[culprit] = noted(memo.notes.get(culprit), "undeleted", now)
        memo.batch, memo.batch_failed, memo.batch_failed_at = 16, 0, 0.0
        return
    memo.batch = max(1, len(attempted) // 2)
    memo.batch_failed, memo.batch_failed_at = len(attempted), now


def learn_from_success(memo: Memo, count: int, now: float) -> None:
    """Ask for more deletions in one session, since the server took so many."""
    memo.stalled = 0
    if not memo.batch or count < memo.batch:
        return
    if memo.batch_failed and now - memo.batch_failed_at < _DAY:
        memo.batch = max(memo.batch, (memo.batch + memo.batch_failed) // 2)
        return
    memo.batch *= 2
    memo.batch_failed, memo.batch_failed_at = 0, 0.0
    if memo.batch > _ENOUGH:
        memo.batch = 0
