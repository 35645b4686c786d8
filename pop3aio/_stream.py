"""The wire: a StreamReader that queues whole chunks, its protocol, and the one way to TLS."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, SupportsIndex, TypeAlias, cast
from weakref import WeakKeyDictionary, WeakSet

from pop3aio._der import public_key, server_end_point
from pop3aio._errors import TlsError, printable

__all__ = ("CHUNK", "ChunkProtocol", "ChunkReader", "Stream", "default_ssl_context", "open_stream", "reason")

CHUNK = 256 * 1024
"""Octets that are received at once, and that may wait unread before the transport is paused."""

TOGETHER = 4 << 20
"""Octets that the connections of one loop receive in one turn of it, as long as each gets `LEAST`."""

LEAST = 32 * 1024
"""Octets that any connection receives at once, however many there are."""

ATTEMPT_DELAY = 0.25
"""Seconds that an address has before the next one is tried beside it."""

_Address: TypeAlias = tuple[int, int, int, str, Any]

_shares: WeakKeyDictionary[asyncio.AbstractEventLoop, _SharedBuffer] = WeakKeyDictionary()


def default_ssl_context(cafile: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies chain and name, the name by subjectAltName alone (RFC 9525 section 2).

    By the system's authorities, or by those in `cafile`, of which OSError or SSLError is raised if it is no good.
    """
    context = ssl.create_default_context(cafile=cafile)
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class ChunkReader(asyncio.StreamReader):
    """A StreamReader for one who wants octets, not lines: `read` returns whole chunks as they came.

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
            assert self._wire is not None
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
    """Receives into one buffer that all connections of a loop share, and copies out what came."""

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
        # Whoever reads is told, and whoever waits for the end. Where nobody does, in a handshake that was broken off,
        # the collector may find the future before the protocol, and asyncio complains.
        closed: asyncio.Future[None] = self._closed  # type: ignore[attr-defined]
        if not closed.cancelled():
            closed.exception()


class _SharedBuffer:
    """The receive buffer of a loop.

    Selector loops and uvloop ask for it, fill it and report in one go, so that one serves all connections. In one turn
    of the loop all of them may receive before anyone reads: the more there are, the less of it each is given.
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


