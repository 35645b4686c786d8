"""Whose turn it is: no message, and no habit of the server, takes the turn of the others in every run."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pop3aio
from pop3aio.testing import Server, Session

from .support import Copies, mail, session

MAIL = mail(2)


async def test_a_store_that_fails_late_for_one_message_does_not_use_up_every_limit(tmp_path: Path) -> None:
    class Store:
        def __init__(self) -> None:
            self.stored: list[bytes] = []
            self.leaves = 1

        async def submit(self, source: pop3aio.Incoming, *, key: str) -> asyncio.Future[None]:
            octets = b"".join([chunk async for chunk in source])
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if octets == MAIL[0]:
                done.set_exception(ValueError("never this one"))
            elif self.leaves:
                self.leaves -= 1
                raise pop3aio.LeaveOnServer("later")
            else:
                self.stored.append(octets)
                done.set_result(None)
            return done

    store = Store()
    async with Server(MAIL) as server:
        for _ in range(4):
            async with session(server) as client:
                await pop3aio.fetch(client, store, journal=tmp_path / "journal", limit=1)
    assert store.stored == [MAIL[1]]


async def test_a_dot_behind_the_proof_of_a_name_is_the_fault_of_the_proof(tmp_path: Path) -> None:
    """The second message has no usable unique-id, and is retrieved for its name, with a proof behind it."""

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "UIDL":
            return False
        session.write(b"+OK 1 one\r\n.\r\n" if argument else b"+OK\r\n1 one\r\n2 two\r\n2 deux\r\n.\r\n")
        return True

    store = Copies()
    async with Server(MAIL, on_command=hook) as server:
        for _ in range(4):
            with suppress(pop3aio.RemoteProtocolError):
                async with session(server) as client:
                    await pop3aio.fetch(client, store, journal=tmp_path / "journal")
    assert store.contents() == sorted(MAIL)
