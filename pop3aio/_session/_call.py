"""A command in the line, and what its caller is up to."""

from __future__ import annotations

import asyncio

from pop3core import Command

__all__ = ("Call",)


class Call:
    """A command in the line, from its submission until its answer is complete.

    Invariants: `done` and `abandoned` only ever change to True. A call that is done is in no line. A call that is
    abandoned stays in the line until its answer has been read and dropped, for the server answers it in any case.
    """

    __slots__ = ("abandoned", "command", "done", "handle", "patience", "reader", "turn")

    def __init__(self, handle: int, command: Command, patience: float) -> None:
        self.handle = handle
        self.command = command
        self.done = False
        self.abandoned = False
        # Seconds for which more of the answer may be waited for; the octets that come earn some back.
        self.patience = patience
        # What the caller awaits until it is the caller's turn to read; None while the caller does not wait.
        self.turn: asyncio.Future[None] | None = None
        # The task that takes the answer piece by piece, and may forget to; None where no task holds it.
        self.reader: asyncio.Task[object] | None = None
