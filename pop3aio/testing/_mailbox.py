"""A mailbox in memory, with unique-ids that stay and a lock that one session holds at a time."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator

from ._messages import MessageLike

__all__ = ("Mailbox",)


class Mailbox:
    """Messages under unique-ids, in the order they came; mail may be added and removed while sessions are open.

    A session works on the maildrop as it was at login: what is added or removed meanwhile shows in the next one.

    Args:
        messages: what is in it at first: `bytes` (as they are on the wire: lines end in CRLF; bare LF, bare CR
            and NUL are sent as they stand), `FileMessage`, `GeneratedMessage` or another `Message`.
    """

    def __init__(self, messages: Iterable[MessageLike] = ()) -> None:
        self._messages: dict[str, MessageLike] = {}
        # Another mailbox at the same address must not seem to hold the same mail.
        self._validity = secrets.token_hex(4)
        self._added = 0
        self._locked = False
        for message in messages:
            self.add(message)

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[str]:
        return iter(self.uids)

    def __getitem__(self, uid: str) -> MessageLike:
        return self._messages[uid]

    def __repr__(self) -> str:
        return f"<Mailbox of {len(self)} messages>"

    @property
    def messages(self) -> list[MessageLike]:
        """The messages, oldest first."""
        return list(self._messages.values())

    @property
    def uids(self) -> list[str]:
        """The unique-ids of the messages, oldest first."""
        return list(self._messages)

    @property
    def locked(self) -> bool:
        """Whether a session has this mailbox open."""
        return self._locked

    def add(self, message: MessageLike, *, uid: str | None = None) -> str:
        """Put a message behind the others and return its unique-id.

        Args:
            message: the message.
            uid: its unique-id, 1 to 70 printable octets; the default is one that no other message ever gets.

        Raises:
            ValueError: the unique-id is malformed or taken.
        """
        self._added += 1
        if uid is None:
            uid = f"{self._validity}{self._added:08x}"
        if not re.fullmatch(r"[!-~]{1,70}", uid):
            raise ValueError("a unique-id is 1 to 70 printable ASCII characters")
        if uid in self._messages:
            raise ValueError(f"the unique-id {uid} is taken")
        self._messages[uid] = message
        return uid

    def remove(self, uid: str) -> MessageLike:
        """Take the message with this unique-id out and return it.

        Raises:
            KeyError: there is no such message.
        """
        return self._messages.pop(uid)

    def open(self) -> list[tuple[str, MessageLike]] | None:
        """Lock the mailbox and return its maildrop, unique-ids with messages; None if a session has it open."""
        if self._locked:
            return None
        self._locked = True
        return list(self._messages.items())

    def close(self, deleted: Iterable[str] = ()) -> None:
        """Remove the messages with these unique-ids, as far as they are still there, and release the lock."""
        for uid in deleted:
            self._messages.pop(uid, None)
        self._locked = False
