"""What a test may have left: tasks, descriptors, complaints of the event loop."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from tests.kit.pace import stretched

__all__ = ("Leaks",)


class Leaks:
    """What was there before, to compare with; it asks for a loop that runs nothing but the test."""

    def __init__(self) -> None:
        self.complaints: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._complaint)
        self._descriptors = _descriptors()

    def _complaint(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # In debug mode a server says so when a client refuses its certificate, which is what the client is there for.
        if context["message"] != "Error on transport creation for incoming connection":
            self.complaints.append(context)

    def found(self) -> dict[str, object]:
        """Return what is there and was not there before."""
        descriptors = {fd: name for fd, name in _descriptors().items() if self._descriptors.get(fd) != name}
        tasks = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        leaks = {"complaints": self.complaints, "tasks": tasks, "descriptors": descriptors}
        return {kind: value for kind, value in leaks.items() if value}

    async def settled(self, turns: int = 40) -> dict[str, object]:
        """Return what the test has left after so many turns of the event loop; if that is not nothing, a second later.

        What a peer or a thread must do first takes time, not turns: the second is for that.
        """
        for _ in range(turns):
            if not self.found():
                break
            await asyncio.sleep(0)
        for _ in range(100):
            if not self.found():
                break
            await asyncio.sleep(stretched(0.01))
        return self.found()


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found[int(name)] = target
    return found
