"""Clients that are silent, or that do not read: neither holds the server, its lock or its memory for ever."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pop3aio.testing import Server

from .client import RawClient


@asynccontextmanager
async def deaf(server: Server) -> AsyncIterator[asyncio.StreamWriter]:
    """Connect by a socket that holds little and is never read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (server.host, server.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    try:
        yield writer
    finally:
        writer.transport.abort()
        del reader


async def test_a_client_that_does_not_read() -> None:
    """The server stops to carry out commands, and ends the session."""
    ahead = 1000
    async with Server([b"x"] * 4000, idle_timeout=1.0) as server:
        async with deaf(server) as writer:
            writer.write(b"USER user\r\nPASS password\r\n" + b"UIDL\r\n" * ahead)
            while not server.sessions:
                await asyncio.sleep(0)
            await server.sessions[0].wait_closed()
        assert len(server.commands) < ahead // 2
        assert not server.mailbox.locked


async def test_a_client_that_reads_at_last() -> None:
    """Nothing is lost for one that is only slow."""
    async with Server([b"x"] * 1000, idle_timeout=10.0) as server, RawClient(server) as client:
        await client.login()
        client.send(b"LIST\r\n" * 100)
        listing = (
            b"+OK listing follows\r\n"
            + b"".join(b"%d 3\r\n" % number for number in range(1, 1001))
            + b".\r\n"
        )
        for _ in range(100):
            assert await client.exactly(len(listing)) == listing


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"USER user\r\n",
        b"USER us",
        b"AUTH PLAIN\r\n",
        b"AUTH LOGIN\r\ndXNlcg==\r\n",
        b"USER user\r\nPASS password\r\n",
    ],
)
async def test_a_client_that_falls_silent(said: bytes) -> None:
    async with (
        Server([b"x"], idle_timeout=0.05, sasl=["PLAIN", "LOGIN"]) as server,
        RawClient(server) as client,
    ):
        client.send(said)
        assert (await client.reader.read()).startswith(b"+OK")
        await server.sessions[0].wait_closed()
        assert not server.mailbox.locked
