"""What is new, without fetching it."""

from __future__ import annotations

from pathlib import Path

import pytest

import pop3aio
from pop3aio.testing import Refuse, Server

from .support import Shelf, mail, session


async def test_what_the_next_run_would_fetch(tmp_path: Path) -> None:
    journal, shelf = tmp_path / "journal", Shelf()
    async with Server(mail(3)) as server:
        uids = server.mailbox.uids
        for _ in range(2):
            # A look changes nothing.
            async with session(server) as client:
                assert await pop3aio.unseen(client, journal) == list(zip([1, 2, 3], uids, strict=True))
        async with session(server) as client:
            await pop3aio.fetch(client, shelf, journal=journal, limit=2)
        async with session(server) as client, pop3aio.SQLiteJournal(journal) as opened:
            assert await pop3aio.unseen(client, opened) == [(3, uids[2])]
            # The session goes on, and what is in it can be looked at.
            [(number, _)] = await pop3aio.unseen(client, opened)
            assert (await client.top(number)).startswith(b"Subject: 3\r\n")
            assert len(await pop3aio.unseen(client, opened, account="somebody@else")) == 3
        async with session(server) as client:
            assert (await pop3aio.fetch(client, shelf, journal=journal)).fetched == 1
    assert shelf.contents() == sorted(mail(3))
    assert not any(command.startswith("DELE") for command in server.commands)


async def test_messages_that_are_missing_are_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may hide a message for a while."""
    journal, shelf = tmp_path / "journal", Shelf()
    async with Server(mail(3)) as server:
        async with session(server) as client:
            await pop3aio.fetch(client, shelf, journal=journal)
        uid = server.mailbox.uids[1]
        hidden = server.mailbox.remove(uid)
        with monkeypatch.context() as patched:
            for day in (40, 80):
                patched.setattr("time.time", lambda day=day: 2e9 + 86400 * day)
                async with session(server) as client:
                    assert await pop3aio.unseen(client, journal) == []
        server.mailbox.add(hidden, uid=uid)
        async with session(server) as client:
            assert await pop3aio.unseen(client, journal) == []


async def test_without_unique_ids(tmp_path: Path) -> None:
    async with (
        Server(mail(2), faults=[Refuse("UIDL")], capabilities=["USER"]) as server,
        session(server) as client,
    ):
        assert await pop3aio.unseen(client, tmp_path / "journal") == [(1, None), (2, None)]


async def test_before_the_login(tmp_path: Path) -> None:
    async with Server(mail(1)) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        with pytest.raises(pop3aio.LocalProtocolError, match="logged in, or an account"):
            await pop3aio.unseen(client, tmp_path / "journal")
