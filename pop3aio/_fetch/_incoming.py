"""A message on its way into a store, and the signs that it is not the one that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from pop3aio._client import PROVEN_OCTETS, Client, Message
from pop3aio._errors import counted
from pop3aio._fetch._content import ContentHash, check_not_cut
from pop3core import LocalProtocolError, POP3Error, RemoteProtocolError

__all__ = ("Incoming", "unread")

# What an answer begins with, behind the line before it.
_STATUS = b"\n+OK"


class Incoming:
    """The octets of a message for a store: an asynchronous iterator of chunks, in the order of the message.

    A store must read it to its end before it says that the message is stored. It can be read once.

    Attributes:
        number: the message number in this session, from 1.
        size: how many octets the server lists for the message, or None. It is a hint.
        uid: the message's unique-id; for a message that has none, a text made of its content.
        key: 32 hex digits that name the message for ever.
        octets: how many octets were read so far.
        ended: whether all of the message was read.
    """

    __slots__ = (
        "_client",
        "_content",
        "_lines",
        "_looks",
        "_message",
        "_tail",
        "_tell",
        "changed",
        "closed",
        "cut",
        "ended",
        "failure",
        "interrupted",
        "key",
        "number",
        "octets",
        "odd",
        "size",
        "uid",
    )

    def __init__(
        self,
        client: Client,
        message: Message,
        size: int | None,
        uid: str,
        key: str,
        tell: Callable[[int], None] | None,
        must_stay_same: bool,
    ) -> None:
        self._client = client
        self._message = message
        self._tell = tell
        self._content = ContentHash() if must_stay_same and ContentHash.made(uid) else None
        self.number: int = message.number
        self.size: int | None = size
        self.uid: str = uid
        self.key: str = key
        self.octets: int = 0
        self.ended: bool = False
        # For the run: whether the store has had its chance, whether the message came empty though it has a size, why
        # it is not what it was before, and what was wrong with the connection.
        self.closed: bool = False
        self.cut: bool = False
        # Whether a line begins like an answer: a message that does not end swallows the next one. `_tail` is the end of
        # the chunk before, since such a line may be spread over two. A long message has its proof directly behind it.
        self.odd: bool = False
        self._looks = size is None or size < PROVEN_OCTETS
        self._tail = b""
        # The line ends, counted only where an odd line stands in the first chunk: nearly no message has one.
        self._lines: int | None = None
        self.changed: RemoteProtocolError | None = None
        self.failure: POP3Error | None = None
        # Whether the run was cancelled while the server, and not the store, was waited for.
        self.interrupted: bool = False

    def __repr__(self) -> str:
        return f"<pop3aio.Incoming {self.number}, {counted(self.octets, 'octet')} read>"

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.ended:
            raise StopAsyncIteration
        if self.closed:
            raise LocalProtocolError(
                f"message {self.number} cannot be read any more: it had to be read before the store called it stored"
            )
        try:
            chunk = await self._message.__anext__()
        except StopAsyncIteration:
            self._check_end()
            self.ended = True
            raise
        except POP3Error as error:
            self.failure = error
            raise
        except asyncio.CancelledError:
            self.interrupted = True
            raise
        self.octets += len(chunk)
        if self._looks:
            # A single octet is looked for ten times as fast as four, and few messages have a plus in them.
            if (b"+" in chunk and _STATUS in chunk) or (self._tail and _STATUS in self._tail + chunk[:3]):
                self.odd = True
                if self.octets == len(chunk):
                    self._lines = 0
            if self._lines is not None:
                self._lines += chunk.count(b"\n")
            self._tail = chunk[-3:]
        if self._content is not None:
            self._content.update(chunk)
        if self._tell is not None:
            self._tell(len(chunk))
        return chunk

    def has_size(self) -> bool:
        """Return whether the message is as long as the server lists it, with line ends of two octets or of one."""
        lines = self._lines
        return self.octets == self.size or (lines is not None and self.octets - lines == self.size)

    def _check_end(self) -> None:
        if not self.octets:
            self.cut = True
            try:
                check_not_cut(
                    self._client, self.number, self.size or 0, ". The next run leaves it for the last"
                )
            except POP3Error as error:
                self.failure = error
                raise
            self.cut = False
        if self._content is not None and self._content.uid != self.uid:
            self.changed = RemoteProtocolError(
                f"message {self.number} has no unique-id and does not come the same twice: in the next session nothing "
                "tells whether it is known. It is taken as it comes when it is to be deleted at once"
            )
            raise self.changed


def unread(source: Incoming) -> LocalProtocolError:
    """Return what says that a store called a message stored that it had not read to its end."""
    return LocalProtocolError(
        f"the store read only {counted(source.octets, 'octet')} of message {source.number} and called it stored; it "
        "must read a message to its end, or raise LeaveOnServer"
    )
