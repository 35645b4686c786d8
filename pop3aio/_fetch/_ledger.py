"""One account's view of a journal, and what stands in for the methods that a journal may lack."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any

from pop3aio._fetch._journal import Identity, Journal, JournalError

__all__ = ("Ledger",)


class Ledger:
    """A journal, for one account.

    Four methods every journal has (see `Journal`). The others are asked for where they are there: a journal without
    ``forget`` keeps what was deleted for as long as it likes, and one without ``present`` and ``elsewhere`` cannot tell
    that a maildrop came under new names.
    """

    def __init__(self, journal: Journal, account: str) -> None:
        self._journal: Any = journal
        self.account = account
        self._takes_complete = "complete" in signature(journal.compare).parameters

    def __repr__(self) -> str:
        return repr(self._journal)

    @property
    def journal_id(self) -> int:
        """What tells one journal object from another."""
        return id(self._journal)

    async def compare(self, uids: Sequence[str], *, complete: bool = True) -> Sequence[int]:
        """Return the positions of what was not fetched; see `Journal.compare`."""
        options = {} if complete or not self._takes_complete else {"complete": False}
        positions: Sequence[int] = await self._journal.compare(self.account, uids, **options)
        return positions

    async def fetched_until(self, uids: Sequence[str], when: float) -> Sequence[int]:
        """Return the positions of what was fetched until `when`; see `Journal.fetched_until`."""
        positions: Sequence[int] = await self._journal.fetched_until(self.account, uids, when)
        return positions

    async def record(self, fetched: Collection[Identity]) -> None:
        """Note messages as fetched; see `Journal.record`."""
        if fetched:
            await self._journal.record(self.account, fetched)

    async def memo(self) -> str:
        """Return the text that is kept for the account."""
        text: str = await self._journal.memo(self.account)
        return text

    async def keep_memo(self, text: str) -> None:
        """Keep a text for the account."""
        await self._journal.memo(self.account, text)

    @property
    def adopts(self) -> bool:
        """Whether messages can be noted as known that were not fetched."""
        return hasattr(self._journal, "adopt")

    @property
    def forgets(self) -> bool:
        """Whether the journal can be told that a message is gone for good."""
        return hasattr(self._journal, "forget")

    async def forget(self, gone: Iterable[Identity]) -> None:
        """Forget messages that were deleted; their unique-ids may be used again (RFC 1939 section 7)."""
        gone = list(gone)
        if gone and self.forgets:
            await self._journal.forget(self.account, gone)

    async def adopt(self, known: Collection[Identity]) -> None:
        """Note messages as known without having fetched them: they are never deleted."""
        if not self.adopts:
            raise JournalError(f"{self._journal!r} has no method adopt(), so that nothing can be adopted")
        await self._journal.adopt(self.account, known)

    async def present(self) -> int:
        """Return how many messages of the last listing are known; 0 if the journal cannot tell."""
        if not hasattr(self._journal, "present"):
            return 0
        count: int = await self._journal.present(self.account)
        return count

    async def elsewhere(self, uids: Sequence[str]) -> Mapping[str, int]:
        """Return under which other accounts of the same user these unique-ids are known, and how many of them."""
        if not hasattr(self._journal, "elsewhere"):
            return {}
        found: Mapping[str, int] = await self._journal.elsewhere(self.account, uids)
        return found
