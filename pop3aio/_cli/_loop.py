"""The event loop of one command, and the signals that end it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ("Terminated", "run_to_end")

_T = TypeVar("_T")


class Terminated(Exception):
    """The process was asked to end (SIGTERM)."""


def run_to_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` in an event loop of its own, and return what it returns.

    Ctrl-C and SIGTERM cancel it, so that it can leave everything in good order; KeyboardInterrupt or Terminated is
    raised when it has.
    """
    terminated = False

    async def guarded() -> _T:
        task = asyncio.current_task()
        assert task is not None

        def terminate() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        # Not in another thread than the first, and not on Windows.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        raise
