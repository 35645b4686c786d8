"""Which of the new messages are fetched in this session, and in which order: a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pop3aio._fetch._listing import Item, too_large
from pop3aio._fetch._memo import Memo
from pop3aio._fetch._notes import noted, resting
from pop3aio._fetch._report import Failure
from pop3aio._fetch._wishes import Wishes

__all__ = ("Plan", "make_plan")

# What went wrong without harm to the session: such a message need not be taken alone, only last.
_GENTLE = frozenset({"refused", "store", "left", "large", "changed"})


@dataclass(slots=True)
class Plan:
    """What is done with the new messages.

    Attributes:
        sound: fetched in groups, in this order; at the end those with which something went wrong before, but which did
            not break their session.
        suspects: fetched one at a time, after all else: something went wrong with them, or with their neighbours.
        left: how many are left on the server on purpose.
        put_off: how many rest, because something went wrong with them more than once.
        failures: for the report.
    """

    sound: list[Item] = field(default_factory=list)
    suspects: list[Item] = field(default_factory=list)
    left: int = 0
    put_off: int = 0
    failures: list[Failure] = field(default_factory=list)


def make_plan(new: Sequence[Item], memo: Memo, wishes: Wishes, most: int | None, now: float) -> Plan:
    """Return what is done with the new messages.

    Args:
        new: the messages that are not known, in the order of the listing.
        memo: what earlier runs left.
        wishes: the caller's choices.
        most: the octets of a message beyond which the connection would be closed, or None.
        now: the time, in seconds since 1970.
    """
    plan = Plan()
    again, gentle = [], []
    _note_culprit(new, memo, now)
    for item in new:
        note = memo.notes.get(item.identity)
        if wishes.max_size is not None and (item.size or 0) > wishes.max_size:
            plan.left += 1
        elif most is not None and (item.size or 0) > most:
            assert item.size is not None
            error: Exception = too_large(item.number, item.size, most)
            plan.failures.append(Failure(item.number, item.identity.uid, "large", error))
        elif note is not None and note.count > 1 and note.retry_at > now:
            if note.kind == "left":
                plan.left += 1
                continue
            plan.put_off += 1
            error = resting(item.number, note)
            plan.failures.append(
                Failure(item.number, item.identity.uid, note.kind, error, retry_at=note.retry_at)
            )
        elif item.identity in memo.doubtful or (note is not None and note.kind not in _GENTLE):
            plan.suspects.append(item)
        elif note is not None:
            gentle.append(item)
        elif item.identity in memo.coming and item.held:
            # Delivered by a run that was killed: before a reader takes the copy away, it is to be made certain.
            again.append(item)
        elif item.identity in memo.coming and memo.killed > 1:
            # Run after run was killed: perhaps by one of these, each of which is taken alone.
            plan.suspects.append(item)
        else:
            plan.sound.append(item)
    if wishes.newest_first:
        plan.sound.reverse()
    plan.sound[:0] = again
    # The message that was tried last waits longest.
    last = {identity: note.last for identity, note in memo.notes.items()}
    gentle.sort(key=lambda item: last[item.identity])
    plan.sound += gentle
    plan.suspects.sort(key=lambda item: last.get(item.identity, 0.0))
    return plan


def _note_culprit(new: Sequence[Item], memo: Memo, now: float) -> None:
    """Note the message that alone was on its way when a run was killed, and that the store does not have."""
    if len(memo.coming) == 1 and memo.killed > 1:
        [culprit] = memo.coming
        if any(item.identity == culprit and not item.held for item in new):
            memo.notes[culprit] = noted(memo.notes.get(culprit), "killed", now)
