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
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Literal, overload

from pop3aio._errors import ConcurrencyError, ConnectionLost, ResponseTimeout, printable
from pop3aio._session._call import Call, Readers
from pop3aio._session._deadline import Deadline
from pop3aio._session._masks import Masks
from pop3aio._session._reasons import broken, overdue, too_slow, violation
from pop3aio._wire._reader import CHUNK
from pop3aio._wire._stream import Stream
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
)

__all__ = ("PATIENCE", "CommandQueue")

logger = logging.getLogger("pop3aio")

PATIENCE = 5
"""How many times the time-out may be waited for one answer in all, if it comes more slowly than `Limits.min_rate`."""


class CommandQueue:
    """The core, the stream, and the callers in the order of their commands.

    `timeout` is in seconds, and bounds the wait for a whole status line and for each piece of a body; the waits for
    one answer together are bounded by `PATIENCE` and the rate at which it comes.
    """

    def __init__(self, core: Connection, stream: Stream, timeout: float) -> None:
        self.core = core
        self.stream = stream
        self.timeout = timeout
        self.marked = 0
        self._failure: POP3Error | None = None
        self._calls: OrderedDict[int, Call] = OrderedDict()
        self._readers = Readers(self._release_all)
        self._reading: Call | None = None
        self._disowned: list[Call] = []
        self._dropped = 0
        self._waiting = 0
        self.masks = Masks()
        self._loop = asyncio.get_running_loop()
        self._deadline = Deadline(self._loop, stream.abort)
        self._tail = b""
        # Whether the core may have something to tell: it has none before octets come.
        self._fed = False

    @property
    def failure(self) -> POP3Error | None:
        """Why the connection is unusable, a new exception each time; None while it is usable."""
        return None if self._failure is None else _again(self._failure)

    def check_usable(self) -> None:
        """Raise what is wrong with the connection, if something is."""
        if self._failure is not None:
            raise _again(self._failure)

    def fail(self, error: POP3Error) -> None:
        """Drop the connection; everyone in line, and everyone who comes later, gets this error."""
        if self._failure is not None:
            return
        self._failure = error
        self.stream.abort()
        self._retire()

    def _retire(self) -> None:
        self._deadline.cancel()
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
        if self._readers.holds():
            raise ConcurrencyError(
                "this task has a message open that is not read to its end, and would wait for itself: read it, or "
                "leave its `async with` or the loop over retrieve(), before asking for something else"
            )

    def submit(self, command: Command, *, body: bool = False) -> Call:
        """Put a command in line, without waiting.

        `body` says that the running task is going to take the answer piece by piece. Raises LocalProtocolError
        when the command is not allowed now, and what is wrong with the connection when it is unusable.
        """
        self._prepare()
        return self._enqueue(command, asyncio.current_task(self._loop) if body else None)

    def submit_all(self, commands: Iterable[Command], *, body: bool = False) -> Iterator[Call]:
        """Put commands in line, each as its call is taken from the iterator; see `submit`."""
        self._prepare()
        reader = asyncio.current_task(self._loop) if body else None
        for command in commands:
            yield self._enqueue(command, reader)

    def _prepare(self) -> None:
        self.check_usable()
        if self._reading is None and (not self.core.outstanding or self._first_live() is None):
            self._check_quiet()

    def _enqueue(self, command: Command, reader: asyncio.Task[object] | None) -> Call:
        handle = self.core.send(command)
        call = self._calls[handle] = Call(handle, command, PATIENCE * self.timeout)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("> %s", command.redacted())
        if reader is not None:
            self._readers.add(call, reader)
        return call

    def take_over(self, call: Call) -> None:
        """Take note that it is the running task that takes the call's body, whoever asked for it.

        Raises ConcurrencyError when another task is waiting for a piece of it.
        """
        if call.turn is not None or self._reading is call:
            raise ConcurrencyError(f"another task is waiting for the answer to {call.command.redacted()}")
        if call.reader is not None and call.reader is not asyncio.current_task():
            self._readers.discard(call)
            self._readers.add(call, asyncio.current_task())

    def release(self, call: Call) -> None:
        """Leave the line before the answer is complete: the command is taken back, or its answer will be dropped."""
        self._readers.discard(call)
        if call.done:
            return
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
        if (call.done and call.reader is None) or call.abandoned:
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
        self._readers.discard(call)
        self._leave(call)

    def _leave(self, call: Call) -> None:
        call.done = True
        self._calls.pop(call.handle, None)
        if self._waiting:
            self._pass_turn()

    def forget_reader(self, call: Call) -> None:
        """Take note that no task holds the call's body any more."""
        self._readers.discard(call)

    def _first_live(self) -> Call | None:
        for call in self._calls.values():
            if not call.abandoned:
                return call
        return None

    def _pass_turn(self) -> None:
        first = self._first_live()
        if first is not None:
            self._wake(first)
            if self._waiting:
                self._readers.watch(first)

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

    def ready_message(self, call: Call) -> bytes | None:
        """Return the message that answers the call, if it has come in one piece and it is the call's turn.

        The answer is complete with it, and `forget_reader` has to be called once it is read: what a task may do while
        it holds a message must not depend on how that came. Never waits; where None is returned, ask `ready_event`.
        """
        if not self._fed or self._failure is not None or self._reading is not None:
            return None
        if call.done or call.abandoned:
            return None
        if next(iter(self._calls.values())) is not call or logger.isEnabledFor(logging.DEBUG):
            return None
        taken = self.core.next_message()
        if taken is None:
            return None
        self._leave(call)
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

        `timeout` in seconds replaces the queue's. With `whole`, an answer that is a message and comes in one piece is
        returned as its octets (see `ready_message`). Raises what is wrong with the connection, and LocalProtocolError
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
            if whole and (message := self.ready_message(call)) is not None:
                return message
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
            if self._dropped > self.core.limits.abandoned:
                self.fail(
                    ConnectionLost(
                        f"the connection was dropped: the answer to a cancelled {call.command.redacted()} is longer "
                        f"than {self.core.limits.abandoned} octets"
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
        if not self._fed:
            return None
        try:
            event = self.core.next_event()
        except RemoteProtocolError as error:
            self.fail(violation(error, self.masks))
            return None
        if event is None:
            self._fed = False
            return None
        if isinstance(event, ConnectionClosed):
            self.fail(ConnectionLost("the server closed the connection"))
            return None
        return self.masks.reply(event) if isinstance(event, Reply) else event

    def _check_quiet(self) -> None:
        """Take what has come although nobody waits, before it can be taken for the answer to a new command.

        That is the answers of callers who have gone, and nothing else.
        """
        try:
            while (data := self.stream.poll()) is not None:
                self._feed(data)
                if not data:
                    break
        except OSError as error:
            self.fail(broken(error))
        while self._fed and self._failure is None:
            event = self._core_event()
            if event is not None:
                self._drop(event)
        self.check_usable()

    async def _wait_for_turn(self, call: Call) -> None:
        self.flush()
        call.turn = self._loop.create_future()
        self._waiting += 1
        try:
            self._readers.watch(self._first_live())
            await call.turn
        finally:
            self._waiting -= 1
            call.turn = None

    def _release_all(self, reader: asyncio.Task[object]) -> None:
        for call in reversed(list(self._calls.values())):
            if call.reader is reader:
                self.release(call)

    async def _receive(self, call: Call | None, deadline: float) -> None:
        """Wait for octets, at most until `deadline` (the loop's time), and give them to the core."""
        if self._failure is not None:
            return
        self.flush()
        # Whose answer it is that comes, be it read for him or for one behind him.
        due = next(iter(self._calls.values()), None)
        since = self._loop.time()
        slow = due is not None and since + due.patience <= deadline
        if slow:
            assert due is not None
            deadline = since + due.patience
        self._deadline.set(deadline)
        self._reading = call
        try:
            data = await self.stream.reader.read(CHUNK)
        except OSError as error:
            self.fail(broken(error))
            return
        finally:
            self._reading = None
            self._deadline.clear()
            if due is not None:
                # The server is not to blame if the loop was held up for longer.
                due.patience -= min(self._loop.time(), deadline) - since
            if self._waiting and self._first_live() is not call:
                self._pass_turn()
        if self._deadline.expired:
            if slow:
                assert due is not None
                why = too_slow(due.command, self.core.limits.min_rate)
            else:
                begun = self._tail if self.core.answering else b""
                why = overdue(None if call is None else call.command, begun, self.core.outstanding)
            self.fail(ResponseTimeout(why))
        elif self._failure is None:
            if due is not None:
                earned = len(data) / self.core.limits.min_rate
                due.patience = min(due.patience + earned, PATIENCE * self.timeout)
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        self._fed = True
        if data:
            self._tail = data[-4:]
            self.core.receive_data(data)
        else:
            self.core.receive_eof()


def _again(error: POP3Error) -> POP3Error:
    """Return a copy, for another one to raise: each gets a traceback of his own."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied
