"""A message that is being fetched."""

# How it works. A message is a command and, once it was asked for, a call in the queue. Its state says what may be done
# next:
#
#     NEW --ask--> ASKED --+OK--> OPEN (the body is read piece by piece) --end--> ENDED
#                    |    --+OK--> HERE (the whole message came in one piece) --> ENDED
#                    |    --ERR--> REFUSED
#     `read` leads to READ instead of ENDED. Any state before the end may become GIVEN_UP, or PASSED where `retrieve`
#     went on to the next message.
#
# Invariants:
# - The octets are handed out once and not kept. What asks for them again gets LocalProtocolError, and never an empty
#   message: a caller that stores it and deletes the original would lose mail.
# - In ASKED and OPEN the call is in the line, or the connection has failed. In HERE, ENDED and READ it has left.
# - A message that is forgotten is given up by its finalizer, so that it does not hold up the callers behind it.

from __future__ import annotations

from collections.abc import Coroutine, Generator
from enum import Enum
from types import TracebackType
from typing import Any, Self

from pop3aio._errors import CommandError, command_error
from pop3aio._session._call import Call
from pop3aio._session._queue import CommandQueue
from pop3core import BodyChunk, Event, LimitExceeded, LocalProtocolError, Reply, Retr, Top

__all__ = ("Message", "MessageState")


class MessageState(Enum):
    """How far a message has come; the value is what `repr` says."""

    NEW = "new"
    ASKED = "asked for"
    OPEN = "open"
    HERE = "here"
    ENDED = "iterated to its end"
    READ = "read"
    PASSED = "passed"
    REFUSED = "refused"
    GIVEN_UP = "given up"


# Names of the module, and tuples rather than sets: these are looked at for every message, and enums are slow to hash.
_NEW, _ASKED, _OPEN, _HERE, _ENDED, _READ, _PASSED, _REFUSED, _GIVEN_UP = MessageState
_BEFORE_THE_ANSWER = (_NEW, _ASKED)
_OVER = (_READ, _ENDED, _PASSED, _REFUSED, _GIVEN_UP)

# Why the octets are not there any more, and what to do.
_GONE = {
    _ENDED: "was read already, and its octets are not kept: fetch it again",
    _READ: "was read already, and its octets are not kept: fetch it again",
    _PASSED: "was passed, since retrieve() went on to the next: read each message before that, or fetch it again",
    _GIVEN_UP: "was given up; fetch it again",
}


