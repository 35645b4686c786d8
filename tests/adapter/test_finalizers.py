"""What is forgotten must not hold up the others, whichever thread finds it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator

import pytest

import pop3aio
from pop3aio._wire._reader import ChunkProtocol, ChunkReader
from pop3aio.testing import Server
from tests.kit.pace import stretched

MAIL = [b"Subject: %d\r\n\r\n" % number + b"x" * 1000 + b"\r\n" for number in range(1, 41)]


def collect_elsewhere() -> None:
    """Let the collector run in a thread that is not the loop's."""
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()


async def test_a_message_that_the_collector_finds_in_another_thread() -> None:
    async with Server(MAIL) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        message = client.retr(1)
        await message.__aenter__()
        cycle: list[object] = [message]
        cycle.append(cycle)
        del message, cycle
        gc.disable()
        try:
            collect_elsewhere()
        finally:
            gc.enable()
        async with asyncio.timeout(stretched(10)):
            assert (await client.stat()).count == len(MAIL)


async def test_a_run_that_the_collector_finds_in_another_thread() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(1, 11):
            yield number
        await asyncio.Event().wait()

    async with Server(MAIL) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        for feed in (range(1, 41), numbers()):
            run = client.retrieve(feed)
            await anext(run)
            cycle: list[object] = [run]
            cycle.append(cycle)
            del run, cycle
            collect_elsewhere()
            async with asyncio.timeout(stretched(10)):
                assert (await client.stat()).count == len(MAIL)


async def test_others_who_wait_go_on_when_a_message_is_forgotten() -> None:
    async with Server(MAIL) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        message = client.retr(1)
        await message.__aenter__()
        other = asyncio.create_task(client.stat())
        await asyncio.sleep(0)
        assert not other.done()
        del message
        async with asyncio.timeout(stretched(10)):
            assert (await other).count == len(MAIL)


async def test_an_end_that_nobody_waits_for_is_no_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of a handshake which was broken off."""
    loop = asyncio.get_running_loop()
    complaints: list[object] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    # asyncio takes care of it when the protocol is collected: in a cycle that may be too late.
    monkeypatch.setattr(asyncio.StreamReaderProtocol, "__del__", lambda self: None)
    protocol = ChunkProtocol(ChunkReader(loop), loop)
    protocol.connection_lost(ConnectionResetError())
    del protocol
    gc.collect()
    assert complaints == []
