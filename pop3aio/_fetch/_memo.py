"""What one run leaves for the next, beside what was fetched.

The journal keeps a text for each account, and this is what stands in it: JSON, in which only that is written which
differs from a run that went well. A text of an older version is read, and one of a newer version is read as far as it
is understood.

Invariants:
- What is `coming` was noted before the store saw the first of it, and what is `deleting` before DELE was sent: a run
  that is killed has told its successor all that it needs to know.
- A message stands in at most one of `coming` and `doubtful`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, Self, get_args

from pop3aio._client import ProofKind
from pop3aio._fetch._journal import Identity
from pop3aio._fetch._ledger import Ledger
from pop3aio._fetch._listing import NEXT_PROOF
from pop3aio._fetch._notes import KINDS, Note

__all__ = ("Memo",)

GROUP = 128
"""Messages that are proven together, where no session has broken."""

# Doubtful messages that are not listed, and days for which a note is kept of one that is not.
_HIDDEN = 1024
_FORGET_AFTER = 30 * 86400.0

# What is kept of the listing, to recognise a maildrop whose unique-ids are all new.
_SAMPLE = 64


@dataclass(slots=True)
class Memo:
    """The text that a journal keeps for an account, unpacked.

    Attributes:
        coming: messages that were on their way into the store when the run ended, if it was killed; with the generation
            of the key of each.
        doubtful: messages that the store has, perhaps, but that were not proved to be whole; with that generation.
        killed: how many runs in a row were killed while messages were on their way.
        deleting: messages that the last QUIT was to delete, until that is confirmed.
        deleted: messages whose deletion was confirmed, until a listing comes without them.
        notes: what went wrong with single messages.
        proof: the command by which the server's sessions are proved to be in step; None until that was tried.
        retest: whether that command is to be tried before it is relied on: a session was out of step since.
        unlisted: which ways to ask for sizes broke a session: 0 none, 1 the listing of single messages, 2 LIST at all.
        topless: how many sessions in a row broke over the headers that ``since`` asks for.
        unsized: whether the server lists messages with more octets than they have.
        one_by_one: when the server proved unable to take several commands at once (seconds since 1970), or 0.
        group: how many messages are proven together.
        stalled: how many sessions in a row did not carry out a deletion that they were asked for.
        batch: how many deletions are asked for in one session; 0 for any number.
        batch_failed: a number of deletions that the server did not carry out, or 0; and `batch_failed_at`, when.
        waited: whether the last run left messages with notes out for the sake of its deletions.
        skipped: whether the last run left out messages without a unique-id that have broken a session.
        sample: sizes of messages that stayed on the server, by identity.
    """

    coming: dict[Identity, int] = field(default_factory=dict)
    doubtful: dict[Identity, int] = field(default_factory=dict)
    killed: int = 0
    deleting: list[Identity] = field(default_factory=list)
    deleted: list[Identity] = field(default_factory=list)
    notes: dict[Identity, Note] = field(default_factory=dict)
    proof: ProofKind | None = None
    retest: bool = False
    unlisted: int = 0
    topless: int = 0
    unsized: bool = False
    one_by_one: float = 0.0
    group: int = GROUP
    stalled: int = 0
    batch: int = 0
    batch_failed: int = 0
    batch_failed_at: float = 0.0
    waited: bool = False
    skipped: bool = False
    sample: dict[Identity, int] = field(default_factory=dict)
    fresh: bool = True
    _text: str = ""

    @classmethod
    async def load(cls, ledger: Ledger) -> Self:
        """Return what the journal keeps; raises JournalError."""
        text = await ledger.memo()
        kept: dict[str, Any] = json.loads(text) if text else {}
        memo = cls(
            coming=_counted(kept.get("coming", ())),
            doubtful=_counted(kept.get("doubtful", ())),
            killed=int(kept.get("killed", 0)),
            deleting=_identities(kept.get("deleting", ())),
            deleted=_identities(kept.get("deleted", ())),
            notes=_notes(kept.get("notes", ())),
            retest=bool(kept.get("retest", False)),
            unlisted=int(kept.get("unlisted", 0)),
            topless=int(kept.get("topless", 0)),
            unsized=bool(kept.get("unsized", False)),
            one_by_one=float(kept.get("one_by_one", 0)),
            group=int(kept.get("group", GROUP)),
            stalled=int(kept.get("stalled", 0)),
            batch=int(kept.get("batch", 0)),
            batch_failed=int(kept.get("batch_failed", 0)),
            batch_failed_at=float(kept.get("batch_failed_at", 0)),
            waited=bool(kept.get("waited", False)),
            skipped=bool(kept.get("skipped", False)),
            sample=_counted(kept.get("sample", ())),
            fresh=not text,
            _text=text,
        )
        if kept.get("proof") in get_args(ProofKind):
            memo.proof = kept["proof"]
        # Written by versions before 0.1: messages that came empty.
        for identity in _identities(kept.get("empty", ())):
            memo.notes.setdefault(identity, Note("cut", 1, 0.0, 0.0))
        return memo

    async def save(self, ledger: Ledger) -> None:
        """Have the journal keep this, unless it does already; raises JournalError."""
        kept: dict[str, object] = {
            "coming": [[*identity, generation] for identity, generation in self.coming.items()],
            "doubtful": [[*identity, generation] for identity, generation in self.doubtful.items()],
            "killed": self.killed,
            "deleting": self.deleting,
            "deleted": self.deleted,
            "notes": [[*identity, n.kind, n.count, n.first, n.last] for identity, n in self.notes.items()],
            "proof": self.proof,
            "retest": self.retest,
            "unlisted": self.unlisted,
            "topless": self.topless,
            "unsized": self.unsized,
            "one_by_one": self.one_by_one,
            "group": 0 if self.group == GROUP else self.group,
            "stalled": self.stalled,
            "batch": self.batch,
            "batch_failed": self.batch_failed,
            "batch_failed_at": self.batch_failed_at,
            "waited": self.waited,
            "skipped": self.skipped,
            "sample": [[*identity, octets] for identity, octets in self.sample.items()],
        }
        kept = {name: value for name, value in kept.items() if value}
        text = json.dumps(kept) if kept else ""
        if text != self._text:
            await ledger.keep_memo(text)
            self._text = text

    def change_proof(self) -> None:
        """Give up the command by which sessions are proved, and try the next one."""
        self.proof, self.retest = NEXT_PROOF[self.proof or "UIDL n"], True

    def remember(self, sizes: dict[Identity, int]) -> None:
        """Keep the sizes of some messages that stay on the server; the newest are the last in `sizes`."""
        self.sample = dict(list({**self.sample, **sizes}.items())[-_SAMPLE:])

    def prune(self, present: Container[Identity], now: float) -> None:
        """Forget most of what was noted about messages that are not listed.

        A server may hide a message for a while, so what was doubtful stays so; and a note stays for thirty days.
        """
        # Of what was on its way when a run was killed the store may have a copy.
        self.doubtful |= {i: generation for i, generation in self.coming.items() if i not in present}
        self.coming = {i: generation for i, generation in self.coming.items() if i in present}
        hidden = [identity for identity in self.doubtful if identity not in present]
        for identity in hidden[:-_HIDDEN]:
            del self.doubtful[identity]
        for identity, note in list(self.notes.items()):
            if identity not in present and now - note.last > _FORGET_AFTER:
                del self.notes[identity]

    def forget(self, identities: Iterable[Identity]) -> None:
        """Forget what was noted about messages that are not listed any more, or that went well."""
        for identity in identities:
            self.notes.pop(identity, None)
            self.doubtful.pop(identity, None)
            self.coming.pop(identity, None)


def _identities(rows: Iterable[Any]) -> list[Identity]:
    return [Identity(uid, ordinal) for uid, ordinal in rows]


def _counted(rows: Iterable[Any]) -> dict[Identity, int]:
    return {Identity(uid, ordinal): count for uid, ordinal, count in rows}


def _notes(rows: Iterable[Any]) -> dict[Identity, Note]:
    return {
        Identity(uid, ordinal): Note(kind if kind in KINDS else "broke", count, first, last)
        for uid, ordinal, kind, count, first, last in rows
    }
