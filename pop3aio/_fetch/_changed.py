"""Whether a maildrop came back under new names: then all of its mail would be fetched a second time.

A server that is migrated, or that lost its list of unique-ids, gives each message a new one. And an account is another
one in the journal when its host is spelt otherwise. Both can be seen: by the sizes of the messages that stayed on the
server, and by unique-ids that are known for the same user on another host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pop3aio._errors import counted
from pop3aio._fetch._ledger import Ledger
from pop3aio._fetch._listing import Item
from pop3aio._fetch._memo import Memo
from pop3core import POP3Error

__all__ = ("MaildropChanged", "find_change")

# So many unique-ids of the listing are looked for under other accounts.
_ASKED = 200
# A unique-id with fewer characters may be a mere count, which other maildrops have too.
_TELLING = 8


class MaildropChanged(POP3Error):
    """All messages look new, and yet they seem to be known under other names; nothing was fetched.

    Attributes:
        reason: ``"renamed"`` if all unique-ids of the account are new, ``"account"`` if they are known for the same
            user on another host.
        account: the account in the journal.
        other: the other account under which the messages are known, or None.
        listed: how many messages the server lists.
        known: how many of them seem to be known.
    """

    def __init__(
        self, reason: Literal["renamed", "account"], account: str, other: str | None, listed: int, known: int
    ) -> None:
        super().__init__(reason, account, other, listed, known)
        self.reason = reason
        self.account = account
        self.other = other
        self.listed = listed
        self.known = known

    def __str__(self) -> str:
        if self.reason == "account":
            return (
                f"of {counted(self.listed)} of {self.account} {self.known} are known as those of {self.other}, so "
                f"nothing was fetched: go on with account={self.other!r}, or with again=True to fetch them again, or "
                "with adopt=True to take them as known"
            )
        return (
            f"of {counted(self.listed)} of {self.account} each has a new unique-id, and {self.known} of them look like "
            "messages that are known, so nothing was fetched: go on with adopt=True to take them as known, or with "
            "again=True to fetch them again"
        )


async def find_change(
    ledger: Ledger, memo: Memo, new: Sequence[Item], uids: Sequence[str]
) -> MaildropChanged | None:
    """Return what says that the messages, all of which look new, are known under other names; None if they are not."""
    if any(item.identity in memo.notes or item.identity in memo.doubtful for item in new):
        # This one was listed before, under the same name.
        return None
    present = await ledger.present()
    if not present and memo.fresh:
        return await _find_account(ledger, uids)
    listed = Counter(item.size for item in new if item.size is not None)
    if memo.sample:
        wanted = Counter(memo.sample.values())
        alike = (listed & wanted).total()
        # A server that shows other mail in each session, as Gmail does, lists less than before in the end.
        if alike >= 2 and 2 * alike >= min(wanted.total(), len(new)) and 2 * len(new) >= present:
            return MaildropChanged("renamed", ledger.account, None, len(uids), alike)
        return None
    # A journal of an older version knows no sizes.
    if present >= 3 and 2 * len(new) >= present:
        return MaildropChanged("renamed", ledger.account, None, len(uids), min(present, len(new)))
    return None


async def _find_account(ledger: Ledger, uids: Sequence[str]) -> MaildropChanged | None:
    asked = uids[:_ASKED]
    if sum(map(len, asked)) < _TELLING * len(asked):
        return None
    elsewhere = await ledger.elsewhere(asked)
    for other, count in sorted(elsewhere.items(), key=lambda entry: -entry[1]):
        if 2 * count >= len(asked):
            return MaildropChanged("account", ledger.account, other, len(uids), count)
    return None
