"""What one run of fetching leaves for the next, beside what was fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from pop3aio._fetch._journal import Identity, Journal

__all__ = ("Memo",)


@dataclass(slots=True)
class Memo:
    """The text that a journal keeps for an account, unpacked.

    `deleting` is what the last QUIT was to delete, until it was confirmed. `empty` is what came empty although it has
    a size, and ended its session by that, in the order in which to try it again.
    """

    deleting: list[Identity] = field(default_factory=list)
    empty: list[Identity] = field(default_factory=list)
    _text: str = ""

    @classmethod
    async def load(cls, journal: Journal, account: str) -> Self:
        """Return what the journal keeps."""
        text = await journal.memo(account)
        kept = json.loads(text) if text else {}
        return cls(_identities(kept.get("deleting", ())), _identities(kept.get("empty", ())), text)

    async def save(self, journal: Journal, account: str) -> None:
        """Have the journal keep this, unless it does already."""
        kept = {"deleting": self.deleting, "empty": self.empty}
        text = json.dumps(kept) if self.deleting or self.empty else ""
        if text != self._text:
            await journal.memo(account, text)
            self._text = text


def _identities(pairs: Iterable[tuple[str, int]]) -> list[Identity]:
    return [Identity(uid, ordinal) for uid, ordinal in pairs]
