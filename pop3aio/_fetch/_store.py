"""Where messages go: what `fetch` asks of a store."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Protocol, TypeAlias, runtime_checkable

__all__ = (
    "Deliver",
    "MessageStore",
)


@runtime_checkable
class MessageStore(Protocol):
    """Where messages go; `maildir.Maildir` is one by its shape."""

    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> Awaitable[object]:
        """Take a message's octets, and return what to await for it to be durable.

        `key` is 32 hex digits that name the message for ever. A store that has a method ``keys()``, a coroutine
        function that returns the keys it holds durably, is asked before anything is fetched: what a crash left
        delivered but not journalled is not fetched twice then.
        """


Deliver: TypeAlias = Callable[[AsyncIterable[bytes], str], Awaitable[object]]
"""A plain coroutine function ``deliver(message, key)`` is a store too; the message is durable when it returns."""
