"""Cancelling at every place where a coroutine can be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any, Generic, Literal, TypeVar

__all__ = ("Through", "When", "cancelled_at")

T = TypeVar("T")

When = Literal["early", "late"]


class _Counted(Generic[T]):
    """Awaits something, and cancels the running task at one of the suspensions."""

    def __init__(self, awaitable: Awaitable[T], at: int, when: When) -> None:
        self._awaitable = awaitable
        self._at = at
        self._when = when
        self.reached = False

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._awaitable.__await__()
        task = asyncio.current_task()
        assert task is not None
        suspensions = 0
        resume = steps.send
        argument: Any = None
        while True:
            try:
                future = resume(argument)
            except StopIteration as finished:
                result: T = finished.value
                return result
            suspensions += 1
            if suspensions == self._at:
                self.reached = True
                if self._when == "early" or future is None:
                    task.cancel()
                else:
                    # What is waited for has come, but the task has not been told yet.
                    future.add_done_callback(lambda _: task.cancel())
            try:
                argument = yield future
            except BaseException as error:
                argument = error
                resume = steps.throw
            else:
                resume = steps.send


async def cancelled_at(awaitable: Awaitable[T], suspension: int, when: When) -> T | None:
    """Await in a task of its own, cancelled at its n-th suspension.

    Returns None if it was cancelled. Raises `Through` when it was through before.
    """
    counted = _Counted(awaitable, suspension, when)

    async def run() -> T:
        return await counted

    task = asyncio.ensure_future(run())
    await asyncio.wait([task])
    if not counted.reached:
        raise Through(task.exception() or task.result())
    if task.cancelled():
        return None
    return task.result()


class Through(Exception):
    """The coroutine was through before the suspension came; the argument is its result, or what it raised."""
