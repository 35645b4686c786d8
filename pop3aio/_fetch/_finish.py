"""Work that is done to its end, although its task is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

__all__ = ("finish",)


async def finish(work: Coroutine[object, object, None]) -> None:
    """Await `work` to its end even when cancelled meanwhile; the cancel takes effect after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        # The caller has cancelled, and does not wait for the outcome.
        task.exception()
        raise cancelled
    task.result()
