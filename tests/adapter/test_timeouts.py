"""Servers that are silent, or all but silent."""

from __future__ import annotations

import asyncio
import time

import pytest

import pop3aio
from pop3aio._session._deadline import PATIENCE
from tests.kit.pace import stretched
from tests.kit.script import Peer, session

SHORT = stretched(0.05)


async def test_no_answer() -> None:
    async def play(peer: Peer) -> None:
        await peer.expect(b"STAT")

    async with session(play, timeout=SHORT) as (client, server):
        with pytest.raises(
            pop3aio.ResponseTimeout, match="did not send the answer to STAT in time"
        ) as caught:
            await client.stat()
        assert isinstance(caught.value, TimeoutError)
        assert isinstance(caught.value, pop3aio.POP3Error)
        with pytest.raises(pop3aio.ResponseTimeout):
            await client.noop()
        await client.quit()
        await server.over.wait()
        assert server.received[-1] == b"STAT"


async def test_all_in_line_hear_of_it_once() -> None:
    async def play(peer: Peer) -> None:
        await peer.expect(b"NOOP")

    async with session(play, timeout=SHORT) as (client, server):
        outcomes = await asyncio.gather(*(client.noop() for _ in range(5)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {pop3aio.ResponseTimeout}
        assert len({id(outcome) for outcome in outcomes}) == 5
        await server.over.wait()
        assert b"QUIT" not in server.received


async def test_the_time_is_for_the_whole_line() -> None:
    dripped = 0

    async def play(peer: Peer) -> None:
        nonlocal dripped
        await peer.answer(b"STAT", b"+OK ")
        while True:
            await asyncio.sleep(SHORT / 10)
            peer.send(b"x")
            await peer.writer.drain()
            dripped += 1

    async with session(play, timeout=SHORT) as (client, _):
        with pytest.raises(pop3aio.ResponseTimeout, match="STAT"):
            await client.stat()
        assert dripped


async def test_the_time_of_a_body_is_for_each_piece() -> None:
    pieces = 15

    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\n")
        for _ in range(pieces):
            await asyncio.sleep(SHORT / 5)
            peer.send(b"x")
        peer.send(b"\r\n.\r\n")

    async with session(play, timeout=SHORT * 2) as (client, _):
        assert await client.retr(1) == b"x" * pieces + b"\r\n"


async def test_a_body_that_stalls() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nhalf")

    async with session(play, timeout=SHORT) as (client, _):
        with pytest.raises(pop3aio.ResponseTimeout, match="the answer to RETR 1 in time") as caught:
            await client.retr(1)
        assert "bare_lf" not in str(caught.value)


async def test_a_body_that_ends_by_a_bare_line_feed_stalls_with_a_hint() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nno proper end\n.\r\n")

    async with session(play, timeout=SHORT) as (client, _):
        with pytest.raises(pop3aio.ResponseTimeout, match="connect with bare_lf=True"):
            await client.retr(1)


async def test_the_hint_is_right() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nno proper end\n.\r\n")
        await peer.answer(b"NOOP", b"+OK\n")

    async with session(play, bare_lf=True) as (client, _):
        assert await client.retr(1) == b"no proper end\r\n"
        await client.noop()


async def test_a_server_that_loses_pipelined_commands_gets_a_hint() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"NOOP", b"+OK\r\n")
        await peer.rest()

    async with session(play, timeout=SHORT, window=8) as (client, _):
        with pytest.raises(pop3aio.ResponseTimeout, match=r"2 commands were in flight: .* use window=1"):
            await asyncio.gather(client.noop(), client.stat(), client.noop())


async def test_one_who_waits_for_his_turn_has_his_own_time() -> None:
    """The first answer takes long, but not too long; then the clock starts anew."""

    async def play(peer: Peer) -> None:
        await peer.expect(b"NOOP", b"STAT")
        await asyncio.sleep(SHORT * 1.2)
        peer.send(b"+OK\r\n")
        await asyncio.sleep(SHORT * 1.2)
        peer.send(b"+OK 1 2\r\n")

    async with session(play, timeout=SHORT * 2) as (client, _):
        _, stat = await asyncio.gather(client.noop(), client.stat())
        assert stat == pop3aio.Stat(1, 2)


async def test_dropping_the_answer_of_one_who_has_gone_does_not_count() -> None:
    async def play(peer: Peer) -> None:
        await peer.expect(b"NOOP", b"STAT")
        await asyncio.sleep(SHORT * 1.2)
        peer.send(b"+OK\r\n")
        await asyncio.sleep(SHORT * 1.2)
        peer.send(b"+OK 1 2\r\n")

    async with session(play, timeout=SHORT * 2) as (client, _):
        first = asyncio.ensure_future(client.noop())
        await asyncio.sleep(0)
        first.cancel()
        assert await client.stat() == pop3aio.Stat(1, 2)


async def test_a_loop_that_is_held_up_is_not_the_servers_fault() -> None:
    """What came in time counts, even if the loop finds it together with the end of the time."""
    peers = []

    async def play(peer: Peer) -> None:
        peers.append(peer)
        await peer.rest()

    async with session(play) as (client, _):
        while not peers:
            await asyncio.sleep(0)
        client.timeout = SHORT
        for _ in range(2):
            call = asyncio.ensure_future(client.noop())
            await asyncio.sleep(0)
            peers[0].send(b"+OK\r\n")
            time.sleep(SHORT * 2)
            await call
        peers[0].send(b"+OK\r\n")
        async with client.retr(1) as message:
            for _ in range(PATIENCE - 2):
                piece = asyncio.ensure_future(anext(message))
                await asyncio.sleep(0)
                peers[0].send(b"x")
                time.sleep(SHORT * 2)
                assert await piece == b"x"
            # Nor is the server's time used up by that.
            piece = asyncio.ensure_future(anext(message))
            for _ in range(10):
                await asyncio.sleep(0)
            peers[0].send(b"x")
            assert await piece == b"x"
