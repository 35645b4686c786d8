"""A command in the line, and what its caller is up to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from pop3core import Command, POP3Error, Reply

__all__ = ("Call", "Check")

Check: TypeAlias = Callable[[Reply], POP3Error | None]
"""Looks at the final answer to a command; returns what is so wrong with it that the connection must be closed."""


class Call:
    """A command in the line, from its submission until its answer is complete.

    Invariants: `done` and `abandoned` only ever change to True. A call that is done is in no line. A call that is
    abandoned stays in the line until its answer has been read and dropped, for the server answers it in any case.
    `check` is called once, with the final answer, by the task that reads it.
    """

    __slots__ = ("abandoned", "check", "command", "done", "handle", "patience", "reader", "turn")

    def __init__(self, handle: int, command: Command, patience: float) -> None:
        self.handle: int = handle
        self.command: Command = command
        # What must be looked at, and recorded, when the final answer is read, even if the caller was cancelled.
        self.check: Check | None = None
        self.done: bool = False
        self.abandoned: bool = False
        # Seconds for which more of the answer may be waited for; the octets that come earn some back.
        self.patience: float = patience
        # What the caller awaits until it is the caller's turn to read; None while the caller does not wait.
        self.turn: asyncio.Future[None] | None = None
        # The task that takes the answer piece by piece, and may forget to; None where no task holds it.
        self.reader: asyncio.Task[object] | None = None
