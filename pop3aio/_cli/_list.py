"""``pop3aio list``: what is in a maildrop, as a table.

How it works. A message is listed if LIST or UIDL knows of it, or, where they do not agree, the count of STAT. What one
of them does not say is shown as not known, and said once on standard error. The headers come by TOP, pipelined; each
costs one line, whatever stands in it.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator, Awaitable, Collection
from contextlib import aclosing
from typing import TypeVar

from pop3aio._cli._errors import WITHOUT_UIDS
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._headers import LONGEST_HEADER, Headers, parse_headers
from pop3aio._cli._output import Output, size
from pop3aio._cli._session import Target, find_target
from pop3aio._cli._signals import run_to_end
from pop3aio._cli._table import Row, Table
from pop3aio._client import Client
from pop3aio._errors import CommandError, counted
from pop3aio._session._message import Message

__all__ = ("run_list",)

_T = TypeVar("_T")

# Messages that neither LIST nor UIDL names are listed up to this number; a count may be anything.
_MOST_UNNAMED = 10_000


def run_list(arguments: argparse.Namespace, output: Output) -> int:
    """Carry out ``list``; returns the exit status."""
    return run_to_end(_list(find_target(arguments, output), output), output)


async def _list(target: Target, output: Output) -> int:
    async with target.logged_in(output) as client:
        scans = await _answer(client.list(), "sizes are not known", output)
        names = await _answer(client.uidl(), WITHOUT_UIDS, output)
        sizes = dict(scans or ())
        uids = {number: uid for number, uid in names or () if uid is not None}
        if scans is None and names is None:
            # Nothing else tells what is there.
            numbers = list(range(1, min((await client.stat()).count, _MOST_UNNAMED) + 1))
        else:
            named = sizes.keys() | {number for number, _ in names or ()}
            agree = scans is not None and (names is None or named == sizes.keys() == uids.keys())
            numbers = sorted(named if agree else await _counted(client, named, output))
        _say_unknown(numbers, sizes, "LIST", "size", output)
        _say_unknown(numbers, uids, "UIDL", "unique-id", output)
        total = sum(sizes.values())
        rows = output.facts["messages"] = []
        output.facts["octets"] = total
        table = Table(max(numbers, default=0), max(map(len, uids.values()), default=0))
        if numbers:
            output.line(table.heading)
        async with aclosing(_headers(client, numbers, output)) as headers:
            async for number, found, refusal in headers:
                row = Row(number, sizes.get(number), uids.get(number), found, refusal)
                output.line(table.line(row))
                rows.append(_fact(row))
                if output.lost:
                    break
        unknown = len(numbers) - len(sizes)
        without = f", without {counted(unknown)} whose size is not known" if unknown else ""
        output.line(f"{counted(len(numbers))}, {size(total)}{without}")
    return ExitStatus.DONE


async def _answer(asking: Awaitable[_T], consequence: str, output: Output) -> _T | None:
    """Return an answer, or None if the server refuses it, which is said."""
    try:
        return await asking
    except CommandError as error:
        output.warn(f"{error}; {consequence}")
        return None


async def _counted(client: Client, named: set[int], output: Output) -> set[int]:
    """Return the numbers that are named, and those that only the count of STAT tells of."""
    stat = await _answer(client.stat(), "whether all messages are listed is not known", output)
    if stat is None or stat.count <= len(named):
        return named
    if stat.count > len(named) + _MOST_UNNAMED:
        output.warn(f"the server counts {counted(stat.count)}, and lists {len(named)}")
        return named
    # In a new session they are numbered without a gap (RFC 1939 section 5).
    return named | set(range(1, stat.count + 1))


def _say_unknown(numbers: list[int], known: Collection[int], command: str, what: str, output: Output) -> None:
    lacking = [number for number in numbers if number not in known]
    # Where the command was refused, or names no message at all, that was said or is seen.
    if known and lacking:
        output.warn(f"{command} does not name {_some(lacking)}, so the {what} is not known")


def _some(numbers: list[int]) -> str:
    more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
    return f"message {numbers[0]}{more}"


async def _headers(
    client: Client, numbers: list[int], output: Output
) -> AsyncGenerator[tuple[int, Headers | None, str | None], None]:
    """Yield the number of each message with its headers, or with None and what the server said instead."""
    announced = client.capabilities is not None and client.capabilities.top
    asked = 0
    if announced or client.capabilities is None:
        async with client.retrieve(numbers, lines=0) as messages:
            async for message in messages:
                if message.error is None:
                    yield message.number, parse_headers(await _beginning(message)), None
                elif announced or asked:
                    yield message.number, None, output.masked(message.error.text) or "-ERR"
                else:
                    # It does not know the command, and more of them might count as an attack.
                    break
                asked += 1
    if asked < len(numbers):
        output.warn("the server has no TOP, so senders, subjects and dates are not shown")
    for number in numbers[asked:]:
        yield number, None, None


async def _beginning(message: Message) -> bytes:
    """Return the octets of a header in which fields are searched; what a server sends beyond them is dropped."""
    chunks = []
    octets = 0
    async for chunk in message:
        if octets < LONGEST_HEADER:
            chunks.append(chunk)
            octets += len(chunk)
    return b"".join(chunks)


def _fact(row: Row) -> dict[str, object]:
    headers = row.headers or Headers()
    return {
        "number": row.number,
        "octets": row.octets,
        "uid": row.uid,
        "subject": headers.subject,
        "from": _mailbox(headers),
        "from_name": headers.name,
        "from_address": headers.address,
        "date": None if headers.date is None else headers.date.isoformat(),
        "refused": row.refusal,
    }


def _mailbox(headers: Headers) -> str | None:
    """Return name and address of the sender, as far as they are there."""
    if headers.name and headers.address:
        return f"{headers.name} <{headers.address}>"
    return headers.sender
