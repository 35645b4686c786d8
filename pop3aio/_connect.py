"""How a session begins: TCP, TLS, the greeting, the capabilities."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Generator
from dataclasses import replace
from types import TracebackType
from typing import Unpack

from pop3aio._client import Client
from pop3aio._errors import CommandError, ConnectionLost, ResponseTimeout, TlsRequired
from pop3aio._options import PORTS, ConnectOptions, Options, checked_port, shows_options, with_changes
from pop3aio._wire._host import host_name
from pop3aio._wire._reach import reason
from pop3aio._wire._stream import Stream, open_stream
from pop3core import RemoteProtocolError

__all__ = ("Connect", "connect")

logger = logging.getLogger("pop3aio")


class Connect:
    """What `connect` returns: await it for a `Client`, or use it in ``async with``."""

    def __init__(self, host: str, port: int, options: Options) -> None:
        self._host = host
        self._port = port
        self._options = options
        self._client: Client | None = None

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
        options = self._options
        if options.server_hostname is None:
            options = replace(options, server_hostname=self._host)
        try:
            return await self._begin(options)
        except (ConnectionLost, ResponseTimeout, RemoteProtocolError) as error:
            if error.hint != "capa" or options.sock is not None:
                raise
            logger.info("%s port %d ended the session at CAPA; trying without it", self._host, self._port)
        # Without CAPA no weaker way is open than where CAPA is refused, and TLS is as mandatory as before.
        return await self._begin(replace(options, capa=False))

    async def _begin(self, options: Options) -> Client:
        implicit = options.tls == "implicit"
        client = await Client.begin(
            await self._reach(),
            options,
            # Moving from one standard port to the other does not make it another account.
            address=self._host.lower() + ("" if self._port in PORTS.values() else f":{self._port}"),
            secure=implicit,
            handshake=implicit,
        )
        if options.tls == "starttls":
            try:
                await self._secure(client)
            except BaseException:
                await client.drop()
                raise
        return client

    async def _reach(self) -> Stream:
        where = f"{self._host} port {self._port}"
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                if self._options.sock is not None:
                    return await open_stream(sock=self._options.sock)
                return await open_stream(self._host, self._port, local_addr=self._options.local_addr)
        except TimeoutError as error:
            raise ConnectionLost(
                f"no connection to {where} within {self._options.connect_timeout:g} s", stage="connect"
            ) from error
        except socket.gaierror as error:
            raise ConnectionLost(
                f"there is no host {self._host}: {error.strerror}", stage="resolve"
            ) from error
        except OSError as error:
            raise ConnectionLost(f"no connection to {where}: {reason(error)}", stage="connect") from error

    async def _secure(self, client: Client) -> None:
        known = client.capabilities
        if known is not None and not known.stls:
            raise TlsRequired(
                f"{self._host} does not offer STLS on port {self._port}, so nothing was sent; use implicit TLS "
                "(port 995, pop3s://) if it has that"
            )
        try:
            await client.start_tls()
        except CommandError as error:
            raise TlsRequired(f"{self._host} refuses STLS ({error.text!r}); nothing was sent") from error


@shows_options(ConnectOptions)
def connect(
    host: str, port: int | None = None, *, options: Options | None = None, **changes: Unpack[ConnectOptions]
) -> Connect:
    """Connect to a POP3 server; await the result for a `Client`, or use it in ``async with``.

    Where the server ends the first connection at CAPA, or does not answer that, a second one is made without it.

    Args:
        host: the server's name or address, without a scheme.
        port: the port, from 1 to 65535; without it, 995 or 110, as `tls` says.
        options: how to connect, instead of the defaults. See `Options` for what there is.
        changes: single options, in place of those of `options`: ``connect(host, timeout=20)``.

    Raises:
        TypeError, ValueError: an argument cannot be what it is. This is raised at once, the following when awaited.
        ConnectionLost: there is no connection.
        TlsError: TLS fails, or the certificate is not accepted.
        TlsRequired: the server has no STLS, or refuses it.
        CommandError: the server greets by ``-ERR``.
        RemoteProtocolError: the server does not speak POP3.
        ResponseTimeout: the server does not answer in time.

    Cancelling leaves nothing open.
    """
    chosen = with_changes(options, changes)
    return Connect(host_name(host), checked_port(port, chosen.tls), chosen)
