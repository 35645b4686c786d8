"""The commands under way: queued, and in flight."""

# How it works: `join` puts a command at the end of the queue. `take` moves commands from the queue into flight, as far
# as the window, the octets and the barriers allow, and returns their lines. `settle` takes the oldest out of flight
# when its answer is complete. POP3 has no tags: the server answers in order, so the next status line always belongs to
# the oldest command in flight.
#
# Invariants between two calls:
# - Handles grow. Every handle in `flying` is smaller than every handle in the queue, and both are in order.
# - `_unanswered` is the sum of the octets of `flying`.
# - A barrier in `flying` is the last there, and QUIT is alone there.

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator

from pop3core._commands import Command

__all__ = ("Pipeline",)


class Pipeline:
    """The queue of commands and those in flight: `flying` holds the handle, the command and the octets of its line.

    Args:
        window: how many commands may be in flight at once.
    """

    __slots__ = ("_handles", "_queued", "_unanswered", "_window", "flying")

    def __init__(self, window: int) -> None:
        self.window = window
        self.flying: deque[tuple[int, Command, int]] = deque()
        # Ordered, because taking the first out of a plain dict again and again costs the square of its length.
        self._queued: OrderedDict[int, Command] = OrderedDict()
        self._handles = 0
        self._unanswered = 0

    @property
    def window(self) -> int:
        """How many commands may be in flight at once."""
        return self._window

    @window.setter
    def window(self, value: int) -> None:
        # type(), not isinstance(): True is an int.
        if type(value) is not int or value < 1:
            raise ValueError(f"the window is a count of commands from 1, not {value!r}")
        self._window = value

    @property
    def queued(self) -> int:
        """How many commands wait to be written."""
        return len(self._queued)

    def __iter__(self) -> Iterator[Command]:
        """Yield the commands that are not wholly answered, the oldest first."""
        for _, command, _ in self.flying:
            yield command
        yield from self._queued.values()

    def join(self, command: Command) -> int:
        """Put a command at the end of the queue and return its handle."""
        self._handles += 1
        self._queued[self._handles] = command
        return self._handles

    def withdraw(self, handle: int) -> Command | None:
        """Take a command out of the queue and return it; None if it was written already or never was."""
        return self._queued.pop(handle, None)

    def take(self, most: int) -> bytes:
        """Move commands into flight and return their lines.

        Args:
            most: how many octets may be in flight. A single command always may: it fits every socket's buffer.
        """
        lines = []
        flying, queued = self.flying, self._queued
        while queued and len(flying) < self._window:
            handle, command = next(iter(queued.items()))
            line = command.encode()
            octets = len(line)
            if flying and (flying[-1][1].barrier or command.alone or self._unanswered + octets > most):
                break
            del queued[handle]
            flying.append((handle, command, octets))
            self._unanswered += octets
            lines.append(line)
        return b"".join(lines)

    def settle(self) -> tuple[int, Command]:
        """Take the oldest command out of flight: its answer is complete."""
        handle, command, octets = self.flying.popleft()
        self._unanswered -= octets
        return handle, command
