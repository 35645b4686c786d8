"""The job of fetching over as many sessions as it takes.

How it works. A session ends by QUIT, which carries its deletions out, or it breaks. Behind a session that broke, or
that left something to do, another one is opened: it does first what is sound, and takes what broke the last one alone.
That goes on until nothing is left to do, or until sessions make no headway.

Invariants:
- A session makes headway if it fetched or deleted something. After five in a row without, the last error is raised.
- Waiting is for the server's own wishes alone (a mailbox in use, a login that came too early), and never longer than
  the caller's patience.
"""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TypeAlias

from pop3aio._client import Client
from pop3aio._errors import LoginDelay, MailboxInUse, ResponseTimeout
from pop3aio._fetch._any_store import Store
from pop3aio._fetch._deletion import Keep, Policy
from pop3aio._fetch._fetch import alone, open_journal
from pop3aio._fetch._journal import Journal
from pop3aio._fetch._ledger import Ledger
from pop3aio._fetch._lessons import BROKEN
from pop3aio._fetch._report import FetchReport, Progress
from pop3aio._fetch._run import Run
from pop3aio._fetch._store import Deliver, MessageStore
from pop3aio._fetch._wishes import Wishes
from pop3core import LocalProtocolError, POP3Error

__all__ = ("collect",)

OpenSession: TypeAlias = Callable[[], Awaitable[Client]]

# Sessions in a row without headway, behind which the run gives up; and in all, as a net.
_STUCK = 5
_MOST = 1000
# Seconds to wait for a mailbox that is in use: first, and at most between two attempts.
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0


async def collect(
    open_session: OpenSession,
    store: MessageStore | Deliver,
    *,
    journal: Journal | str | os.PathLike[str],
    delete: Policy = Keep(),  # noqa: B008 - frozen
    limit: int | None = None,
    max_size: int | None = None,
    newest_first: bool = False,
    since: datetime.date | None = None,
    adopt: bool = False,
    again: bool = False,
    concurrency: int = 1,
    patience: float = 60.0,
    progress: Callable[[Progress], object] | None = None,
    account: str | None = None,
    report: FetchReport | None = None,
) -> FetchReport:
    """Fetch what is new into `store` over as many sessions as it takes, and delete what the policy says.

    A session that breaks is followed by another one, which leaves what broke it for the last; a server that cannot take
    several commands at once is asked one by one; one that ends its sessions after some commands gets many short ones.

    Args:
        open_session: a coroutine function that connects, logs in, and returns the client.
        store: as for `fetch`, like all other arguments that are not named here.
        journal: what was fetched before: a `Journal`, or the path of an SQLite file.
        limit: how many messages the store gets at most, in all sessions together.
        patience: for how many seconds to wait, in all, for a mailbox that another session holds, and for a login that
            the server delays. The sum of the waits is bounded, not the run.
        report: a new report to write into; it is of all sessions together.

    Returns:
        The report. Messages that came at last are not in its `failed`, though an earlier session failed with them.

    Raises:
        POP3Error: what `open_session` raises, and the error of the last session when sessions make no headway.
        OSError: the store as a whole is in trouble.
        MaildropChanged: as `fetch` does; so are JournalError, TypeError and ValueError.

    Cancelling journals what is certain, and ends the session that is open; what earlier ones did is done.
    """
    if not (isinstance(patience, int | float) and not isinstance(patience, bool)):
        raise TypeError(f"patience is a number of seconds, not {patience!r}")
    if not 0 <= patience < float("inf"):
        raise ValueError(f"patience is a number of seconds from 0, not {patience!r}")
    wishes = Wishes(
        delete=delete,
        limit=limit,
        max_size=max_size,
        newest_first=newest_first,
        since=since,
        adopt=adopt,
        again=again,
        concurrency=concurrency,
        progress=progress,
    )
    total = FetchReport() if report is None else report
    async with AsyncExitStack() as stack:
        opened = await open_journal(journal, stack)
        await _Collection(
            open_session, Store(store, concurrency), opened, wishes, patience, account, total
        ).run()
    return total


