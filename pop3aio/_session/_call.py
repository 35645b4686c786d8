"""A command in the queue, and the tasks that hold what answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pop3core import Command

__all__ = ("Call", "Readers")


class Call:
    """A command in the queue, and whoever waits for its answer."""

    __slots__ = ("abandoned", "command", "done", "handle", "patience", "reader", "turn")

    def __init__(self, handle: int, command: Command, patience: float) -> None:
        self.handle = handle
        self.command = command
        self.done = False
        self.abandoned = False
        # Seconds for which more of the answer may be waited for; what comes earns some back.
        self.patience = patience
        self.turn: asyncio.Future[None] | None = None
        # The task that takes the body piece by piece, and may forget to.
        self.reader: asyncio.Task[object] | None = None


class Readers:
    """The tasks that take a body piece by piece, and with how many calls each.

    `give_up` is called with a task that has failed while others wait behind its message.
    """

    def __init__(self, give_up: Callable[[asyncio.Task[object]], object]) -> None:
        self._give_up = give_up
        self._calls: dict[asyncio.Task[object], int] = {}
        self._watched: asyncio.Task[object] | None = None

    def holds(self) -> bool:
        """Return whether the running task has a message open."""
        return bool(self._calls) and asyncio.current_task() in self._calls

    def add(self, call: Call, reader: asyncio.Task[object] | None) -> None:
        """Take note that `reader` takes the call's body."""
        call.reader = reader
        if reader is not None:
            self._calls[reader] = self._calls.get(reader, 0) + 1

    def discard(self, call: Call) -> None:
        """Take note that no task holds the call's body any more."""
        if call.reader is not None:
            count = self._calls.pop(call.reader, 1) - 1
            if count:
                self._calls[call.reader] = count
            call.reader = None

    def clear(self) -> None:
        """Forget all of them."""
        self._calls.clear()
        self.watch(None)

    def watch(self, first: Call | None) -> None:
        """See to it that those who wait behind the message of `first` do not wait for a task that has failed."""
        reader = first.reader if first is not None else None
        if reader is self._watched:
            return
        if self._watched is not None:
            self._watched.remove_done_callback(self._ended)
        self._watched = reader
        if reader is not None:
            # At once, if it has ended already.
            reader.add_done_callback(self._ended)

    def _ended(self, reader: asyncio.Task[object]) -> None:
        # The traceback of a failure keeps variables, a `Retrieval` among them perhaps, which the collector would have
        # closed. A task that has ended well may have handed its message to another.
        # exception() would take the failure for seen, and asyncio would not complain any more where nobody has.
        if reader.cancelled() or reader.get_stack(limit=1):
            self._watched = None
            self._give_up(reader)
