"""A client that shows the server's octets as they are: no part of POP3 is taken for granted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Self

from pop3aio.testing import Server

__all__ = ("RawClient",)

DEADLINE = 60.0


class RawClient:
    """Sends and receives octets on one connection; an async context manager."""

    def __init__(self, server: Server, context: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._context = context

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(
            self._server.host,
            self._server.port,
            ssl=self._context,
            server_hostname="localhost" if self._context else None,
            limit=1 << 20,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def send(self, data: bytes) -> None:
        """Send octets."""
        self.writer.write(data)

    async def line(self) -> bytes:
        """Return the next line with its line end."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readuntil(b"\r\n")

    async def lines(self, count: int) -> list[bytes]:
        """Return the next lines with their line ends."""
        return [await self.line() for _ in range(count)]

    async def exactly(self, count: int) -> bytes:
        """Return the next octets."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()

    async def multi(self) -> bytes:
        """Return a multi-line response without its first line and its end, still dot-stuffed."""
        assert (await self.line()).startswith(b"+OK")
        body = b""
        while (line := await self.line()) != b".\r\n":
            body += line
        return body

    async def ask(self, command: bytes) -> bytes:
        """Send a command and return the first line of its answer."""
        self.send(command + b"\r\n")
        return await self.line()

    async def login(self, user: bytes = b"user", password: bytes = b"password") -> bytes:
        """Read the greeting, log in and return the answer to PASS."""
        await self.line()
        await self.ask(b"USER " + user)
        return await self.ask(b"PASS " + password)

    async def starttls(self, context: ssl.SSLContext) -> None:
        """Upgrade the connection."""
        await self.writer.start_tls(context, server_hostname="localhost")
