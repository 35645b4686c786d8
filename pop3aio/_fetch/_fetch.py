"""The job people come for: everything new from a maildrop into a store, exactly once."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import cast

from pop3aio._client import Client
from pop3aio._errors import CommandError, CommitUncertain
from pop3aio._fetch._content import ContentHash, content_uids, list_messages
from pop3aio._fetch._deletion import After, Delete, Keep, Policy
from pop3aio._fetch._journal import Identity, Journal, JournalError, identities
from pop3aio._fetch._memo import Memo
from pop3aio._fetch._report import Failure, FetchReport, Progress, Resolved
from pop3aio._fetch._source import Source
from pop3aio._fetch._sqlite_journal import SQLiteJournal
from pop3aio._fetch._store import Deliver, MessageStore
from pop3core import LocalProtocolError, RemoteProtocolError, Uid

__all__ = ("fetch",)


# The maildrops that are being fetched in this process, by the journal's identity and the account.
_running: set[tuple[int, str]] = set()


@dataclass(slots=True, eq=False)
class _Item:
    number: int
    identity: Identity
    key: str


async def fetch(
    client: Client,
    store: MessageStore | Deliver,
    *,
    journal: Journal | str | os.PathLike[str],
    delete: Policy = Keep(),  # noqa: B008 - frozen
    limit: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    account: str | None = None,
    report: FetchReport | None = None,
) -> FetchReport:
    """Fetch what is new into `store`, delete what the policy says, and end the session by QUIT.

    `client` is logged in. `journal` is a `Journal`, or the path of an SQLite file. `limit` is how many new messages
    to fetch at most. `progress` is called with a `Progress` for every piece that comes. `account` names the maildrop
    in the journal; by default it is made of the user name and the host. `report` is a new one to write into: it tells
    how far the run came also when that ends by an exception. It is returned.

    Each step of a message happens only after the one before it is durable: it is stored, journalled, marked as
    deleted, committed by QUIT. A crash at any point and a second run leave every message in the store exactly once.

    Messages that the server gives no unique-id are recognised by their content, for which all of them are retrieved
    in every session, and what is new twice.

    Messages that the server refuses are in the report's `failed`, and what came of QUIT is in `commit`. Raises
    CommandError when the server refuses a listing, what is wrong with the connection, what the store raises, and
    JournalError, also when another fetch uses the journal for the same account; what was durable by then is journalled
    first, and nothing is deleted. So does cancelling.
    """
    account = account or client.account
    if account is None:
        raise LocalProtocolError("fetch needs a client that is logged in, or an account")
    if report is None:
        report = FetchReport()
    report.account = account
    async with AsyncExitStack() as stack:
        if isinstance(journal, str | os.PathLike):
            journal = await stack.enter_async_context(SQLiteJournal(journal))
        stack.enter_context(_alone(journal, account))
        return await _Run(client, store, journal, delete, limit, progress, report).run()


@contextmanager
def _alone(journal: Journal, account: str) -> Iterator[None]:
    """Keep a second fetch of the account out: both would take the same messages for new."""
    place = (id(journal), account)
    if place in _running:
        raise JournalError(f"another fetch of {account} uses {journal!r} just now; let it finish")
    _running.add(place)
    try:
        yield
    finally:
        _running.remove(place)


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
        self._submit = store.submit if isinstance(store, MessageStore) else self._deliver
        self._journal = journal
        self._policy = policy
        self._deletes_at_once = isinstance(policy, Delete) or (isinstance(policy, After) and policy.days == 0)
        self._limit = limit
        self._progress = progress
        self._report = report
        self._memo = Memo()
        # The unique-ids in the order of the listing; those that several messages have, and how many.
        self._uids: list[str] = []
        self._shared: dict[str, int] = {}
        # Stored or being stored, in the order of coming; and what may be deleted.
        self._pending: deque[tuple[_Item, int, asyncio.Future[object]]] = deque()
        self._recording: asyncio.Task[None] | None = None
        self._deletable: list[_Item] = []
        # As the server lists them: hints, and not of all messages perhaps.
        self._sizes: dict[int, int] = {}
        self._came = 0
        self._came_octets = 0
        self._total = Progress(0, 0, 0, 0)
        self._came_empty: Identity | None = None

    async def run(self) -> FetchReport:
        report = self._report
        self._memo = await Memo.load(self._journal, report.account)
        new = await self._whats_new()
        if self._limit is not None:
            report.postponed = max(0, len(new) - self._limit)
            new = new[: self._limit]
        self._sizes = await self._client.sizes(item.number for item in new)
        self._total = Progress(0, len(new), 0, sum(self._sizes.values()))
        if self._progress is not None:
            self._tell(0)
        try:
            await self._retrieve(new)
        except BaseException:
            with suppress(Exception):
                await _finish(self._settle_broken())
            raise
        await _finish(self._settle())
        if len(new) > report.known and not self._deletes_at_once:
            # Most of the listing is known only now: noted as a whole, it costs the next run next to nothing.
            await self._journal.compare(report.account, self._uids)
        marked = await self._mark()
        await self._quit(marked)
        return report

    async def _whats_new(self) -> list[_Item]:
        """Return what is listed, and neither journalled nor in the store; note what may be deleted."""
        report = self._report
        listing = await list_messages(self._client)
        report.listed = len(listing)
        numbers, uids = await self._name(listing)
        if len(set(uids)) < len(uids):
            self._shared = {uid: count for uid, count in Counter(uids).items() if count > 1}
        if self._memo.deleting:
            left = len(set(self._memo.deleting).intersection(identities(uids)))
            report.resolved = Resolved(len(self._memo.deleting) - left, left)
        self._uids = uids
        positions = await self._journal.compare(report.account, uids)
        report.known = len(uids) - len(positions)
        if not isinstance(self._policy, Keep):
            days = self._policy.days if isinstance(self._policy, After) else 0
            old = await self._journal.fetched_until(report.account, uids, time.time() - days * 86400)
            self._deletable = self._items(numbers, uids, old)
        new = self._items(numbers, uids, positions)
        return self._put_off(await self._recover(new) if new else new)

    async def _name(self, listing: list[Uid]) -> tuple[list[int], list[str]]:
        """Return message numbers and unique-ids, made from the content where the server gives none."""
        numbers = [number for number, _ in listing]
        uids = [uid for _, uid in listing]
        if None in uids:
            found = await content_uids(self._client, [number for number, uid in listing if uid is None])
            for number, refusal in found.items():
                if not isinstance(refusal, str):
                    self._report.failed.append(Failure(number, None, refusal))
            contents = {number: uid for number, uid in found.items() if isinstance(uid, str)}
            named = [(number, uid or contents.get(number)) for number, uid in listing]
            numbers = [number for number, uid in named if uid is not None]
            uids = [uid for _, uid in named if uid is not None]
        return numbers, cast("list[str]", uids)

    def _items(self, numbers: list[int], uids: list[str], positions: Sequence[int]) -> list[_Item]:
        if not positions:
            return []
        first = positions[0]
        found = identities(uids, first)
        account = self._report.account
        return [
            _Item(numbers[position], identity, identity.key(account))
            for position in positions
            for identity in (found[position - first],)
        ]

    async def _recover(self, new: list[_Item]) -> list[_Item]:
        """Leave out what a run that was broken off had delivered but not noted, and note it."""
        report = self._report
        keys = getattr(self._store, "keys", None)
        if keys is None:
            return new
        held = await keys()
        recovered = [item for item in new if item.key in held]
        if not recovered:
            return new
        await self._journal.record(report.account, [item.identity for item in recovered])
        report.recovered = len(recovered)
        self._note_journalled(recovered)
        return [item for item in new if item.key not in held]

    def _put_off(self, new: list[_Item]) -> list[_Item]:
        """Leave out what came empty in an earlier run and broke it off, unless there is nothing else to do."""
        turns = {identity: turn for turn, identity in enumerate(self._memo.empty)}
        empty = sorted(
            (item for item in new if item.identity in turns), key=lambda item: turns[item.identity]
        )
        self._memo.empty = [item.identity for item in empty]
        if not empty or (len(empty) == len(new) and not self._deletable):
            return empty or new
        for item in empty:
            error = RemoteProtocolError(
                f"message {item.number} came empty in an earlier session although the server lists it with a size; it "
                "was left out so that it does not hold up the others; delete or move it by other means"
            )
            self._report.failed.append(Failure(item.number, item.identity.uid, error))
        return [item for item in new if item.identity not in turns]

    async def _retrieve(self, new: list[_Item]) -> None:
        by_number = {item.number: item for item in new}
        tell = None if self._progress is None else self._tell
        # What is deleted at the end of this session need not be known in the next.
        must_stay_same = not self._deletes_at_once
        async with self._client.retrieve(by_number, sizes=self._sizes) as messages:
            async for message in messages:
                item = by_number[message.number]
                if message.error is not None:
                    self._report.failed.append(Failure(item.number, item.identity.uid, message.error))
                else:
                    source = Source(
                        self._client,
                        message,
                        self._sizes.get(item.number, 0),
                        tell,
                        item.identity.uid if must_stay_same and ContentHash.made(item.identity.uid) else None,
                    )
                    try:
                        stored = await self._submit(source, key=item.key)
                    except Exception:
                        if source.changed is None:
                            raise
                        self._report.failed.append(Failure(item.number, None, source.changed))
                        continue
                    finally:
                        if source.cut:
                            self._came_empty = item.identity
                    if source.octets and not source.ended:
                        raise LocalProtocolError(
                            f"the store took only the first {source.octets} octets of message {item.number} and "
                            "called it done; it must read a message to its end, or raise"
                        )
                    if not isinstance(stored, asyncio.Future):
                        stored = asyncio.ensure_future(stored)
                    self._pending.append((item, source.octets, stored))
                self._came += 1
                if tell is not None:
                    tell(0)
                self._start_recording()

    async def _deliver(self, source: AsyncIterable[bytes], *, key: str) -> Awaitable[object]:
        """Submit to a store that is a plain function."""
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
        if self._deletes_at_once:
            self._deletable += items

    async def _settle(self) -> None:
        """Wait until all that was submitted is durable, and journal it; raise the first thing that went wrong."""
        pending = list(self._pending)
        self._pending.clear()
        unsettled = [stored for _, _, stored in pending if not stored.done()]
        if unsettled:
            await asyncio.wait(unsettled)
        if self._recording is not None:
            await self._recording
        failed = [stored for _, _, stored in pending if stored.cancelled() or stored.exception() is not None]
        broken = set(failed)
        durable = [(item, octets) for item, octets, stored in pending if stored not in broken]
        if durable:
            await self._record(durable)
        if failed:
            failed[0].result()

    async def _settle_broken(self) -> None:
        """Settle a run that is broken off, and have the next one know what broke it."""
        try:
            await self._settle()
        finally:
            if self._came_empty is not None:
                # Behind the others that have done so before.
                empty = [identity for identity in self._memo.empty if identity != self._came_empty]
                self._memo.empty = [*empty, self._came_empty]
                await self._memo.save(self._journal, self._report.account)

    async def _mark(self) -> list[_Item]:
        """Mark as deleted what may be; return what the server took."""
        deletable = self._deletable
        if self._shared and deletable:
            # Of those that share a unique-id all go or none: what stays would be taken for what went the next time.
            going = Counter(item.identity.uid for item in deletable)
            uids = {uid for uid, count in going.items() if count == self._shared.get(uid, 1)}
            deletable = [item for item in deletable if item.identity.uid in uids]
        if not deletable:
            return []
        by_number = {item.number: item for item in deletable}
        refused = await self._client.delete(sorted(by_number))
        for number, error in refused.items():
            self._report.failed.append(Failure(number, by_number[number].identity.uid, error))
        self._report.deleted = len(by_number) - len(refused)
        return [item for item in deletable if item.number not in refused]

    async def _quit(self, marked: list[_Item]) -> None:
        """End the session; whatever becomes of its deletions, this run or the next one learns it."""
        report, memo = self._report, self._memo
        memo.deleting = [item.identity for item in marked]
        await memo.save(self._journal, report.account)
        try:
            await self._client.quit()
        except CommitUncertain:
            report.commit = "unknown"
        except CommandError as error:
            report.commit = "refused"
            report.failed += [Failure(item.number, item.identity.uid, error) for item in marked]
        else:
            if marked:
                report.commit = "committed"
                memo.deleting = []
                # If this fails, the next run finds them gone and says so.
                with suppress(Exception):
                    await memo.save(self._journal, report.account)

    def _tell(self, octets: int) -> None:
        self._came_octets += octets
        assert self._progress is not None
        total = self._total
        self._progress(Progress(self._came, total.total_messages, self._came_octets, total.total_octets))


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
