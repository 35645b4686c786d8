"""What is sent to a client by a server of each profile, and what of it can be fetched."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import pop3aio
from pop3aio.testing import PROFILES, Mailbox, Quirks, Server, awkward_messages, sample_messages

__all__ = ("Store", "expected", "fetchable_messages", "logged_in", "server_like", "whole")

# What the documentation says to switch on.
OPTIONS: dict[str, dict[str, Any]] = {"cyrus": {"bare_lf": True}}

MAIL = [message for _, message in awkward_messages(huge=300_000)] + sample_messages(14)


class Store:
    """A store in memory; durable at once. `again` holds the keys that came more than once."""

    def __init__(self) -> None:
        self.messages: dict[str, bytes] = {}
        self.again: set[str] = set()

    async def __call__(self, message: AsyncIterable[bytes], key: str) -> None:
        if key in self.messages:
            self.again.add(key)
        self.messages[key] = b"".join([chunk async for chunk in message])


def whole(message: bytes) -> bytes:
    """Return a message with its final line end."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def fetchable_messages(quirks: Quirks) -> list[bytes]:
    """Return those messages that a server with these quirks does not spoil."""
    messages = [message for message in MAIL if message]
    if not quirks.stuffs_first_octet:
        messages = [message for message in messages if not message.startswith(b".")]
    if not quirks.final_line_end:
        messages = [message for message in messages if message.endswith(b"\r\n")]
    if quirks.lf_ends_lines:
        # A CR before a line end is part of it.
        messages = [message for message in messages if b"\r\r\n" not in whole(message)]
    # Two that differ by nothing, and two that differ in their bodies only.
    return [*messages, messages[0], messages[0] + b"P.S.\r\n"]


def expected(quirks: Quirks, message: bytes) -> bytes:
    """Return a message as a client gets it."""
    return whole(re.sub(rb"(?<!\r)\n", b"\r\n", message) if quirks.lf_ends_lines else message)


def server_like(name: str, messages: list[bytes] | None = None, **options: Any) -> Server:
    """Return a server of a profile, with all that can be fetched from it."""
    return Server(
        Mailbox(fetchable_messages(PROFILES[name]) if messages is None else messages), quirks=name, **options
    )


@contextlib.asynccontextmanager
async def logged_in(server: Server, name: str) -> AsyncIterator[pop3aio.Client]:
    """Log in as the documentation says for this profile."""
    async with pop3aio.connect(server.host, server.port, tls="none", **OPTIONS.get(name, {})) as client:
        if server.utf8:
            await client.utf8()
        await client.login("user", "password", allow_insecure=True)
        yield client
