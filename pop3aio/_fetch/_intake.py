"""From a session into a store: retrieves messages, and journals what is stored, durable and proven.

How it works. Messages are retrieved in batches, pipelined, each handed to the store as its octets come. A message that
the store took goes through two lines. In the first, `_unproven`, it waits for the proof that the session is in step
behind it; in the second, `_proven`, it waits for the store to say that it is durable. From the second line it is
journalled, in groups: while one group is being written, the next one gathers.

Invariants:
- A message is journalled only if the store read it to its end, said that it is durable, and the session was proved to
  be in step behind it. Only what is journalled can be deleted.
- Before the store sees the first octet of a message, the journal's memo names the message as `coming`. So a run that
  follows a killed one knows of which messages the store may have a copy that was never proven.
- What the store took, in this run or in one that was killed, and what is not journalled in the end is `doubtful`: it is
  fetched again, alone, and its copy is replaced. `_copies` holds what that is at any moment.
- A proof says that the session is in step *here*. Two faults may have cancelled each other out before: a message that
  does not end swallows an answer, and a dot that is not stuffed makes one. So a message that is shorter than listed, or
  that is longer and has a line in it that looks like an answer, is not covered by that proof; nor is what came between
  the two.
- A message that one thing went wrong with gets a note (see `_notes`), and does not keep the others.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pop3aio._client import Client, Message
from pop3aio._errors import CommandError
from pop3aio._fetch._any_store import Store
from pop3aio._fetch._finish import finish
from pop3aio._fetch._incoming import Incoming, unread
from pop3aio._fetch._journal import Identity
from pop3aio._fetch._ledger import Ledger
from pop3aio._fetch._listing import Item, Listing
from pop3aio._fetch._memo import Memo
from pop3aio._fetch._notes import FailureKind, noted
from pop3aio._fetch._report import Failure, FetchReport
from pop3aio._fetch._store import LeaveOnServer, StopFetching
from pop3aio._fetch._wishes import Wishes
from pop3core import LocalProtocolError, POP3Error

__all__ = ("Intake",)

# Messages that are named as coming before the store sees them: as many as may be in flight, and as many again.
_COMING = 512
# Refusals in a row that mean that the server has had enough for today, and failures that mean that the store has.
_ENOUGH_REFUSALS = 10
_ENOUGH_FAILURES = 3
# Proofs behind this many messages where a copy cannot be replaced: so many may come twice after a session that broke.
_FEW = 32
# Seconds for which a run that breaks or is cancelled waits for a store that has not spoken.
_PATIENCE = 10.0

# Seconds of waiting for the store behind which the session is kept open. RFC 1939 section 3 lets a server end a session
# that was idle for ten minutes; many take less.
_KEEP_OPEN = 60.0


class Intake:
    """Takes messages of one session into a store.

    Attributes:
        journalled: the messages that were journalled, in order.
        accepted: how many messages the store took, those included that are not durable yet.
        came: how many messages have come, refused ones included.
        current: the message that is under way, or None; and `last`, the one that was under way last.
        cut: the message that came empty though the server lists it with a size, or None.
        unprovable: whether a proof was due, and the server refused it.
        halted: whether no more messages are to be asked for.
        error: what the store raised that ends the run, or None.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        ledger: Ledger,
        memo: Memo,
        wishes: Wishes,
        report: FetchReport,
        listing: Listing,
        tell: Callable[[int], None] | None,
    ) -> None:
        self._client = client
        self._store = store
        self._ledger = ledger
        self._memo = memo
        self._must_stay_same = not wishes.deletes_at_once
        self._report = report
        self._tell = tell
        every = memo.group if store.replace is not None else min(memo.group, _FEW)
        self.proof = listing.proof(memo.proof or "UIDL n", every=every)
        # In the order of coming: the place in the batch, the message, its octets, what the store is going to say.
        self._unproven: deque[tuple[int, Item, int, asyncio.Future[Any]]] = deque()
        self._proven: deque[tuple[int, Item, int, asyncio.Future[Any]]] = deque()
        # Of a group with an odd message in it: the proof behind it does not count for these.
        self._void: list[tuple[int, Item, int, asyncio.Future[Any]]] = []
        self._odd: int | None = None
        # Messages of which the store may have a copy, and that are not journalled.
        self._copies: dict[Identity, int] = {}
        self._recording: asyncio.Task[None] | None = None
        self._upcoming: deque[Item] = deque()
        self._alone = False
        self._refusals = 0
        self._failures = 0
        self.journalled: list[Item] = []
        self.accepted = 0
        self.came = 0
        self.current: Item | None = None
        self.last: Item | None = None
        self.cut: Item | None = None
        self.halted = False
        self.unprovable = False
        self.error: Exception | None = None

    @property
    def unproven(self) -> int:
        """How many messages the store took that are not proven yet."""
        return len(self._unproven)

    def expect(self, items: Iterable[Item]) -> None:
        """Take the messages of which an earlier run has left a copy in the store, whether they are asked for or not."""
        self._copies |= {item.identity: item.generation for item in items}

    # -- retrieving

    async def take(self, items: Iterable[Item], limit: int | None) -> int:
        """Retrieve messages, pipelined, until the store has `limit` of them; return how many were not asked for.

        What the server refuses and what the store leaves does not count.
        """
        waiting = deque(items)
        self._upcoming.extend(waiting)
        left = 0
        # Many servers list wrong sizes, all of them wrong in the same way. A message that is taken alone shows that
        # without a second copy of any, which a store that cannot replace would keep.
        alone = self._store.replace is None and not self._memo.unsized
        while waiting and not self.halted:
            room = len(waiting) if limit is None else min(len(waiting), limit - self.accepted)
            if room <= 0:
                break
            if alone:
                room, alone = 1, False
            left = await self._batch([waiting.popleft() for _ in range(room)])
        self._upcoming.clear()
        return left + len(waiting)

    async def take_alone(self, items: Sequence[Item], limit: int | None) -> int:
        """Retrieve messages one at a time, each with its proof behind it; return how many were not asked for."""
        for asked, item in enumerate(items):
            if self.halted or (limit is not None and self.accepted >= limit):
                return len(items) - asked
            self._upcoming.append(item)
            await self._batch([item])
            # One message at a time is on its way, also into the store: if it kills the process, it is known by that.
            await self.settled()
        return 0

    async def _batch(self, items: Sequence[Item]) -> int:
        """Retrieve messages, pipelined, with a proof behind them; return how many were not taken when it halted."""
        numbers = [item.number for item in items]
        sizes = {item.number: item.size for item in items if item.size is not None}
        position = 0
        self._odd = None
        self._alone = len(items) == 1
        self.current = items[0]
        async with self._client.retrieve(self._feed(numbers), sizes=sizes, proof=self.proof) as messages:
            async for message in messages:
                self._advance(messages.proven)
                if self.halted:
                    # In flight when the run was halted. Read and dropped, so that the proof behind it still comes.
                    continue
                item = self.last = items[position]
                if message.error is not None:
                    self._refused(item, message.error)
                else:
                    self._refusals = 0
                    await self._hand_over(item, message, position)
                position += 1
                self.came += 1
                # From here on the next one is waited for; or, behind the last one, the proof.
                self.current = items[position] if position < len(items) else None
                if self._tell is not None:
                    self._tell(0)
                self._start_recording()
        self._advance(messages.proven)
        self.current = None
        self.unprovable = self.unprovable or bool(self._unproven) or not self.proof.commands()
        return len(items) - position

    def _feed(self, numbers: Iterable[int]) -> Iterator[int]:
        for number in numbers:
            if self.halted:
                return
            yield number

    def _refused(self, item: Item, error: CommandError) -> None:
        self.note(item, "refused", error)
        self._refusals += 1
        self.halted = self.halted or self._refusals >= _ENOUGH_REFUSALS

    async def _hand_over(self, item: Item, message: Message, position: int) -> None:
        """Give a message to the store, and see what the store says."""
        if item.held:
            self._copies[item.identity] = item.generation
        if item.identity not in self._memo.coming:
            await self._announce(item)
        source = Incoming(
            self._client,
            message,
            item.size,
            item.identity.uid,
            item.key(self._report.account),
            self._tell,
            self._must_stay_same,
        )
        try:
            try:
                if item.held or item.like:
                    stored = await self._store.take_again(source, item)
                else:
                    stored = await self._store.submit(source, key=source.key)
            finally:
                source.closed = True
        except LeaveOnServer as error:
            self._leave(item, error)
        except StopFetching:
            self._stop(item)
        except asyncio.CancelledError:
            if not source.interrupted:
                # The store had its turn. If it never comes back, the others must not wait for it in the next run too.
                self.note(item, "killed", _silent(item))
            raise
        except Exception as error:
            if source.failure is not None:
                self.cut = item if source.cut else None
                raise source.failure from (None if source.failure is error else error)
            self._failed(item, source, error)
        else:
            if source.failure is not None:
                raise source.failure
            outcome = stored if isinstance(stored, asyncio.Future) else _future(stored)
            if source.ended:
                self.accepted += 1
                self._copies[item.identity] = item.generation
                # A message that has swallowed an answer is longer than the server lists it.
                # A message that was cut is shorter than that.
                odd = (source.odd and not source.has_size()) or self._is_short(item, source.octets)
                # To find out more costs a second copy, where the store cannot replace the first. Better two than none.
                if odd and self._odd is None and not self._alone:
                    self._odd = position
                self._unproven.append((position, item, source.octets, outcome))
            else:
                outcome.add_done_callback(_ignore)
                self._copies[item.identity] = item.generation
                self._failed(item, source, unread(source))

    # -- what the store says

    def _leave(self, item: Item, error: LeaveOnServer) -> None:
        self._report.left += 1
        self._memo.notes[item.identity] = noted(self._memo.notes.get(item.identity), "left", time.time())
        self._memo.coming.pop(item.identity, None)

    def _stop(self, item: Item) -> None:
        """End the run in good order; the message that the store did not take is for the next one."""
        self._report.postponed += 1
        self._memo.coming.pop(item.identity, None)
        self.halted = True

    def _failed(self, item: Item, source: Incoming | None, error: Exception) -> None:
        """Note that the store did not take a message; an error that concerns all messages ends the run."""
        if source is not None and source.changed is not None:
            self.note(item, "changed", source.changed, uid=None)
            return
        self.note(item, "store", error)
        self._failures += 1
        if isinstance(error, OSError) or self._failures >= _ENOUGH_FAILURES:
            self.halted = True
            self.error = self.error or error

    def note(self, item: Item, kind: FailureKind, error: Exception, *, uid: str | None = "") -> None:
        """Note what went wrong with a message, for the report and for the next run."""
        before = self._memo.notes.get(item.identity)
        after = noted(before, kind, time.time())
        if kind == "store" and before is not None and (isinstance(error, OSError) or not self.accepted):
            # The store is in trouble as a whole, or nothing says that it works: this says nothing of the message. Yet
            # the message was tried, so that it is the turn of others next time.
            after = replace(before, last=after.last)
        self._memo.notes[item.identity] = after
        self._memo.coming.pop(item.identity, None)
        retry_at = after.retry_at if after.count > 1 else None
        self._report.failed.append(
            Failure(item.number, item.identity.uid if uid == "" else uid, kind, error, retry_at)
        )

    # -- journalling

    async def _announce(self, item: Item) -> None:
        """Name a message and those behind it as coming, before the store sees the first of them."""
        if self._recording is not None:
            # A cancel must not reach what is being written.
            await asyncio.shield(self._recording)
        self._memo.coming[item.identity] = item.generation
        self._add_coming()
        await self._memo.save(self._ledger)

    def _add_coming(self) -> None:
        coming = self._memo.coming
        while self._upcoming and len(coming) < _COMING:
            item = self._upcoming.popleft()
            coming[item.identity] = item.generation

    def _advance(self, proven: int) -> None:
        """Move what is proven into the second line."""
        odd = self._odd
        while self._unproven and self._unproven[0][0] < proven:
            entry = self._unproven.popleft()
            if odd is not None and entry[0] >= odd:
                self._void.append(entry)
                continue
            self._proven.append(entry)
            if self._alone and self._is_short(entry[1], entry[2]):
                # It came whole, and is shorter than listed: the sizes of this server are no measure.
                self._memo.unsized = True
        if odd is not None and odd < proven:
            self._odd = None

    def _is_short(self, item: Item, octets: int) -> bool:
        """Return whether a message is shorter than listed, on a server whose sizes are a measure."""
        return item.size is not None and octets < item.size and not self._memo.unsized

    def _start_recording(self) -> None:
        """Journal what is durable, in a group; while one is being written, the next one gathers."""
        if self._recording is not None:
            if not self._recording.done():
                return
            self._recording.result()
            self._recording = None
        if self._proven and self._proven[0][3].done():
            durable = self._take_durable()
            if durable:
                self._recording = asyncio.ensure_future(self._record(durable))

    def _take_durable(self) -> list[tuple[Item, int]]:
        """Take from the second line what the store has spoken about; return what is durable."""
        durable = []
        while self._proven and self._proven[0][3].done():
            _, item, octets, outcome = self._proven.popleft()
            if self._is_durable(item, outcome):
                durable.append((item, octets))
        return durable

    def _is_durable(self, item: Item, outcome: asyncio.Future[Any]) -> bool:
        if outcome.cancelled():
            error: BaseException | None = asyncio.CancelledError("the store gave the message up")
        else:
            error = outcome.exception()
        if error is None:
            self._failures = 0
            return True
        self.accepted -= 1
        if not item.held:
            # The store says that it has not taken the message.
            self._copies.pop(item.identity, None)
        if isinstance(error, LeaveOnServer):
            self._leave(item, error)
        elif isinstance(error, StopFetching):
            self._stop(item)
        elif isinstance(error, Exception):
            self._failed(item, None, error)
        else:
            self._failed(
                item, None, LocalProtocolError(f"the store gave message {item.number} up: {error!r}")
            )
        return False

    async def _record(self, durable: list[tuple[Item, int]]) -> None:
        found = [item.identity for item, _ in durable]
        await self._ledger.record(found)
        self._report.fetched += len(durable)
        self._report.octets += sum(octets for _, octets in durable)
        self.journalled += [item for item, _ in durable]
        self._memo.forget(found)
        for identity in found:
            self._copies.pop(identity, None)
        if self._upcoming and len(self._memo.coming) <= _COMING // 2:
            self._add_coming()
            await self._memo.save(self._ledger)

    async def settled(self) -> None:
        """Wait until the store has spoken about all that it took, and settle. Cancelling ends the wait.

        The session has nothing in flight meanwhile. A server may end it then, so it is asked for nothing now and then.
        """
        while not await self.wait_for_store(_KEEP_OPEN):
            with suppress(POP3Error):
                await self._client.noop()
        await finish(self.settle())

    async def wait_for_store(self, seconds: float | None = None) -> bool:
        """Wait until the store has spoken about all that it took, or for so many seconds; return whether it has."""
        waiting = [entry[3] for entry in (*self._proven, *self._void, *self._unproven) if not entry[3].done()]
        if not waiting:
            return True
        _, silent = await asyncio.wait(waiting, timeout=seconds)
        return not silent

    async def settle(self) -> None:
        """Journal what is proven and durable, and note the rest as doubtful.

        This runs to its end also in a run that is cancelled, so a store that is silent is given up after some seconds.
        """
        await self.wait_for_store(_PATIENCE)
        spoken = [entry for entry in self._proven if entry[3].done()]
        self._void += [entry for entry in self._proven if not entry[3].done()]
        self._proven = deque(spoken)
        ending: list[asyncio.Task[Any]] = []
        try:
            if self._recording is not None:
                recording, self._recording = self._recording, None
                await recording
            durable = self._take_durable()
            if durable:
                await self._record(durable)
        finally:
            ending = self._give_up_the_rest()
        if ending:
            await asyncio.wait(ending, timeout=_PATIENCE)

    def _give_up_the_rest(self) -> list[asyncio.Task[Any]]:
        """Note as doubtful what the store has and what was not journalled; return the tasks that were cancelled."""
        ending = []
        for _, item, _, outcome in (*self._void, *self._unproven):
            if outcome.done():
                if not self._is_durable(item, outcome):
                    continue
            else:
                self.note(item, "store", _silent(item))
                outcome.add_done_callback(_ignore)
                # A future that is no task belongs to the store, which may set it later.
                if isinstance(outcome, asyncio.Task):
                    outcome.cancel()
                    ending.append(outcome)
            self.accepted -= 1
            self._report.doubtful += 1
        if self._void:
            self._report.more = True
        self._void.clear()
        self._unproven.clear()
        self._memo.doubtful |= self._copies
        # The rest of what was announced has not reached the store.
        self._memo.coming.clear()
        return ending


def _silent(item: Item) -> LocalProtocolError:
    return LocalProtocolError(
        f"the store had not said whether it has message {item.number} when the run ended"
    )


def _future(stored: object) -> asyncio.Future[Any]:
    if not isinstance(stored, Awaitable):
        raise TypeError(
            f"submit() of the store returned {stored!r}; it must return what to await for the message to be durable. A "
            "store that is done when it returns is a coroutine function deliver(message, key)"
        )
    return asyncio.ensure_future(stored)


def _ignore(outcome: asyncio.Future[Any]) -> None:
    if not outcome.cancelled():
        outcome.exception()
