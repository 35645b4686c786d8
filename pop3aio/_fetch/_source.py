"""A message on its way into a store, and the signs that it is not the one that was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from pop3aio._client import Client, Message
from pop3aio._fetch._content import ContentHash, check_not_cut
from pop3core import RemoteProtocolError

__all__ = ("Source",)


class Source:
    """Counts what comes, and knows whether it has all come.

    `listed` is the size that the server lists, 0 if it does not. `tell` is called with the octets of each piece. If the
    content was retrieved before, `content` is its unique-id: it must come as it came then.

    Attributes:
        octets: how many have come.
        ended: whether this is all.
        cut: whether the message came empty though it has a size; the connection is closed then.
        changed: why it is not what it was before, or None.
    """

    __slots__ = (
        "_client",
        "_content",
        "_listed",
        "_message",
        "_tell",
        "_uid",
        "changed",
        "cut",
        "ended",
        "octets",
    )

    def __init__(
        self,
        client: Client,
        message: Message,
        listed: int,
        tell: Callable[[int], None] | None,
        content: str | None,
    ) -> None:
        self._client = client
        self._message = message
        self._listed = listed
        self._tell = tell
        self._uid = content
        self._content = None if content is None else ContentHash()
        self.octets = 0
        self.ended = False
        self.cut = False
        self.changed: RemoteProtocolError | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._message.__anext__()
        except StopAsyncIteration:
            if not self.octets:
                self.cut = True
                check_not_cut(
                    self._client,
                    self._message.number,
                    self._listed,
                    ". The next run leaves it for the last",
                )
                self.cut = False
            self._check_unchanged()
            self.ended = True
            raise
        self.octets += len(chunk)
        if self._content is not None:
            self._content.update(chunk)
        if self._tell is not None:
            self._tell(len(chunk))
        return chunk

    def _check_unchanged(self) -> None:
        if self._content is not None and self._content.uid != self._uid:
            self.changed = RemoteProtocolError(
                f"message {self._message.number} has no unique-id and does not come the same twice: nobody could tell "
                "in the next session whether it is known. It is taken as it comes when it is to be deleted at once"
            )
            raise self.changed
