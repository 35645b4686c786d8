"""Everything is fetched from every server, each message once and octet for octet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pop3aio
from pop3aio.testing import PROFILES, GeneratedMessage, Server
from tests.quirks.profiles import Store, expected, fetchable_messages, logged_in, server_like


async def run_until_nothing_is_new(
    server: Server, name: str, journal: Path, policy: pop3aio.Keep | pop3aio.Delete
) -> Store:
    """Fetch in as many sessions as it takes, since some servers give only so much in one."""
    store = Store()
    for _ in range(20):
        async with logged_in(server, name) as client:
            report = await pop3aio.fetch(client, store, journal=journal, delete=policy)
        if not report.fetched and not report.failed:
            return store
    raise AssertionError(report)


@pytest.mark.parametrize("policy", [pop3aio.Keep(), pop3aio.Delete()], ids=["keep", "delete"])
@pytest.mark.parametrize("name", PROFILES)
async def test_everything_is_fetched_once(
    name: str, policy: pop3aio.Keep | pop3aio.Delete, tmp_path: Path
) -> None:
    quirks = PROFILES[name]
    async with server_like(name) as server:
        before = server.mailbox.uids
        store = await run_until_nothing_is_new(server, name, tmp_path / "journal", policy)
        assert Counter(store.messages.values()) == Counter(
            expected(quirks, message) for message in fetchable_messages(quirks)
        )
        assert server.mailbox.uids == (before if policy == pop3aio.Keep() else [])
        # This server lists kilobytes: where a line looks like an answer, no size says that the message is whole. It and
        # those behind it come once more, with a proof behind each.
        assert not store.again or name == "exchange-2003"


@pytest.mark.parametrize("name", PROFILES)
async def test_everything_is_retrieved_and_deleted(name: str) -> None:
    quirks = PROFILES[name]
    messages = fetchable_messages(quirks)
    if quirks.retrievals is not None:
        messages = messages[: quirks.retrievals]
    async with server_like(name, messages) as server, logged_in(server, name) as client:
        assert (await client.stat()).count == len(messages)
        numbers = [scan.number for scan in await client.list()]
        assert numbers == list(range(1, len(messages) + 1))
        async for message in client.retrieve(numbers):
            assert await message == expected(quirks, messages[message.number - 1])
        async for message in client.retrieve(numbers, lines=0):
            header, blank, _ = (b"\r\n" + expected(quirks, messages[message.number - 1])).partition(
                b"\r\n\r\n"
            )
            start = (header + blank)[2:]
            limit = quirks.top_octets or len(start)
            assert (await message).startswith(start[:limit])
        assert await client.delete(numbers) == {}
        await client.quit()
        assert server.mailbox.uids == []


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("name", PROFILES)
async def test_login_under_tls_by_whatever_the_server_offers(name: str, tls: str) -> None:
    server = Server(quirks=name, tls="implicit" if tls == "implicit" else "starttls")
    # What a greeting says in clear does not count under TLS, its line end included.
    options: dict[str, Any] = {"bare_lf": True} if (name, tls) == ("lf-only", "starttls") else {}
    async with server, server.client(**options) as client:
        assert client.secure
        assert (await client.stat()).count == 0


async def test_a_large_message_from_the_most_awkward(tmp_path: Path) -> None:
    large = GeneratedMessage(20 << 20)
    server = Server([large], quirks="cyrus")
    async with server, logged_in(server, "cyrus") as client:
        octets = 0
        async for chunk in client.retr(1):
            octets += len(chunk)
        assert octets == large.octets
