"""Commands in, answers out: what a message, a listing or a login sees of the connection."""

# How it works. `submit` gives a command to the core and its call to the line (`_line`); `next_event` waits until it is
# the call's turn and asks the pump (`_pump`) for events, until one belongs to the call. Events of cancelled calls,
# which stand before it in the line, go to `_cancelled`. The `ready_*` methods do the same without a coroutine, for an
# answer that has come already.
#
# Invariants:
# - The oldest call in the line is the call whose answer the core takes apart.
# - A new command is sent only after all octets that came before it have been looked at, so that they cannot be taken
#   for its answer.
# - A check of an answer that must not be skipped belongs to the call (`Call.check`): it is made where the answer is
#   read. What a caller does with the answer is skipped when the caller is cancelled.
# - Nothing is read or dropped while another task reads (`line.reading`).

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, overload

from pop3aio._errors import ConcurrencyError, printable
from pop3aio._session._call import Call, Check
from pop3aio._session._cancelled import CancelledAnswers
from pop3aio._session._deadline import PATIENCE, Clock
from pop3aio._session._line import Line
from pop3aio._session._masks import Masks, masked
from pop3aio._session._pump import Pump
from pop3aio._session._reasons import violation
from pop3aio._wire._stream import Stream
from pop3core import (
    Apop,
    Auth,
    BodyChunk,
    BodyEnd,
    Command,
    Connection,
    ConnectionClosed,
    Event,
    Greeting,
    LocalProtocolError,
    Pass,
    POP3Error,
    Reply,
    Stls,
)

__all__ = ("CommandQueue",)

logger = logging.getLogger("pop3aio")

_LOGINS = (Apop, Auth, Pass)


