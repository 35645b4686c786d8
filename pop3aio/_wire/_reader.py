"""The receiving half of a connection: whole chunks in a queue, from one buffer that all connections share."""

# How it works. The transport asks the protocol for a buffer, fills it, and reports how much; that happens in one go,
# so all connections of a loop can share one buffer. The protocol copies the octets out as one chunk and gives it to
# the reader, whose `read` hands it on as it is. When more than `CHUNK` octets wait unread, the transport is paused,
# and resumed when all are read: a server that floods an idle client fills the kernel's buffers and no more.
#
# Invariants:
# - The shared buffer holds nothing between two callbacks.
# - `_held` is True exactly while this reader has paused its transport.
# - At most one task waits in `read`; a cancelled `read` has taken nothing.
# - After the connection is lost, reader and protocol hold no transport: they would be garbage that only the collector
#   frees, with the buffers of TLS.

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, SupportsIndex, cast
from weakref import WeakKeyDictionary, WeakSet

__all__ = (
    "CHUNK",
    "ChunkProtocol",
    "ChunkReader",
)

CHUNK = 256 * 1024
"""Octets that are received at once, and that may wait unread before the transport is paused."""

TOGETHER = 4 << 20
"""Octets that the connections of one loop receive in one turn of it, as long as each gets `LEAST`."""

LEAST = 32 * 1024
"""Octets that any connection receives at once, however many there are."""

_shares: WeakKeyDictionary[asyncio.AbstractEventLoop, _SharedBuffer] = WeakKeyDictionary()


class ChunkReader(asyncio.StreamReader):
    """A StreamReader for octets instead of lines: `read` returns whole chunks as they came.

    The stock reader grows and shrinks one bytearray, which costs four times the CPU in page faults.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._event_loop = loop
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: BaseException | None = None
        self._reader: asyncio.Future[None] | None = None
        self._wire: asyncio.ReadTransport | None = None
        self._held = False

    @property
    def idle(self) -> bool:
        """Whether nothing has come that was not read: neither octets, nor the end, nor an error."""
        return not self._chunks and not self._ended and self._error is None

    def exception(self) -> Exception | None:
        return self._error if isinstance(self._error, Exception) else None

    def set_exception(self, exc: BaseException) -> None:
        self._error = exc
        self._wake()

    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports are no subclasses of asyncio's.
        self._wire = cast(asyncio.ReadTransport, transport)

    def forget_transport(self) -> None:
        """Let go of a transport that is closed.

        Under TLS it leads back to this reader, and 256 KiB of buffer would wait for the collector.
        """
        self._wire = None

    def feed_eof(self) -> None:
        self._ended = True
        self._wake()

    def at_eof(self) -> bool:
        return self._ended and not self._chunks

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        chunk = bytes(data)
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > CHUNK and not self._held and self._wire is not None:
            self._held = True
            self._wire.pause_reading()
        self._wake()

    async def read(self, n: int = -1) -> bytes:
        """Return the next chunk as it came, at most `n` octets of it if `n` is above 0; b"" at the end."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
            if self._reader is not None:
                raise RuntimeError("two tasks read from one connection")
            self._reader = self._event_loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        chunk = self._chunks.popleft()
        if 0 < n < len(chunk):
            self._chunks.appendleft(chunk[n:])
            chunk = chunk[:n]
        self._size -= len(chunk)
        if self._held and not self._chunks:
            self._held = False
            if self._wire is not None:
                self._wire.resume_reading()
        return chunk

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        raise NotImplementedError("this reader hands out chunks; use read()")

    async def readexactly(self, n: int) -> bytes:
        raise NotImplementedError("this reader hands out chunks; use read()")

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class ChunkProtocol(asyncio.StreamReaderProtocol, asyncio.BufferedProtocol):
    """Receives into one buffer that all connections of a loop share, and copies the octets out."""

    def __init__(self, reader: ChunkReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        # The base class holds the reader weakly.
        self._chunk_reader = reader
        self._shared = _share(loop)
        self._shared.join(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._chunk_reader.feed_data(bytes(self._shared.buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.leave(self)
        super().connection_lost(exc)
        self._chunk_reader.forget_transport()
        # The task that reads is told, and the task that waits for the end. Where there is none, in a handshake that was
        # broken off, the collector may find the future before the protocol, and asyncio complains.
        closed: asyncio.Future[None] = self._closed  # type: ignore[attr-defined]
        if not closed.cancelled():
            closed.exception()


class _SharedBuffer:
    """The receive buffer of a loop.

    Selector loops and uvloop ask for it, fill it and report in one go, so that one serves all connections. In one turn
    of the loop all of them may receive before any task reads: the more there are, the less of it each is given.
    """

    def __init__(self) -> None:
        # glibc's malloc learns from the first large block that is freed: from here on it keeps what chunks are made of
        # and does not fetch fresh pages from the kernel for each, which made streaming up to three times slower. It
        # costs one system call and touches no page.
        bytes(16 << 20)
        self._whole = self.buffer = memoryview(bytearray(CHUNK))
        self._users: WeakSet[ChunkProtocol] = WeakSet()

    def join(self, user: ChunkProtocol) -> None:
        self._users.add(user)
        self._divide()

    def leave(self, user: ChunkProtocol) -> None:
        self._users.discard(user)
        self._divide()

    def _divide(self) -> None:
        size = min(CHUNK, max(LEAST, TOGETHER // max(1, len(self._users))))
        if size != len(self.buffer):
            self.buffer = self._whole[:size]


def _share(loop: asyncio.AbstractEventLoop) -> _SharedBuffer:
    proactor = getattr(asyncio, "ProactorEventLoop", None)
    if proactor is not None and isinstance(loop, proactor):
        # Windows keeps the buffer while it waits, so that each connection needs its own.
        return _SharedBuffer()
    shared = _shares.get(loop)
    if shared is None:
        shared = _shares[loop] = _SharedBuffer()
    return shared
