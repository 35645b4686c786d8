"""Which messages are older than a date: by the date in their header, which TOP shows."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Sequence

from pop3aio._client import Client
from pop3aio._fetch._listing import Item

__all__ = ("older_than",)

# A Date field, as it stands at the start of a line; a sender may have written anything into it.
_DATE = re.compile(rb"^date:[ \t]*([^\r\n]{1,100})", re.IGNORECASE | re.MULTILINE)
# The octets of a header that are looked at.
_HEADER = 65536


async def older_than(client: Client, items: Sequence[Item], earliest: float) -> list[Item]:
    """Return the messages whose header has a date before `earliest` (seconds since 1970).

    A message without a date that can be read, and one whose header the server does not show, counts as new.
    """
    by_number = {item.number: item for item in items}
    old = []
    async with client.retrieve(by_number, lines=0) as messages:
        async for message in messages:
            if message.error is not None:
                continue
            header = b""
            async for chunk in message:
                if len(header) < _HEADER:
                    header += chunk
            date = _date(header[:_HEADER])
            if date is not None and date < earliest:
                old.append(by_number[message.number])
    return old


def _date(header: bytes) -> float | None:
    found = _DATE.search(header)
    if found is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(found[1].decode("latin-1")).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
