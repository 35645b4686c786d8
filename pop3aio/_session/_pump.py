"""The pump: octets from the stream into the core, events out of it, and the end of the connection."""

# How it works. `receive` is awaited by the one caller whose turn it is. It writes what the core wants written, waits
# for octets until a deadline, and feeds the core. `next_event` takes what the core makes of them. When the connection
# is unusable, `fail` keeps the reason, drops the connection and ends all calls: each caller finds its call done, and
# raises its own copy of the reason.
#
# Invariants:
# - `failed` is set once and never changed. After it nothing is read, and nothing is written.
# - Octets are read only by `receive`, by one task at a time (`line.reading`), and by `poll`, which never waits and is
#   called only while no task reads.
# - `fed` is False only if the core has nothing to tell: then it need not be asked.
# - At the await in `receive` anything may happen: the caller may be cancelled or released, the connection may fail. So
#   all that was known before it is looked at again after it.

from __future__ import annotations

import copy

from pop3aio._errors import ConnectionLost, ResponseTimeout, Stage
from pop3aio._session._call import Call
from pop3aio._session._deadline import PATIENCE, Clock, Deadline, patience_left
from pop3aio._session._line import Line
from pop3aio._session._masks import Masks
from pop3aio._session._reasons import broken, overdue, too_slow, violation
from pop3aio._wire._reader import CHUNK
from pop3aio._wire._stream import Stream
from pop3core import Connection, ConnectionClosed, Event, POP3Error, RemoteProtocolError, Reply

__all__ = ("Pump",)


class Pump:
    """What moves octets between the stream and the core.

    Args:
        core: the state machine.
        stream: the connection.
        line: the callers whose answers are read.
        timeout: seconds for a whole status line, and for each piece of a body.
        clock: what tells the time.
    """

    def __init__(self, core: Connection, stream: Stream, line: Line, timeout: float, clock: Clock) -> None:
        self.core = core
        self.stream = stream
        self.timeout = timeout
        self.masks: Masks = Masks()
        self.stage: Stage = "greeting"
        """How far the session has come, for the errors that end it; the session moves it on."""
        self.failed: POP3Error | None = None
        """Why the connection is unusable: the one exception that all others are copied from."""
        self.fed: bool = False
        """Whether the core may have something to tell."""
        self._line = line
        self._clock = clock
        self._deadline = Deadline(clock, stream.abort)
        # The last octets that came: they tell why an end was not found.
        self._tail = b""

    # -- the end

    @property
    def failure(self) -> POP3Error | None:
        """Why the connection is unusable, a new exception each time; None while it is usable."""
        if self.failed is None:
            return None
        # A copy: each caller that raises it adds a traceback of its own.
        copied = copy.copy(self.failed)
        copied.__cause__ = self.failed.__cause__
        return copied

    def check_usable(self) -> None:
        """Raise what is wrong with the connection, if something is."""
        if self.failed is not None:
            failure = self.failure
            assert failure is not None
            raise failure

    def fail(self, error: POP3Error) -> None:
        """Drop the connection; every caller in line and every later call raises this error."""
        if self.failed is None:
            self._end(error)
            self.stream.abort()

    def close(self, why: str) -> None:
        """End the connection since the user wants it; the stream is the caller's to close."""
        if self.failed is None:
            self._end(ConnectionLost(why))

    def _end(self, error: POP3Error) -> None:
        self.failed = error
        self._deadline.cancel()
        self._line.close()

    # -- what has come

    def next_event(self) -> Event | None:
        """Return the core's next event, or None; a refusal has no secret in it that the server may have echoed.

        None is also returned when the connection fails here.
        """
        if not self.fed:
            return None
        try:
            event = self.core.next_event()
        except RemoteProtocolError as error:
            self.fail(violation(error, self.masks, self.stage))
            return None
        if event is None:
            self.fed = False
            return None
        if isinstance(event, ConnectionClosed):
            self.fail(ConnectionLost("the server closed the connection", stage=self.stage))
            return None
        return self.masks.refusal(event) if isinstance(event, Reply) else event

    def poll(self) -> None:
        """Feed the core the octets that are here already; never waits."""
        try:
            while (data := self.stream.poll()) is not None:
                self._feed(data)
                if not data:
                    break
        except OSError as error:
            self.fail(broken(error, self.stage))

    def _feed(self, data: bytes) -> None:
        self.fed = True
        if data:
            self._tail = data[-4:]
            self.core.receive_data(data)
        else:
            self.core.receive_eof()

    # -- what is waited for

    def deadline(self, timeout: float | None) -> float:
        """Return when a wait that begins now is over, by the clock; `timeout` in seconds replaces the pump's."""
        return self._clock.time() + (timeout or self.timeout)

    def flush(self) -> None:
        """Write what the core allows to be written now."""
        data = self.core.data_to_send()
        if data:
            self.stream.writer.write(data)

    async def receive(self, call: Call | None, deadline: float) -> None:
        """Wait for octets, at most until `deadline`, and feed them to the core.

        `call` is that of the running task; None for the greeting. When the time is over the connection fails. A
        cancel loses nothing: octets that are here stay in the stream.
        """
        if self.failed is not None:
            return
        self.flush()
        # The octets belong to the oldest call's answer, whichever task reads them; so that call's patience is spent.
        due = self._line.oldest()
        since = self._clock.time()
        slow = due is not None and since + due.patience <= deadline
        if slow:
            assert due is not None
            deadline = since + due.patience
        data = b""
        self._deadline.set(deadline)
        self._line.reading = call
        try:
            data = await self.stream.reader.read(CHUNK)
        except OSError as error:
            self.fail(broken(error, self.stage))
            return
        finally:
            self._line.reading = None
            self._deadline.clear()
            if due is not None:
                waited = min(self._clock.time(), deadline) - since
                due.patience = patience_left(
                    due.patience, waited, len(data), self.core.limits.min_rate, PATIENCE * self.timeout
                )
            if self._line.waiting and self._line.first_live() is not call:
                self._line.pass_turn()
        if self._deadline.expired:
            self.fail(self._why(call, due if slow else None))
        elif self.failed is None:
            self._feed(data)

    def _why(self, call: Call | None, slow: Call | None) -> ResponseTimeout:
        """Return the error about what was waited for in vain; `slow` is the call whose patience is over, if any."""
        if slow is not None:
            return too_slow(slow.command, self.core.limits.min_rate, self.core.outstanding)
        begun = self._tail if self.core.answering else b""
        return overdue(None if call is None else call.command, begun, self.core.outstanding)
