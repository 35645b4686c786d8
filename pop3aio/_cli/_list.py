"""``pop3aio list``: what is in a maildrop, as a table."""

from __future__ import annotations

import argparse
import shutil
import sys
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from pop3aio._cli._errors import WITHOUT_UIDS, one_line
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._headers import Headers, parse_headers
from pop3aio._cli._output import Output, count, size
from pop3aio._cli._session import Target, find_target
from pop3aio._cli._signals import run_to_end
from pop3aio._cli._streams import is_terminal
from pop3aio._client import Client
from pop3aio._errors import CommandError
from pop3aio._session._message import Message

__all__ = ("run_list",)

_LONGEST_HEADER = 256 * 1024
_NO_WIDTH = ("Mn", "Me", "Cf")


class _Row(NamedTuple):
    number: int
    octets: int
    uid: str | None
    headers: Headers


def run_list(arguments: argparse.Namespace, output: Output) -> int:
    """Carry out ``list``; returns the exit status."""
    return run_to_end(_list(find_target(arguments, output), output), output)


async def _list(target: Target, output: Output) -> int:
    async with target.logged_in(output) as client:
        sizes = dict(await client.list())
        uids = await _unique_ids(client, output)
        rows = output.facts["messages"] = []
        output.facts["octets"] = sum(sizes.values())
        table = _Table(max(sizes, default=0), [uid or "-" for uid in uids.values()])
        if sizes:
            output.line(table.heading)
        async with aclosing(_headers(client, list(sizes), output)) as headers:
            async for number, found in headers:
                row = _Row(number, sizes[number], uids.get(number), found)
                output.line(table.line(row))
                rows.append(_fact(row))
                if output.lost:
                    break
        output.line(f"{count(len(sizes))}, {size(output.facts['octets'])}")
    return ExitStatus.DONE


async def _unique_ids(client: Client, output: Output) -> dict[int, str | None]:
    try:
        return dict(await client.uidl())
    except CommandError as error:
        output.warn(f"{error}; {WITHOUT_UIDS}")
        return {}


async def _headers(
    client: Client, numbers: list[int], output: Output
) -> AsyncGenerator[tuple[int, Headers], None]:
    """Yield what there is to say about each message, empty where the server does not say."""
    nothing = Headers(None, None, None)
    announced = client.capabilities is not None and client.capabilities.top
    asked = 0
    if announced or client.capabilities is None:
        async with client.retrieve(numbers, lines=0) as messages:
            async for message in messages:
                asked += 1
                if message.error is None:
                    yield message.number, parse_headers(await _beginning(message))
                    continue
                yield message.number, nothing
                if not announced:
                    # It does not know the command, and more of them might count as an attack.
                    break
    if asked < len(numbers):
        output.warn("the server has no TOP, so subjects and dates are not shown")
    for number in numbers[asked:]:
        yield number, nothing


async def _beginning(message: Message) -> bytes:
    chunks = []
    octets = 0
    async for chunk in message:
        if octets < _LONGEST_HEADER:
            chunks.append(chunk)
            octets += len(chunk)
    return b"".join(chunks)


def _fact(row: _Row) -> dict[str, object]:
    date = row.headers.date
    return {
        "number": row.number,
        "octets": row.octets,
        "uid": row.uid,
        "subject": row.headers.subject,
        "from": row.headers.sender,
        "date": None if date is None else date.isoformat(),
    }


class _Table:
    """Columns as wide as they need be; on a terminal the last one ends where the terminal does."""

    def __init__(self, highest: int, uids: list[str]) -> None:
        self._terminal = is_terminal(sys.stdout)
        self._number = max(len(str(highest)), 2)
        self._uid = max([*map(len, uids), len("unique-id")])
        if self._terminal:
            self._uid = min(self._uid, 24)
        self.heading = self._columns("no", "size", "unique-id", "date", "subject")

    def line(self, row: _Row) -> str:
        """Return the line of one message."""
        date = row.headers.date
        return self._columns(
            str(row.number),
            size(row.octets),
            row.uid or "-",
            "-" if date is None else date.strftime("%Y-%m-%d %H:%M %z").strip(),
            row.headers.subject or "-",
        )

    def _columns(self, number: str, octets: str, uid: str, date: str, subject: str) -> str:
        if self._terminal:
            uid = _cut(uid, self._uid)
        line = f"{number:>{self._number}}  {octets:>10}  {uid:<{self._uid}}  {date:<22}  "
        subject = one_line(subject)
        return line + (
            _cut(subject, shutil.get_terminal_size().columns - len(line)) if self._terminal else subject
        )


def _cut(text: str, columns: int) -> str:
    """Return what of `text` fits into so many columns of a terminal, at least ten."""
    columns = max(columns, 10)
    used = fitting = 0
    for place, letter in enumerate(text):
        # What fits beside the mark that something is missing.
        if used < columns:
            fitting = place
        if unicodedata.category(letter) not in _NO_WIDTH:
            used += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if used > columns:
            return text[:fitting] + "…"
    return text
