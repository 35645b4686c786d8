"""Callers in line for one connection.

The queue is driven by those who wait in it: the first live caller reads the wire until its own answer is complete,
then hands the turn to the next. No task runs in the background, no lock is held over an await, and what nobody
reads is not received. The answer of a caller who has gone is read and dropped by the next one.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections import OrderedDict
from contextlib import suppress

from pop3aio._errors import ConcurrencyError, ConnectionLost, ResponseTimeout, printable
from pop3aio._masks import Masks
from pop3aio._stream import CHUNK, Stream
from pop3core import (
    BodyChunk,
    BodyEnd,
    Command,
    Connection,
    ConnectionClosed,
    Continuation,
    Dele,
    Event,
    Greeting,
    LocalProtocolError,
    POP3Error,
    RemoteProtocolError,
    Reply,
    Rset,
    StartTls,
    Stls,
    TruncatedResponse,
    UnsolicitedResponse,
)

__all__ = ("DRAIN_BUDGET", "Call", "CommandQueue")

logger = logging.getLogger("pop3aio")

DRAIN_BUDGET = 1 << 20
"""Octets of an answer nobody waits for that are worth reading; beyond, a new connection is cheaper."""


class Call:
    """A command in the queue, and whoever waits for its answer."""

    __slots__ = ("abandoned", "command", "done", "handle", "reader", "turn")

    def __init__(self, handle: int, command: Command) -> None:
        self.handle = handle
        self.command = command
        self.done = False
        self.abandoned = False
        self.turn: asyncio.Future[None] | None = None
        # The task that takes the body piece by piece, and may forget to.
        self.reader: asyncio.Task[object] | None = None


class CommandQueue:
    """The core, the stream, and the callers in the order of their commands.

    `timeout` is in seconds, and bounds the wait for a whole status line and for each piece of a body.
    """

    def __init__(self, core: Connection, stream: Stream, timeout: float) -> None:
        self.core = core
        self.stream = stream
        self.timeout = timeout
        self.drain_budget = DRAIN_BUDGET
        self.marked = 0
        self._failure: POP3Error | None = None
        self._calls: OrderedDict[int, Call] = OrderedDict()
        self._readers: dict[asyncio.Task[object], int] = {}
        self._reading: Call | None = None
        self._disowned: list[Call] = []
        self._dropped = 0
        self.masks = Masks()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._expired = False
        self._tail = b""

    @property
    def failure(self) -> POP3Error | None:
        """Why the connection is unusable, a new exception each time; None while it is usable."""
        if self._failure is None:
            return None
        failure = copy.copy(self._failure)
        failure.__cause__ = self._failure.__cause__
        return failure

    def check_usable(self) -> None:
        """Raise what is wrong with the connection, if something is."""
        if (failure := self.failure) is not None:
            raise failure

    def fail(self, error: POP3Error) -> None:
        """Drop the connection; everyone in line, and everyone who comes later, gets this error."""
        if self._failure is not None:
            return
        self._failure = error
        self.stream.abort()
        self._retire()

    def _retire(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for call in self._calls.values():
            call.done = True
            self._wake(call)
        self._calls.clear()
        self._readers.clear()

    def close(self, why: str) -> None:
        """Take note that the connection is over because the user wanted it so; the stream is the caller's to close."""
        if self._failure is None:
            self._failure = ConnectionLost(why)
            self._retire()

    # -- joining and leaving the line

    def check_free(self) -> None:
        """Raise ConcurrencyError if the running task has a message open, which it would wait for."""
        self._release_disowned()
        if self._readers and asyncio.current_task() in self._readers:
            raise ConcurrencyError(
                "this task has a message open that is not read to its end, and would wait for itself: read it, or "
                "leave its `async with` or the loop over retrieve(), before asking for something else"
            )

    def submit(self, command: Command, *, body: bool = False) -> Call:
        """Put a command in line, without waiting.

        `body` says that the running task is going to take the answer piece by piece. Raises LocalProtocolError
        when the command is not allowed now, and what is wrong with the connection when it is unusable.
        """
        self.check_usable()
        if not self.core.outstanding:
            self._check_quiet()
        call = Call(self.core.send(command), command)
        self._calls[call.handle] = call
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("> %s", command.redacted())
        if body:
            self._note_reader(call)
        return call

    def take_over(self, call: Call) -> None:
        """Take note that it is the running task that takes the call's body, whoever asked for it.

        Raises ConcurrencyError when another task is waiting for a piece of it.
        """
        if call.turn is not None or self._reading is call:
            raise ConcurrencyError(f"another task is waiting for the answer to {call.command.redacted()}")
        if call.reader is not None and call.reader is not asyncio.current_task():
            self._forget_reader(call)
            self._note_reader(call)

    def release(self, call: Call) -> None:
        """Leave the line before the answer is complete: the command is taken back, or its answer will be dropped."""
        if call.done:
            return
        self._forget_reader(call)
        if self.core.withdraw(call.handle):
            call.done = True
            del self._calls[call.handle]
        else:
            call.abandoned = True
        # Another task may be waiting for what is given up here.
        self._wake(call)
        self._pass_turn()

    def disown(self, call: Call) -> None:
        """Release a call from a finalizer.

        The collector may run one in any thread and in the middle of anything, so that only a flag is set here and now;
        the rest is done by the next caller, or in the loop's next turn.
        """
        if call.done or call.abandoned:
            return
        call.abandoned = True
        self._disowned.append(call)
        # A closed loop has nobody left who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._release_disowned)

    def _release_disowned(self) -> None:
        # From the end, so that commands which were not written leave the line before their turn comes.
        while self._disowned:
            self.release(self._disowned.pop())

    def finish(self, call: Call) -> None:
        """Take a call whose answer is complete out of the line, and hand the turn on."""
        call.done = True
        self._calls.pop(call.handle, None)
        self._forget_reader(call)
        if self._calls:
            self._pass_turn()

    def _note_reader(self, call: Call) -> None:
        call.reader = asyncio.current_task()
        if call.reader is not None:
            self._readers[call.reader] = self._readers.get(call.reader, 0) + 1

    def _forget_reader(self, call: Call) -> None:
        if call.reader is not None:
            count = self._readers.pop(call.reader, 1) - 1
            if count:
                self._readers[call.reader] = count
            call.reader = None

    def _first_live(self) -> Call | None:
        for call in self._calls.values():
            if not call.abandoned:
                return call
        return None

    def _pass_turn(self) -> None:
        first = self._first_live()
        if first is not None:
            self._wake(first)

    @staticmethod
    def _wake(call: Call) -> None:
        if call.turn is not None and not call.turn.done():
            call.turn.set_result(None)

    # -- waiting for the answer

    def ready_event(self, call: Call) -> Event | None:
        """Return the next event of the call's answer if that has come and it is the call's turn; never waits.

        Most messages come whole in one read with many others: to take those needs no coroutine.
        """
        if self._failure is not None or self._reading is not None or call.done or call.abandoned:
            return None
        if next(iter(self._calls.values())) is not call:
            return None
        event = self._core_event()
        if event is not None:
            self._note(event, call)
        return event

    async def next_event(self, call: Call, timeout: float | None = None) -> Event:
        """Return the next event of the call's answer, reading the wire when it is the call's turn.

        `timeout` in seconds replaces the queue's. Raises what is wrong with the connection, and LocalProtocolError
        when the call was released meanwhile. Cancelling loses nothing: the event is there for the next call, or for
        `release`.
        """
        deadline: float | None = None
        while True:
            self.check_usable()
            if call.done or call.abandoned:
                raise LocalProtocolError(
                    f"{call.command.redacted()} was given up while its answer was waited for"
                )
            # One who was released while he reads is still there: two cannot read.
            if self._reading is not None or self._first_live() is not call:
                await self._wait_for_turn(call)
                continue
            event = self._core_event()
            if event is None:
                if deadline is None:
                    deadline = self._loop.time() + (timeout or self.timeout)
                await self._receive(call, deadline)
                continue
            assert not isinstance(event, (ConnectionClosed, Greeting))
            if event.handle == call.handle:
                self._note(event, call)
                return event
            deadline = None
            self._drop(event)

    async def greeting(self) -> Greeting:
        """Return the server's greeting; raises what is wrong with the connection."""
        deadline = self._loop.time() + self.timeout
        while True:
            self.check_usable()
            event = self._core_event()
            if isinstance(event, Greeting):
                logger.debug("< %s", printable(event.raw.decode("latin-1")))
                return event
            await self._receive(None, deadline)

    def flush(self) -> None:
        """Write what the core allows to be written now."""
        data = self.core.data_to_send()
        if data:
            self.stream.writer.write(data)

    def _note(self, event: Event, call: Call) -> None:
        if isinstance(event, BodyChunk):
            return
        if isinstance(event, Reply):
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("< %s", printable(event.raw.decode("latin-1")))
            if event.ok:
                if type(call.command) is Dele:
                    self.marked += 1
                elif type(call.command) is Rset:
                    self.marked = 0
            # After STLS the turn is kept until the handshake is done.
            if not event.more and not (event.ok and type(call.command) is Stls):
                self.finish(call)
        elif isinstance(event, BodyEnd):
            self.finish(call)

    def _drop(self, event: Event) -> None:
        """Dispose of an event whose caller has gone."""
        call = next(iter(self._calls.values()))
        if isinstance(event, BodyChunk):
            self._dropped += len(event.data)
            if self._dropped > self.drain_budget:
                self.fail(
                    ConnectionLost(
                        f"the connection was dropped: the answer to a cancelled {call.command.redacted()} is longer "
                        f"than {self.drain_budget} octets"
                    )
                )
                return
        elif isinstance(event, Continuation):
            self.core.answer(None)
        elif isinstance(event, StartTls):
            self.fail(ConnectionLost("the connection was dropped: STLS was cancelled"))
            return
        elif isinstance(event, BodyEnd):
            self._dropped = 0
        self._note(event, call)

    def _core_event(self) -> Event | None:
        try:
            event = self.core.next_event()
        except RemoteProtocolError as error:
            self.fail(self._explain(error))
            return None
        if isinstance(event, ConnectionClosed):
            self.fail(ConnectionLost("the server closed the connection"))
            return None
        return self.masks.reply(event) if isinstance(event, Reply) else event

    def _explain(self, error: RemoteProtocolError) -> POP3Error:
        """Tell a lost connection from a broken protocol."""
        if isinstance(error, UnsolicitedResponse) and (raw := self.masks.octets(error.raw)) != error.raw:
            error = UnsolicitedResponse(
                f"the server sent what nobody asked for: {printable(repr(raw[:80]))}", raw
            )
        explained: POP3Error = error
        if isinstance(error, TruncatedResponse):
            explained = ConnectionLost(str(error))
        elif isinstance(error, UnsolicitedResponse) and error.raw.startswith(b"-ERR"):
            explained = ConnectionLost(
                f"the server ended the session: {printable(error.raw.decode('latin-1').strip())}"
            )
        if explained is not error:
            explained.__cause__ = error
        return explained

    def _check_quiet(self) -> None:
        """See what has come although nothing was asked, before it can be taken for the answer to a new command."""
        try:
            data = self.stream.poll()
        except OSError as error:
            self._lost(error)
        else:
            if data:
                self._feed(data)
            elif data is not None:
                self._feed(b"")
        if self._failure is None:
            self._core_event()
        self.check_usable()

    async def _wait_for_turn(self, call: Call) -> None:
        self.flush()
        call.turn = self._loop.create_future()
        try:
            await call.turn
        finally:
            call.turn = None

    async def _receive(self, call: Call | None, deadline: float) -> None:
        """Wait for octets, at most until `deadline` (the loop's time), and give them to the core."""
        if self._failure is not None:
            return
        self.flush()
        self._deadline = deadline
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._on_timer)
        self._reading = call
        try:
            data = await self.stream.reader.read(CHUNK)
        except OSError as error:
            self._lost(error)
            return
        finally:
            self._reading = None
            self._deadline = None
            if self._first_live() is not call:
                self._pass_turn()
        if self._expired:
            self.fail(ResponseTimeout(self._overdue(call)))
        elif self._failure is None:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        if data:
            self._tail = data[-4:]
            self.core.receive_data(data)
        else:
            self.core.receive_eof()

    def _lost(self, error: OSError) -> None:
        lost = ConnectionLost(f"the connection broke: {error.strerror or error}")
        lost.__cause__ = error
        self.fail(lost)

    def _on_timer(self) -> None:
        # One timer for all waits: it looks whether someone is overdue, and otherwise asks to be called again.
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._on_timer)
            return
        self._expired = True
        self.stream.abort()

    def _overdue(self, call: Call | None) -> str:
        what = f"the answer to {call.command.redacted()}" if call is not None else "the greeting"
        text = f"the server did not send {what} in time; the connection was closed"
        if self._tail == b"\n.\r\n" and call is not None and call.command.multiline:
            text += "; its last octets were LF, dot, CRLF: if it ends lines by LF alone, connect with bare_lf=True"
        return text
