"""Stores that fail: a box with keys, a table without, and a function that only appends.

How it works. A store takes a message's octets, and settles it some turns later, in groups. Until then a kill may lose
it, or keep it. What a store holds is what the model believes to be stored, and nothing else is.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterable, Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

import pop3aio

from .mail import Mail

__all__ = ("Appender", "Box", "Copy", "StoreTrouble", "Table", "WiseBox")


class StoreTrouble(Exception):
    """What a store of these worlds raises for one message."""


@dataclass
class Copy:
    """What a store holds: the octets, and for which message they came."""

    data: bytes
    mail: Mail | None


_Entry: TypeAlias = tuple[asyncio.Future[None], Callable[[], None], Exception | None]


class _Base:
    def __init__(self, chance: random.Random, which: Callable[[int], Mail | None]) -> None:
        self._chance = chance
        self._which = which
        self._pending: deque[_Entry] = deque()
        self._dead = False
        self.full = False
        self.taken = 0
        """Messages of this run that were called stored, and read to the end."""
        self.words: Counter[str] = Counter()

    def begin(self) -> None:
        """Begin a run."""
        self._dead = False
        self.taken = 0
        self.words.clear()

    def kill(self) -> None:
        """The process is gone: what was not settled is lost, or not."""
        self._dead = True
        for done, keep, error in self._pending:
            if error is None and self._chance.random() < 0.5:
                keep()
            if not done.done():
                done.cancel()
        self._pending.clear()

    def contents(self) -> Counter[bytes]:
        """Return what is held durably."""
        return Counter(copy.data for copy in self.copies())

    def copies(self) -> list[Copy]:
        """Return all that is held durably."""
        raise NotImplementedError

    async def _take(self, source: Any, keep: Callable[[Copy], None]) -> asyncio.Future[None]:
        if self._dead:
            raise StoreTrouble("the process was killed")
        mail = self._which(source.number)
        word = mail.store.strike() if mail is not None else "ok"
        if word != "ok":
            self.words[word] += 1
        if word == "leave":
            raise pop3aio.LeaveOnServer("not this one")
        if word == "stop":
            raise pop3aio.StopFetching("enough")
        if word == "raise" and self._chance.random() < 0.5:
            raise StoreTrouble("not taken")
        data = await _read(source, word)
        if word == "raise":
            raise StoreTrouble("not taken")
        if self.full:
            raise OSError(28, "No space left on device")
        if self._dead:
            raise StoreTrouble("the process was killed")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if word in ("late", "late leave"):
            error = StoreTrouble("too late") if word == "late" else pop3aio.LeaveOnServer("after all")
            self._later(done, lambda: None, error)
            return done
        if word == "silent":
            if mail is not None and mail.serial % 2:
                keep(Copy(data, mail))
            return done
        if word != "unread":
            copy = Copy(data, mail)
            self.taken += word == "ok"
            self._later(done, lambda: keep(copy), None)
        else:
            done.set_result(None)
        return done

    def _later(self, done: asyncio.Future[None], keep: Callable[[], None], error: Exception | None) -> None:
        # In the order of coming, as one writer does.
        self._pending.append((done, keep, error))
        asyncio.get_running_loop().call_later(self._chance.choice((0.0, 0.0, 0.01, 0.5)), self._settle)

    def _settle(self) -> None:
        if self._dead or not self._pending:
            return
        done, keep, error = self._pending.popleft()
        if error is None:
            keep()
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


async def _read(source: AsyncIterable[bytes], word: str) -> bytes:
    if word == "unread":
        return b""
    data = b""
    async for chunk in source:
        data += bytes(chunk)
        if word == "partly":
            return data[: len(data) // 2]
    return data


class Box(_Base):
    """A box that knows its keys, and can replace what stands under one."""

    def __init__(self, chance: random.Random, which: Callable[[int], Mail | None]) -> None:
        super().__init__(chance, which)
        self._held: dict[str, list[Copy]] = {}

    def copies(self) -> list[Copy]:
        return [copy for copies in self._held.values() for copy in copies]

    async def keys(self) -> set[str]:
        await asyncio.sleep(0)
        return set(self._held)

    async def submit(self, source: Any, *, key: str) -> Awaitable[None]:
        return await self._take(source, lambda copy: self._held.setdefault(key, []).append(copy))

    async def replace(self, source: Any, *, key: str) -> Awaitable[None]:
        def put(copy: Copy) -> None:
            self._held[key] = [copy]

        return await self._take(source, put)


class WiseBox(Box):
    """A box that also compares with what stands under other keys; as a Maildir does."""

    async def replace(self, source: Any, *, key: str, among: Collection[str] = ()) -> Awaitable[None]:
        def put(copy: Copy) -> None:
            self._held.pop(key, None)
            if not any(other.data == copy.data for like in among for other in self._held.get(like, ())):
                self._held[key] = [copy]

        return await self._take(source, put)


class Table(_Base):
    """A table with a primary key, which cannot be asked for its keys: a later message takes the place of an earlier."""

    def __init__(self, chance: random.Random, which: Callable[[int], Mail | None]) -> None:
        super().__init__(chance, which)
        self._held: dict[str, Copy] = {}

    def copies(self) -> list[Copy]:
        return list(self._held.values())

    async def submit(self, source: Any, *, key: str) -> Awaitable[None]:
        return await self._take(source, lambda copy: self._held.__setitem__(key, copy))


class Appender(_Base):
    """A coroutine function that appends, whatever comes."""

    def __init__(self, chance: random.Random, which: Callable[[int], Mail | None]) -> None:
        super().__init__(chance, which)
        self._held: list[Copy] = []

    def copies(self) -> list[Copy]:
        return list(self._held)

    async def __call__(self, source: Any, key: str) -> None:
        await (await self._take(source, self._held.append))
