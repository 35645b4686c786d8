"""How a session begins: TCP, TLS, the greeting, the capabilities."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Literal

from pop3aio._client import Client
from pop3aio._errors import CommandError, ConnectionLost, TlsRequired
from pop3aio._session._session import checked_window
from pop3aio._wire._host import to_ascii
from pop3aio._wire._reach import reason
from pop3aio._wire._stream import Stream, open_stream
from pop3core import Limits

__all__ = ("Connect", "connect", "parse_pin")

Tls = Literal["implicit", "starttls", "none"]

_PORTS: dict[str, int] = {"implicit": 995, "starttls": 110, "none": 110}


class Connect:
    """What `connect` returns: await it for a `Client`, or use it in ``async with``."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: Tls,
        ssl_context: ssl.SSLContext | None,
        server_hostname: str,
        timeout: float,
        connect_timeout: float,
        window: int,
        limits: Limits,
        bare_lf: bool,
        sock: socket.socket | None,
        local_addr: tuple[str, int] | None,
        pin: bytes | None,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._ssl_context = ssl_context
        self._server_hostname = server_hostname
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._window = window
        self._limits = limits
        self._bare_lf = bare_lf
        self._sock = sock
        self._local_addr = local_addr
        self._pin = pin
        self._client: Client | None = None
        # Puts another stream in place of the one that was opened, such as one that is written down.
        self._tap: Callable[[Stream], Stream] | None = None

    def __await__(self) -> Generator[object, None, Client]:
        return self._connect().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._connect()
        return self._client

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._client is not None
        await self._client.__aexit__(exc_type, exc, traceback)

    async def _connect(self) -> Client:
        stream = await self._reach()
        if self._tap is not None:
            stream = self._tap(stream)
        client = Client(
            stream,
            # Moving from one standard port to the other does not make it another account.
            address=self._host.lower() + ("" if self._port in _PORTS.values() else f":{self._port}"),
            server_hostname=self._server_hostname,
            timeout=self._timeout,
            connect_timeout=self._connect_timeout,
            window=self._window,
            limits=self._limits,
            bare_lf=self._bare_lf,
            secure=self._tls == "implicit",
            pin=self._pin,
        )
        try:
            if self._tls == "implicit":
                await client._handshake(self._ssl_context)
            await client._greet()
            await client.capa()
            if self._tls == "starttls":
                await self._secure(client)
        except BaseException:
            client.abort()
            # Let the transport see its end, so that nothing of it outlives the attempt.
            await stream.close(0)
            raise
        return client

    async def _reach(self) -> Stream:
        where = f"{self._host} port {self._port}"
        try:
            async with asyncio.timeout(self._connect_timeout):
                if self._sock is not None:
                    return await open_stream(sock=self._sock)
                return await open_stream(self._host, self._port, local_addr=self._local_addr)
        except TimeoutError as error:
            raise ConnectionLost(f"no connection to {where} within {self._connect_timeout:g} s") from error
        except socket.gaierror as error:
            raise ConnectionLost(f"there is no host {self._host}: {error.strerror}") from error
        except UnicodeError as error:
            raise ConnectionLost(f"{self._host!r} is no name of a host") from error
        except OSError as error:
            raise ConnectionLost(f"no connection to {where}: {reason(error)}") from error

    async def _secure(self, client: Client) -> None:
        known = client.capabilities
        if known is not None and not known.stls:
            raise TlsRequired(
                f"{self._host} does not offer STLS on port {self._port}, so nothing was sent; use implicit TLS "
                "(port 995, pop3s://) if it has that"
            )
        try:
            await client.start_tls(self._ssl_context)
        except CommandError as error:
            raise TlsRequired(f"{self._host} refuses STLS ({error.text!r}); nothing was sent") from error


def parse_pin(pin: str) -> bytes:
    """Return a pin's octets; raises ValueError for what is no SHA-256 in hex (colons between octets are allowed)."""
    try:
        octets = bytes.fromhex(pin.replace(":", ""))
    except ValueError:
        octets = b""
    if len(octets) != 32:
        raise ValueError("a pin is a SHA-256 in hex: 64 digits, with or without colons between octets")
    return octets


def connect(
    host: str,
    port: int | None = None,
    *,
    tls: Tls = "implicit",
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    timeout: float = 60.0,
    connect_timeout: float = 30.0,
    window: int = 256,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    bare_lf: bool = False,
    sock: socket.socket | None = None,
    local_addr: tuple[str, int] | None = None,
    pin: str | None = None,
) -> Connect:
    """Connect to a POP3 server; await the result for a `Client`, or use it in ``async with``.

    `tls` is ``"implicit"`` (port 995), ``"starttls"`` (port 110, and STLS or nothing) or ``"none"``; there is no "TLS
    if available". Certificate and name are verified, by `ssl_context` if given; `server_hostname` is the name to verify
    if it is not `host`. `timeout` is how many seconds the server may take for a status line or for the next piece of a
    message; all of a message may take five times as many, and more at ``limits.min_rate`` or above. `connect_timeout`
    is for TCP and again for the TLS handshake. `window` is how many commands may be in flight at most where the server
    announces PIPELINING (see `Retrieval` for what else bounds them). `bare_lf` accepts LF for a line end. `sock` is a
    connected socket to use, `local_addr` an address to connect from. `pin` is the SHA-256 of the server's certificate,
    or of its public key, in hex: no other is accepted, and that one only if it is valid besides.

    Raises ConnectionLost when there is no connection, TlsError when TLS fails, TlsRequired when STLS is not to be
    had, CommandError when the server greets by ``-ERR``, RemoteProtocolError when it does not speak POP3, and
    ResponseTimeout. Cancelling leaves nothing open.
    """
    if tls not in _PORTS:
        raise ValueError(f"tls is 'implicit', 'starttls' or 'none', not {tls!r}")
    host = to_ascii(host)
    return Connect(
        host,
        _PORTS[tls] if port is None else port,
        tls,
        ssl_context,
        host if server_hostname is None else to_ascii(server_hostname),
        timeout,
        connect_timeout,
        checked_window(window),
        limits,
        bare_lf,
        sock,
        local_addr,
        None if pin is None else parse_pin(pin),
    )
