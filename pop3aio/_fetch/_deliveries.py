"""A coroutine function as a store, several messages at a time if that is wished."""

from __future__ import annotations

import asyncio
from typing import Any

from pop3aio._fetch._incoming import Incoming, unread
from pop3aio._fetch._store import Deliver

__all__ = ("Deliveries",)

# A message that is listed with at most so many octets is taken into memory, so that the next one can come meanwhile.
_IN_MEMORY = 1 << 20


class Deliveries:
    """Calls ``deliver(message, key)`` for each message; up to `concurrency` calls run at a time.

    With one at a time the order of the messages is kept. With more, messages of up to 1 MiB, as the server lists them,
    are taken into memory and delivered beside one another; a longer one is delivered as it comes.
    """

    def __init__(self, deliver: Deliver, concurrency: int) -> None:
        self._deliver = deliver
        self._free = None if concurrency == 1 else asyncio.Semaphore(concurrency)

    async def submit(self, source: Incoming, *, key: str) -> asyncio.Future[Any]:
        """Deliver a message; see `MessageStore.submit`."""
        if self._free is None:
            return _done(await self._deliver(source, key))
        await self._free.acquire()
        try:
            if source.size is None or source.size > _IN_MEMORY:
                done = _done(await self._deliver(source, key))
                self._free.release()
                return done
            held = _Held(source, [bytes(chunk) async for chunk in source])
        except BaseException:
            self._free.release()
            raise
        task = asyncio.ensure_future(self._run(held, key))
        task.add_done_callback(self._end)
        return task

    async def _run(self, held: _Held, key: str) -> object:
        result = await self._deliver(held, key)
        held.check_read()
        return result

    def _end(self, _: object) -> None:
        assert self._free is not None
        self._free.release()


class _Held(Incoming):
    """A message that is in memory already."""

    __slots__ = ("_chunks",)

    def __init__(self, source: Incoming, chunks: list[bytes]) -> None:
        self.number, self.size, self.uid, self.key = source.number, source.size, source.uid, source.key
        self.octets = 0
        self.ended = self.cut = self.closed = False
        self.changed = None
        self.failure = None
        self._chunks = chunks[::-1]

    async def __anext__(self) -> bytes:
        if not self._chunks:
            self.ended = True
            raise StopAsyncIteration
        chunk = self._chunks.pop()
        self.octets += len(chunk)
        return chunk

    def check_read(self) -> None:
        """Raise LocalProtocolError unless the message was read to its end."""
        if not self.ended:
            raise unread(self)


def _done(result: object) -> asyncio.Future[Any]:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done.set_result(result)
    return done
