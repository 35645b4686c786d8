"""Unique-ids for messages that the server gives none: a hash of what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pop3aio._client import Client
from pop3aio._errors import CommandError
from pop3core import RemoteProtocolError, Uid

__all__ = ("ContentHash", "check_not_cut", "content_uids", "list_messages")


class ContentHash:
    """Takes a message's octets, and makes a unique-id of them."""

    # No server can give this one: a blank does not stand in a unique-id (RFC 1939 section 7).
    _MARK = "sha256 "

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.update = self._hash.update

    @property
    def uid(self) -> str:
        """The unique-id of what was taken so far."""
        return self._MARK + self._hash.hexdigest()

    @classmethod
    def made(cls, uid: str) -> bool:
        """Return whether a unique-id is of this kind."""
        return uid.startswith(cls._MARK)


async def list_messages(client: Client) -> list[Uid]:
    """Return the unique-id listing; a server without UIDL lists its messages with none.

    Raises CommandError when a server refuses UIDL that says it has it: that will pass (RFC 2449 section 6.3).
    """
    try:
        return await client.uidl()
    except CommandError:
        if client.capabilities is not None and "UIDL" in client.capabilities:
            raise
        return [Uid(number, None) for number, _ in await client.list()]


async def content_uids(client: Client, numbers: Iterable[int]) -> dict[int, str | CommandError]:
    """Return a unique-id for each of these messages, or why the server refused it; this retrieves them all."""
    sizes = await client.sizes(numbers)
    found: dict[int, str | CommandError] = {}
    async with client.retrieve(numbers, sizes=sizes) as messages:
        async for message in messages:
            if message.error is not None:
                found[message.number] = message.error
                continue
            content = ContentHash()
            octets = 0
            async for chunk in message:
                content.update(chunk)
                octets += len(chunk)
            if not octets:
                check_not_cut(client, message.number, sizes.get(message.number, 0))
            found[message.number] = content.uid
    return found


def check_not_cut(client: Client, number: int, listed: int, advice: str = "") -> None:
    """Close the session if message `number`, which came empty, is listed with a size.

    Raises RemoteProtocolError, with `advice` at the end.
    """
    if listed > 2:
        error = RemoteProtocolError(
            f"message {number} came empty although the server lists {listed} octets; it may begin with a dot that the "
            "server does not stuff, and what follows cannot be told from answers. The connection was closed; delete or "
            f"move this message by other means{advice}"
        )
        client.abort(error)
        raise error
