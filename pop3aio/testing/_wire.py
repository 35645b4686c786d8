"""One accepted connection: command lines in, answers out, TLS in between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import cast

__all__ = ("Cut", "LineTooLong", "Wire", "stop_listening")

# Answers wait for each other up to this size, then they are written.
SEND_SIZE = 64 * 1024
# Input that the session has not read yet waits up to this size, then the socket is no longer read.
RECEIVE_LIMIT = 256 * 1024
# Seconds that a client has at least to take what was sent before the end.
_LEAST_PATIENCE = 1.0


class LineTooLong(Exception):
    """The client sent a line over the limit; the rest of it is skipped."""


class Cut(Exception):
    """All octets are out that were to be let out."""


class Wire(asyncio.Protocol):
    """The octets of one connection, for one task that reads lines and writes answers.

    What is written goes out together when that task waits for something, or when 64 KiB have come together.

    Args:
        connected: called when the connection is there.
        ended: called at once when the client will send nothing more, before the task that reads notices.
        forgetful: whether a part of a line is lost if the rest does not come in the same segment.
        patience: says for how many seconds the client may take nothing of what is sent to it; None is for ever.
    """

    def __init__(
        self,
        connected: Callable[[], None],
        ended: Callable[[], None],
        *,
        forgetful: bool = False,
        patience: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._connected = connected
        self._ended = ended
        self._forgetful = forgetful
        self._patience = patience
        self._closing: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        # Not asked of the transport, which forgets it while it closes.
        self._secure = False
        self._input = bytearray()
        self._reading_paused = False
        self._skipping = False
        self._eof = False
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._left: int | None = None
        self._flushing = False
        self._writable = True
        self._waiter: asyncio.Future[None] | None = None
        self.closed = self._loop.create_future()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The transports of other event loops need not be subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._connected()

    def data_received(self, data: bytes) -> None:
        self._input += data
        if self._forgetful:
            del self._input[self._input.rfind(b"\n") + 1 :]
        if len(self._input) > RECEIVE_LIMIT and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._eof = True
        self._ended()
        self._wake()
        # A client may send QUIT, shut its side down and still wait for the answer.
        return self._transport is not None and not self.secure

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
            self._eof = True
            if exc is not None:
                self._input.clear()
            self._transport = None
            if self._closing is not None:
                self._closing.cancel()
            self._ended()
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        assert self._waiter is None, "two tasks use one connection"
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # What a session calls.

    @property
    def secure(self) -> bool:
        """Whether TLS is up."""
        return self._secure

    def has_received(self, keyword: bytes) -> bool:
        """Return whether a keyword, given in upper case, is in what was received but not yet read."""
        return keyword in self._input.upper()

    def forget_received(self) -> None:
        """Lose what was received but not yet read."""
        self._input.clear()

    async def read_line(self, limit: int) -> bytes | None:
        """Return the next line without its line end, LF with a CR before it or not; None when no more will come.

        Args:
            limit: the most octets a line may have, with its line end.

        Raises:
            LineTooLong: a line had more; it is skipped.
        """
        while True:
            end = self._input.find(b"\n")
            if end >= 0:
                line = bytes(self._input[: end + 1])
                del self._input[: end + 1]
                if self._skipping or len(line) > limit:
                    self._skipping = False
                    raise LineTooLong
                return line[:-1].removesuffix(b"\r")
            if len(self._input) > limit:
                self._skipping = True
            if self._skipping:
                self._input.clear()
            if self._reading_paused and self._transport is not None:
                self._reading_paused = False
                self._transport.resume_reading()
            if self._eof:
                return None
            self._flush()
            await self._wait()

    def write(self, data: bytes) -> None:
        """Send octets, together with what else is written before the task waits.

        Raises:
            Cut: these are the last ones that `cut` lets out, or there are more of them.
        """
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._pending.append(data)
        self._pending_size += len(data)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_soon)
        if self._left == 0:
            raise Cut

    def cut(self, octets: int) -> None:
        """Let only so many octets more out."""
        self._left = octets

    async def drain(self) -> None:
        """Wait until the connection takes more.

        Raises:
            ConnectionResetError: the connection is gone, or the client took nothing for too long.
        """
        self._flush()
        try:
            async with asyncio.timeout(self._patience()):
                while not self._writable and not self.closed.done():
                    await self._wait()
        except TimeoutError:
            self.abort()
            raise ConnectionResetError("the client takes nothing of what is sent to it") from None
        if self.closed.done():
            raise ConnectionResetError("the client is gone")

    async def drain_if_full(self) -> None:
        """Wait like `drain` if 64 KiB or more have come together, and let others have their turn.

        Also where the client has not taken what was sent before: many short answers would pile up otherwise.
        """
        if self._pending_size >= SEND_SIZE or not self._writable:
            await self.drain()
            # A client that reads as fast as this writes never makes drain wait.
            await asyncio.sleep(0)

    def _flush_soon(self) -> None:
        self._flushing = False
        self._flush()

    def _flush(self) -> None:
        if self._pending:
            data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
            self._pending.clear()
            self._pending_size = 0
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(data)

    async def start_tls(self, context: ssl.SSLContext, announcement: bytes = b"") -> None:
        """Turn the connection into a TLS one.

        Args:
            context: presents the server's certificate.
            announcement: the last octets in clear.

        Raises:
            OSError: the handshake failed (`ssl.SSLError` among others); the connection is closed.
        """
        # The plain transport would tell the TLS layer, not this class, that it takes more again.
        await self.drain()
        plain = self._transport
        assert plain is not None
        # What came in clear behind STLS must never count as sent under TLS.
        self._input.clear()
        self._skipping = False
        self._reading_paused = False
        if announcement:
            self.write(announcement)
            self._flush()
        self._transport = None
        try:
            secure = await self._loop.start_tls(plain, self, context, server_side=True)
            if secure is None:
                raise ConnectionResetError("the client went during the handshake")
        except BaseException:
            # asyncio does not report the loss of a connection whose handshake failed.
            plain.abort()
            await asyncio.sleep(0)
            self.connection_lost(None)
            raise
        self._transport = secure
        self._secure = True

    def close(self) -> None:
        """Close the connection once everything written is sent, or the client has taken nothing for too long."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
            patience = self._patience()
            if patience is not None and self._closing is None:
                self._closing = self._loop.call_later(max(patience, _LEAST_PATIENCE), self.abort)

    def abort(self, *, reset: bool = False) -> None:
        """Drop the connection, and what is not sent yet with it.

        Args:
            reset: the client gets a TCP reset, not an orderly end.
        """
        self._pending.clear()
        self._pending_size = 0
        if self._transport is not None:
            if reset:
                sock = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()


async def stop_listening(server: asyncio.Server) -> None:
    """Take no more connections; those that were taken already are all made then."""
    # asyncio drops a connection on the floor, open, if its server is closed between the accept and connection_made,
    # which come one turn of the loop after another.
    with contextlib.suppress(NotImplementedError):
        for listener in server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    server.close()
