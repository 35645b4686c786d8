"""A connection without sockets: what the client writes goes to the simulated session, and its answers come back."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Protocol, cast

__all__ = ("Wire",)


class Receiver(Protocol):
    """The server's end."""

    def receive(self, data: bytes) -> None:
        """Take what the client wrote."""

    def lost(self) -> None:
        """Take notice that the connection is gone."""


class Wire:
    """Both ends of one connection.

    The octets toward the client come at once, or in pieces in later turns of the loop; after `cut_at` of them the
    connection breaks.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, chance: random.Random, cut_at: int | None, delay: float = 0.0
    ) -> None:
        self.reader = asyncio.StreamReader(loop=loop)
        self._loop = loop
        self._chance = chance
        self._left = cut_at
        self._delay = delay
        self._pieces = delay > 0 or chance.randrange(4) == 0
        self._out = bytearray()
        self._scheduled = False
        self._ending: str | None = None
        self.over = False
        self.receiver: Receiver | None = None

    @property
    def writer(self) -> asyncio.StreamWriter:
        """The client's writing end."""
        return cast(asyncio.StreamWriter, _Writer(self))

    # -- from the client

    def written(self, data: bytes) -> None:
        """Hand to the server what the client wrote."""
        if not self.over and self.receiver is not None:
            self.receiver.receive(data)

    def drop(self) -> None:
        """Break the connection from the client's side."""
        if not self.over:
            self.over = True
            if self.receiver is not None:
                self.receiver.lost()
            if not self.reader.at_eof():
                self.reader.feed_eof()

    # -- from the server

    def send(self, data: bytes) -> None:
        """Send octets to the client."""
        if self._ending is not None or self.over:
            return
        if self._left is not None and len(data) >= self._left:
            data, self._left = data[: self._left], 0
            self._out += data
            self.end(reset=self._chance.random() < 0.5)
            return
        if self._left is not None:
            self._left -= len(data)
        self._out += data
        self._schedule()

    def end(self, *, reset: bool = False) -> None:
        """Close the connection behind what was sent."""
        if self._ending is None:
            self._ending = "reset" if reset else "close"
            if self.receiver is not None:
                self.receiver.lost()
            self._schedule()

    def _schedule(self) -> None:
        if not self._pieces:
            self._deliver(len(self._out))
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_later(self._delay, self._piece)

    def _piece(self) -> None:
        self._scheduled = False
        self._deliver(self._chance.choice((1, 3, 20, 200, 5000)) if not self._delay else len(self._out))
        if self._out and not self.over:
            self._schedule()

    def _deliver(self, most: int) -> None:
        if self.over:
            return
        piece = bytes(self._out[:most])
        del self._out[:most]
        if piece:
            self.reader.feed_data(piece)
        if not self._out and self._ending is not None:
            self.over = True
            if self._ending == "reset":
                self.reader.set_exception(ConnectionResetError("reset by the simulated network"))
            else:
                self.reader.feed_eof()


class _Writer:
    """What the client needs of a StreamWriter and of its transport."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._closing = False
        self.transport = self

    def write(self, data: bytes) -> None:
        if not self._closing:
            self._wire.written(bytes(data))

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        self._closing = True
        self._wire.drop()

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    async def wait_closed(self) -> None:
        await asyncio.sleep(0)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default
