"""The job people come for: everything new from a maildrop into a store, exactly once."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from pop3aio._client import Client
from pop3aio._errors import CommandError, CommitUncertain
from pop3aio._journal import Identity, Journal, SQLiteJournal, identities
from pop3aio._message import Message
from pop3core import LocalProtocolError, RemoteProtocolError

__all__ = (
    "After",
    "Delete",
    "Failure",
    "FetchReport",
    "Keep",
    "MessageStore",
    "Policy",
    "Progress",
    "fetch",
)


@runtime_checkable
class MessageStore(Protocol):
    """Where messages go; `maildir.Maildir` is one by its shape."""

    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> Awaitable[object]:
        """Take a message's octets, and return what to await for it to be durable.

        `key` is 32 hex digits that name the message for ever. A store that has a method ``keys()``, a coroutine
        function that returns the keys it holds, is asked before anything is fetched: what a crash left delivered but
        not journalled is not fetched twice then.
        """


Deliver: TypeAlias = Callable[[AsyncIterable[bytes], str], Awaitable[object]]
"""A plain coroutine function ``deliver(message, key)`` is a store too; the message is durable when it returns."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave everything on the server."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete from the server what is durable and journalled here, whenever it was fetched."""


@dataclass(frozen=True, slots=True)
class After:
    """Delete from the server what was fetched more than `days` days ago."""

    days: float

    def __post_init__(self) -> None:
        if not self.days >= 0:
            raise ValueError(f"After needs a number of days from 0, not {self.days!r}")


Policy: TypeAlias = Keep | Delete | After


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: messages and octets that have come, and how many of both are to come.

    `total_octets` is the sum of the sizes the server lists, which are hints.
    """

    messages: int
    total_messages: int
    octets: int
    total_octets: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that could not be fetched or deleted: its number in this session, its unique-id, and why."""

    number: int
    uid: str | None
    error: Exception


@dataclass(slots=True)
class FetchReport:
    """What a run did."""

    account: str
    listed: int = 0
    """Messages on the server."""
    known: int = 0
    """Of these, fetched in an earlier run."""
    recovered: int = 0
    """Of these, delivered by an earlier run that was broken off before it could note so."""
    fetched: int = 0
    """Messages fetched, durable and journalled."""
    octets: int = 0
    """Octets of these, as the server sent them."""
    postponed: int = 0
    """New messages left for the next run by `limit`."""
    failed: list[Failure] = field(default_factory=list)
    """Messages that were not fetched, or not deleted, though they should have been."""
    deleted: int = 0
    """Messages marked as deleted; see `commit` for whether they are."""
    commit: Literal["committed", "refused", "unknown"] | None = None
    """What came of the deletions; None if there were none."""


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    identity: Identity


async def fetch(
    client: Client,
    store: MessageStore | Deliver,
    *,
    journal: Journal | str | os.PathLike[str],
    delete: Policy = Keep(),
    limit: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    account: str | None = None,
) -> FetchReport:
    """Fetch what is new into `store`, delete what the policy says, and end the session by QUIT.

    `client` is logged in. `journal` is a `Journal`, or the path of an SQLite file. `limit` is how many new messages
    to fetch at most. `progress` is called with a `Progress` for every piece that comes. `account` names the maildrop
    in the journal; by default it is made of the user name and the host.

    Each step of a message happens only after the one before it is durable: it is stored, journalled, marked as
    deleted, committed by QUIT. A crash at any point and a second run leave every message in the store exactly once.

    Messages that the server refuses are in the report's `failed`, and so is what came of QUIT in `commit`. Raises
    CommandError when the server has no unique-id listing, what is wrong with the connection, what the store raises,
    and JournalError; what was durable by then is journalled first, and nothing is deleted. So does cancelling.
    """
    account = account or client.account
    if account is None:
        raise LocalProtocolError("fetch needs a client that is logged in, or an account")
    async with AsyncExitStack() as stack:
        if isinstance(journal, str | os.PathLike):
            journal = await stack.enter_async_context(SQLiteJournal(journal))
        return await _Run(client, store, journal, delete, limit, progress, FetchReport(account)).run()


class _Run:
    def __init__(
        self,
        client: Client,
        store: MessageStore | Deliver,
        journal: Journal,
        policy: Policy,
        limit: int | None,
        progress: Callable[[Progress], object] | None,
        report: FetchReport,
    ) -> None:
        self._client = client
        self._store = store
        # Looked at once: what a protocol of shapes is asked costs microseconds.
        self._submit_to = store.submit if isinstance(store, MessageStore) else None
        self._journal = journal
        self._policy = policy
        self._limit = limit
        self._progress = progress
        self._report = report
        # Stored or being stored, in the order of coming; and what may be deleted.
        self._pending: deque[tuple[_Item, int, asyncio.Future[object]]] = deque()
        self._recording: asyncio.Task[None] | None = None
        self._deletable: list[_Item] = []
        # As the server lists them: hints, and not of all messages perhaps.
        self._sizes: dict[int, int] = {}
        self._came = 0
        self._came_octets = 0
        self._total = Progress(0, 0, 0, 0)

    async def run(self) -> FetchReport:
        report = self._report
        new = await self._whats_new()
        if self._limit is not None:
            report.postponed = max(0, len(new) - self._limit)
            new = new[: self._limit]
        self._sizes = await self._client._sizes([item.number for item in new])
        self._total = Progress(0, len(new), 0, sum(self._sizes.values()))
        self._tell()
        try:
            await self._retrieve(new)
        except BaseException:
            with suppress(Exception):
                await _finish(self._settle())
            raise
        await _finish(self._settle())
        await self._delete()
        try:
            await self._client.quit()
        except CommitUncertain:
            report.commit = "unknown"
        except CommandError as error:
            report.commit = "refused"
            report.failed += [Failure(item.number, item.identity.uid, error) for item in self._deletable]
        else:
            report.commit = "committed" if report.deleted else None
        return report

    async def _whats_new(self) -> list[_Item]:
        """Return what is listed, and neither journalled nor in the store; note what may be deleted."""
        report = self._report
        listing = await self._client.uidl()
        report.listed = len(listing)
        numbers = []
        uids = []
        for number, uid in listing:
            if uid is None:
                error = RemoteProtocolError(f"the server gives message {number} no usable unique-id")
                report.failed.append(Failure(number, None, error))
            else:
                numbers.append(number)
                uids.append(uid)
        positions = await self._journal.compare(report.account, uids)
        report.known = len(uids) - len(positions)
        if not isinstance(self._policy, Keep):
            days = self._policy.days if isinstance(self._policy, After) else 0
            old = await self._journal.fetched_until(report.account, uids, time.time() - days * 86400)
            self._deletable = self._items(numbers, uids, old)
        new = self._items(numbers, uids, positions)
        return await self._recover(new) if new else new

    def _items(self, numbers: list[int], uids: list[str], positions: Sequence[int]) -> list[_Item]:
        if not positions:
            return []
        first = positions[0]
        found = identities(uids, first)
        return [_Item(numbers[position], found[position - first]) for position in positions]

    async def _recover(self, new: list[_Item]) -> list[_Item]:
        """Leave out what a run that was broken off had delivered but not noted, and note it."""
        report = self._report
        keys = getattr(self._store, "keys", None)
        if keys is None:
            return new
        held = await keys()
        recovered = [item for item in new if item.identity.key(report.account) in held]
        if not recovered:
            return new
        await self._journal.record(report.account, [item.identity for item in recovered])
        report.recovered = len(recovered)
        self._note_journalled(recovered)
        found = set(recovered)
        return [item for item in new if item not in found]

    async def _retrieve(self, new: list[_Item]) -> None:
        by_number = {item.number: item for item in new}
        async with self._client.retrieve(by_number) as messages:
            async for message in messages:
                item = by_number[message.number]
                if message.error is not None:
                    self._report.failed.append(Failure(item.number, item.identity.uid, message.error))
                else:
                    source = _Source(self, item, message)
                    stored = await self._submit(source, item)
                    if source.octets and not source.ended:
                        raise LocalProtocolError(
                            f"the store took only the first {source.octets} octets of message {item.number} and "
                            "called it done; it must read a message to its end, or raise"
                        )
                    self._pending.append((item, source.octets, stored))
                self._came += 1
                self._tell()
                self._start_recording()

    async def _submit(self, source: _Source, item: _Item) -> asyncio.Future[object]:
        key = item.identity.key(self._report.account)
        if self._submit_to is not None:
            return asyncio.ensure_future(await self._submit_to(source, key=key))
        assert not isinstance(self._store, MessageStore)
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        done.set_result(await self._store(source, key))
        return done

    def _start_recording(self) -> None:
        """Journal what is durable, in a group; while one is being written, the next one gathers."""
        if self._recording is None or self._recording.done():
            if self._recording is not None:
                self._recording.result()
                self._recording = None
            durable = self._take_durable()
            if durable:
                self._recording = asyncio.ensure_future(self._record(durable))

    def _take_durable(self) -> list[tuple[_Item, int]]:
        durable = []
        while self._pending and self._pending[0][2].done():
            item, octets, stored = self._pending.popleft()
            stored.result()
            durable.append((item, octets))
        return durable

    async def _record(self, durable: list[tuple[_Item, int]]) -> None:
        await self._journal.record(self._report.account, [item.identity for item, _ in durable])
        self._report.fetched += len(durable)
        self._report.octets += sum(octets for _, octets in durable)
        self._note_journalled([item for item, _ in durable])

    def _note_journalled(self, items: list[_Item]) -> None:
        if isinstance(self._policy, Delete) or (isinstance(self._policy, After) and self._policy.days == 0):
            self._deletable += items

    async def _settle(self) -> None:
        """Wait until all that was submitted is durable, and journal it; raise the first thing that went wrong."""
        pending = list(self._pending)
        self._pending.clear()
        outcomes = await asyncio.gather(*(stored for _, _, stored in pending), return_exceptions=True)
        if self._recording is not None:
            await self._recording
        durable = [
            (item, octets)
            for (item, octets, _), outcome in zip(pending, outcomes, strict=True)
            if not isinstance(outcome, BaseException)
        ]
        if durable:
            await self._record(durable)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _delete(self) -> None:
        if not self._deletable:
            return
        by_number = {item.number: item for item in self._deletable}
        refused = await self._client.delete(sorted(by_number))
        for number, error in refused.items():
            self._report.failed.append(Failure(number, by_number[number].identity.uid, error))
        self._report.deleted = len(by_number) - len(refused)

    def _tell(self) -> None:
        if self._progress is not None:
            total = self._total
            self._progress(Progress(self._came, total.total_messages, self._came_octets, total.total_octets))


class _Source:
    """A message on its way into the store: counts what comes, and knows whether it has all come."""

    def __init__(self, run: _Run, item: _Item, message: Message) -> None:
        self._run = run
        self._item = item
        self._message = message
        self.octets = 0
        self.ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._message.__anext__()
        except StopAsyncIteration:
            listed = self._run._sizes.get(self._item.number, 0)
            if not self.octets and listed > 2:
                self._run._client._desynchronised(
                    f"message {self._item.number} came empty although the server lists {listed} octets; it "
                    "may begin with a dot that the server does not stuff, and what follows cannot be told from "
                    "answers. The connection was closed; delete or move this message by other means"
                )
            self.ended = True
            raise
        self.octets += len(chunk)
        self._run._came_octets += len(chunk)
        self._run._tell()
        return chunk


async def _finish(work: Coroutine[object, object, None]) -> None:
    """Await `work` to its end even when cancelled meanwhile; the cancel takes effect after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        # Whoever cancels does not wait for the outcome.
        task.exception()
        raise cancelled
    task.result()
