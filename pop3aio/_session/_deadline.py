"""When waiting is over: the timer of a connection, and the arithmetic of patience."""

# How it works. A server may take `timeout` seconds for a status line, and again for each piece of a body: that is the
# deadline of one wait. All the waits for one answer together are bounded by its patience, which a wait spends and
# octets earn back. Without it a server that sends one octet a minute would hold a caller for ever.
#
# Invariant: no answer that lies in the socket is given up. When the loop or the whole process did not run for a while,
# the time is over before the octets were looked at; so the loop gets a few turns more before the wait is ended.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ("PATIENCE", "Clock", "Deadline", "patience_left")

PATIENCE = 5
"""How many times the time-out may be waited for one answer in all, if it comes more slowly than `Limits.min_rate`."""

# Turns of the loop after the end of the time: in the first the selector finds the octets, in the second they are read
# (asyncio runs this callback before), and in the third the task that waits for them runs.
_TURNS = 4


class Clock(Protocol):
    """What tells the time, and calls back: an event loop, or a test's double."""

    def time(self) -> float:
        """Return the time in seconds, from an arbitrary beginning."""
        ...

    def call_at(self, when: float, callback: Callable[[], Any], /) -> asyncio.TimerHandle:
        """Call back at a time."""
        ...

    def call_soon(self, callback: Callable[[], Any], /) -> asyncio.Handle | None:
        """Call back in the next turn."""
        ...


def patience_left(left: float, waited: float, octets: int, min_rate: int, most: float) -> float:
    """Return for how many seconds more an answer may be waited for.

    Args:
        left: the seconds before this wait.
        waited: the seconds of this wait. What lies behind its deadline is not the server's fault.
        octets: how many came at its end.
        min_rate: octets a second that a server must send in the long run.
        most: the seconds of the beginning; however much came, there are never more.
    """
    left += octets / min_rate - (waited if waited > 0.0 else 0.0)
    return left if left < most else most


class Deadline:
    """One timer for all the waits of a connection, of which there are thousands, and which hardly ever last.

    The timer is not set anew for each wait: when it goes off, it looks whether a wait is overdue, and otherwise asks to
    be called again. `expire` is called when one is.
    """

    def __init__(self, clock: Clock, expire: Callable[[], object]) -> None:
        self._clock = clock
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = 0.0
        self._when: float | None = None
        self._turns = 0
        self.expired = False

    def set(self, when: float) -> None:
        """Begin to wait, until `when` by the clock."""
        self._when = when
        if self._timer is None or self._looks_at > when:
            self._look_at(when)

    def clear(self) -> None:
        """End the wait: it was over in time."""
        self._when = None

    def cancel(self) -> None:
        """Stop the timer: no task waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at(self, when: float) -> None:
        self.cancel()
        self._looks_at = when
        self._timer = self._clock.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._when is None:
            return
        if self._clock.time() < self._when:
            self._look_at(self._when)
            return
        self._turns = _TURNS
        self._end()

    def _end(self) -> None:
        """End the wait after a few turns of the loop, unless the octets are found meanwhile."""
        if self._when is None or self._clock.time() < self._when:
            return
        if self._turns:
            self._turns -= 1
            self._clock.call_soon(self._end)
        else:
            self.expired = True
            self._expire()
