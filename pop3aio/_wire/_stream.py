"""A connection: a reader and a writer that belong together, and the one way to TLS."""

# How it works. TLS is begun on the transport that exists, by `loop.start_tls` with a new protocol and a new reader.
# Octets that came in clear stay with the old reader and are never taken for octets of TLS: asyncio's own
# `StreamWriter.start_tls` keeps the old reader, which is how injected plaintext gets through.
#
# Invariants:
# - Reader and writer are replaced together, and only after the handshake and the check of the pin.
# - From the beginning of a handshake until its end `_broken` is True: the transport can only be aborted then, for
#   asyncio does not report its end.
# - The replaced writer is kept as long as the stream: when it is collected, it closes the socket under the TLS.

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

from pop3aio._errors import TlsError, TlsFault, printable
from pop3aio._wire._host import certificate_name
from pop3aio._wire._pin import digests
from pop3aio._wire._reach import reach
from pop3aio._wire._reader import CHUNK, ChunkProtocol, ChunkReader

__all__ = ("Stream", "open_stream")

# OpenSSL's numbers (x509_vfy.h): the certificate is before or past its days; the name or the address is another.
_CERTIFICATE_FAULTS: dict[int, TlsFault] = {9: "expired", 10: "expired", 62: "name", 64: "name"}

# OpenSSL's names for what it found.
_NOTHING_IN_COMMON = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "WRONG_SSL_VERSION",
        "VERSION_TOO_LOW",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "NO_PROTOCOLS_AVAILABLE",
        "NO_CIPHERS_AVAILABLE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "DH_KEY_TOO_SMALL",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
    }
)
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)


class Stream:
    """A reader and a writer that belong together, and are replaced together when TLS starts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader: asyncio.StreamReader = reader
        self.writer: asyncio.StreamWriter = writer
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

    def _check_quiet(self, server_hostname: str) -> None:
        """Raise TlsError if the server has spoken, or hung up, where a TLS handshake is due."""
        try:
            early = self.poll()
        except OSError as error:
            raise TlsError(
                f"{server_hostname} closed the connection before the TLS handshake", reason="closed"
            ) from error
        if early:
            raise TlsError(
                f"{server_hostname} speaks before the TLS handshake ({printable(repr(early[:60]))}): this port is "
                "not for implicit TLS; it may want STLS, the URL scheme pop3://",
                reason="not TLS",
            )

    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str, timeout: float, pin: bytes | None = None
    ) -> None:
        """Do the TLS handshake and go on over TLS.

        `timeout` bounds it in seconds. `pin` is the SHA-256 of the certificate or of its public key that is accepted,
        besides what `context` verifies. Raises TlsError when TLS fails or the certificate is not
        accepted; then, and after a cancel, the transport is broken and must only be aborted.
        """
        self._check_quiet(server_hostname)
        loop = asyncio.get_running_loop()
        reader = ChunkReader(loop)
        protocol = ChunkProtocol(reader, loop)
        name = certificate_name(server_hostname)
        self._broken = True
        with _handshake_faults(server_hostname, timeout):
            transport = await loop.start_tls(
                self.writer.transport,
                protocol,
                context,
                server_hostname=name,
                ssl_handshake_timeout=timeout,
            )
        if transport is None:
            raise TlsError(f"{server_hostname} closed the connection in the TLS handshake", reason="closed")
        if pin is not None:
            _check_pin(transport, pin, server_hostname, verified=context.verify_mode != ssl.CERT_NONE)
        self._broken = False
        protocol.connection_made(transport)
        self._replaced += (self.reader, self.writer)
        self.reader = reader
        self.writer = asyncio.StreamWriter(transport, protocol, reader, loop)

    def abort(self) -> None:
        """Drop the connection at once; the peer is told even if the loop is closed already."""
        try:
            self.writer.transport.abort()
        except RuntimeError:
            # A closed loop closes no transport. The socket is closed when it is collected.
            with contextlib.suppress(OSError, AttributeError):
                self.writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

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
            self._free()
        except BaseException:
            self.abort()
            raise
        else:
            self._free()
        finally:
            timer.cancel()

    def _free(self) -> None:
        """Break the reference cycles of closed transports, so that they need not wait for the collector.

        asyncio's selector transport holds bound methods of itself, which it needs only as long as it reads and writes.
        It drops them in `close`, and not in `abort`.
        """
        for writer in (self.writer, *self._replaced):
            transport = getattr(writer, "transport", None)
            if transport is not None and transport.is_closing():
                own = getattr(transport, "__dict__", {})
                own.pop("_read_ready_cb", None)
                own.pop("_write_ready", None)


@contextlib.contextmanager
def _handshake_faults(server_hostname: str, timeout: float) -> Iterator[None]:
    """Make a TlsError, with its reason, of what a handshake raises."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise TlsError(
            f"the certificate of {server_hostname} is not accepted: {error.verify_message or error}",
            reason=_CERTIFICATE_FAULTS.get(error.verify_code, "certificate"),
        ) from error
    except ssl.SSLError as error:
        raise _handshake_failed(server_hostname, error) from error
    except ConnectionAbortedError as error:
        raise TlsError(
            f"the TLS handshake with {server_hostname} took more than {timeout:g} s", reason="timeout"
        ) from error
    except OSError as error:
        raise TlsError(
            f"{server_hostname} closed the connection in the TLS handshake", reason="closed"
        ) from error


def _handshake_failed(server_hostname: str, error: ssl.SSLError) -> TlsError:
    """Tell a server whose TLS is too old (or too new) from one that does not speak TLS."""
    if error.reason in _NOTHING_IN_COMMON:
        return TlsError(
            f"{server_hostname} speaks TLS, but no version or cipher of it that is accepted here ({error.reason})",
            reason="version",
        )
    if error.reason in _NOT_TLS:
        return TlsError(
            f"no TLS with {server_hostname}: {error.reason}; is this a port for TLS?", reason="not TLS"
        )
    return TlsError(f"no TLS with {server_hostname}: {error.reason or error}", reason="handshake")


def _check_pin(transport: asyncio.Transport, pin: bytes, server_hostname: str, *, verified: bool) -> None:
    of_certificate, of_key = digests(transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
    if pin not in (of_certificate, of_key):
        transport.abort()
        raise TlsError(
            f"the certificate of {server_hostname} is {'valid but ' if verified else ''}not the pinned one: its "
            f"SHA-256 is {of_certificate.hex()}, its public key's {of_key.hex()}",
            reason="pin",
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
        sock = await reach(loop, host, port, local_addr)
    reader = ChunkReader(loop)
    protocol = ChunkProtocol(reader, loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
    return Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
