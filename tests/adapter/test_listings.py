"""Listings that are not what they should be."""

from __future__ import annotations

import pytest

import pop3aio
from tests.kit.script import Peer, session

LEFT_OUT = "lines of the answer to %s that were left out, being no listings or listing a message again: %d"


async def test_a_message_that_is_listed_again_costs_at_most_its_own_entry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"LIST", b"+OK\r\n1 10\r\n2 20\r\n1 10\r\n3 30\r\n3 31\r\n.\r\n")
        await peer.answer(b"UIDL", b"+OK\r\n1 a\r\n2 b\r\n1 a\r\n3 c\r\n3 d\r\n.\r\n")

    async with session(play) as (client, _):
        assert await client.list() == [(1, 10), (2, 20)]
        assert await client.uidl() == [(1, "a"), (2, "b"), (3, None)]
        assert caplog.messages == [LEFT_OUT % ("LIST", 3), LEFT_OUT % ("UIDL", 2)]


async def test_a_line_that_is_no_listing_costs_an_entry_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"LIST", b"+OK\r\n1 10\r\nhello\r\n3 30\r\n.\r\n")
        await peer.answer(b"UIDL", b"+OK\r\n1 a\r\nx y\r\n\r\n3 c\r\n.\r\n")
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with session(play) as (client, _):
        assert await client.list() == [(1, 10), (3, 30)]
        assert caplog.messages == [LEFT_OUT % ("LIST", 1)]
        assert await client.uidl() == [(1, "a"), (3, "c")]
        assert caplog.messages[1:] == [LEFT_OUT % ("UIDL", 2)]
        await client.noop()


async def test_a_unique_id_that_cannot_be_used() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"UIDL", b"+OK\r\n1 a\r\n2 b b\r\n.\r\n")
        await peer.answer(b"UIDL 2", b"+OK 2 b b\r\n")

    async with session(play) as (client, _):
        assert await client.uidl() == [(1, "a"), (2, None)]
        assert await client.uidl(2) == (2, None)


async def test_empty_listings() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"LIST", b"+OK\r\n.\r\n")
        await peer.answer(b"UIDL", b"+OK\r\n.\r\n")

    async with session(play) as (client, _):
        assert await client.list() == []
        assert await client.uidl() == []


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"UIDL 2", b"+OK whqtswO00WBw418f9t5JxYwZ\r\n"),
        (b"UIDL 2", b"+OK 3 abc\r\n"),
        (b"UIDL 2", b"+OK\r\n"),
        (b"LIST 2", b"+OK 120\r\n"),
        (b"LIST 2", b"+OK 1 120\r\n"),
        (b"STAT", b"+OK many\r\n"),
    ],
)
async def test_an_answer_that_is_none_closes_the_connection(line: bytes, answer: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(line, answer)

    keyword, _, number = line.decode().partition(" ")
    async with session(play) as (client, server):
        ask = getattr(client, keyword.lower())
        with pytest.raises(pop3aio.RemoteProtocolError) as first:
            await (ask(int(number)) if number else ask())
        with pytest.raises(pop3aio.RemoteProtocolError) as later:
            await client.noop()
        assert str(later.value) == str(first.value)
        assert later.value is not first.value
        with pytest.raises(pop3aio.RemoteProtocolError):
            await client.quit()
        await server.over.wait()
        assert server.received[-1] == line


async def test_a_listing_that_is_too_long_is_not_taken_for_a_whole_one() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"UIDL", b"+OK\r\n" + b"".join(b"%d a\r\n" % n for n in range(1, 100)) + b".\r\n")

    async with session(play, limits=pop3aio.Limits(message_in_memory=100)) as (client, server):
        with pytest.raises(pop3aio.LimitExceeded, match="the answer to UIDL is longer than 100 octets"):
            await client.uidl()
        with pytest.raises(pop3aio.LimitExceeded):
            await client.noop()
        await server.over.wait()
        assert server.received[-1] == b"UIDL"


@pytest.mark.parametrize(
    ("limits", "body"),
    [
        (pop3aio.Limits(listing_entries=3), b"1 a\r\n2 b\r\n3 c\r\n4 d\r\n5 e"),
        (pop3aio.Limits(listing_line=20), b"1 " + b"a" * 30 + b"\r\n"),
        (pop3aio.Limits(listing_line=20), b"1 " + b"a" * 30),
    ],
)
async def test_limits_of_a_listing(limits: pop3aio.Limits, body: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"UIDL", b"+OK\r\n" + body)

    async with session(play, limits=limits) as (client, _):
        with pytest.raises(pop3aio.LimitExceeded):
            await client.uidl()