class Message(Coroutine[Any, None, bytes]):
    """A message on the server; await it for its octets, or iterate over them as they come.

    ``data = await client.retr(1)`` collects it in memory. ``async with client.retr(1) as message:`` and
    ``async for chunk in message:`` keep no more than one chunk. Dot-stuffing is removed; otherwise the octets are
    the server's, line ends and all. Nothing is sent before one of these happens. A message is also what
    ``asyncio.create_task`` and ``TaskGroup.create_task`` take.

    A message is complete only when the iteration ends by itself. When the connection fails in the middle the
    iteration raises, as it does when the server refuses the message (CommandError). The octets are handed out once:
    asking for them again raises LocalProtocolError. Cancelling gives the message up: what is left of it is dropped,
    and the connection stays usable unless that is more than ``limits.abandoned``.
    """

    __slots__ = ("_call", "_command", "_queue", "_reading", "_refusal", "_state", "_whole")

    def __init__(self, queue: CommandQueue, command: Retr | Top, call: Call | None = None) -> None:
        self._queue = queue
        self._command = command
        self._call = call
        self._state = _NEW if call is None else _ASKED
        self._refusal: CommandError | None = None
        # All of it, in state HERE.
        self._whole = b""
        # What drives `read` where a task drives the message itself as a coroutine.
        self._reading: Coroutine[Any, None, bytes] | None = None

    def __repr__(self) -> str:
        return f"<pop3aio.Message {self.number} {self._state.value}>"

    @property
    def number(self) -> int:
        """The message number, from 1, valid in this session."""
        return self._command.number

    @property
    def state(self) -> MessageState:
        """How far the message has come."""
        return self._state

    @property
    def over(self) -> bool:
        """Whether there is nothing left to read, for whatever reason."""
        return self._state in _OVER

    @property
    def error(self) -> CommandError | None:
        """The server's refusal, or None; known once the message was opened or is yielded by `retrieve`."""
        return self._refusal

    # -- all of it

    def __await__(self) -> Generator[Any, None, bytes]:
        return self.read().__await__()

    async def read(self) -> bytes:
        """Return all that is left of the message.

        Raises:
            CommandError: the server refuses the message.
            LimitExceeded: it is longer than ``limits.message_in_memory`` octets; the connection is closed.
            LocalProtocolError: its octets were handed out before, or it was given up.
            POP3Error: what is wrong with the connection.

        Cancelling gives the message up.
        """
        if self._state in _BEFORE_THE_ANSWER:
            # Until all is read this task does nothing else: it cannot come to wait for itself.
            await self.open(holding=False)
        if self._state is _HERE:
            self._check_length(len(self._whole))
            return self._take_whole(_READ)
        chunks = []
        octets = 0
        call = self._to_read()
        while True:
            event = self._queue.ready_event(call) or await self._next_event(call)
            if not isinstance(event, BodyChunk):
                self._state = _READ
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
            self.give_up()
            self._queue.check_usable()

    def send(self, value: None, /) -> Any:
        """Go on as a coroutine, for the task that drives the message; users have no use for it."""
        if self._reading is None:
            self._reading = self.read()
        return self._reading.send(value)

    def throw(self, kind: Any, value: Any = None, traceback: Any = None, /) -> Any:
        """Raise an exception where the coroutine waits, for the task that drives the message."""
        if self._reading is None:
            self._reading = self.read()
        error = kind if isinstance(kind, BaseException) else kind() if value is None else value
        return self._reading.throw(error)

    def close(self) -> None:
        """End the coroutine, and give up what was not read."""
        if self._reading is not None:
            self._reading.close()
        self.give_up()

    # -- piece by piece

    def __aiter__(self) -> Self:
        if self._state in _OVER and self._state is not _REFUSED:
            raise self._gone()
        return self

    async def __anext__(self) -> bytes:
        if self._state in _BEFORE_THE_ANSWER:
            await self.open()
        if self._state is _HERE:
            return self._take_whole(_ENDED)
        if self._state is _ENDED:
            raise StopAsyncIteration
        call = self._to_read()
        event = self._queue.ready_event(call) or await self._next_event(call)
        if isinstance(event, BodyChunk):
            return event.data
        self._state = _ENDED
        raise StopAsyncIteration

    def _take_whole(self, state: MessageState) -> bytes:
        data, self._whole = self._whole, b""
        self._state = state
        assert self._call is not None
        if self._call.reader is not None:
            self._queue.forget_reader(self._call)
        return data

    def _to_read(self) -> Call:
        """Return the call whose answer is to be read on; raises what forbids it."""
        if self._refusal is not None:
            raise self._refusal
        if self._state is not _OPEN or self._call is None:
            raise self._gone()
        self._queue.take_over(self._call)
        return self._call

    def _gone(self) -> LocalProtocolError:
        return LocalProtocolError(f"message {self.number} {_GONE[self._state]}")

    async def _next_event(self, call: Call) -> Event:
        try:
            return await self._queue.next_event(call)
        except BaseException:
            self.give_up()
            raise

    async def __aenter__(self) -> Self:
        """Ask for the message and wait for the status line; raises CommandError when the server refuses it."""
        if self._state in _BEFORE_THE_ANSWER:
            await self.open()
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
        self.give_up()

    # -- beginning and end

    async def open(self, *, holding: bool = True) -> None:
        """Ask for the message if that was not done yet, and wait for the status line.

        Args:
            holding: whether the running task may do something else before it has read the message.

        Raises what is wrong with the connection; a refusal is in `error` then. Cancelling gives the message up.
        """
        if self._call is None:
            if self._state is not _NEW:
                raise self._gone()
            self._queue.check_free()
            self._call = self._queue.submit(self._command, body=holding)
            self._state = _ASKED
        else:
            self._queue.take_over(self._call)
        try:
            reply = await self._queue.next_event(self._call, whole=True)
        except BaseException:
            self.give_up()
            raise
        if isinstance(reply, bytes):
            self._whole = reply
            self._state = _HERE
            return
        assert isinstance(reply, Reply)
        if reply.ok:
            self._state = _OPEN
        else:
            self._refusal = command_error(reply, self._command.redacted())
            self._state = _REFUSED

    def is_here(self) -> bool:
        """Take the answer if it has come in one piece, without waiting; return whether it had."""
        assert self._call is not None
        whole = self._queue.ready_message(self._call)
        if whole is None:
            return False
        self._whole = whole
        self._state = _HERE
        return True

    async def skip(self) -> None:
        """Read what is left, and drop it."""
        if self._state is _HERE:
            self._take_whole(_PASSED)
        elif self._state is _OPEN:
            async for _ in self:
                pass
            self._state = _PASSED

    def give_up(self) -> None:
        """Give up what was not read: the command is taken back, or the rest of its answer will be dropped."""
        if self._mark_given_up() and self._call is not None:
            self._queue.release(self._call)

    def disown(self) -> None:
        """Give up in a finalizer, in whichever thread that runs."""
        if self._mark_given_up() and self._call is not None:
            self._queue.disown(self._call)

    def __del__(self) -> None:
        # A loop that is left early drops its iterator: what is left of the message must not block the others.
        if self._state not in _OVER:
            self.disown()

    def _mark_given_up(self) -> bool:
        if self._state in _OVER:
            return False
        self._state = _GIVEN_UP
        self._whole = b""
        return True
