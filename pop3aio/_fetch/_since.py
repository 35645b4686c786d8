"""Which messages are older than a date: by the date in their header, which TOP shows.

How it works. The headers are asked for by TOP, pipelined, with a proof behind them: a dot that is not stuffed breaks
the answer to TOP as it breaks the answer to RETR, and a sender must not date another message. Where TOP broke a session
of this account lately, each header is asked for alone, with a proof directly behind it.

Invariants:
- A message counts as old only if the session was proved to be in step behind its header. In doubt it is new.
- `current` is the message whose header is waited for, `last` the one whose header came last: one of them is to blame
  when the session breaks.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Sequence

from pop3aio._client import Client, Message, Proof
from pop3aio._fetch._listing import Item

__all__ = ("HeaderDates",)

# A Date field, as it stands at the start of a line; a sender may have written anything into it.
_DATE = re.compile(rb"^date:[ \t]*([^\r\n]{1,100})", re.IGNORECASE | re.MULTILINE)
# The octets of a header that are looked at.
_HEADER = 65536


class HeaderDates:
    """Looks at the dates in headers.

    Attributes:
        current: the message whose header is waited for, or None.
        last: the message whose header came last, or None.
    """

    def __init__(self, client: Client, proof: Proof) -> None:
        self._client = client
        self._proof = proof
        self.current: Item | None = None
        self.last: Item | None = None

    async def older_than(self, items: Sequence[Item], earliest: float, *, alone: bool) -> list[Item]:
        """Return the messages whose header has a date before `earliest` (seconds since 1970).

        A message without a date that can be read, and one whose header the server does not show, counts as new.

        Args:
            items: the messages.
            earliest: the date, in seconds since 1970.
            alone: ask for each header alone, with a proof behind it.
        """
        groups = [[item] for item in items] if alone else [items]
        old: list[Item] = []
        for group in groups:
            old += [item for item, date in await self._dates(group) if date is not None and date < earliest]
        return old

    async def _dates(self, items: Sequence[Item]) -> list[tuple[Item, float | None]]:
        """Return the messages whose headers were proved to be theirs, and the date in each."""
        found: list[tuple[Item, float | None]] = []
        waiting = iter(items)
        self.current = next(waiting, None)
        numbers = [item.number for item in items]
        async with self._client.retrieve(numbers, lines=0, proof=self._proof) as messages:
            async for message in messages:
                assert self.current is not None
                self.last = self.current
                found.append((self.last, await _date_of(message)))
                self.current = next(waiting, None)
        return found[: messages.proven]


async def _date_of(message: Message) -> float | None:
    if message.error is not None:
        return None
    header = b""
    async for chunk in message:
        if len(header) < _HEADER:
            header += chunk
    found = _DATE.search(header[:_HEADER])
    if found is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(found[1].decode("latin-1")).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
