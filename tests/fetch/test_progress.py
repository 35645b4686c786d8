"""Whatever one message or one command does, everything else comes, and goes by the policy."""

from __future__ import annotations

import time
import unittest.mock
from collections.abc import AsyncIterable
from contextlib import suppress
from pathlib import Path

import pytest

import pop3aio
from pop3aio import Delete, Limits
from pop3aio.testing import Server, Session

from .support import Copies, mail, opener, session

DAY = 86400.0
MAIL = mail(12, 40)


async def test_a_deletion_that_ends_the_session_keeps_no_other(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        mailbox = session.server.mailbox
        if keyword != "DELE" or mailbox.messages[int(argument) - 1] != MAIL[4]:
            return False
        session.close()
        return True

    store = Copies()
    async with Server(MAIL, on_command=hook) as server:
        for _ in range(12):
            with suppress(pop3aio.POP3Error):
                await pop3aio.collect(opener(server), store, journal=tmp_path / "journal", delete=Delete())
        assert server.mailbox.messages == [MAIL[4]]
    assert store.contents() == sorted(MAIL)


async def test_a_server_that_ends_its_sessions_after_some_commands_is_emptied(tmp_path: Path) -> None:
    counts: dict[int, int] = {}

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        counts[id(session)] = counts.get(id(session), 0) + (keyword in ("RETR", "DELE"))
        if counts[id(session)] <= 5:
            return False
        session.close()
        return True

    store = Copies()
    async with Server(MAIL, on_command=hook) as server:
        for _ in range(6):
            with suppress(pop3aio.POP3Error):
                await pop3aio.collect(opener(server), store, journal=tmp_path / "journal", delete=Delete())
        assert server.mailbox.messages == []
    assert store.contents() == sorted(MAIL)


async def test_refused_messages_in_front_do_not_use_up_the_limit(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and int(argument) <= 2:
            session.write(b"-ERR damaged\r\n")
            return True
        return False

    store = Copies()
    async with Server(MAIL, on_command=hook) as server:
        for _ in range(6):
            async with session(server) as client:
                report = await pop3aio.fetch(client, store, journal=tmp_path / "journal", limit=2)
            assert report.fetched <= 2
    assert store.contents() == sorted(MAIL[2:])


@pytest.mark.parametrize("limit", [None, 1])
async def test_a_message_that_is_too_long_is_a_failure_and_keeps_no_other(
    limit: int | None, tmp_path: Path
) -> None:
    long = b"Subject: long\r\n\r\n" + b"x" * 50 * 1000 + b"\r\n"
    store = Copies()
    async with Server([long, *MAIL[:2]]) as server:
        for _ in range(2):
            async with session(server, limits=Limits(message=40_000)) as client:
                report = await pop3aio.fetch(client, store, journal=tmp_path / "journal", limit=limit)
    assert store.contents() == sorted(MAIL[:2])
    assert [(failure.number, failure.kind) for failure in report.failed] == [(1, "large")]


@pytest.mark.parametrize("error", [ValueError("not this one"), pop3aio.LeaveOnServer("not this one")])
async def test_a_message_that_the_store_does_not_take_keeps_no_other(
    error: Exception, tmp_path: Path
) -> None:
    store = Copies()

    async def deliver(message: AsyncIterable[bytes], key: str) -> None:
        octets = b"".join([chunk async for chunk in message])
        if octets == MAIL[1]:
            raise error
        store.messages[key] = octets

    async with Server(MAIL[:4]) as server:
        async with session(server) as client:
            report = await pop3aio.fetch(client, deliver, journal=tmp_path / "journal", delete=Delete())
        assert server.mailbox.messages == [MAIL[1]]
        assert report.commit == "committed"
        assert (report.left, [failure.kind for failure in report.failed]) in [(0, ["store"]), (1, [])]


async def test_a_dot_behind_the_answer_to_list_keeps_nothing_back(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "LIST" and argument:
            session.write(f"+OK {argument} {len(MAIL[0])}\r\n.\r\n".encode())
            return True
        return False

    store = Copies()
    async with Server(MAIL[:1], on_command=hook) as server:
        await pop3aio.collect(opener(server), store, journal=tmp_path / "journal", delete=Delete())
        assert server.mailbox.messages == []
    assert store.contents() == MAIL[:1]


async def test_a_message_without_a_name_that_is_refused_for_weeks_is_still_known(tmp_path: Path) -> None:
    """Without UIDL a message is retrieved to be named; refused, it has no name, and is not gone all the same."""
    refuses = False

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "UIDL" or (refuses and keyword == "RETR" and argument == "1"):
            session.write(b"-ERR not now\r\n")
            return True
        return False

    delivered: list[bytes] = []

    async def deliver(message: AsyncIterable[bytes], key: str) -> None:
        delivered.append(b"".join([chunk async for chunk in message]))

    start = time.time()
    async with Server(MAIL[:3], capabilities=["TOP", "USER"], on_command=hook) as server:
        for day in (0, 1, 20, 40, 41):
            refuses = 0 < day < 41
            with unittest.mock.patch("time.time", return_value=start + day * DAY):
                async with session(server) as client:
                    await pop3aio.fetch(client, deliver, journal=tmp_path / "journal")
    assert sorted(delivered) == sorted(MAIL[:3])
