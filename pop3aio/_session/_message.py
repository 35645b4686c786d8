"""A message that is being fetched."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Self

from pop3aio._errors import CommandError, command_error
from pop3aio._session._call import Call
from pop3aio._session._queue import CommandQueue
from pop3core import BodyChunk, Event, LimitExceeded, LocalProtocolError, Reply, Retr, Top

__all__ = ("Message",)


class Message:
    """A message on the server; await it for its octets, or iterate over them as they come.

    ``data = await client.retr(1)`` collects it in memory. ``async with client.retr(1) as message:`` and
    ``async for chunk in message:`` keep no more than one chunk. Dot-stuffing is removed; otherwise the octets are
    the server's, line ends and all. Nothing is sent before one of these happens.

    A message is complete only when the iteration ends by itself. When the connection fails in the middle the
    iteration raises, as it does when the server refuses the message (CommandError). Cancelling gives the message
    up: what is left of it is dropped, and the connection stays usable unless that is more than ``limits.abandoned``.
    """

    __slots__ = ("_call", "_command", "_ended", "_given_up", "_queue", "_refusal", "_replied", "_whole")

    def __init__(self, queue: CommandQueue, command: Retr | Top, call: Call | None = None) -> None:
        self._queue = queue
        self._command = command
        self._call = call
        self._ended = False
        self._given_up = False
        self._refusal: CommandError | None = None
        self._replied = False
        # All of it, when it came in one piece and has not been read.
        self._whole: bytes | None = None

    def __repr__(self) -> str:
        state = "read" if self._ended else "refused" if self._refusal else "open" if self._replied else "new"
        return f"<pop3aio.Message {self.number} {state}>"

    @property
    def number(self) -> int:
        """The message number, from 1, valid in this session."""
        return self._command.number

    @property
    def error(self) -> CommandError | None:
        """The server's refusal, or None; known once the message was opened or is yielded by `retrieve`."""
        return self._refusal

    def __await__(self) -> Generator[object, None, bytes]:
        return self.read().__await__()

    async def read(self) -> bytes:
        """Return all that is left of the message.

        Raises CommandError when the server refuses it, LimitExceeded when it is longer than
        ``limits.message_in_memory`` octets (the connection is closed then), and what is wrong with the connection.
        Cancelling gives the message up.
        """
        if not self._replied:
            # Until all is read this task does nothing else: it cannot come to wait for itself.
            await self._open(body=False)
        if self._whole is not None:
            self._check_length(len(self._whole))
            return self._take_whole()
        chunks = []
        octets = 0
        call = self._to_read()
        while call is not None:
            event = self._queue.ready_event(call) or await self._next_event(call)
            if not isinstance(event, BodyChunk):
                self._ended = True
                break
            chunks.append(event.data)
            octets += len(event.data)
            self._check_length(octets)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _check_length(self, octets: int) -> None:
        limit = self._queue.core.limits.message_in_memory
        if octets > limit:
            self._queue.fail(
                LimitExceeded(
                    f"message {self.number} is longer than {limit} octets; iterate over it instead of collecting it "
                    "in memory, or raise limits.message_in_memory"
                )
            )
            self._give_up()
            self._queue.check_usable()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._replied:
            await self._open()
        if self._whole is not None:
            return self._take_whole()
        call = self._to_read()
        if call is not None:
            event = self._queue.ready_event(call) or await self._next_event(call)
            if isinstance(event, BodyChunk):
                return event.data
            self._ended = True
        raise StopAsyncIteration

    def _take_whole(self) -> bytes:
        assert self._whole is not None
        assert self._call is not None
        data, self._whole = self._whole, None
        self._ended = True
        if self._call.reader is not None:
            self._queue.forget_reader(self._call)
        return data

    def _to_read(self) -> Call | None:
        """Return the call whose answer is to be read on, None at its end; raises what forbids it."""
        if self._refusal is not None:
            raise self._refusal
        if self._ended:
            return None
        if self._given_up or self._call is None:
            raise LocalProtocolError(f"message {self.number} was given up; fetch it again")
        self._queue.take_over(self._call)
        return self._call

    async def _next_event(self, call: Call) -> Event:
        try:
            return await self._queue.next_event(call)
        except BaseException:
            self._give_up()
            raise

    async def __aenter__(self) -> Self:
        """Ask for the message and wait for the status line; raises CommandError when the server refuses it."""
        if not self._replied:
            await self._open()
        if self._refusal is not None:
            raise self._refusal
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give up what was not read."""
        self._give_up()

    def __del__(self) -> None:
        # A loop that is left early drops its iterator: what is left of the message must not block the others.
        if not self._ended:
            self._disown()

    def _disown(self) -> None:
        self._given_up = True
        self._whole = None
        if self._call is not None:
            self._queue.disown(self._call)

    def _give_up(self) -> None:
        self._given_up = True
        self._whole = None
        if self._call is not None:
            self._queue.release(self._call)

    async def _open(self, *, body: bool = True) -> None:
        """Ask for the message if that has not been done, and take the status line; see `CommandQueue.submit`."""
        if self._given_up:
            raise LocalProtocolError(f"message {self.number} was given up; fetch it again")
        if self._call is None:
            self._queue.check_free()
            self._call = self._queue.submit(self._command, body=body)
        else:
            self._queue.take_over(self._call)
        try:
            reply = await self._queue.next_event(self._call, whole=True)
        except BaseException:
            self._give_up()
            raise
        self._replied = True
        if isinstance(reply, bytes):
            self._whole = reply
            return
        assert isinstance(reply, Reply)
        if not reply.ok:
            self._refusal = command_error(reply, self._command.redacted())

    def _is_here(self) -> bool:
        """Take the answer if it has come in one piece, without waiting; return whether it had."""
        assert self._call is not None
        self._whole = self._queue.ready_message(self._call)
        self._replied = self._whole is not None
        return self._replied

    async def _skip(self) -> None:
        """Read what is left, and drop it."""
        if self._whole is not None:
            self._take_whole()
        elif self._refusal is None and not self._given_up:
            async for _ in self:
                pass
