"""The line of callers: whose command is answered next, and whose turn it is to read the wire."""

# How it works. Each command that is submitted joins the line; the server answers in the same order. The first caller
# that still wants its answer reads the wire for itself, and for the answers of cancelled calls before its own. When
# its answer is complete it leaves, and the next caller is woken. No task runs in the background, and no lock is held.
#
# A task may hold a message that it has opened, and not read on. Callers behind that message wait for that task. If the
# task fails, no task would ever read on: so the line watches the task of the first call while others wait behind it,
# and releases that task's calls when it has failed.
#
# Invariants, between any two calls of a method:
# - The line has the calls in the order in which the core has their commands.
# - At most one call is `reading`; it is in the line or was released, and its task is inside `read` of the stream.
# - If callers wait and no task reads, the first live caller has been woken, or is not waiting but busy with its
#   answer.
# - Nothing here waits, and nothing knows of a loop: what must happen later is given to `call_soon`.

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from pop3aio._errors import ConcurrencyError
from pop3aio._session._call import Call

__all__ = ("Line",)


class Line:
    """The calls whose answers are not complete, in the order of their commands.

    Args:
        withdraw: takes a command back by its handle; returns False if it was written already.
        call_soon: calls a function in the loop's next turn; it may be called in any thread.
    """

    def __init__(
        self, withdraw: Callable[[int], bool], call_soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self._withdraw = withdraw
        self._call_soon = call_soon
        self.calls: OrderedDict[int, Call] = OrderedDict()
        self.reading: Call | None = None
        """The call whose task reads the wire at the moment."""
        self.waiting: int = 0
        """How many tasks wait for their turn."""
        self._disowned: list[Call] = []
        self.held: dict[asyncio.Task[object], int] = {}
        """The tasks that have a message open: they would wait for themselves. With how many calls each."""
        # The task whose end is watched for, if any.
        self._watched: asyncio.Task[object] | None = None

    # -- who is where

    def oldest(self) -> Call | None:
        """Return the call whose answer the server sends next, cancelled or not."""
        return next(iter(self.calls.values()), None)

    def first_live(self) -> Call | None:
        """Return the first call that is not cancelled: it is this one's turn to read."""
        for call in self.calls.values():
            if not call.abandoned:
                return call
        return None

    # -- joining and leaving

    def join(self, call: Call, reader: asyncio.Task[object] | None) -> None:
        """Put a call at the end of the line; `reader` is the task that takes the body piece by piece, if one does."""
        self.calls[call.handle] = call
        if reader is not None:
            call.reader = reader
            self.held[reader] = self.held.get(reader, 0) + 1

    def leave(self, call: Call) -> None:
        """Take a call whose answer is complete out of the line, and hand the turn on."""
        call.done = True
        self.calls.pop(call.handle, None)
        if self.waiting:
            self.pass_turn()

    def release(self, call: Call) -> None:
        """Leave the line before the answer is complete: the command is taken back, or its answer will be dropped."""
        self.let_go(call)
        if call.done:
            return
        if self._withdraw(call.handle):
            call.done = True
            del self.calls[call.handle]
        else:
            call.abandoned = True
        # Another task may be waiting for this very answer.
        _wake(call)
        self.pass_turn()

    def disown(self, call: Call) -> None:
        """Release a call from a finalizer.

        The collector may run a finalizer in any thread and in the middle of anything, so only a flag is set at once.
        The rest is done by the next caller, or in the loop's next turn.
        """
        if (call.done and call.reader is None) or call.abandoned:
            return
        call.abandoned = True
        self._disowned.append(call)
        # RuntimeError: the loop is closed, and no task waits any more.
        with suppress(RuntimeError):
            self._call_soon(self.release_disowned)

    def release_disowned(self) -> None:
        """Do what is left to be done for the calls that a finalizer gave up."""
        # From the end, so that commands which were not written leave the line before their turn comes.
        while self._disowned:
            self.release(self._disowned.pop())

    def close(self) -> None:
        """End all calls: each caller finds its call done, and asks why."""
        for call in self.calls.values():
            call.done = True
            _wake(call)
        self.calls.clear()
        self.held.clear()
        self._watch(None)

    # -- turns

    def await_turn(self, call: Call, turn: asyncio.Future[None]) -> None:
        """Record that a task waits for `turn`, which is set when it is this call's turn, or the call has ended."""
        call.turn = turn
        self.waiting += 1
        self._watch(self.first_live())

    def end_wait(self, call: Call) -> None:
        """Record that the task waits no longer, whatever the reason."""
        self.waiting -= 1
        call.turn = None

    def pass_turn(self) -> None:
        """Wake the first caller that still wants its answer."""
        first = self.first_live()
        if first is not None:
            _wake(first)
            if self.waiting:
                self._watch(first)

    # -- tasks that hold a message

    def take_over(self, call: Call, task: asyncio.Task[object] | None) -> None:
        """Make `task` the one that takes the call's body, whichever task asked for it.

        Raises ConcurrencyError when another task is waiting for a piece of it.
        """
        if call.turn is not None or self.reading is call:
            raise ConcurrencyError(f"another task is waiting for the answer to {call.command.redacted()}")
        if call.reader is not None and call.reader is not task:
            self.let_go(call)
            if task is not None:
                call.reader = task
                self.held[task] = self.held.get(task, 0) + 1

    def let_go(self, call: Call) -> None:
        """Record that no task holds the call's body any more."""
        reader = call.reader
        if reader is not None:
            count = self.held.pop(reader, 1) - 1
            if count:
                self.held[reader] = count
            call.reader = None

    def _watch(self, first: Call | None) -> None:
        """Watch the task that holds the first call's message, instead of the one that was watched."""
        reader = first.reader if first is not None else None
        if reader is self._watched:
            return
        if self._watched is not None:
            self._watched.remove_done_callback(self._holder_ended)
        self._watched = reader
        if reader is not None:
            # A task that has ended already calls back at once.
            reader.add_done_callback(self._holder_ended)

    def _holder_ended(self, task: asyncio.Task[object]) -> None:
        """Release the calls of a task that failed while others wait behind its message.

        The traceback of a failure keeps the task's variables, and with them perhaps a `Retrieval` that the collector
        would otherwise have closed. A task that ended well is no reason to release: it may have handed its message to
        another task. `get_stack` tells the two apart; `exception()` would not do, for asyncio would then take the
        failure for seen and not report it.
        """
        if task.cancelled() or task.get_stack(limit=1):
            self._watched = None
            for call in reversed(list(self.calls.values())):
                if call.reader is task:
                    self.release(call)


def _wake(call: Call) -> None:
    if call.turn is not None and not call.turn.done():
        call.turn.set_result(None)
