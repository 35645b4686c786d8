"""Names for messages that the server gives no unique-id: a hash of what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pop3aio._client import Client, Proof
from pop3aio._errors import CommandError, counted
from pop3core import RemoteProtocolError

__all__ = ("ContentHash", "check_not_cut", "content_uids")


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


async def content_uids(
    client: Client, sizes: Mapping[int, int], numbers: list[int], proof: Proof
) -> dict[int, str | CommandError]:
    """Retrieve messages to name them by their content.

    Returns:
        For each message a unique-id, or why the server refused the message.

    Raises:
        RemoteProtocolError: a message came cut, or the session is not in step behind it.
        POP3Error: what is wrong with the connection.
    """
    found: dict[int, str | CommandError] = {}
    async with client.retrieve(numbers, sizes=sizes, proof=proof) as messages:
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
    """End the session if message `number`, which came empty, is listed with a size.

    Raises:
        RemoteProtocolError: the message was cut; `advice` stands at the end of the text.
    """
    if listed > 2:
        error = RemoteProtocolError(
            f"message {number} came empty although the server lists {counted(listed, 'octet')}; it may begin with a "
            "dot that the server does not stuff, and what follows cannot be told from answers. The connection was "
            f"closed; delete or move this message by other means{advice}"
        )
        client.abort(error)
        raise error