class Stream:
    """A reader and a writer that belong together, and are replaced together when TLS starts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        # A StreamWriter that is collected closes the socket under the TLS that runs on it.
        self._replaced: list[object] = []
        # Within a handshake that was broken off, asyncio never reports the end of the connection.
        self._broken = False

    @property
    def tls_version(self) -> str | None:
        """The TLS version in use, such as ``"TLSv1.3"``, or None."""
        tls = self.writer.get_extra_info("ssl_object")
        version: str | None = tls.version() if tls is not None else None
        return version

    def poll(self) -> bytes | None:
        """Return what has arrived already, b"" at the end of the stream, or None; never waits."""
        if isinstance(self.reader, ChunkReader) and self.reader.idle:
            return None
        attempt = self.reader.read(CHUNK)
        try:
            attempt.send(None)
        except StopIteration as finished:
            data: bytes = finished.value
            return data
        finally:
            attempt.close()
        return None

    def channel_binding(self, *, end_point: bool = False) -> tuple[str, bytes] | None:
        """Return the type and data of this TLS channel's binding, or None where Python has none (RFC 5056).

        Of TLS 1.2 it is tls-unique: we never resume a session, without which it would not be safe. TLS 1.3 has
        tls-exporter alone (RFC 9266), where the interpreter offers that; tls-unique must not be used there, though
        Python returns one. With `end_point`, the server's certificate is bound to if there is nothing better.
        """
        tls = self.writer.get_extra_info("ssl_object")
        if tls is None:
            return None
        kind = "tls-unique" if tls.version() == "TLSv1.2" else "tls-exporter"
        data = tls.get_channel_binding(kind) if kind in ssl.CHANNEL_BINDING_TYPES else None
        if data:
            return kind, data
        certificate = tls.getpeercert(binary_form=True)
        if end_point and certificate is not None and (data := server_end_point(certificate)) is not None:
            return "tls-server-end-point", data
        return None

    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str, timeout: float, pin: bytes | None = None
    ) -> None:
        """Do the TLS handshake and go on over TLS.

        `timeout` bounds it in seconds. `pin` is the SHA-256 of the certificate or of its public key that is accepted,
        besides what `context` verifies. Raises TlsError when there is no TLS to be had or the certificate is not
        accepted; then, and after a cancel, the transport is broken and must only be aborted.
        """
        try:
            early = self.poll()
        except OSError as error:
            raise TlsError(f"{server_hostname} closed the connection before the TLS handshake") from error
        if early:
            raise TlsError(
                f"{server_hostname} speaks before the TLS handshake ({printable(repr(early[:60]))}): this port is "
                "not for implicit TLS; it may want STLS, the URL scheme pop3://"
            )
        loop = asyncio.get_running_loop()
        reader = ChunkReader(loop)
        protocol = ChunkProtocol(reader, loop)
        # An IPv6 zone is for routing, not for the certificate.
        name = server_hostname.partition("%")[0]
        self._broken = True
        try:
            transport = await loop.start_tls(
                self.writer.transport, protocol, context, server_hostname=name, ssl_handshake_timeout=timeout
            )
        except ssl.SSLCertVerificationError as error:
            raise TlsError(
                f"the certificate of {server_hostname} is not accepted: {error.verify_message or error}"
            ) from error
        except ssl.SSLError as error:
            raise TlsError(
                f"no TLS with {server_hostname}: {error.reason or error}; is this a port for TLS?"
            ) from error
        except ConnectionAbortedError as error:
            raise TlsError(
                f"the TLS handshake with {server_hostname} took more than {timeout:g} s"
            ) from error
        except OSError as error:
            raise TlsError(f"{server_hostname} closed the connection in the TLS handshake") from error
        if transport is None:
            raise TlsError(f"{server_hostname} closed the connection in the TLS handshake")
        if pin is not None:
            _check_pin(transport, pin, server_hostname)
        self._broken = False
        protocol.connection_made(transport)
        self._replaced += (self.reader, self.writer)
        self.reader = reader
        self.writer = asyncio.StreamWriter(transport, protocol, reader, loop)

    def abort(self) -> None:
        """Drop the connection at once."""
        self.writer.transport.abort()

    async def close(self, grace: float = 1.0) -> None:
        """Close the connection in good order, by force after `grace` seconds."""
        if self._broken:
            self.abort()
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(grace, self.abort)
        try:
            # Python 3.11's TLS transport forgets all about itself when it is closed a second time.
            if not self.writer.is_closing():
                self.writer.close()
            await self.writer.wait_closed()
        except (OSError, TimeoutError):
            # All that mattered was answered before; how the peer hangs up does not matter.
            self.abort()
        except BaseException:
            self.abort()
            raise
        finally:
            timer.cancel()


def _check_pin(transport: asyncio.Transport, pin: bytes, server_hostname: str) -> None:
    certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    digests = [hashlib.sha256(octets).digest() for octets in (certificate, public_key(certificate))]
    if pin not in digests:
        transport.abort()
        raise TlsError(
            f"the certificate of {server_hostname} is valid but not the pinned one: its SHA-256 is {digests[0].hex()}, "
            f"its public key's {digests[1].hex()}"
        )


async def open_stream(
    host: str | None = None,
    port: int | None = None,
    *,
    sock: socket.socket | None = None,
    local_addr: tuple[str, int] | None = None,
) -> Stream:
    """Connect by TCP, or take a socket that is connected; raises OSError."""
    loop = asyncio.get_running_loop()
    if sock is None:
        sock = await _reach(loop, host, port, local_addr)
    reader = ChunkReader(loop)
    protocol = ChunkProtocol(reader, loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
    return Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


async def _reach(
    loop: asyncio.AbstractEventLoop, host: str | None, port: int | None, local_addr: tuple[str, int] | None
) -> socket.socket:
    """Connect to the first of a host's addresses that answers; one that is slow is not waited for (RFC 8305).

    This is not left to asyncio, whose race loses the winner's socket when it is cancelled at the wrong moment.
    """
    addresses = _in_turns(await _resolve(loop, host, port))
    attempts: list[asyncio.Task[socket.socket]] = []
    winner: socket.socket | None = None
    try:
        while winner is None:
            if addresses:
                attempts.append(loop.create_task(_attempt(loop, addresses.popleft(), local_addr)))
            running = [attempt for attempt in attempts if not attempt.done()]
            if not running:
                failures = dict.fromkeys(reason(error) for a in attempts if (error := a.exception()))
                raise OSError("; ".join(failures))
            timeout = ATTEMPT_DELAY if addresses else None
            await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            winner = next((a.result() for a in attempts if a.done() and not a.exception()), None)
    finally:
        for attempt in attempts:
            if attempt.cancel() or attempt.cancelled() or attempt.exception():
                continue
            if attempt.result() is not winner:
                attempt.result().close()
    return winner


async def _resolve(loop: asyncio.AbstractEventLoop, host: str | None, port: int | None) -> Sequence[_Address]:
    """Return the addresses of a host; one that is an address by itself does not need the resolver's thread."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _attempt(
    loop: asyncio.AbstractEventLoop, address: _Address, local_addr: tuple[str, int] | None
) -> socket.socket:
    family, kind, protocol, _, peer = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if local_addr is not None:
            sock.bind(local_addr)
        await loop.sock_connect(sock, peer)
    except BaseException:
        sock.close()
        raise
    return sock


def _in_turns(addresses: Iterable[_Address]) -> deque[_Address]:
    """Return the addresses so that the families take turns, the system's first choice first."""
    families: dict[int, list[_Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    turns = zip_longest(*families.values())
    return deque(address for turn in turns for address in turn if address is not None)


def reason(error: BaseException) -> str:
    """Return what an OSError is about, without the address that asyncio puts into its text."""
    number = getattr(error, "errno", None)
    # What getaddrinfo says has numbers of its own.
    return str(error) if number is None or isinstance(error, socket.gaierror) else os.strerror(number)
