"""A fence between two steps of a run."""

from __future__ import annotations

from contextlib import suppress

from pop3aio._client import Client
from pop3aio._errors import CommandError

__all__ = ("fence",)


async def fence(client: Client) -> None:
    """Ask the server for nothing.

    What a server says behind its last answer is seen before the next command only. Behind a fence the step that asked
    is blamed for that, and not the step that comes next.
    """
    with suppress(CommandError):
        await client.noop()
