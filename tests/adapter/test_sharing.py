"""Many tasks at one client: each gets its own answer, and who leaves does not take another's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

import pop3aio
from pop3aio.testing import Server
from tests.kit.script import Peer, session

COUNT = 20


@pytest.fixture
async def client() -> AsyncIterator[pop3aio.Client]:
    async with Server([b"message %d\r\n" % n + b"x" * n for n in range(1, COUNT + 1)]) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.login("user", "password", allow_insecure=True)
        yield client
        client.abort()


@pytest.mark.parametrize("window", [1, 3, 64])
async def test_each_gets_its_own_answer(client: pop3aio.Client, window: int) -> None:
    client.window = window
    uids = dict(await client.uidl())

    async def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(10):
            number = chance.randint(1, COUNT)
            match chance.randrange(4):
                case 0:
                    assert (await client.retr(number)).startswith(b"message %d\r\n" % number)
                case 1:
                    assert (await client.uidl(number)).uid == uids[number]
                case 2:
                    assert (await client.list(number)).number == number
                case _:
                    with pytest.raises(pop3aio.CommandError, match=f"LIST {number + COUNT}:"):
                        await client.list(number + COUNT)

    await asyncio.gather(*map(work, range(12)))


async def test_who_is_cancelled_in_the_queue_is_never_heard_of() -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.expect(b"NOOP")
        asked.set()
        await go_on.wait()
        peer.send(b"+OK\r\n")
        await peer.answer(b"LIST 2", b"+OK 2 20\r\n")

    async with session(play, "USER") as (client, server):
        first = asyncio.ensure_future(client.noop())
        await asked.wait()
        cancelled = [asyncio.ensure_future(client.dele(n)) for n in range(5)]
        last = asyncio.ensure_future(client.list(2))
        await asyncio.sleep(0)
        for task in cancelled:
            task.cancel()
        await asyncio.wait(cancelled)
        go_on.set()
        await first
        assert await last == (2, 20)
        assert not any(line.startswith(b"DELE") for line in server.received)


async def test_a_batch_that_is_cancelled_takes_back_what_was_not_sent() -> None:
    asked = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.expect(b"DELE 1", b"DELE 2")
        asked.set()
        peer.send(b"+OK\r\n+OK\r\n")
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with session(play, window=2) as (client, server):
        task = asyncio.ensure_future(client.delete(range(1, 100)))
        await asyncio.sleep(0)
        task.cancel()
        await asked.wait()
        await client.noop()
        assert server.received[-3:] == [b"DELE 1", b"DELE 2", b"NOOP"]
        assert client._queue.marked == 2


async def test_the_answer_of_one_who_has_gone_is_dropped() -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.expect(b"RETR 1")
        asked.set()
        await go_on.wait()
        peer.send(b"+OK\r\n+OK 2 20\r\n.\r\n")
        await peer.answer(b"LIST 2", b"+OK 2 30\r\n")

    async with session(play) as (client, _):
        message = client.retr(1)
        task = asyncio.ensure_future(message.read())
        await asked.wait()
        task.cancel()
        await asyncio.wait([task])
        go_on.set()
        assert await client.list(2) == (2, 30)


async def test_everyone_in_line_gets_the_error_as_an_object_of_his_own() -> None:
    async def play(peer: Peer) -> None:
        await peer.expect(*[b"NOOP"] * 5)
        peer.send(b"+OK\r\n+OK\r\ngarbage\r\n+OK\r\n")

    async with session(play) as (client, server):
        outcomes = await asyncio.gather(*(client.noop() for _ in range(9)), return_exceptions=True)
        assert outcomes[:2] == [None, None]
        errors = outcomes[2:]
        assert len({id(error) for error in errors}) == 7
        assert {type(error) for error in errors} == {pop3aio.RemoteProtocolError}
        assert len({str(error) for error in errors}) == 1
        await server.over.wait()
        assert b"QUIT" not in server.received


async def test_abort_is_heard_by_all(client: pop3aio.Client) -> None:
    tasks = [asyncio.ensure_future(client.list()) for _ in range(5)]
    await asyncio.sleep(0)
    client.abort()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {str(outcome) for outcome in outcomes} == {"the connection was dropped by abort()"}
    with pytest.raises(pop3aio.ConnectionLost):
        await client.noop()
    client.abort()


async def test_quit_waits_for_the_others(client: pop3aio.Client) -> None:
    others = [asyncio.ensure_future(client.list(n)) for n in range(1, 11)]
    await asyncio.sleep(0)
    await client.quit()
    assert [(await other).number for other in others] == list(range(1, 11))


async def test_nothing_can_be_asked_behind_quit(client: pop3aio.Client) -> None:
    quitting = asyncio.ensure_future(client.quit())
    await asyncio.sleep(0)
    with pytest.raises(pop3aio.LocalProtocolError, match="once QUIT is answered"):
        await client.noop()
    with pytest.raises(pop3aio.LocalProtocolError, match="once QUIT is answered"):
        await client.quit()
    await quitting
    await client.quit()


async def test_marks_are_counted_as_the_server_confirms_them(client: pop3aio.Client) -> None:
    await client.delete([1, 2, 3, 99])
    assert client._queue.marked == 3
    await client.rset()
    assert client._queue.marked == 0
