"""The job of fetching over one session: everything new from a maildrop into a store, exactly once."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from pop3aio._client import Client
from pop3aio._fetch._any_store import Store
from pop3aio._fetch._deletion import Keep, Policy
from pop3aio._fetch._journal import Journal, JournalError
from pop3aio._fetch._ledger import Ledger
from pop3aio._fetch._report import FetchReport, Progress
from pop3aio._fetch._run import Run
from pop3aio._fetch._sqlite_journal import SQLiteJournal
from pop3aio._fetch._store import Deliver, MessageStore
from pop3aio._fetch._wishes import Wishes
from pop3core import LocalProtocolError

__all__ = ("alone", "fetch", "open_journal")

# The maildrops that are being fetched in this process, by the journal's identity and the account.
_running: set[tuple[int, str]] = set()


async def fetch(
    client: Client,
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
    progress: Callable[[Progress], object] | None = None,
    account: str | None = None,
    report: FetchReport | None = None,
) -> FetchReport:
    """Fetch what is new into `store`, delete what the policy says, and end the session by QUIT.

    Each step of a message happens only after the one before it is certain: the store has read the message to its end
    and says that it is durable, the session is proved to be in step behind it, the message is journalled, marked as
    deleted, and its deletion committed by QUIT. A crash at any point and later runs leave every message in the store
    exactly once. A message that breaks the session, or that the store refuses, is taken last from then on, and does not
    keep the others; so one call may raise, and the next one go on behind it. `collect` makes these calls.

    Messages that the server gives no unique-id are recognised by their content. All of them are retrieved for that in
    every session, and what is new a second time.

    Args:
        client: a session that is logged in.
        store: where the messages go, see `MessageStore`; or a coroutine function ``deliver(message, key)``.
        journal: what was fetched before: a `Journal`, or the path of an SQLite file.
        delete: what is deleted from the server: `Keep`, `Delete` or `After`.
        limit: how many messages the store gets at most. What is refused, left or put off does not count.
        max_size: octets; messages that are listed with more are left on the server.
        newest_first: take the newest messages first, that is those at the end of the listing.
        since: a date; what is new and older by its header is taken as known, and never fetched or deleted.
        adopt: take all that is new now as known, without fetching it. It is never deleted.
        again: fetch the messages also if they look like known ones under new names, see `MaildropChanged`.
        concurrency: how many calls of a coroutine function ``deliver`` may run at a time; with 1 their order is kept.
        progress: called with a `Progress` for every piece that comes.
        account: the maildrop's name in the journal; by default it is made of the user name and the host.
        report: a new report to write into; it tells how far the run came also when that ends by an exception.

    Returns:
        The report. Messages that were not fetched or not deleted are in its `failed`, the end of QUIT in `commit`.

    Raises:
        CommandError: the server refuses a listing.
        MaildropChanged: all messages look new and are known under other names; nothing was fetched.
        POP3Error: what is wrong with the connection. What was certain by then is journalled; nothing is deleted.
        JournalError: the journal cannot be used, or another fetch uses it for the same account.
        OSError: the store as a whole is in trouble; so is what a store raises three times in a row.
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of its range.

    Cancelling journals what is certain, and deletes nothing. A store that has not spoken gets ten seconds more.
    """
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
    account = account or client.account
    if account is None:
        raise LocalProtocolError("fetch needs a client that is logged in, or an account")
    if report is None:
        report = FetchReport()
    report.account = account
    async with AsyncExitStack() as stack:
        ledger = Ledger(await open_journal(journal, stack), account)
        stack.enter_context(alone(ledger))
        await Run(client, Store(store, concurrency), ledger, wishes, report).run()
    return report


async def open_journal(journal: Journal | str | os.PathLike[str], stack: AsyncExitStack) -> Journal:
    """Return a journal; one that is given as a path is open until `stack` is left."""
    if isinstance(journal, str | os.PathLike):
        return await stack.enter_async_context(SQLiteJournal(journal))
    return journal


@contextmanager
def alone(ledger: Ledger) -> Iterator[None]:
    """Keep a second fetch of the account out: both would take the same messages for new."""
    place = (ledger.journal_id, ledger.account)
    if place in _running:
        raise JournalError(
            f"another fetch of {ledger.account} uses {ledger!r} just now; let it finish", reason="in use"
        )
    _running.add(place)
    try:
        yield
    finally:
        _running.remove(place)
