"""The real journal, with calls that fail, and with an end that a kill can bring at any time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pop3aio import Identity, JournalError, SQLiteJournal

__all__ = ("FailingJournal",)


class FailingJournal(SQLiteJournal):
    """An SQLite journal whose calls fail now and then: before they did their work, or after it."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        super().__init__(path)
        self._chance = chance
        self.rate = 0.0
        self.dead = False
        self.failed = 0
        self.calls_left: int | None = None
        """After so many calls, `die` is called: the process is killed where it calls its journal."""
        self.die: Callable[[], None] = lambda: None

    async def hurry(self) -> None:
        """Leave the disk out: kills are simulated here, and no power cuts."""
        await self._run(lambda database: database.execute("PRAGMA synchronous = OFF"))

    def _fail(self) -> None:
        if self.calls_left is not None and not self.dead:
            self.calls_left -= 1
            if self.calls_left < 0:
                self.die()
        if self.dead:
            raise JournalError("the process was killed")
        if self.rate and self._chance.random() < self.rate:
            self.failed += 1
            raise JournalError("the simulated disk does not work")

    async def compare(self, account: str, uids: Sequence[str], *, complete: bool = True) -> list[int]:
        self._fail()
        found = await super().compare(account, uids, complete=complete)
        self._fail()
        return found

    async def fetched_until(self, account: str, uids: Sequence[str], when: float) -> list[int]:
        self._fail()
        return await super().fetched_until(account, uids, when)

    async def record(self, account: str, fetched: Iterable[Identity]) -> None:
        self._fail()
        await super().record(account, fetched)
        self._fail()

    async def adopt(self, account: str, known: Iterable[Identity]) -> None:
        self._fail()
        await super().adopt(account, known)
        self._fail()

    async def forget(self, account: str, gone: Iterable[Identity]) -> None:
        self._fail()
        await super().forget(account, gone)
        self._fail()

    async def present(self, account: str) -> int:
        self._fail()
        return await super().present(account)

    async def elsewhere(self, account: str, uids: Sequence[str]) -> dict[str, int]:
        self._fail()
        return await super().elsewhere(account, uids)

    async def memo(self, account: str, text: str | None = None) -> str:
        self._fail()
        kept = await super().memo(account, text)
        self._fail()
        return kept
