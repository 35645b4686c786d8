"""An event loop in which time passes only when nothing else can happen: a stall of a minute costs nothing.

How it works. No world uses a socket. So when no callback is ready, the loop looks up the next timer and sets its clock
to it. If there is no timer either, everybody waits for ever: that is a hang, and raises. Work for a thread is done at
once, in the loop's own thread, so that a world with the same seed always takes the same course.

Invariant: the wall clock (`wall`) and the loop's clock go on together; between two runs `pass_by` moves both.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

__all__ = ("Hang", "WorldLoop")

_BEGINNING = 1_700_000_000.0


class Hang(BaseException):
    """Nothing is ready, no timer is set, and the run is not over."""


class _NoWaiting(selectors.SelectSelector):
    """Waits for nothing: it takes the time that it was to wait as passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Hang("nothing is ready and no timer is set: the run would never end")
        self.now += max(0.0, timeout)
        return []


class WorldLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own, and no threads."""

    def __init__(self) -> None:
        self._waiting = _NoWaiting()
        super().__init__(self._waiting)

    def time(self) -> float:
        """Return the seconds since the world began."""
        return self._waiting.now

    def wall(self) -> float:
        """Return the seconds since 1970, in the world's time; stands in for `time.time`."""
        return _BEGINNING + self._waiting.now

    def pass_by(self, seconds: float) -> None:
        """Let time pass between two runs."""
        self._waiting.now += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Do the work at once, and return its future."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done
