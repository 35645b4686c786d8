"""`since`: what is older by its header is taken as known; a server that cannot show headers keeps nothing back."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

import pop3aio
from pop3aio.testing import CommandHook, Server, Session

from .support import Copies, session

SINCE = datetime.date(2020, 1, 1)


def dated(number: int, year: int) -> bytes:
    return b"Subject: %d\r\nDate: Sat, 05 Jun %d 10:00:00 +0000\r\n\r\ntext %d\r\n" % (number, year, number)


OLD = [dated(number, 2010) for number in range(2)]
NEW = [dated(number, 2021) for number in range(2, 5)]
UNDATED = b"Subject: none\r\nDate: some day\r\n\r\nno date\r\n"


async def runs(
    count: int, messages: Sequence[bytes], hook: CommandHook | None, journal: Path
) -> tuple[Copies, Server]:
    store = Copies()
    async with Server(messages, on_command=hook) as server:
        for _ in range(count):
            with suppress(pop3aio.POP3Error):
                async with session(server) as client:
                    await pop3aio.fetch(client, store, journal=journal, delete=pop3aio.Delete(), since=SINCE)
    return store, server


async def test_what_is_old_stays_and_is_not_asked_for_again(tmp_path: Path) -> None:
    store, server = await runs(2, [*OLD, *NEW, UNDATED], None, tmp_path / "journal")
    assert store.contents() == sorted([*NEW, UNDATED])
    assert server.mailbox.messages == OLD
    assert server.commands.count("TOP 1 0") == 1
    assert "RETR 1" not in server.commands


async def test_a_server_without_top_gives_everything(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "TOP":
            session.write(b"-ERR unknown command\r\n")
        return keyword == "TOP"

    store, _ = await runs(1, [*OLD, *NEW], hook, tmp_path / "journal")
    assert store.contents() == sorted([*OLD, *NEW])


@pytest.mark.parametrize("answer", [b"", b".\r\n"])
async def test_headers_that_break_every_session_keep_nothing_back(answer: bytes, tmp_path: Path) -> None:
    """The connection is closed at each TOP, or a dot stands behind each header."""

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "TOP":
            return False
        if answer:
            session.write(b"+OK\r\nSubject: header\r\n\r\n.\r\n" + answer)
        else:
            session.close()
        return True

    messages = [*NEW, *(dated(number, 2021) for number in range(10, 20))]
    store, server = await runs(20, messages, hook, tmp_path / "journal")
    assert store.contents() == sorted(messages)
    assert server.mailbox.messages == []


async def test_a_sender_cannot_date_another_message(tmp_path: Path) -> None:
    """Its first octet is a dot that is not stuffed, and behind it stands a header for the next message."""
    forger = b".\r\n+OK\r\nDate: Sat, 05 Jun 2010 10:00:00 +0000\r\n\r\n.\r\nSubject: forger\r\n\r\nhello\r\n"

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword not in ("TOP", "RETR") or argument.split()[0] != "1":
            return False
        session.write(b"+OK\r\n" + forger + b".\r\n")
        return True

    store, server = await runs(12, [forger, *NEW], hook, tmp_path / "journal")
    assert set(NEW) <= set(store.contents())
    assert server.mailbox.messages == [forger]
