"""What went wrong with single messages in earlier runs, and when each is tried again.

How it works. Whatever ends a session while a message, or the deletion of a message, is under way is noted against that
message: the kind, how often, the first and the last time. A message with a note is taken last, alone, and after
everything else. The first note costs nothing but the place in the line, since the message may be innocent: a network
that broke while it came, or another message that came before it. From the second note on the message rests, for an hour
first, and for twice as long each time, at most for a day.

Invariants:
- A note only delays. No message is given up for ever, and none is deleted because of a note.
- A message that was stored, or deleted, has no note any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from pop3core import RemoteProtocolError

__all__ = ("FailureKind", "Note", "noted", "resting")

FailureKind: TypeAlias = Literal[
    "refused", "cut", "broke", "killed", "store", "left", "large", "changed", "undeleted"
]
"""What went wrong with one message.

- ``"refused"``: the server answered RETR by ``-ERR``. Many servers refuse for a while, all messages alike; so such a
  message is taken last, and never rests.
- ``"cut"``: the message came cut, or the session was out of step behind it.
- ``"broke"``: the connection broke, or the server did not answer, while the message was under way.
- ``"killed"``: the process was killed while this message alone was on its way, or the run was cancelled while the store
  had it; it is taken last, and never rests.
- ``"store"``: the store raised, or did not read the message to its end.
- ``"left"``: the store raised `LeaveOnServer`.
- ``"large"``: the server lists more octets than are wanted.
- ``"changed"``: a message without a unique-id did not come the same twice.
- ``"undeleted"``: the server did not take its deletion.
"""

KINDS: frozenset[str] = frozenset(get_args(FailureKind))

_HOUR = 3600.0
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Note:
    """What went wrong with one message: the kind, how often, the first time and the last (seconds since 1970)."""

    kind: FailureKind
    count: int
    first: float
    last: float

    @property
    def retry_at(self) -> float:
        """When the message is tried again, in seconds since 1970; before, only its place in the line is the last."""
        if self.count < 2 or self.kind in ("killed", "refused"):
            return self.last
        return self.last + min(_DAY, _HOUR * 2.0 ** min(self.count - 2, 10))


def noted(before: Note | None, kind: FailureKind, now: float) -> Note:
    """Return the note for a message with which something went wrong again."""
    if before is None:
        return Note(kind, 1, now, now)
    # A clock that was set back must not make a message rest for years.
    return Note(kind, before.count + 1, min(before.first, now), now)


_WORDS = {
    "refused": "was refused by the server",
    "cut": "came cut",
    "broke": "broke its session",
    "killed": "was under way when the run was killed",
    "store": "was not taken by the store",
    "left": "was left by the store",
    "large": "was too large",
    "changed": "did not come the same twice",
    "undeleted": "could not be deleted",
}


def resting(number: int, note: Note) -> RemoteProtocolError:
    """Return what says that message `number` is left out for a while."""
    times = "once" if note.count == 1 else f"{note.count} times"
    return RemoteProtocolError(
        f"message {number} {_WORDS[note.kind]} {times}; it is left out so that it does not hold up the others, and is "
        "tried again later"
    )
