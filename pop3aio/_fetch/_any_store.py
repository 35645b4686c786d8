"""A store, whatever its shape: a class with `submit`, one with `replace` too, or a plain coroutine function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import signature
from typing import Any

from pop3aio._fetch._deliveries import Deliveries
from pop3aio._fetch._incoming import Incoming
from pop3aio._fetch._listing import Item
from pop3aio._fetch._store import Deliver, MessageStore

__all__ = ("Store",)

_Submit = Callable[..., Awaitable[Any]]


class Store:
    """A store, whatever its shape, and what it can do besides `submit`."""

    def __init__(self, store: MessageStore | Deliver, concurrency: int) -> None:
        self.submit: _Submit
        self.replace: _Submit | None = getattr(store, "replace", None)
        self._keys: Callable[[], Awaitable[Any]] | None = getattr(store, "keys", None)
        self._compares = self.replace is not None and "among" in signature(self.replace).parameters
        # isinstance() with a protocol takes microseconds: it is asked once, not for each message.
        if isinstance(store, MessageStore):
            self.submit = store.submit
        elif callable(store):
            self.submit = Deliveries(store, concurrency).submit
            self.replace = self._keys = None
        else:
            raise TypeError(
                "a store has a coroutine method submit(source, *, key), or is a coroutine function "
                f"deliver(message, key); {store!r} is neither"
            )

    async def take_again(self, source: Incoming, item: Item) -> Any:
        """Submit a message of which the store may have a copy; the new one takes its place if the store can do that."""
        if self.replace is None:
            return await self.submit(source, key=source.key)
        if item.like and self._compares:
            return await self.replace(source, key=source.key, among=item.like)
        return await self.replace(source, key=source.key)

    @property
    def knows_keys(self) -> bool:
        """Whether the store can say which messages it holds."""
        return self._keys is not None

    async def keys(self) -> Any:
        """Return the keys that the store holds durably."""
        return await self._keys() if self._keys is not None else frozenset()
