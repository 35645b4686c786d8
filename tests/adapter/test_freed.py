"""A session that is over is freed at once, without the collector: a service has thousands of them."""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import pop3aio
from pop3aio.testing import Certificates, Server

MAIL = [b"Subject: %d\r\n\r\nbody\r\n" % number for number in range(3)]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("tls", ["none", "implicit", "starttls"])
@pytest.mark.parametrize("way", ["quit", "drop", "block"])
async def test_no_session_waits_for_the_collector(certificates: Certificates, tls: Any, way: str) -> None:
    context = None if tls == "none" else certificates.server_context()
    held: list[weakref.ref[Any]] = []

    async def once() -> None:
        client = await pop3aio.connect(
            "localhost",
            server.port,
            tls=tls,
            ssl_context=None if context is None else certificates.client_context(),
        )
        await client.login("user", "password", allow_insecure=True)
        assert [await message async for message in client.retrieve([1, 2])] == MAIL[:2]
        assert await client.retr(3) == MAIL[2]
        tls_object = client.get_extra_info("ssl_object")
        held.append(weakref.ref(client))
        held.append(weakref.ref(client._stream.reader))
        held.append(weakref.ref(client._stream.writer.transport))
        if tls_object is not None:
            held.append(weakref.ref(tls_object))
        if way == "quit":
            await client.quit()
        elif way == "drop":
            await client.drop()
        else:
            async with client:
                pass

    async with Server(MAIL, tls=tls, ssl_context=context) as server:
        for _ in range(3):
            await once()
        for _ in range(5):
            await asyncio.sleep(0)
        assert [thing for ref in held if (thing := ref()) is not None] == []


def test_abort_after_the_loop_has_closed() -> None:
    clients = []

    async def leave_one_open(port: int) -> None:
        client = await pop3aio.connect("localhost", port, tls="none")
        clients.append(client)
        await client.login("user", "password", allow_insecure=True)

    with Server(MAIL) as server:
        asyncio.run(leave_one_open(server.port))
        [client] = clients
        client.abort()
        client.abort(pop3aio.ConnectionLost("too late"))
        assert client.state is pop3aio.State.TRANSACTION
        with warnings.catch_warnings():
            # asyncio says of the transport that nobody closed it while the loop ran, and is right.
            warnings.simplefilter("ignore", ResourceWarning)
            del client
            clients.clear()
            gc.collect()
