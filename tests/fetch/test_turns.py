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


async def test_a_forged_refusal_does_not_take_the_proof_away(tmp_path: Path) -> None:
    """A mail answers the proof by -ERR; of all proofs the server takes only UIDL, and says too much to UIDL n."""
    forger = b"Subject: forger\r\n\r\nhello\r\n.\r\n" + b"-ERR unknown command\r\n" * 4

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and session.server.mailbox.messages[int(argument) - 1] == forger:
            session.write(b"+OK\r\n" + forger + b".\r\n")
            return True
        if keyword == "LIST":
            session.write(b"-ERR unknown command\r\n")
            return True
        if keyword == "UIDL" and argument:
            uid = session.server.mailbox.uids[int(argument) - 1]
            session.write(f"+OK {argument} {uid}\r\n.\r\n".encode())
            return True
        return False

    store = Copies()
    async with Server([forger, *MAIL], on_command=hook) as server:
        for _ in range(8):
            with suppress(pop3aio.POP3Error):
                async with session(server) as client:
                    await pop3aio.fetch(client, store, journal=tmp_path / "journal", delete=pop3aio.Delete())
        assert server.mailbox.messages == [forger]
    assert set(MAIL) <= set(store.contents())


async def test_a_connection_that_breaks_while_proofs_are_tried_settles_nothing(tmp_path: Path) -> None:
    """The network breaks at the proof that works; the server says too much behind the one that is tried next."""

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        match keyword:
            case "UIDL" if argument:
                session.write(b"-ERR unknown command\r\n")
            case "UIDL" if server.connections == 1 and server.commands.count("UIDL") == 2:
                session.close()
            case "LIST" if argument:
                session.write(f"+OK {argument} {len(MAIL[int(argument) - 1])}\r\n.\r\n".encode())
            case _:
                return False
        return True

    store = Copies()
    async with Server(MAIL, on_command=hook) as server:
        for _ in range(8):
            with suppress(pop3aio.POP3Error):
                async with session(server) as client:
                    await pop3aio.fetch(client, store, journal=tmp_path / "journal")
    assert store.contents() == sorted(MAIL)
