"""The way into the writer thread: one queue, one hop for all that is in it, one answer for the whole group."""

# How it works: `put` and `call` append an item with a ticket to the queue, and start the pump, a task. While the queue
# is not empty, the pump takes the longest run of drafts at its head (at most `max_batch`), hands them to the thread in
# one hop, awaits the hop, and settles their tickets. A call (scan, clean, close) makes a hop of its own, in its turn.
# Drafts that come during a hop wait in the queue and form the next group. So no timer decides, and a lone message does
# not wait.
#
# Invariants:
# - All state here belongs to the event loop's thread. Only the arguments of a hop are used in the writer thread, while
#   the pump awaits the hop, and never two hops at a time. So the thread sees items in the order of the queue.
# - `_pump` is None exactly if no task is running the queue. It ends only when the queue is empty; `_ended` starts a
#   new one if an item came at that moment, or if the task was cancelled before it began.
# - An item is in the queue, or in the group of the running hop, or its ticket is done. A cancelled (withdrawn) draft
#   may stand in the queue with its ticket done; `_take` drops it.
# - `_queued` is the sum of the charges of all drafts that were admitted and are neither settled nor withdrawn. A
#   caller in `_waiting` is charged at the moment it is granted room, before it runs again. So a caller that is
#   cancelled after that moment must give the charge back.
# - After `close` was called, `_closed` is True and only the closing call and items before it are done.
#
# At any await here another task may append items, withdraw them, or call `close`. The pump itself may be cancelled by
# a loop that shuts down; it goes on until its hop ends, since others wait for that.

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from aiofiles import os as aiofiles_os

from maildir._draft import Draft, Step
from maildir._errors import MaildirError
from maildir._sync_order import Committer
from maildir._ticket import Ticket

__all__ = ("GroupWriter",)

_T = TypeVar("_T")
_P = ParamSpec("_P")

# What a message costs beside its octets, so that the bound also holds up a flood of empty messages.
_OVERHEAD = 1024


class _Call:
    """Something else for the thread to do when its turn comes."""

    __slots__ = ("ticket", "work")

    def __init__(self, work: Callable[[], object]) -> None:
        self.work: Callable[[], object] = work
        self.ticket: Ticket[Any] | None = None


