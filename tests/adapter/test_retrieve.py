"""Many messages in one loop: order, window, refusals, and leaving early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

import pop3aio
from pop3aio.testing import Server, Session
from tests.kit.script import Peer, Play, session

MESSAGES = [b"Subject: %d\r\n\r\nbody of %d\r\n" % (number, number) for number in range(1, 41)]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(MESSAGES) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[pop3aio.Client]:
    client = await pop3aio.connect(server.host, server.port, tls="none", window=8)
    await client.login("user", "password", allow_insecure=True)
    yield client
    client.abort()


async def test_in_order(client: pop3aio.Client) -> None:
    numbers = [3, 1, 2, *range(40, 3, -1)]
    seen = []
    async for message in client.retrieve(numbers):
        assert message.error is None
        assert await message == MESSAGES[message.number - 1]
        seen.append(message.number)
    assert seen == numbers
    await client.quit()


async def test_the_header_only(client: pop3aio.Client, server: Server) -> None:
    async for message in client.retrieve([1, 2], lines=0):
        assert await message == b"Subject: %d\r\n\r\n" % message.number
    assert server.commands[-2:] == ["TOP 1 0", "TOP 2 0"]


async def test_chunks(client: pop3aio.Client) -> None:
    async for message in client.retrieve([1, 2]):
        assert b"".join([chunk async for chunk in message]) == MESSAGES[message.number - 1]


async def test_nothing_to_fetch(client: pop3aio.Client) -> None:
    async for _ in client.retrieve([]):
        raise AssertionError("there is nothing")
    retrieval = client.retrieve(())
    with pytest.raises(StopAsyncIteration):
        await anext(retrieval)
    with pytest.raises(StopAsyncIteration):
        await anext(retrieval)
    await client.noop()


def counting(outstanding: list[int], count: int = 60) -> Play:
    """Answer `count` commands, each after taking all that the client sends unanswered; note how many those are."""

    async def play(peer: Peer) -> None:
        received = 0
        for answered in range(count):
            while received - answered < 1 or len(peer.reader._buffer):  # type: ignore[attr-defined]
                await peer.line()
                received += 1
            outstanding.append(received - answered)
            peer.send(b"+OK\r\n%d\r\n.\r\n" % (answered + 1))

    return play


async def test_the_window_is_used_and_kept() -> None:
    outstanding: list[int] = []
    async with session(counting(outstanding), window=6) as (client, _):
        async for message in client.retrieve(range(1, 61)):
            assert await message == b"%d\r\n" % message.number
        assert max(outstanding) == 6


async def feed(numbers: Iterable[int]) -> AsyncIterator[int]:
    for number in numbers:
        yield number


@pytest.mark.parametrize("fed", [False, True])
@pytest.mark.parametrize(
    ("size", "lines", "ahead"),
    [
        (None, None, 64),
        (4096, None, 256),
        (1 << 20, None, 4),
        (5 << 20, None, 1),
        (5 << 20, 0, 64),
        (0, None, 256),
    ],
)
async def test_how_many_are_asked_for_ahead(
    size: int | None, lines: int | None, ahead: int, fed: bool
) -> None:
    outstanding: list[int] = []
    numbers = range(1, 601)
    sizes = None if size is None else dict.fromkeys(numbers, size)
    async with session(counting(outstanding, 600), timeout=20) as (client, _):
        wanted = feed(numbers) if fed else numbers
        async for message in client.retrieve(wanted, lines=lines, sizes=sizes):
            assert await message == b"%d\r\n" % message.number
    # Beside these, the one that is being read.
    assert ahead <= max(outstanding) <= ahead + 1


async def test_sizes_that_are_not_all_known() -> None:
    outstanding: list[int] = []
    async with session(counting(outstanding, 300)) as (client, _):
        async for message in client.retrieve(range(1, 301), sizes=dict.fromkeys(range(33, 400), 1 << 20)):
            await message
    # Half of the octets for those of unknown size, at the start.
    assert outstanding[0] == 32 + 2
    assert max(outstanding[40:]) <= 4 + 1


async def test_a_server_that_cannot_pipeline() -> None:
    async def play(peer: Peer) -> None:
        for number in range(1, 6):
            await peer.expect(b"RETR %d" % number)
            # A second command would be here by now.
            await asyncio.sleep(0)
            assert not peer.reader._buffer  # type: ignore[attr-defined]
            peer.send(b"+OK\r\n%d\r\n.\r\n" % number)

    async with session(play, "USER") as (client, _):
        assert client.window == 1
        async for message in client.retrieve(range(1, 6)):
            assert await message == b"%d\r\n" % message.number


async def test_a_refusal_in_the_middle(client: pop3aio.Client) -> None:
    seen = []
    async for message in client.retrieve([1, 99, 2, 98]):
        if message.error is None:
            seen.append(await message)
        else:
            assert "no such message" in message.error.text
            with pytest.raises(pop3aio.CommandError):
                await message
    assert seen == MESSAGES[:2]
    await client.noop()


async def test_unread_messages_are_skipped(client: pop3aio.Client) -> None:
    seen = []
    async for message in client.retrieve(range(1, 21)):
        if message.number % 3 == 0:
            seen.append(await message)
        elif message.number % 3 == 1:
            async with message:
                pass
    assert seen == MESSAGES[2:20:3]


async def test_breaking_off_takes_back_what_was_not_sent(client: pop3aio.Client, server: Server) -> None:
    async for message in client.retrieve(range(1, 41)):
        await message
        if message.number == 3:
            break
    assert await client.stat() == pop3aio.Stat(40, sum(map(len, MESSAGES)))
    retrieved = [line for line in server.commands if line.startswith("RETR")]
    assert len(retrieved) <= 3 + 8
    await client.quit()


async def test_an_exception_in_the_loop(client: pop3aio.Client) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client.retrieve(range(1, 41)) as messages:
            async for _ in messages:
                raise ZeroDivisionError
    assert await client.retr(5) == MESSAGES[4]
    await client.quit()


async def test_aclose(client: pop3aio.Client) -> None:
    retrieval = client.retrieve(range(1, 41))
    message = await anext(retrieval)
    await retrieval.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(retrieval)
    with pytest.raises(pop3aio.LocalProtocolError, match="given up"):
        await message
    assert await client.retr(5) == MESSAGES[4]
    await retrieval.aclose()


async def test_aclose_by_another_task() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nhalf")
        await peer.expect(b"RETR 2", b"RETR 3")
        await peer.expect(b"NOOP")
        peer.send(b"\r\n.\r\n+OK\r\n.\r\n+OK\r\n.\r\n+OK\r\n")

    async with session(play) as (client, _):
        retrieval = client.retrieve([1, 2, 3])
        message = await anext(retrieval)
        await anext(message)
        reading = asyncio.ensure_future(message.read())
        await asyncio.sleep(0)
        await retrieval.aclose()
        await client.noop()
        with pytest.raises(pop3aio.LocalProtocolError):
            await reading


async def test_a_cancel_in_the_loop(client: pop3aio.Client) -> None:
    started = asyncio.Event()

    async def run() -> None:
        async for message in client.retrieve(range(1, 41)):
            await message
            started.set()

    task = asyncio.ensure_future(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await client.retr(5) == MESSAGES[4]


async def test_the_same_task_must_not_ask_for_something_else(client: pop3aio.Client) -> None:
    async for message in client.retrieve(range(1, 41)):
        with pytest.raises(pop3aio.ConcurrencyError):
            await client.dele(message.number)
        await message
        with pytest.raises(pop3aio.ConcurrencyError):
            await client.quit()
        if message.number == 2:
            break
    await client.dele(1)


async def test_leaving_the_client_with_an_open_retrieval(server: Server) -> None:
    with pytest.raises(pop3aio.ConcurrencyError):
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            await client.login("user", "password", allow_insecure=True)
            retrieval = client.retrieve(range(1, 41))
            await anext(retrieval)
    await server.sessions[0].wait_closed()
    assert "QUIT" not in server.commands


async def test_other_tasks_wait_for_their_turn(client: pop3aio.Client) -> None:
    async def ask(number: int) -> bytes:
        return await client.retr(number)

    others = []
    async for message in client.retrieve([1, 2, 3, 4]):
        others.append(asyncio.ensure_future(ask(message.number + 10)))
        assert await message == MESSAGES[message.number - 1]
    assert await asyncio.gather(*others) == MESSAGES[10:14]


async def test_two_tasks_at_one_retrieval(client: pop3aio.Client) -> None:
    retrieval = client.retrieve([1, 2])
    first = asyncio.ensure_future(anext(retrieval))
    await asyncio.sleep(0)
    with pytest.raises(pop3aio.ConcurrencyError, match="another task"):
        await anext(retrieval)
    assert await (await first) == MESSAGES[0]
    assert await (await anext(retrieval)) == MESSAGES[1]


async def test_the_connection_ends_in_the_middle(server: Server) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if (keyword, argument) == ("RETR", "3"):
            session.write(b"+OK\r\nhalf a mess")
            session.close()
            return True
        return False

    server.on_command = hook
    client = await pop3aio.connect(server.host, server.port, tls="none")
    await client.login("user", "password", allow_insecure=True)
    seen = []
    with pytest.raises(pop3aio.ConnectionLost, match="in the middle of the answer to RETR 3"):
        async for message in client.retrieve(range(1, 41)):
            seen += [await message]
    assert seen == MESSAGES[:2]
    await client.quit()


async def test_a_number_that_is_none(client: pop3aio.Client) -> None:
    seen = []
    with pytest.raises(pop3aio.LocalProtocolError):
        async for message in client.retrieve([1, 2, 3, 0]):
            seen += [await message]
    assert len(seen) < 4
    await client.noop()


def test_arguments_that_are_no_numbers() -> None:
    with pytest.raises(TypeError):
        pop3aio.Retrieval(None, 5, None, None)  # type: ignore[arg-type]
