"""The outcome of one item in the writer thread's queue.

This file imports no other file of the package: drafts hold tickets, and the queue makes them.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, TypeVar

__all__ = ("Item", "Queue", "Ticket")

_T = TypeVar("_T")


class Item(Protocol):
    """An entry of the queue: a draft, or a call."""

    ticket: Ticket[Any] | None


class Queue(Protocol):
    """Where items wait for the thread."""

    def withdraw(self, item: Any) -> bool:
        """Take `item` back; return False if the thread must see to it first."""


class Ticket(asyncio.Future[_T]):
    """The outcome of one item of the queue.

    To cancel a ticket, or the task that waits for it, takes a message back if the thread does not have it yet.
    Otherwise the ticket stays pending until the thread lets go of the message. The waiting task gets its
    CancelledError then: asyncio keeps the request for it when ``cancel`` returns False. So no task goes on while a
    call that was started for it still runs.
    """

    _item: Any
    _queue: Queue

    @classmethod
    def issue(cls, queue: Queue, item: Item, loop: asyncio.AbstractEventLoop) -> Ticket[_T]:
        """Return the ticket for `item`, and note it there."""
        ticket = cls(loop=loop)
        ticket._queue = queue
        ticket._item = item
        item.ticket = ticket
        return ticket

    def cancel(self, msg: Any | None = None) -> bool:
        """Take the message back if that is still possible; return whether the ticket is cancelled now."""
        if self.done() or not self._queue.withdraw(self._item):
            return False
        return super().cancel(msg)

    def give_up(self) -> None:
        """Cancel the ticket, since the thread has dropped the message."""
        super().cancel()

    def fail(self, error: Exception) -> None:
        """Set `error`, and mark it as retrieved.

        A caller that dropped the ticket does not want asyncio's "exception was never retrieved".
        """
        self.set_exception(error)
        self.exception()

    def succeeded(self) -> bool:
        """Return whether the outcome is known and good."""
        return self.done() and not self.cancelled() and self.exception() is None