class CommandQueue:
    """The commands of a session, from many tasks, and their answers.

    Args:
        core: the state machine.
        stream: the connection.
        timeout: seconds for a whole status line, and for each piece of a body. The waits for one answer together are
            bounded by `PATIENCE` and the rate at which it comes.
        clock: what tells the time, if not the running loop.
    """

    def __init__(self, core: Connection, stream: Stream, timeout: float, clock: Clock | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self.core = core
        self.line: Line = Line(core.withdraw, self._loop.call_soon_threadsafe)
        self.pump: Pump = Pump(core, stream, self.line, timeout, clock or self._loop)
        self._cancelled = CancelledAnswers(self.pump)
        # Without a detour, since they are called for every message. See `Line` for what they do.
        self.release: Callable[[Call], None] = self.line.release
        self.disown: Callable[[Call], None] = self.line.disown
        self.forget_reader: Callable[[Call], None] = self.line.let_go

    @property
    def masks(self) -> Masks:
        """The secrets that are in use, which no log and no exception may show."""
        return self.pump.masks

    @property
    def failure(self) -> POP3Error | None:
        """Why the connection is unusable, a new exception each time; None while it is usable."""
        return self.pump.failure

    @property
    def marked(self) -> int:
        """How many messages the server has marked as deleted; see `Connection.deletions`."""
        return self.core.deletions

    def check_usable(self) -> None:
        """Raise what is wrong with the connection, if something is."""
        self.pump.check_usable()

    def fail(self, error: POP3Error) -> None:
        """Drop the connection; every caller in line and every later call raises this error."""
        self.pump.fail(error)

    def close(self, why: str) -> None:
        """End the connection since the user wants it; the stream is the caller's to close."""
        self.pump.close(why)

    # -- joining and leaving the line

    def check_free(self) -> None:
        """Raise ConcurrencyError if the running task has a message open, which it would wait for."""
        line = self.line
        line.release_disowned()
        if line.held and asyncio.current_task() in line.held:
            raise ConcurrencyError(
                "this task has a message open that is not read to its end, and would wait for itself: read it, or "
                "leave its `async with` or the loop over retrieve(), before asking for something else"
            )

    def submit(self, command: Command, *, body: bool = False, check: Check | None = None) -> Call:
        """Put a command in line, without waiting.

        Args:
            command: what to send.
            body: whether the running task is going to take the answer piece by piece.
            check: what looks at the final answer where it is read, also after the caller was cancelled. If it returns
                an error, the connection is closed, and that error is raised.

        Raises:
            LocalProtocolError: the command is not allowed now.
            POP3Error: what is wrong with the connection, when it is unusable.
        """
        self._prepare()
        call = self._enqueue(command, asyncio.current_task(self._loop) if body else None)
        call.check = check
        return call

    def submit_all(self, commands: Iterable[Command], *, body: bool = False) -> Iterator[Call]:
        """Put commands in line, each as its call is taken from the iterator; see `submit`."""
        self._prepare()
        reader = asyncio.current_task(self._loop) if body else None
        for command in commands:
            yield self._enqueue(command, reader)

    def _prepare(self) -> None:
        self.pump.check_usable()
        line = self.line
        if line.reading is None and (not self.core.outstanding or line.first_live() is None):
            self._check_quiet()

    def _enqueue(self, command: Command, reader: asyncio.Task[object] | None) -> Call:
        call = Call(self.core.send(command), command, PATIENCE * self.pump.timeout)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("> %s", command.redacted())
        self.line.join(call, reader)
        return call

    def take_over(self, call: Call) -> None:
        """Make the running task the one that takes the call's body.

        Raises ConcurrencyError when another task is waiting for a piece of it.
        """
        self.line.take_over(call, None if call.reader is None else asyncio.current_task())

    def finish(self, call: Call) -> None:
        """Take a call whose answer is complete out of the line, and hand the turn on."""
        self.line.let_go(call)
        self.line.leave(call)

    # -- the answer

    def ready_event(self, call: Call) -> Event | None:
        """Return the next event of the call's answer if that has come and it is the call's turn; never waits.

        Most messages come whole in one read with many others: to take those needs no coroutine.
        """
        pump, line = self.pump, self.line
        if pump.failed is not None or line.reading is not None or call.done or call.abandoned:
            return None
        if next(iter(line.calls.values())) is not call:
            return None
        event = pump.next_event()
        if event is not None:
            self._note(event, call)
        return event

    def ready_message(self, call: Call) -> bytes | None:
        """Return the message that answers the call, if it has come in one piece and it is the call's turn.

        The answer is complete with it, and `forget_reader` has to be called once it is read: what a task may do while
        it holds a message must not depend on how that came. Never waits; where None is returned, ask `ready_event`.
        """
        pump, line = self.pump, self.line
        if not pump.fed or pump.failed is not None or line.reading is not None:
            return None
        if call.done or call.abandoned or next(iter(line.calls.values())) is not call:
            return None
        if logger.isEnabledFor(logging.DEBUG):
            return None
        taken = self.core.next_message()
        if taken is None:
            return None
        line.leave(call)
        return taken[1]

    @overload
    async def next_event(self, call: Call, timeout: float | None = None) -> Event: ...

    @overload
    async def next_event(
        self, call: Call, timeout: float | None = None, *, whole: Literal[True]
    ) -> Event | bytes: ...

    async def next_event(
        self, call: Call, timeout: float | None = None, *, whole: bool = False
    ) -> Event | bytes:
        """Return the next event of the call's answer, reading the wire when it is the call's turn.

        Args:
            call: whose answer.
            timeout: seconds, in place of the queue's.
            whole: return a message that comes in one piece as its octets (see `ready_message`).

        Raises:
            LocalProtocolError: the call was released meanwhile.
            POP3Error: what is wrong with the connection.

        Cancelling loses nothing: the event is there for the next call, or for `release`.
        """
        line, pump = self.line, self.pump
        deadline: float | None = None
        while True:
            if pump.failed is not None:
                pump.check_usable()
            if call.done or call.abandoned:
                raise LocalProtocolError(
                    f"{call.command.redacted()} was given up while its answer was waited for"
                )
            # A task that reads for a call which was released is still there, and two tasks cannot read.
            if line.reading is not None or line.first_live() is not call:
                await self._wait_for_turn(call)
                continue
            if whole and (message := self.ready_message(call)) is not None:
                return message
            event = pump.next_event()
            if event is None:
                # One deadline for a whole event, however many pieces it comes in.
                if deadline is None:
                    deadline = pump.deadline(timeout)
                await pump.receive(call, deadline)
                continue
            assert not isinstance(event, (ConnectionClosed, Greeting))
            if event.handle == call.handle:
                self._note(event, call)
                if pump.failed is not None:
                    pump.check_usable()
                return event
            # What is dropped here does not count for the time of this call.
            deadline = None
            self._drop(event)

    async def _wait_for_turn(self, call: Call) -> None:
        self.pump.flush()
        turn = self._loop.create_future()
        self.line.await_turn(call, turn)
        try:
            await turn
        finally:
            self.line.end_wait(call)

    async def greeting(self) -> Greeting:
        """Return the server's greeting; raises what is wrong with the connection."""
        deadline = self.pump.deadline(None)
        while True:
            self.check_usable()
            event = self.pump.next_event()
            if isinstance(event, Greeting):
                logger.debug("< %s", printable(event.raw.decode("latin-1")))
                return event
            await self.pump.receive(None, deadline)

    def _note(self, event: Event, call: Call) -> None:
        """Record what an event means for the session, whether its caller still wants it or not."""
        if isinstance(event, BodyChunk):
            return
        if isinstance(event, Reply):
            if logger.isEnabledFor(logging.DEBUG):
                # The same for every answer to a login: what is hidden must not depend on what the secret is.
                shown = masked(event) if isinstance(call.command, _LOGINS) else event
                logger.debug("< %s", printable(self.masks.octets(shown.raw).decode("latin-1")))
            if call.check is not None and (wrong := call.check(event)) is not None:
                self.fail(violation(wrong, self.masks, self.pump.stage))
                return
            # After STLS the turn is kept until the handshake is done.
            if not event.more and not (event.ok and type(call.command) is Stls):
                self.finish(call)
        elif isinstance(event, BodyEnd):
            self.finish(call)

    def _drop(self, event: Event) -> None:
        call = self.line.oldest()
        assert call is not None
        if self._cancelled.take(event, call):
            self._note(event, call)

    def _check_quiet(self) -> None:
        """Look at octets that came unasked, before they can be taken for the answer to a new command.

        They are the answers of cancelled calls; anything more is a fault of the server.
        """
        self.pump.poll()
        while self.pump.fed and self.pump.failed is None:
            event = self.pump.next_event()
            if event is not None:
                self._drop(event)
        self.pump.check_usable()
