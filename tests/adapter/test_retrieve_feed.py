"""The numbers of retrieve() from an async iterable: slow, stalled, failing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import pytest

import pop3aio
from pop3aio.testing import Server

MESSAGES = [b"body of %d\r\n" % number for number in range(1, 41)]


@pytest.fixture
async def client() -> AsyncIterator[pop3aio.Client]:
    async with Server(MESSAGES) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none", window=8)
        await client.login("user", "password", allow_insecure=True)
        yield client
        client.abort()


async def feed(numbers: Iterable[int]) -> AsyncIterator[int]:
    for number in numbers:
        yield number


async def slow(numbers: Iterable[int]) -> AsyncIterator[int]:
    for number in numbers:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield number


async def test_in_order(client: pop3aio.Client) -> None:
    for source in (feed, slow):
        seen = [(m.number, await m) async for m in client.retrieve(source(range(1, 41)))]
        assert seen == list(enumerate(MESSAGES, 1))
    await client.quit()


async def test_nothing_to_fetch(client: pop3aio.Client) -> None:
    assert [m async for m in client.retrieve(feed([]))] == []
    await client.noop()


async def test_a_feed_that_stalls_does_not_hold_up_what_was_asked_for(client: pop3aio.Client) -> None:
    go_on = asyncio.Event()

    async def stalling() -> AsyncIterator[int]:
        yield 1
        yield 2
        await go_on.wait()
        yield 3

    seen = []
    async for message in client.retrieve(stalling()):
        seen.append(await message)
        if message.number == 2:
            asyncio.get_running_loop().call_soon(go_on.set)
    assert seen == MESSAGES[:3]


async def test_a_feed_that_asks_the_client_itself(client: pop3aio.Client) -> None:
    async def listing() -> AsyncIterator[int]:
        for number in range(1, 6):
            yield (await client.list(number)).number

    assert [await m async for m in client.retrieve(listing())] == MESSAGES[:5]


async def test_a_feed_that_fails(client: pop3aio.Client) -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async for message in client.retrieve(failing()):
            await message
    assert await client.retr(5) == MESSAGES[4]


async def test_a_feed_that_yields_no_number(client: pop3aio.Client) -> None:
    with pytest.raises(pop3aio.LocalProtocolError):
        async for message in client.retrieve(feed([1, 2, -3])):
            await message
    await client.noop()


async def test_breaking_off_while_the_feed_stalls(client: pop3aio.Client) -> None:
    ended = asyncio.Event()

    async def stalling() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.set()

    async for message in client.retrieve(stalling()):
        await message
        break
    await ended.wait()
    await client.noop()


async def test_breaking_off_when_the_feed_has_failed_already(client: pop3aio.Client) -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async for message in client.retrieve(failing()):
        await message
        await asyncio.sleep(0)
        break
    await client.noop()


async def test_a_cancel_while_waiting_for_the_feed(client: pop3aio.Client) -> None:
    waiting = asyncio.Event()

    async def stalling() -> AsyncIterator[int]:
        waiting.set()
        await asyncio.Event().wait()
        yield 1

    async def run() -> None:
        async for _ in client.retrieve(stalling()):
            pass

    task = asyncio.ensure_future(run())
    await waiting.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.noop()


@pytest.mark.parametrize("way", ["break", "aclose", "raise", "all"])
async def test_a_generator_of_numbers_is_closed_when_the_loop_is_left(
    client: pop3aio.Client, way: str
) -> None:
    closed = asyncio.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
            if way != "all":
                await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            closed.set()

    # This reference must not be what keeps it open.
    generator = numbers()
    with contextlib.suppress(ZeroDivisionError):
        async with client.retrieve(generator) as messages:
            async for message in messages:
                await message
                if way == "raise":
                    raise ZeroDivisionError
                if way == "aclose":
                    await messages.aclose()
                if way == "break":
                    break
    assert closed.is_set()
    with pytest.raises(StopAsyncIteration):
        await anext(generator)


async def test_a_generator_of_numbers_is_closed_when_the_retrieval_is_forgotten(
    client: pop3aio.Client,
) -> None:
    closed = asyncio.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.get_running_loop().create_future()
        finally:
            closed.set()

    generator = numbers()
    async for message in client.retrieve(generator):
        await message
        break
    del message
    await asyncio.wait_for(closed.wait(), 10)
    await client.noop()


class Endless:
    """An async iterable that is no generator: it has nothing to close."""

    def __aiter__(self) -> Endless:
        return self

    async def __anext__(self) -> int:
        return 1


async def test_an_iterable_that_is_no_generator(client: pop3aio.Client) -> None:
    async with client.retrieve(Endless()) as messages:
        assert await (await anext(messages)) == MESSAGES[0]
    await client.noop()
