"""A server that does what a script says, however wrong: one coroutine function plays one connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

import pop3aio

__all__ = ("Peer", "Play", "Script", "admit", "capa", "session", "welcome")


class Peer:
    """One connection, seen from the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, received: list[bytes]
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.received = received

    def send(self, data: bytes) -> None:
        """Send octets as they are, in one write."""
        self.writer.write(data)

    async def line(self) -> bytes:
        """Return the client's next line without its CRLF."""
        line = (await self.reader.readuntil(b"\r\n"))[:-2]
        self.received.append(line)
        return line

    async def expect(self, *lines: bytes) -> None:
        """Read these lines."""
        for line in lines:
            assert await self.line() == line

    async def answer(self, line: bytes, data: bytes) -> None:
        """Read this line, and send octets."""
        await self.expect(line)
        self.send(data)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Do the server's part of the handshake."""
        await self.writer.start_tls(context)

    async def rest(self) -> bytes:
        """Return all that the client still sends until it closes."""
        rest = await self.reader.read()
        if rest:
            self.received += rest.removesuffix(b"\r\n").split(b"\r\n")
        return rest

    def close(self) -> None:
        """Close the connection in good order."""
        self.writer.close()

    def reset(self) -> None:
        """Drop the connection by a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Play: TypeAlias = Callable[[Peer], Awaitable[None]]


class Script:
    """Listens on a free port and plays; an async context manager.

    When the play is over, whatever the client still sends goes to `received`. What the play raises, a failed
    assertion above all, is raised again at the end of the context.
    """

    def __init__(self, *plays: Play, tls: ssl.SSLContext | None = None) -> None:
        self._plays = plays
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.failures: list[Exception] = []
        self.received: list[bytes] = []
        self.connections = 0
        self.over = asyncio.Event()
        self.host = "127.0.0.1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)
        if self.failures and (error is None or isinstance(error, pop3aio.POP3Error)):
            raise self.failures[0]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        play = self._plays[min(self.connections, len(self._plays) - 1)]
        self.connections += 1
        task = asyncio.ensure_future(self._run(play, Peer(reader, writer, self.received)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, play: Play, peer: Peer) -> None:
        try:
            await play(peer)
            await peer.rest()
        except (OSError, asyncio.IncompleteReadError):
            # The client has gone.
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            peer.writer.transport.abort()
            self.over.set()


def capa(tags: Sequence[str]) -> bytes:
    """Return an answer to CAPA."""
    return "".join(line + "\r\n" for line in ("+OK", *tags, ".")).encode()


async def welcome(peer: Peer, *capabilities: str) -> None:
    """Greet, and say what the server can do."""
    peer.send(b"+OK ready\r\n")
    await peer.answer(b"CAPA", capa(capabilities))


async def admit(peer: Peer, *capabilities: str) -> None:
    """Greet, and let the client log in by USER and PASS; without arguments the server can pipeline."""
    capabilities = capabilities or ("PIPELINING",)
    await welcome(peer, *capabilities)
    await peer.answer(b"USER user", b"+OK\r\n")
    await peer.answer(b"PASS secret", b"+OK\r\n")
    if "PIPELINING" not in capabilities:
        await peer.answer(b"CAPA", capa(capabilities))


@contextlib.asynccontextmanager
async def session(
    play: Play, *capabilities: str, **options: Any
) -> AsyncIterator[tuple[pop3aio.Client, Script]]:
    """Play behind a login; gives the client that is logged in, and drops it at the end."""

    async def whole(peer: Peer) -> None:
        await admit(peer, *capabilities)
        await play(peer)

    async with Script(whole) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none", **options)
        try:
            await client.login("user", "secret", allow_insecure=True)
            yield client, server
        finally:
            client.abort()


async def iterate(client: pop3aio.Client) -> None:
    """Read message 1 piece by piece."""
    async for _ in client.retr(1):
        pass


async def abandon(client: pop3aio.Client) -> None:
    """Give message 1 up after its first piece, and have the next call drop the rest."""
    async with client.retr(1) as message:
        await anext(message)
    await client.noop()
