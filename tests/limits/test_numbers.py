"""Numbers that are none, or far too large: they cost their entry, or the session, and never time or memory."""

from __future__ import annotations

import logging

import pytest

import pop3aio
from tests.kit.script import Peer, capa, session

# int() of more than 4300 digits raises ValueError, and takes seconds for a few millions where it does not.
HUGE = [b"9" * 20, b"9" * 4000, b"4294967297" * 2, b"+1", b"-1", b"1_0", "١".encode(), b"0x10", b"1e9"]


@pytest.mark.parametrize("number", HUGE)
async def test_counts_that_are_none_end_the_session(number: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", b"+OK " + number + b" 1\r\n")

    async with session(play) as (client, server):
        with pytest.raises(pop3aio.RemoteProtocolError):
            await client.stat()
        with pytest.raises(pop3aio.RemoteProtocolError):
            await client.noop()
        await server.over.wait()


@pytest.mark.parametrize("number", HUGE)
async def test_octets_that_are_none_are_unknown(number: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", b"+OK 1 " + number + b"\r\n")

    async with session(play) as (client, _):
        assert await client.stat() == pop3aio.Stat(1, None)


@pytest.mark.parametrize("number", [number for number in HUGE if len(number) < 2000])
@pytest.mark.parametrize("command", [b"LIST", b"UIDL"])
async def test_numbers_that_are_none_cost_their_entry(
    command: bytes, number: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(command, b"+OK\r\n1 1\r\n" + number + b" 2\r\n3 3\r\n.\r\n")
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with session(play) as (client, _):
        with caplog.at_level(logging.WARNING, "pop3aio"):
            listing = await (client.list() if command == b"LIST" else client.uidl())
        assert [entry.number for entry in listing] == [1, 3]
        assert "left out" in caplog.text
        await client.noop()


@pytest.mark.parametrize("number", HUGE)
async def test_a_delay_that_is_none_is_unknown(number: bytes) -> None:
    async def play(peer: Peer) -> None:
        tags = ["LOGIN-DELAY " + number.decode(), "EXPIRE " + number.decode()]
        await peer.answer(b"CAPA", capa(tags))

    async with session(play, limits=pop3aio.Limits(listing_line=8192)) as (client, _):
        capabilities = await client.capa(refresh=True)
        assert capabilities.login_delay is None
        assert capabilities.expire is None
