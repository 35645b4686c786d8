"""The server that the standard library tests poplib with, which answers much and checks little."""

from __future__ import annotations

import importlib
import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

import pop3aio

StartServer: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def poplib_tests() -> Any:
    """The module `test.test_poplib`, which distributions of Python may leave out."""
    try:
        return importlib.import_module("test.test_poplib")
    except ImportError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error}: install the tests of this Python (Debian: libpython3-testsuite)")
        pytest.skip(f"{error}: this Python comes without its tests")


@pytest.fixture
def start(poplib_tests: Any) -> Iterator[StartServer]:
    """Start a server with a greeting of its own, if one is given."""
    servers = []

    def start_one(greeting: str | None = None) -> Any:
        class Handler(poplib_tests.DummyPOP3Handler):  # type: ignore[misc]
            def push(self, data: str) -> None:
                first, self.greeted = not getattr(self, "greeted", False), True
                super().push(greeting if first and greeting else data)

        class Server(poplib_tests.DummyPOP3Server):  # type: ignore[misc]
            handler = Handler

        server = Server((poplib_tests.HOST, 0))
        server.start()
        servers.append(server)
        return server

    yield start_one
    for server in servers:
        server.stop()


async def see_everything(client: pop3aio.Client, body: bytes) -> None:
    assert await client.stat() == pop3aio.Stat(10, 100)
    assert await client.list() == [(number, number) for number in range(1, 6)]
    assert await client.list(3) == (3, 3)
    assert await client.uidl() == [(number, str(number)) for number in range(1, 6)]
    assert (await client.uidl(5)).uid == "5"
    assert await client.retr(1) == await client.top(1, 99) == body
    assert [await message async for message in client.retrieve([1, 2, 3])] == [body] * 3
    await client.dele(1)
    await client.noop()


@pytest.fixture
def body(poplib_tests: Any) -> bytes:
    response: bytes = poplib_tests.RETR_RESP
    return response.removesuffix(b".\r\n")


async def test_login_listing_and_messages(start: StartServer, body: bytes) -> None:
    server = start()
    async with pop3aio.connect(server.host, server.port, tls="none") as client:
        assert client.greeting.text == "dummy pop3 server ready. <timestamp>"
        # A time stamp has an @ in it.
        assert client.greeting.apop_timestamp is None
        assert client.capabilities is not None
        assert client.capabilities.implementation == "python-testlib-pop-server"
        await client.login("guido", "python", allow_insecure=True)
        await see_everything(client, body)


async def test_stls(start: StartServer, body: bytes, poplib_tests: Any) -> None:
    server = start()
    context = ssl.create_default_context(cafile=poplib_tests.CAFILE)
    async with pop3aio.connect("localhost", server.port, tls="starttls", ssl_context=context) as client:
        assert client.secure
        assert client.capabilities is not None
        assert not client.capabilities.stls
        await client.login("guido", "python")
        await see_everything(client, body)


async def test_apop(start: StartServer, body: bytes) -> None:
    server = start("+OK dummy <1896.697170952@dbc.mtview.ca.us>")
    async with pop3aio.connect(server.host, server.port, tls="none") as client:
        await client.login("guido", "python", mechanism="APOP", allow_insecure=True)
        await see_everything(client, body)
