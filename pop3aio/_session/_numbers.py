"""The message numbers of a retrieval: from an iterable, or from an async iterable that may let them wait."""

# How it works. `take` hands out what is at hand. An iterable always has its next number at hand, or is exhausted. An
# async iterable is asked in a task of its own, so that a slow one does not hold up the messages that were asked for;
# its number is at hand when that task is done.
#
# Invariants: at most one task asks the async iterable. After `stop` no task asks it any more, and `aclose` has closed
# it in addition if it is a generator: nothing else closes it when the loop over the messages is left.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import suppress

__all__ = ("Numbers",)

# The tasks that close async generators of retrievals which were forgotten; asyncio holds tasks weakly.
_closing: set[asyncio.Task[None]] = set()


class Numbers:
    """Hands out message numbers as soon as they are known."""

    def __init__(self, numbers: Iterable[int] | AsyncIterable[int]) -> None:
        self.exhausted = False
        """Whether there are no more numbers."""
        self._iterator: Iterator[int] = iter(()) if isinstance(numbers, AsyncIterable) else iter(numbers)
        self._feed: AsyncIterator[int] | None = aiter(numbers) if isinstance(numbers, AsyncIterable) else None
        self._asking: asyncio.Task[int | None] | None = None

    def take(self, room: int) -> Iterator[int]:
        """Yield the numbers that are at hand, at most `room` of them; sets `exhausted` at the end of an iterable."""
        for _ in range(room):
            number = next(self._iterator, None)
            if number is None:
                self.exhausted = self._feed is None
                return
            yield number

    async def wait(self, *, idle: bool) -> bool:
        """Ask for one more number where none is at hand.

        Args:
            idle: whether there is nothing else to do than to wait for it.

        Returns:
            True if a number is at hand, or there are no more; False if one is not worth waiting for now.

        Raises what the async iterable raises. Cancelling loses nothing.
        """
        if self._feed is None:
            return True
        if self._asking is None:
            self._asking = asyncio.ensure_future(_next(self._feed))
            # An async iterable that need not wait gets the chance to answer at once.
            await asyncio.sleep(0)
        if not self._asking.done():
            if not idle:
                return False
            await asyncio.wait([self._asking])
        number = self._asking.result()
        self._asking = None
        if number is None:
            self.exhausted = True
        else:
            self._iterator = iter((number,))
        return True

    def stop(self) -> None:
        """Ask for no more numbers."""
        asking = self._asking
        if asking is not None and not asking.cancel() and not asking.cancelled():
            # How the async iterable ended does not matter any more; unasked, asyncio would report it.
            asking.exception()

    async def aclose(self) -> None:
        """Close the async iterable if it is a generator: its ``finally`` runs now."""
        self.stop()
        if self._feed is not None:
            await _close(self._feed, self._asking)

    def disown(self) -> None:
        """Stop and close in a finalizer, in whichever thread that runs."""
        if self._feed is not None and self._asking is not None:
            loop = self._asking.get_loop()
            # RuntimeError: the loop is closed, and has closed its generators.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_close_soon, self._feed, self._asking)


async def _next(feed: AsyncIterator[int]) -> int | None:
    return await anext(feed, None)


async def _close(feed: AsyncIterator[int], asking: asyncio.Task[int | None] | None) -> None:
    if asking is not None:
        asking.cancel()
        await asyncio.wait([asking])
    aclose = getattr(feed, "aclose", None)
    if aclose is not None:
        await aclose()


def _close_soon(feed: AsyncIterator[int], asking: asyncio.Task[int | None]) -> None:
    task = asyncio.ensure_future(_close(feed, asking))
    _closing.add(task)
    task.add_done_callback(_closing.discard)
