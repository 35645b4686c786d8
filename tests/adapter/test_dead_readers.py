"""A task that fails in its loop over messages keeps them in its traceback; nobody may wait for it to read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator

import pytest

import pop3aio
from pop3aio.testing import Server

MESSAGES = [b"Subject: %d\r\n\r\n" % n + b"x" * 100_000 + b"\r\n" for n in range(1, 6)]


@pytest.fixture
async def client() -> AsyncIterator[pop3aio.Client]:
    async with Server(MESSAGES) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        yield client


@pytest.mark.parametrize("end", ["cancel", "exception"])
@pytest.mark.parametrize("early", [True, False])
async def test_who_waits_goes_on(client: pop3aio.Client, end: str, early: bool) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def fetch(messages: AsyncIterable[pop3aio.Message]) -> None:
        async for message in messages:
            await anext(message)
            reached.set()
            await go.wait()
            raise ValueError(message)

    reader = asyncio.create_task(fetch(client.retrieve(range(1, 5))))
    await reached.wait()
    waiting = [asyncio.create_task(client.list(number)) for number in (4, 5)] if early else []
    await asyncio.sleep(0)
    if end == "cancel":
        reader.cancel()
    go.set()
    await asyncio.wait([reader])
    if not early:
        waiting = [asyncio.create_task(client.list(number)) for number in (4, 5)]
    assert [scan.number for scan in await asyncio.gather(*waiting)] == [4, 5]
    assert await client.retr(5) == MESSAGES[4]
    # What it came from has not been taken for seen.
    assert reader.cancelled() if end == "cancel" else isinstance(reader.exception(), ValueError)


async def test_a_message_handed_on_is_waited_for(client: pop3aio.Client) -> None:
    async def open_first() -> pop3aio.Message:
        messages = client.retrieve([1])
        message = await anext(messages)
        kept.append(messages)
        return message

    kept: list[object] = []
    message = await asyncio.create_task(open_first())
    waiting = asyncio.create_task(client.list(2))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert await message == MESSAGES[0]
    assert (await waiting).number == 2
