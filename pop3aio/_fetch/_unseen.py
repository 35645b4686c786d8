"""Which messages a run of `fetch` would take for new, without fetching them."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

from pop3aio._client import Client
from pop3aio._fetch._fetch import open_journal
from pop3aio._fetch._journal import Journal
from pop3aio._fetch._ledger import Ledger
from pop3aio._fetch._listing import take_listing
from pop3core import LocalProtocolError, Uid

__all__ = ("unseen",)


async def unseen(
    client: Client, journal: Journal | str | os.PathLike[str], *, account: str | None = None
) -> list[Uid]:
    """Return the messages that were not fetched yet, and fetch, note and delete nothing.

    Args:
        client: a session that is logged in. It stays open.
        journal: what was fetched before: a `Journal`, or the path of an SQLite file.
        account: the maildrop's name in the journal; by default it is made of the user name and the host.

    Returns:
        Number and unique-id of each message, in the order of the listing (RFC 1939 section 7). A message to which the
        server gives no unique-id has None for it, and is always returned: only its content could tell.

    Raises:
        CommandError: the server refuses a listing.
        POP3Error: what is wrong with the connection.
        JournalError: the journal cannot be used.
        LocalProtocolError: the client is not logged in, and there is no account.

    Cancelling loses nothing.
    """
    account = account or client.account
    if account is None:
        raise LocalProtocolError("unseen needs a client that is logged in, or an account")
    async with AsyncExitStack() as stack:
        ledger = Ledger(await open_journal(journal, stack), account)
        listing = await take_listing(client)
        # Not as a complete listing: a look must not make the journal forget what is missing in it.
        positions = await ledger.compare(listing.uids, complete=False)
    new = [Uid(listing.numbers[position], listing.uids[position]) for position in positions]
    return sorted([*new, *(Uid(number, None) for number in listing.nameless)])
