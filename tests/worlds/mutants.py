"""`fetch` with one of its safeties taken out: what must make the worlds fail, or they prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from pop3aio._fetch import _run
from pop3aio._fetch._any_store import Store
from pop3aio._fetch._intake import Intake
from pop3aio._fetch._memo import Memo

__all__ = ("MUTANTS", "Mutant")

# What is taken out here is none of a type checker's business.
_intake: Any = Intake
_store: Any = Store
_memo: Any = Memo
_runs: Any = _run


@dataclass(frozen=True)
class Mutant:
    """A safety, the promise that is broken without it, and the first of the worlds that show it."""

    applied: Callable[[], AbstractContextManager[object]]
    breaks: str
    first: int = 0


def no_proof() -> AbstractContextManager[object]:
    """What came is taken as proven at once."""

    def advance(self: Any, proven: int) -> None:
        self._proven.extend(self._unproven)
        self._unproven.clear()

    return mock.patch.object(_intake, "_advance", advance)


def no_putting_off() -> AbstractContextManager[object]:
    """What went wrong before is taken in its turn, as if nothing had been."""
    plan = _runs.make_plan

    def forgetful(new: Any, memo: Any, *rest: Any) -> Any:
        notes, memo.notes = memo.notes, {}
        made = plan(new, memo, *rest)
        memo.notes = notes
        made.sound = sorted([*made.sound, *made.suspects], key=lambda item: item.number)
        made.suspects = []
        return made

    return mock.patch.object(_runs, "make_plan", forgetful)


def no_reading_to_the_end() -> AbstractContextManager[object]:
    """A store is believed that calls a message stored which it has not read."""
    make = _store.__init__

    def believing(self: Any, *arguments: Any) -> None:
        make(self, *arguments)
        submit = self.submit

        async def believe(source: Any, *, key: str) -> Any:
            done = await submit(source, key=key)
            source.ended = True
            return done

        self.submit = believe

    return mock.patch.object(_store, "__init__", believing)


def no_note_of_what_is_coming() -> AbstractContextManager[object]:
    """The journal is not told which messages are on their way into the store."""

    async def say_nothing(self: Any, item: Any) -> None:
        pass

    return mock.patch.object(_intake, "_announce", say_nothing)


def no_note_of_what_is_doubtful() -> AbstractContextManager[object]:
    """The next run is not told which copies are not proven."""
    settle = _intake.settle

    async def forgetful(self: Any) -> None:
        before = dict(self._memo.doubtful)
        await settle(self)
        self._memo.doubtful.clear()
        self._memo.doubtful.update(before)

    return mock.patch.object(_intake, "settle", forgetful)


@contextmanager
def no_note_of_what_is_deleted() -> Iterator[None]:
    """The journal is not told which deletions are asked for."""
    save = _memo.save

    async def without(self: Any, ledger: Any) -> None:
        deleting, self.deleting = self.deleting, []
        await save(self, ledger)
        self.deleting = deleting

    with mock.patch.object(_memo, "save", without):
        yield


MUTANTS: dict[str, Mutant] = {
    "the proof": Mutant(no_proof, "deleted unsafe"),
    "the putting off": Mutant(no_putting_off, "starved"),
    "the reading to the end": Mutant(no_reading_to_the_end, "deleted unsafe", 20),
    "the note of what is coming": Mutant(no_note_of_what_is_coming, "twice", 100),
    "the note of what is doubtful": Mutant(no_note_of_what_is_doubtful, "twice"),
    "the note of what is deleted": Mutant(no_note_of_what_is_deleted, "deleted unsafe"),
}
