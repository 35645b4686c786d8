"""Which keys are known, and which are being delivered."""

# How it works: a delivery claims its key, and settles it at its end. A second delivery of the same key waits until the
# first is settled, and then looks again. Nothing here looks at the disk: `learn` takes the result of a scan.
#
# Invariants, between two turns of the loop:
# - A key is in `_waiting` exactly while one delivery has claimed it.
# - `_known` holds the keys of the last scan and the keys that were delivered since.

from __future__ import annotations

import asyncio

__all__ = ("KnownKeys",)


class KnownKeys:
    """The keys of the last scan and those delivered since; one delivery at a time for each."""

    __slots__ = ("_known", "_waiting")

    def __init__(self) -> None:
        self._known: set[str] = set()
        # For each key that is claimed, the futures of the deliveries that wait for its end.
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def learn(self, keys: set[str]) -> None:
        """Take `keys` for all there are; the set is changed from then on."""
        self._known = keys

    async def claim(self, key: str, *, again: bool = False) -> bool:
        """Return True when the caller is to deliver `key`, and `settle` it; False when the key is known.

        With `again` a known key is to be delivered, too. If another delivery of the key is under way, wait for its
        outcome. Cancelling gives up the place in the line.
        """
        while again or key not in self._known:
            others = self._waiting.get(key)
            if others is None:
                self._waiting[key] = []
                return True
            ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            others.append(ended)
            await ended
        return False

    def settle(self, key: str, *, delivered: bool) -> None:
        """End the claim of `key`; the deliveries that wait for it look again, and the first of them may claim it."""
        if delivered:
            self._known.add(key)
        for ended in self._waiting.pop(key):
            if not ended.done():
                ended.set_result(None)
