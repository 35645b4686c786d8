"""Where messages go: what `fetch` asks of a store, and what a store may answer.

A store is an object with a method ``submit``, or a plain coroutine function ``deliver(message, key)``. What it says
about a message is one of these:

- it returns: the message is stored (for ``submit``: once the awaitable that it returned is done);
- it raises `LeaveOnServer`: the message stays on the server, the others go on, and it is offered again later;
- it raises `StopFetching`: the run ends in good order;
- it raises an OSError: the store as a whole is in trouble, such as a full disk; the run ends, and raises it;
- it raises anything else: the message is in trouble; it stays on the server, is reported, and is offered again later.
  Three in a row count as trouble of the store.

A message that the store did not read to its end is not stored, whatever the store says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, runtime_checkable

from pop3aio._fetch._incoming import Incoming

__all__ = ("Deliver", "LeaveOnServer", "MessageStore", "StopFetching")


class LeaveOnServer(Exception):
    """Raised by a store: this message stays on the server, is reported, and is offered again later.

    The first argument is the reason, for the report.
    """

    @property
    def reason(self) -> str:
        """Why the message was left, as the store said; empty if it did not."""
        return str(self.args[0]) if self.args else ""


class StopFetching(Exception):
    """Raised by a store: no more messages now; the run ends in good order."""


@runtime_checkable
class MessageStore(Protocol):
    """Where messages go; `maildir.Maildir` is one by its shape.

    Two methods more are used where a store has them:

    - ``async def keys(self) -> Container[str]``: the keys that the store holds durably. It is asked when a run was
      broken off, to learn what that run had stored already.
    - ``async def replace(self, source, *, key) -> Awaitable[object]``: as ``submit``, for a message of which the store
      may hold a damaged copy under the same key. When the awaitable is done, the new copy is the only one. If it has a
      keyword argument ``among``, that may hold other keys under which the message was perhaps stored: an equal message
      under one of them stays, and the new copy goes. A store without ``replace`` gets such a message by ``submit``,
      under the same key: the new copy should take the old one's place.
    """

    async def submit(self, source: Incoming, *, key: str) -> Awaitable[object]:
        """Take a message's octets, all of them, and return what to await for the message to be durable.

        It is called for the next messages before the awaitables of the earlier ones are done: up to some hundred are
        under way at a time, and must not share what belongs to one message.

        Args:
            source: the octets, as an asynchronous iterator; it also knows the message's number, size and unique-id.
            key: 32 hex digits that name the message for ever.

        Returns:
            An awaitable that is done when the message is durable, and that raises what kept it from being so.

        Raises:
            LeaveOnServer: the message stays on the server.
            StopFetching: the run ends in good order.
        """


Deliver: TypeAlias = Callable[[Incoming, str], Awaitable[object]]
"""A plain coroutine function ``deliver(message, key)`` is a store too; the message is durable when it returns."""
