"""A message that is written piece by piece: what `Maildir.open` returns.

Invariants: between entering and leaving the block, the key (if there is one) is claimed, unless it was known. `_State`
goes NEW, OPEN, OVER, or by way of BROKEN after a chunk failed. It never goes back.
"""

from __future__ import annotations

import asyncio
import enum
from types import TracebackType
from typing import Self

from maildir._draft import Delivered, Draft, Octets
from maildir._errors import MaildirError
from maildir._group import GroupWriter
from maildir._keys import KnownKeys
from maildir._spool import Spool

__all__ = ("Writer",)


class _State(enum.Enum):
    NEW = enum.auto()
    OPEN = enum.auto()
    BROKEN = enum.auto()
    OVER = enum.auto()


class Writer:
    """A message being written, from ``Maildir.open``; an asynchronous context manager.

    Leaving the block cleanly commits the message, as ``Maildir.deliver`` does; leaving it by an exception leaves
    nothing of it. Not for several tasks at once.

    Attributes:
        delivered: the message, once the block is left and it is in the Maildir; known within the block already when it
            is a duplicate, and then what is written is dropped.
    """

    __slots__ = ("_draft", "_known", "_state", "_stream", "_writer", "delivered")

    def __init__(self, writer: GroupWriter, draft: Draft, known: KnownKeys | None) -> None:
        self.delivered: Delivered | None = None
        self._writer = writer
        self._draft = draft
        self._known = known
        self._stream = Spool(writer, draft)
        self._state = _State.NEW

    async def __aenter__(self) -> Self:
        if self._state is not _State.NEW:
            raise MaildirError("A writer is for one message; open another one for the next")
        self._writer.bind()
        key = self._draft.key
        if self._known is not None and not await self._known.claim(key):
            self.delivered = Delivered(key, "", "", 0, 0, duplicate=True)
        self._state = _State.OPEN
        return self

    async def write(self, chunk: Octets) -> None:
        """Append `chunk`, waiting while more than 1 MiB of this message or ``max_queued`` of all is on its way.

        Args:
            chunk: octets; a buffer must not be changed before this call returns.

        Raises:
            MaildirError: an earlier chunk could not be written, or the writer is not open.
            TypeError: the chunk is not made of octets. The message is broken off.

        Cancelling breaks the message off: it cannot be committed any more.
        """
        if self._state is not _State.OPEN:
            raise MaildirError(
                "The writer is not open: write inside its `async with` block, and not after a failure"
            )
        if self.delivered is not None:
            return
        try:
            await self._stream.take(chunk)
        except BaseException:
            self._state = _State.BROKEN
            raise

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        broken = self._state is _State.BROKEN
        self._state = _State.OVER
        if self.delivered is not None:
            return
        try:
            if broken or exc is not None:
                await self._stream.abort()
            else:
                await self._commit()
        finally:
            if self._known is not None:
                self._known.settle(self._draft.key, delivered=self.delivered is not None)
        if broken and exc is None:
            raise MaildirError(
                "A chunk of the message was not taken, so nothing of it was kept; deliver it again"
            )

    async def _commit(self) -> None:
        try:
            ticket = await self._stream.finish()
        except (Exception, asyncio.CancelledError):
            await self._stream.abort()
            raise
        try:
            self.delivered = await ticket
        except asyncio.CancelledError:
            if ticket.succeeded():  # cancelled too late: the message is in the Maildir, so say so
                self.delivered = ticket.result()
            raise
