"""A client on streams that exist already: asyncio's own."""

from __future__ import annotations

import asyncio

import pytest

import pop3aio
from pop3aio.testing import Certificates, GeneratedMessage, Server

MESSAGES = [b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(1, 9)]


async def test_a_session() -> None:
    async with Server([*MESSAGES, GeneratedMessage(3 << 20)]) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        async with await pop3aio.Client.from_streams(reader, writer) as client:
            assert not client.secure
            with pytest.raises(pop3aio.TlsRequired):
                await client.login("user", "password")
            await client.login("user", "password", allow_insecure=True)
            assert repr(client) == "<pop3aio.Client of streams TRANSACTION>"
            assert [await m async for m in client.retrieve(range(1, 9))] == MESSAGES
            assert sum([len(chunk) async for chunk in client.retr(9)]) == 3 << 20
            await client.dele(9)
            with pytest.raises(pop3aio.LocalProtocolError, match="server_hostname"):
                await client.start_tls()
        assert len(server.mailbox) == 8


async def test_a_tunnel_that_counts_as_secure() -> None:
    async with Server(MESSAGES) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        async with await pop3aio.Client.from_streams(
            reader, writer, secure=True, server_hostname="mail.example"
        ) as client:
            assert client.secure
            await client.login("user", "password")
            assert client.account == "user@mail.example"


async def test_tls_that_was_there_before(certificates: Certificates) -> None:
    async with Server(MESSAGES, tls="implicit", ssl_context=certificates.server_context()) as server:
        reader, writer = await asyncio.open_connection(
            "localhost", server.port, ssl=certificates.client_context()
        )
        async with await pop3aio.Client.from_streams(reader, writer, secure=True) as client:
            assert client.tls_version == "TLSv1.3"
            await client.login("user", "password")
            assert await client.retr(2) == MESSAGES[1]


async def test_start_tls(certificates: Certificates) -> None:
    async with Server(
        [*MESSAGES, GeneratedMessage(3 << 20)], tls="starttls", ssl_context=certificates.server_context()
    ) as server:
        reader, writer = await asyncio.open_connection("localhost", server.port)
        client = await pop3aio.Client.from_streams(reader, writer, server_hostname="localhost")
        async with client:
            await client.start_tls(certificates.client_context())
            assert client.secure
            del reader, writer
            await client.login("user", "password")
            assert [await m async for m in client.retrieve(range(1, 9))] == MESSAGES
            assert sum([len(chunk) async for chunk in client.retr(9)]) == 3 << 20


async def test_a_refusal_drops_the_connection() -> None:
    async with Server(greeting=b"-ERR no\r\n") as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        with pytest.raises(pop3aio.CommandError):
            await pop3aio.Client.from_streams(reader, writer)
        await server.sessions[0].wait_closed()


async def test_a_window_that_is_none() -> None:
    async with Server() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        with pytest.raises(ValueError, match="window"):
            await pop3aio.Client.from_streams(reader, writer, window=0)
        writer.close()
        await writer.wait_closed()


async def test_a_cancelled_caller_and_an_idle_end() -> None:
    async with Server(MESSAGES) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        client = await pop3aio.Client.from_streams(reader, writer)
        await client.login("user", "password", allow_insecure=True)
        task = asyncio.ensure_future(client.list())
        await asyncio.sleep(0)
        task.cancel()
        assert (await client.list(3)).number == 3
        server.sessions[0].write(b"-ERR idle\r\n")
        server.sessions[0].close()
        while not reader.at_eof() and not reader._buffer:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        with pytest.raises(pop3aio.ConnectionLost, match="-ERR idle"):
            await client.noop()
        await client.quit()
