"""A run that is killed at one of its suspensions: from then on nothing that it does has an effect."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any

__all__ = ("Killed", "Mortal")


class Killed(BaseException):
    """Thrown into a run where it is killed."""


class Mortal:
    """Awaits a coroutine, and kills it at its `last` suspension.

    `kill` is called first: it takes the effect from everything, so that what the coroutine does to end itself reaches
    no server, store or journal. To these it looks as if the process were gone.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], last: int | None, kill: Callable[[], None]
    ) -> None:
        self._coroutine = coroutine
        self._last = last
        self._kill = kill
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        send: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731
        while True:
            try:
                waits_for = send()
            except StopIteration as ended:
                return ended.value
            self.suspensions += 1
            if self.suspensions == self._last:
                self._kill()
                # What it waited for is not told: it is not waited for any more.
                if waits_for is not None:
                    waits_for._asyncio_future_blocking = False
                send = lambda: self._coroutine.throw(Killed())  # noqa: E731
                continue
            try:
                yield waits_for
            except BaseException as error:
                thrown = error
                send = lambda: self._coroutine.throw(thrown)  # noqa: E731, B023
            else:
                send = lambda: self._coroutine.send(None)  # noqa: E731