class _Hop(Executor):
    """Carries one call into the thread; a call that has been handed over cannot be cancelled any more.

    Why it exists: cancelling the task that awaits `run_in_executor` also cancels the pool's future. If the call has not
    begun, the pool then skips it, and the drafts of the group would get no outcome. If it has begun, it goes on, and
    its outcome is lost. So `outcome` is a future of our own: it is marked as running at once, which makes it immune to
    cancelling, and the pump awaits it a second time after it was cancelled itself.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.outcome: Future[Any] = Future()

    def submit(self, fn: Callable[_P, Any], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[Any]:
        self.outcome.set_running_or_notify_cancel()
        self._pool.submit(self._run, fn, *args, **kwargs)
        return self.outcome

    def _run(self, fn: Callable[..., Any], *args: Any) -> None:
        try:
            result = fn(*args)
        except BaseException as error:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)


class GroupWriter:
    """One thread, and the queue before it.

    While the thread commits one group, the next one gathers. A group ends at `max_batch` messages. The queue holds
    `max_queued` octets; a caller with more octets waits for room, in the order of arrival.
    """

    def __init__(self, committer: Committer, *, max_batch: int, max_queued: int) -> None:
        self._committer = committer
        # Each draft of a group holds a descriptor until it is sealed; leave the other three quarters to the program.
        self._max_batch = min(max_batch, max(1, _descriptors() // 4))
        self._max_queued = max_queued
        self._queue: deque[Draft | _Call] = deque()
        self._queued = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="maildir")
        self._commit = aiofiles_os.wrap(committer.commit)
        self._pump: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._closed = False
        self._closing: Ticket[Any] | None = None

    def bind(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, to which the first use binds.

        Raises:
            MaildirError: closed, or used from another loop, or from a process forked since.
        """
        if self._closed:
            raise _closed()
        if self._pid not in (0, os.getpid()):  # first, as there is no running loop after a fork
            raise MaildirError("The Maildir was in use before this process was forked; make a new one there")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._pid = os.getpid()
            self._committer.guard()
        elif self._loop is not loop:
            raise MaildirError("The Maildir belongs to another event loop; make one for each loop")
        return loop

    async def admit(self, octets: int) -> int:
        """Wait until the queue has room for `octets` more; return what to charge the message with.

        Cancelling gives the place in the line up.
        """
        charge = octets + _OVERHEAD
        if self._waiting or not self._fits(charge):
            granted: asyncio.Future[None] = self.bind().create_future()
            self._waiting.append((charge, granted))
            try:
                await granted
            except asyncio.CancelledError:
                # If room was granted and the task was cancelled in the same turn of the loop, give the room back.
                self._release(0 if granted.cancelled() else charge)
                raise
        else:
            self._queued += charge
        return charge

    def put(self, draft: Draft, step: Step, chunks: list[bytes], charge: int) -> Ticket[Any]:
        """Queue the next `step` of `draft`, for which it has been admitted."""
        if self._closed:
            self._release(charge)
            raise _closed()
        draft.step = step
        draft.chunks = chunks
        draft.charge = charge
        draft.taken = False
        return self._append(draft)

    def discard(self, draft: Draft) -> Ticket[Any]:
        """Queue the end of `draft`; nothing of it will be left."""
        if self._closing is not None:
            return self._closing  # closing discards every draft that is written in part
        return self.put(draft, Step.DISCARD, [], 0)

    async def call(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns in the thread, after everything that is queued; cancelling waits for it."""
        self.bind()
        ticket: Ticket[_T] = self._append(_Call(work))
        return await ticket

    async def close(self) -> None:
        """Do what is queued, then end the thread; cancelling waits for it."""
        if self._closing is None:
            if self._closed:
                return
            if self._loop is None:
                self._closed = True
                return
            self.bind()
            self._closed = True
            self._closing = self._append(_Call(self._committer.close))
        try:
            await self._closing
        finally:
            self._pool.shutdown()

    def withdraw(self, item: Draft | _Call) -> bool:
        """Take `item` back; return False if the thread must see to it first."""
        if isinstance(item, _Call) or item.step is Step.DISCARD:
            return False
        item.withdrawn = True
        # The thread has it, or has written a part of it: only the thread can remove the file.
        if item.taken or item.fd >= 0:
            return False
        self._release(item.charge)
        item.chunks = []
        return True

    def _append(self, item: Draft | _Call) -> Ticket[Any]:
        assert self._loop is not None
        ticket: Ticket[Any] = Ticket.issue(self, item, self._loop)
        self._queue.append(item)
        self._start()
        return ticket

    def _start(self) -> None:
        if self._pump is None:
            assert self._loop is not None
            self._pump = self._loop.create_task(self._run(), name="maildir")
            self._pump.add_done_callback(self._ended)

    def _ended(self, pump: asyncio.Task[None]) -> None:
        self._pump = None
        if self._queue:  # the task was cancelled before it began, or an item came just now
            self._start()

    async def _run(self) -> None:
        while self._queue:
            item = self._queue[0]
            if isinstance(item, _Call):
                self._queue.popleft()
                await self._answer(item)
            elif group := self._take():
                try:
                    await self._hop(self._commit, group)
                except Exception as error:
                    for draft in group:
                        draft.error = error
                for draft in group:
                    self._settle(draft)
                # The charges are gone: wake callers that wait for room.
                self._release(0)

    def _take(self) -> list[Draft]:
        group: list[Draft] = []
        while self._queue and len(group) < self._max_batch:
            item = self._queue[0]
            if isinstance(item, _Call):
                break
            self._queue.popleft()
            assert item.ticket is not None
            if item.ticket.done():
                item.ticket = None  # withdrawn
            else:
                item.taken = True
                group.append(item)
        return group

    async def _hop(self, call: Callable[..., Awaitable[_T]], *args: object) -> _T:
        hop = _Hop(self._pool)
        waiting = call(*args, executor=hop)
        while True:
            try:
                return await waiting
            except asyncio.CancelledError:
                # A loop that shuts down cancels every task. Go on: the hop ends by itself, and tickets wait for it.
                waiting = asyncio.wrap_future(hop.outcome)

    async def _answer(self, call: _Call) -> None:
        ticket, call.ticket = call.ticket, None
        assert ticket is not None
        try:
            result = await self._hop(aiofiles_os.wrap(call.work))
        except Exception as error:
            ticket.fail(error)
        else:
            ticket.set_result(result)

    def _settle(self, draft: Draft) -> None:
        self._queued -= draft.charge
        ticket, draft.ticket = draft.ticket, None
        error, draft.error = draft.error, None
        assert ticket is not None
        if draft.dropped:
            ticket.give_up()
        elif error is not None:
            ticket.fail(error)
        else:
            ticket.set_result(draft.delivered)

    def _fits(self, charge: int) -> bool:
        # A message that is larger than the whole bound is admitted when the queue is empty, else it would wait for
        # ever.
        return not self._queued or self._queued + charge <= self._max_queued

    def _release(self, charge: int) -> None:
        self._queued -= charge
        while self._waiting:
            wanted, granted = self._waiting[0]
            if not granted.done():
                if not self._fits(wanted):
                    break
                self._queued += wanted
                granted.set_result(None)
            self._waiting.popleft()


def _closed() -> MaildirError:
    return MaildirError("The Maildir is closed; make a new one to deliver more")


def _descriptors() -> int:
    """Return how many files this process may have open."""
    try:
        import resource
    except ImportError:
        return 512
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
