"""The race for a TCP connection: a host has several addresses, and one of them may be slow (RFC 8305)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, TypeAlias

__all__ = (
    "ATTEMPT_DELAY",
    "reach",
    "reason",
)

ATTEMPT_DELAY = 0.25
"""Seconds that an address has before the next one is tried beside it."""

_Address: TypeAlias = tuple[int, int, int, str, Any]


async def reach(
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
