"""Of which new messages the store has a copy already, and under which key each is to come.

A key is made of the account and of the unique-id. A unique-id that was used before, for a message that is gone, must
not give the new message the old key: then the new one would overwrite the old one, or be taken for it.
"""

from __future__ import annotations

from pop3aio._fetch._any_store import Store
from pop3aio._fetch._ledger import Ledger
from pop3aio._fetch._listing import Item
from pop3aio._fetch._memo import Memo

__all__ = ("name_copies",)


async def name_copies(
    new: list[Item], store: Store, ledger: Ledger, memo: Memo, *, lost: bool, keeps: bool, now: int
) -> list[Item]:
    """Give each new message its key, and learn whether the store has a copy that was never proved to be whole.

    Args:
        new: the messages that the journal does not know.
        store: where they go.
        ledger: the journal, for this account.
        memo: what earlier runs left.
        lost: whether the journal knows nothing of this maildrop: it is new, or it was lost.
        keeps: whether nothing is ever deleted from the server.
        now: a number that no earlier run had, for a store that cannot be asked.

    Returns:
        The messages that the store has under their keys although the journal knows nothing of this maildrop, and that
        may be taken as known.
    """
    account = ledger.account
    held = await store.keys() if store.knows_keys else ()
    recovered = []
    for item in new:
        doubtful = memo.doubtful.get(item.identity)
        coming = memo.coming.get(item.identity)
        if doubtful is not None or coming is not None:
            item.set_generation((doubtful if doubtful is not None else coming) or 0, account)
            item.held = doubtful is not None or item.key(account) in held
        elif not store.knows_keys:
            # Nobody can be asked whether the store has a message of an earlier use of this unique-id.
            item.generation = now
        elif held:
            # To make a key costs a hash, so none is made for a store that is empty.
            if lost and keeps and ledger.adopts and item.key(account) in held:
                recovered.append(item)
                continue
            # What stands in the store was perhaps never proved to be whole, and must not cost the original. The message
            # is fetched again; a store that can compare the two keeps one.
            item.name_anew(account, held)
    return recovered
