"""What a run finds, and how its sessions begin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import pop3aio
from pop3aio import Client, CommandError
from pop3aio._options import SessionRecorder
from tests.kit.pace import stretched

from .server import PASSWORD, RealServer, Tls

__all__ = ("MARK", "Findings", "session")

MARK = " *"
"""Stands behind a cell if there is something to say about it."""

_PATIENCE = stretched(30)


@dataclass
class Findings:
    """What came of the suite with one server: a cell for each check, and where it is not as it should be."""

    server: str
    version: str
    cells: dict[str, str] = field(default_factory=dict)
    deviations: dict[str, str] = field(default_factory=dict)
    changed: dict[str, bytes] = field(default_factory=dict)
    """What came of the messages that did not come as they were put in, by name."""
    sizes: str = ""

    def expect(self, what: str, good: bool, seen: object = "") -> None:
        """Note a deviation unless `good`; `seen` describes it."""
        if not good:
            self.deviations[what] = str(seen)


@asynccontextmanager
async def session(
    server: RealServer,
    user: str,
    tls: Tls | None = None,
    *,
    timeout: float = _PATIENCE,
    record: SessionRecorder | None = None,
) -> AsyncIterator[Client]:
    """Log in; a mailbox that the last session still holds is waited for."""
    deadline = monotonic() + _PATIENCE
    while True:
        client = await server.connect(tls, timeout=timeout, record=record)
        try:
            await client.login(user, PASSWORD, allow_insecure=not client.secure)
            break
        except CommandError:
            if monotonic() > deadline:
                raise
            client.abort()
            await asyncio.sleep(0.1)
        finally:
            if client.state is not pop3aio.State.TRANSACTION:
                client.abort()
    async with client:
        yield client
