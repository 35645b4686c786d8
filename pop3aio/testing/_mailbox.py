"""A mailbox in memory, with unique-ids that stay and a lock that one session holds at a time."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterable, Iterator

from pop3aio._errors import counted
from pop3aio.testing._messages import MessageLike

__all__ = ("Mailbox",)


class Mailbox:
    """Messages under unique-ids, in the order they came; mail may be added and removed while sessions are open.

    A session works on the maildrop as it was at login: what is added or removed meanwhile shows in the next one. Any
    thread may add, remove and look.

    Args:
        messages: what is in it at first: `bytes` (as they are on the wire: lines end in CRLF; bare LF, bare CR
            and NUL are sent as they stand), `FileMessage`, `GeneratedMessage` or another `Message`.
    """

    def __init__(self, messages: Iterable[MessageLike] = ()) -> None:
        self._messages: dict[str, MessageLike] = {}
        self._guard = threading.Lock()
        # Another mailbox at the same address must not seem to hold the same mail.
        self._validity = secrets.token_hex(4)
        self._added = 0
        self._locked = False
        # What sessions that were committed have retrieved; some servers show it no more.
        self._popped: set[str] = set()
        for message in messages:
            self.add(message)

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[str]:
        return iter(self.uids)

    def __getitem__(self, uid: str) -> MessageLike:
        return self._messages[uid]

    def __repr__(self) -> str:
        return f"<Mailbox of {counted(len(self))}>"

    @property
    def messages(self) -> list[MessageLike]:
        """The messages, oldest first."""
        with self._guard:
            return list(self._messages.values())

    @property
    def uids(self) -> list[str]:
        """The unique-ids of the messages, oldest first."""
        with self._guard:
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
        with self._guard:
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
        with self._guard:
            return self._messages.pop(uid)

    def open(self, *, popped: bool = True) -> list[tuple[str, MessageLike]] | None:
        """Lock the mailbox and return its maildrop, unique-ids with messages; None if a session has it open.

        Args:
            popped: whether messages are in it that an earlier session has retrieved.
        """
        with self._guard:
            if self._locked:
                return None
            self._locked = True
            return [entry for entry in self._messages.items() if popped or entry[0] not in self._popped]

    def close(self, deleted: Iterable[str] = (), *, popped: Iterable[str] = ()) -> None:
        """Release the lock.

        Args:
            deleted: the unique-ids of messages to remove, as far as they are still there.
            popped: the unique-ids of messages that were retrieved.
        """
        with self._guard:
            for uid in deleted:
                self._messages.pop(uid, None)
            self._popped.update(popped)
            self._locked = False
