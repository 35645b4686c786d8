"""The chunks of one message on their way into the writer thread."""

# How it works: `take` gathers chunks. When a piece has gathered, `spill` sends it to the thread and returns at once,
# so that receiving goes on while the thread writes. If the thread still writes the last spill, chunks gather up to
# `_GATHER`, and then `spill` waits. `finish` sends the rest, with the order to commit. A small message is one commit
# without any spill.
#
# Invariants:
# - At most one step of this draft is in the queue: `_ticket` is that of the last one, and is done before the next is
#   put.
# - `_size` is the size of `_chunks`, with `_CHUNK_OVERHEAD` for each.
# - After `abort` the thread has no step of the draft, and no file of it is left.
#
# At the awaits of `spill` and `finish` the caller may be cancelled; the caller then calls `abort`.

from __future__ import annotations

import asyncio
from typing import Any

from maildir._draft import Delivered, Draft, Octets, Step
from maildir._group import GroupWriter
from maildir._newlines import PIECE
from maildir._source import buffer_pieces
from maildir._ticket import Ticket

__all__ = ("Spool",)

# Up to this size a message is one write, done by the group that commits it: one piece of the conversion, and no more
# memory than a socket's buffer. A larger message goes to the thread in spills.
_SMALL = PIECE

# While one spill is on its way, this much may gather behind it. Larger values were not faster.
_GATHER = 1 << 20

# What a chunk costs beside its octets: without it a quarter of a million chunks of one octet would gather, and the loop
# would stand still while they do.
_CHUNK_OVERHEAD = 64


class Spool:
    """Gathers the chunks of one draft, and hands them to the thread while the next ones are received."""

    __slots__ = ("_chunks", "_discarded", "_draft", "_size", "_ticket", "_writer")

    def __init__(self, writer: GroupWriter, draft: Draft) -> None:
        self._writer = writer
        self._draft = draft
        self._chunks: list[bytes] = []
        self._size = 0
        self._ticket: Ticket[Any] | None = None
        self._discarded = False

    async def take(self, chunk: Octets) -> None:
        """Take `chunk`, waiting if the thread is busy with this draft and enough has gathered.

        Raises:
            TypeError: it is not made of octets.
        """
        if type(chunk) is bytes:
            if self.add(chunk):
                await self.spill()
            return
        # It may be a buffer that the caller uses again, so it is copied. In pieces: to copy a large one in one go would
        # hold up the loop.
        for piece in buffer_pieces(chunk):
            if self.add(piece):
                await self.spill()

    def add(self, chunk: bytes) -> bool:
        """Take `chunk`; return whether `spill` is due."""
        self._chunks.append(chunk)
        self._size += len(chunk) + _CHUNK_OVERHEAD
        return self._size >= _SMALL

    async def spill(self) -> None:
        """Send what has gathered to the thread, waiting if it is busy with this draft and enough has gathered."""
        if self._ticket is not None:
            if not self._ticket.done() and self._size < _GATHER:
                return
            await self._ticket
        self._ticket = await self._put(Step.SPILL)

    async def finish(self) -> Ticket[Delivered]:
        """Queue the commit and return its ticket; from then on the ticket says how the draft ends."""
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
