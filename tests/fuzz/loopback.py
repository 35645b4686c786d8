"""A connection in memory: asyncio's own streams on a transport that keeps what is written, and is fed by hand."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

__all__ = ("Loopback",)


class Loopback(asyncio.Transport):
    """What the client writes is in `written`; `feed` is what arrives, `end` that the server closed the connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.written = b""
        self.reader = asyncio.StreamReader(loop=loop)
        self._loop = loop
        self._protocol = asyncio.StreamReaderProtocol(self.reader, loop=loop)
        self._protocol.connection_made(self)
        self.writer = asyncio.StreamWriter(self, self._protocol, self.reader, loop)
        self._closing = False

    def feed(self, octets: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(octets)

    def end(self) -> None:
        if not self._closing:
            self._protocol.eof_received()

    def lose(self) -> None:
        """The connection breaks."""
        if not self._closing:
            self._closing = True
            self._protocol.connection_lost(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def write(self, data: Any) -> None:
        if not self._closing:
            self.written += data

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        """What is fed arrives."""

    def resume_reading(self) -> None:
        """What is fed arrives."""
