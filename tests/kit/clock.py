"""A clock whose time passes when the test says so: a double for `pop3aio._session._deadline.Clock`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ("Clock",)


class Clock:
    """Tells the time, and calls back when it has passed."""

    def __init__(self, now: float = 1000.0) -> None:
        self._now = now
        self._timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], Any]) -> asyncio.TimerHandle:
        self._timers.append(asyncio.TimerHandle(when, callback, (), asyncio.get_running_loop()))
        return self._timers[-1]

    def call_soon(self, callback: Callable[[], Any]) -> None:
        callback()

    def advance(self, seconds: float) -> None:
        """Let so much time pass, and what is due by then happen."""
        until = self._now + seconds
        while due := [timer for timer in self._timers if not timer.cancelled() and timer.when() <= until]:
            first = min(due, key=lambda timer: timer.when())
            self._timers.remove(first)
            self._now = max(self._now, first.when())
            first._run()
        self._now = until
