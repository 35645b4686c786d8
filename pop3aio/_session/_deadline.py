"""When waiting is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ("Deadline",)


class Deadline:
    """One timer for all the waits of a connection, which come by the thousand and hardly ever last.

    It looks whether someone is overdue, and otherwise asks to be called again. `expire` is called when someone is.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], object]) -> None:
        self._loop = loop
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = 0.0
        self._when: float | None = None
        self.expired = False

    def set(self, when: float) -> None:
        """Begin to wait, until `when` in the loop's time."""
        self._when = when
        if self._timer is None or self._looks_at > when:
            self._look_at(when)

    def clear(self) -> None:
        """Take note that what was waited for has come."""
        self._when = None

    def cancel(self) -> None:
        """Stop the timer: nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at(self, when: float) -> None:
        self.cancel()
        self._looks_at = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._when is None:
            return
        if self._loop.time() < self._when:
            self._look_at(self._when)
            return
        # When something has held up the loop, what came in time is only now being handed out.
        self._loop.call_soon(self._end)

    def _end(self) -> None:
        if self._when is not None and self._loop.time() >= self._when:
            self.expired = True
            self._expire()