class _Collection:
    def __init__(
        self,
        open_session: OpenSession,
        store: Store,
        journal: Journal,
        wishes: Wishes,
        patience: float,
        account: str | None,
        report: FetchReport,
    ) -> None:
        self._open_session = open_session
        self._store = store
        self._journal = journal
        self._wishes = wishes
        self._patience = patience
        self._account = account
        self._total = report
        self._stuck = 0

    async def run(self) -> None:
        for session in range(_MOST):
            try:
                client = await self._open()
            except POP3Error:
                if session and not self._total_broken:
                    # What is left can wait for the next run: nothing was lost.
                    return
                raise
            async with client:
                more = await self._session(client)
            if not more:
                return

    @property
    def _total_broken(self) -> bool:
        return self._stuck > 0

    async def _open(self) -> Client:
        """Open a session, and wait as long as the server wishes and the caller's patience lasts."""
        wait = _FIRST_WAIT
        while True:
            try:
                return await self._open_session()
            except (MailboxInUse, LoginDelay) as error:
                asked = error.seconds if isinstance(error, LoginDelay) else None
                pause = wait if asked is None else float(asked)
                if pause > self._patience:
                    raise
                self._patience -= pause
                await asyncio.sleep(pause)
                wait = min(_LONGEST_WAIT, wait * 2)

    async def _session(self, client: Client) -> bool:
        """Fetch over one session; return whether another one has something to do."""
        account = self._account or client.account
        if account is None:
            raise LocalProtocolError("collect needs clients that are logged in, or an account")
        one = FetchReport(account=account)
        ledger = Ledger(self._journal, account)
        wishes = self._wishes
        if wishes.limit is not None:
            wishes = replace(wishes, limit=max(0, wishes.limit - self._total.fetched))
        broken: POP3Error | None = None
        try:
            with alone(ledger):
                await Run(client, self._store, ledger, wishes, one, patient=True).run()
        except BROKEN as error:
            broken = error
            client.abort()
        finally:
            _add(self._total, one)
        headway = one.fetched or one.adopted or (one.deleted and one.commit == "committed")
        self._stuck = 0 if headway else self._stuck + 1
        if broken is not None:
            if self._stuck >= _STUCK or (isinstance(broken, ResponseTimeout) and not self._left(one, broken)):
                raise broken
            self._total.broken.append(broken)
            return True
        return one.more and self._stuck < _STUCK

    def _left(self, one: FetchReport, broken: ResponseTimeout) -> bool:
        """Return whether another session has anything to do but to wait for the same answer once more."""
        if not one.listed or one.doubtful:
            return True
        named = {failure.number for failure in one.failed}
        if one.listed > one.known + one.fetched + one.adopted + one.left + len(named):
            return True
        if isinstance(self._wishes.delete, Keep) or (broken.command or "").startswith("DELE"):
            return False
        return one.known > 0 or (self._wishes.deletes_at_once and one.fetched > 0)


def _add(total: FetchReport, one: FetchReport) -> None:
    """Add what a session did to the report of all."""
    total.account = one.account
    if not total.listed:
        total.listed, total.known, total.returned = one.listed, one.known, one.returned
    total.recovered += one.recovered
    total.adopted += one.adopted
    total.fetched += one.fetched
    total.octets += one.octets
    if one.commit is not None:
        # Without QUIT nothing of it is carried out.
        total.deleted += one.deleted
    total.sessions += one.sessions
    # What is left over is what the last session left over.
    total.postponed, total.left, total.put_off = one.postponed, one.left, one.put_off
    total.doubtful, total.more = one.doubtful, one.more
    total.commit = one.commit or total.commit
    total.resolved = total.resolved if total.resolved is not None else one.resolved
    named = {failure.uid for failure in one.failed}
    if one.listed:
        total.failed = [failure for failure in total.failed if failure.uid is None or failure.uid in named]
    total.failed = [failure for failure in total.failed if failure.uid not in named] + one.failed
