"""One message: awaited, iterated, left early, refused."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

import pop3aio
from pop3aio._session._message import MessageState
from pop3aio.testing import GeneratedMessage, Server
from tests.kit.script import Peer, session

SMALL = b"Subject: small\r\n\r\nhello\r\n"
BIG = b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * 700_000 + b"\r\n"


@pytest.fixture
async def client() -> AsyncIterator[pop3aio.Client]:
    async with Server([SMALL, BIG, GeneratedMessage(3 << 20), BIG, BIG]) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.login("user", "password", allow_insecure=True)
        yield client
        client.abort()


async def test_awaited(client: pop3aio.Client) -> None:
    assert await client.retr(1) == SMALL
    assert await client.retr(2) == BIG
    assert await client.retr(2).read() == BIG


async def test_iterated(client: pop3aio.Client) -> None:
    chunks = [chunk async for chunk in client.retr(2)]
    assert b"".join(chunks) == BIG
    assert len(chunks) > 1
    await client.noop()


async def test_in_async_with(client: pop3aio.Client) -> None:
    async with client.retr(1) as message:
        assert message.number == 1
        assert message.error is None
        assert repr(message) == "<pop3aio.Message 1 here>"
        assert await message.read() == SMALL
        with pytest.raises(pop3aio.LocalProtocolError, match="was read already"):
            await message.read()
        assert repr(message) == "<pop3aio.Message 1 read>"
        await client.noop()
    await client.noop()


async def test_octets_that_are_gone_are_an_error_and_never_an_empty_message(client: pop3aio.Client) -> None:
    for use in (
        lambda message: message.read(),
        lambda message: message,
        lambda message: iterate(message),
    ):
        for number in (1, 2):
            message = client.retr(number)
            await message
            with pytest.raises(pop3aio.LocalProtocolError, match="was read already"):
                await use(message)
            message = client.retr(number)
            await iterate(message)
            with pytest.raises(StopAsyncIteration):
                await anext(message)
            with pytest.raises(pop3aio.LocalProtocolError, match="was read already"):
                await use(message)


async def iterate(message: pop3aio.Message) -> None:
    async for _ in message:
        pass


async def test_messages_that_retrieve_has_passed(client: pop3aio.Client) -> None:
    messages = [message async for message in client.retrieve([1, 2, 1])]
    for message in messages:
        with pytest.raises(pop3aio.LocalProtocolError, match=r"was passed, since retrieve\(\) went on"):
            await message
        with pytest.raises(pop3aio.LocalProtocolError, match="was passed"):
            await anext(message)
    assert {message.state for message in messages} == {MessageState.PASSED}


async def test_a_message_is_what_create_task_takes(client: pop3aio.Client) -> None:
    assert await asyncio.create_task(client.retr(1)) == SMALL
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.retr(number)) for number in (1, 2, 4)]
    assert [task.result() for task in tasks] == [SMALL, BIG, BIG]
    assert [*await asyncio.gather(client.retr(1), client.retr(2))] == [SMALL, BIG]
    task = asyncio.create_task(client.retr(2))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    never = asyncio.create_task(client.retr(1))
    never.cancel()
    with pytest.raises(asyncio.CancelledError):
        await never
    unused = client.retr(1)
    unused.close()
    with pytest.raises(pop3aio.LocalProtocolError, match="given up"):
        await unused
    await client.noop()


async def test_nothing_is_sent_before_it_is_asked_for(client: pop3aio.Client) -> None:
    message = client.retr(1)
    assert repr(message) == "<pop3aio.Message 1 new>"
    await client.noop()
    assert await message == SMALL


async def test_a_message_given_up_before_it_was_asked_for(client: pop3aio.Client) -> None:
    message = client.retr(1)
    del message
    await client.noop()


async def test_leaving_early_drops_the_rest(client: pop3aio.Client) -> None:
    async with client.retr(2) as message:
        first = await anext(message)
        assert BIG.startswith(first)
    with pytest.raises(pop3aio.LocalProtocolError, match="message 2 was given up"):
        await message.read()
    assert await client.retr(1) == SMALL


async def test_the_budget_is_for_each_message(client: pop3aio.Client) -> None:
    for number in (2, 4, 5):
        async with client.retr(number) as message:
            await anext(message)
    assert await client.retr(1) == SMALL
    async for _ in client.retr(2):
        break
    async for _ in client.retr(4):
        break
    assert await client.retr(1) == SMALL


async def test_a_rest_that_is_too_long_costs_the_connection(client: pop3aio.Client) -> None:
    async with client.retr(3) as message:
        await anext(message)
    with pytest.raises(
        pop3aio.ConnectionLost, match="the answer to a cancelled RETR 3 is longer than 1048576 octets"
    ):
        await client.noop()
    with pytest.raises(pop3aio.ConnectionLost, match="cancelled RETR 3"):
        await client.noop()


@pytest.mark.parametrize(("budget", "lives"), [(4 << 20, True), (1, False)])
async def test_the_budget_can_be_set(budget: int, lives: bool) -> None:
    limits = pop3aio.Limits(abandoned=budget)
    async with Server([GeneratedMessage(3 << 20)]) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none", limits=limits)
        await client.login("user", "password", allow_insecure=True)
        async with client.retr(1) as message:
            await anext(message)
        if lives:
            await client.noop()
        else:
            with pytest.raises(pop3aio.ConnectionLost, match="longer than 1 octets"):
                await client.noop()
        client.abort()


async def test_breaking_off_the_loop_gives_up(client: pop3aio.Client) -> None:
    async for _ in client.retr(2):
        break
    await client.noop()


async def test_an_exception_in_the_loop_gives_up(client: pop3aio.Client) -> None:
    with pytest.raises(ZeroDivisionError):
        async for _ in client.retr(2):
            raise ZeroDivisionError
    gc.collect()
    await client.noop()


async def test_a_refused_message(client: pop3aio.Client) -> None:
    message = client.retr(9)
    with pytest.raises(pop3aio.CommandError, match="the server refused RETR 9: no such message"):
        await message
    assert isinstance(message.error, pop3aio.CommandError)
    assert repr(message) == "<pop3aio.Message 9 refused>"
    with pytest.raises(pop3aio.CommandError):
        await message
    with pytest.raises(pop3aio.CommandError):
        async with message:
            raise AssertionError("this block is not entered")
    with pytest.raises(pop3aio.CommandError):
        async with client.retr(9):
            raise AssertionError("this block is not entered")
    await client.noop()


async def test_one_message_in_two_blocks(client: pop3aio.Client) -> None:
    message = client.retr(2)
    async with message:
        await anext(message)
        async with message:
            await anext(message)
    with pytest.raises(pop3aio.LocalProtocolError, match="given up"):
        await anext(message)


async def test_a_message_too_long_for_memory() -> None:
    async with Server([b"x" * 2000, b"y"]) as server:
        async with pop3aio.connect(
            server.host, server.port, tls="none", limits=pop3aio.Limits(message_in_memory=1000)
        ) as client:
            await client.login("user", "password", allow_insecure=True)
            assert sum([len(chunk) async for chunk in client.retr(1)]) == 2002
            with pytest.raises(pop3aio.LimitExceeded, match="message 1 is longer than 1000 octets; iterate"):
                await client.retr(1)
            with pytest.raises(pop3aio.LimitExceeded):
                await client.retr(2)
            with pytest.raises(pop3aio.LimitExceeded):
                await client.quit()
        assert server.commands[-1] == "RETR 1"


async def test_a_streamed_message_has_a_limit_if_wanted() -> None:
    async with Server([b"x" * 1000]) as server:
        client = await pop3aio.connect(
            server.host, server.port, tls="none", limits=pop3aio.Limits(message=100)
        )
        await client.login("user", "password", allow_insecure=True)
        with pytest.raises(pop3aio.LimitExceeded, match="the answer to RETR 1 is longer than 100 octets"):
            async for _ in client.retr(1):
                pass


async def test_the_task_that_holds_a_message_would_wait_for_itself(client: pop3aio.Client) -> None:
    async with client.retr(2) as message:
        for ask in (
            client.noop,
            client.list,
            client.stat,
            client.quit,
            client.start_tls,
            client.retr(1).read,
        ):
            with pytest.raises(pop3aio.ConcurrencyError, match="would wait for itself"):
                await ask()
        with pytest.raises(pop3aio.ConcurrencyError):
            await anext(client.retrieve([1]))
        assert await message.read() == BIG
        await client.noop()


async def test_another_task_waits_for_the_end_of_the_message(client: pop3aio.Client) -> None:
    async with client.retr(2) as message:
        other = asyncio.ensure_future(client.stat())
        await anext(message)
        assert not other.done()
        await message.read()
    assert (await other).count == 5


async def test_a_message_read_in_another_task(client: pop3aio.Client) -> None:
    message = await client.retr(2).__aenter__()
    first = await anext(message)

    async def rest() -> bytes:
        data = await anext(message)
        with pytest.raises(pop3aio.ConcurrencyError, match="would wait for itself"):
            await client.noop()
        return data + await message.read()

    reading = asyncio.ensure_future(rest())
    await asyncio.sleep(0)
    await client.noop()
    assert first + await reading == BIG


async def test_two_tasks_at_one_message(client: pop3aio.Client) -> None:
    message = client.retr(2)
    tasks = [asyncio.ensure_future(message.read()) for _ in range(3)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(map(type, outcomes), key=str) == sorted(
        [bytes, pop3aio.ConcurrencyError, pop3aio.ConcurrencyError], key=str
    )
    assert BIG in outcomes
    await client.noop()


async def test_a_message_given_up_while_another_task_waits_for_it() -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nfirst\r\n")
        asked.set()
        await go_on.wait()
        peer.send(b"second\r\n.\r\n")
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with session(play) as (client, _):
        message = await client.retr(1).__aenter__()
        await anext(message)

        async def read() -> bytes:
            return await message.read()

        reading = asyncio.ensure_future(read())
        await asked.wait()
        await asyncio.sleep(0)
        await message.__aexit__(None, None, None)
        others = [asyncio.ensure_future(client.noop())]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(pop3aio.LocalProtocolError, match="RETR 1 was given up"):
            await reading
        await asyncio.gather(*others)


async def test_a_message_given_up_while_another_task_waits_for_its_turn() -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.expect(b"NOOP")
        asked.set()
        await go_on.wait()
        peer.send(b"+OK\r\n")
        await peer.answer(b"STAT", b"+OK 1 2\r\n")

    async with session(play, window=1) as (client, server):
        first = asyncio.ensure_future(client.noop())
        await asked.wait()
        message = client.retr(1)
        reading = asyncio.ensure_future(message.read())
        await asyncio.sleep(0)
        await message.__aexit__(None, None, None)
        with pytest.raises(pop3aio.LocalProtocolError, match="given up"):
            await reading
        go_on.set()
        await first
        assert await client.stat() == pop3aio.Stat(1, 2)
        assert b"RETR 1" not in server.received


async def test_a_message_given_up_while_its_reader_reads_for_another() -> None:
    """The reader drops the answer of one who has gone; its own command was not even sent."""
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.expect(b"NOOP")
        asked.set()
        await go_on.wait()
        peer.send(b"+OK\r\n")
        await peer.answer(b"STAT", b"+OK 1 2\r\n")

    async with session(play, window=1) as (client, server):
        gone = asyncio.ensure_future(client.noop())
        await asked.wait()
        gone.cancel()
        await asyncio.wait([gone])
        message = client.retr(1)
        reading = asyncio.ensure_future(message.read())
        await asyncio.sleep(0)
        await message.__aexit__(None, None, None)
        other = asyncio.ensure_future(client.stat())
        await asyncio.sleep(0)
        go_on.set()
        assert await other == pop3aio.Stat(1, 2)
        with pytest.raises(pop3aio.LocalProtocolError, match="given up"):
            await reading
        assert b"RETR 1" not in server.received


async def test_a_cancelled_read_gives_up(client: pop3aio.Client) -> None:
    message = client.retr(2)
    reading = asyncio.ensure_future(message.read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    with pytest.raises(pop3aio.LocalProtocolError, match="given up"):
        await message
    await client.noop()


async def test_a_short_message_is_held_like_a_long_one(client: pop3aio.Client) -> None:
    """What works with mail of one size works with mail of any."""
    for number in (1, 2):
        async with client.retr(number) as message:
            with pytest.raises(pop3aio.ConcurrencyError, match="a message open"):
                await client.noop()
            await message.read()
            await client.noop()
    message = client.retr(1)
    await message.__aenter__()
    del message
    await client.noop()


async def test_a_short_message_given_up(client: pop3aio.Client) -> None:
    async with client.retr(1) as message:
        pass
    with pytest.raises(pop3aio.LocalProtocolError, match="message 1 was given up"):
        await message.read()
    await client.noop()


async def test_a_short_message_too_long_for_memory() -> None:
    body = b"x" * 998 + b"\r\n"
    limits = pop3aio.Limits(message_in_memory=len(body) - 1)
    async with (
        Server([body]) as server,
        pop3aio.connect(server.host, server.port, tls="none", limits=limits) as client,
    ):
        await client.login("user", "password", allow_insecure=True)
        async with client.retr(1) as message:
            assert b"".join([chunk async for chunk in message]) == body
        with pytest.raises(pop3aio.LimitExceeded, match="message 1 is longer than"):
            await client.retr(1)
        client.abort()


async def test_a_message_asked_for_outside_of_any_task(client: pop3aio.Client) -> None:
    done = asyncio.Event()

    def ask() -> None:
        coroutine = anext(client.retr(2)).__await__()
        next(coroutine)
        coroutine.close()
        done.set()

    asyncio.get_running_loop().call_soon(ask)
    await done.wait()
    await client.noop()
