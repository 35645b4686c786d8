"""A message that comes in pieces: small ones wait in memory, large ones go to their file while they come."""

from __future__ import annotations

import asyncio
import enum
from types import TracebackType
from typing import Any, Self

from ._errors import MaildirError
from ._keys import KnownKeys
from ._message import Delivered, Draft, Octets, Step
from ._newlines import PIECE
from ._writer import GroupWriter, Ticket

__all__ = ("Stream", "Writer")

# Up to here a message is one write, done by the group that commits it: one piece of the conversion, and no more memory
# than a socket's buffer. What is larger goes to the thread in spills.
_SMALL = PIECE
# One spill may be on its way, and so much more may gather meanwhile. Larger ones were not faster.
_GATHER = 1 << 20


class Stream:
    """Gathers the chunks of one draft, and hands them to the thread while the next ones are received."""

    __slots__ = ("_chunks", "_discarded", "_draft", "_size", "_ticket", "_writer")

    def __init__(self, writer: GroupWriter, draft: Draft) -> None:
        self._writer = writer
        self._draft = draft
        self._chunks: list[bytes] = []
        self._size = 0
        self._ticket: Ticket[Any] | None = None
        self._discarded = False

    def add(self, chunk: Octets) -> bool:
        """Take `chunk`; return whether `spill` is due."""
        if type(chunk) is not bytes:
            chunk = bytes(memoryview(chunk))  # it may be a buffer that is used again
        self._chunks.append(chunk)
        self._size += len(chunk)
        return self._size >= _SMALL

    async def spill(self) -> None:
        """Send what has gathered to the thread, waiting if it is busy with this draft and enough has gathered."""
        if self._ticket is not None:
            if not self._ticket.done() and self._size < _GATHER:
                return
            await self._ticket
        self._ticket = await self._put(Step.SPILL)

    async def finish(self) -> Ticket[Delivered]:
        """Queue the commit and return its ticket; then the draft is out of our hands."""
        if self._ticket is not None:
            await self._ticket
        return await self._put(Step.COMMIT)

    async def abort(self) -> None:
        """Leave nothing of the draft; cancelling is put off until that is done."""
        stop: asyncio.CancelledError | None = None
        while (ticket := self._leave()) is not None:
            try:
                await asyncio.wait((ticket,))
            except asyncio.CancelledError as error:
                stop = error
        if stop is not None:
            raise stop

    async def _put(self, step: Step) -> Ticket[Any]:
        charge = await self._writer.admit(self._size)
        chunks, self._chunks, self._size = self._chunks, [], 0
        return self._writer.put(self._draft, step, chunks, charge)

    def _leave(self) -> Ticket[Any] | None:
        ticket = self._ticket
        if ticket is not None and not ticket.done() and not ticket.cancel():
            return ticket
        if self._draft.fd < 0 or self._discarded:
            return None
        self._discarded = True
        self._ticket = self._writer.discard(self._draft)
        return self._ticket


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
        self._stream = Stream(writer, draft)
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

        Raises:
            MaildirError: an earlier chunk could not be written, or the writer is not open.

        Cancelling breaks the message off: it cannot be committed any more.
        """
        if self._state is not _State.OPEN:
            raise MaildirError(
                "The writer is not open: write inside its `async with` block, and not after a failure"
            )
        if self.delivered is not None:
            return
        try:
            if self._stream.add(chunk):
                await self._stream.spill()
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
            if ticket.succeeded():  # too late: that is good to know as well
                self.delivered = ticket.result()
            raise
