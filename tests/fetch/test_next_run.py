"""What one run leaves for the next: deletions nobody knows the end of, and mail that broke the session."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

import pop3aio
from pop3aio import Resolved
from pop3aio.testing import Mailbox, Server, Session

from .support import Copies, MemoryJournal, Shelf, mail, session

MAIL = mail(20)
Hook = Callable[[Session, str, str], Awaitable[bool]]


async def run(
    server: Server, shelf: Shelf, journal: pop3aio.Journal | Path, delete: pop3aio.Policy | None = None
) -> pop3aio.FetchReport:
    async with session(server) as client:
        return await pop3aio.fetch(client, shelf, journal=journal, delete=delete or pop3aio.Delete())


# The end of QUIT.


@pytest.mark.parametrize("deleted", [0, 7, 20])
@pytest.mark.parametrize("answer", [b"", b"-ERR some deleted messages not removed\r\n"])
async def test_the_next_session_says_what_came_of_quit(answer: bytes, deleted: int, tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "QUIT" or server.connections > 1:
            return False
        for uid in server.mailbox.uids[:deleted]:
            server.mailbox.remove(uid)
        session.write(answer)
        session.close()
        return True

    shelf = Shelf()
    async with Server(MAIL, on_command=hook) as server:
        first = await run(server, shelf, tmp_path / "journal")
        assert (first.deleted, first.resolved) == (20, None)
        assert first.commit == ("refused" if answer else "unknown")
        server.mailbox.add(b"Subject: new\r\n\r\n")
        second = await run(server, shelf, tmp_path / "journal")
        assert second.resolved == Resolved(deleted, 20 - deleted)
        assert (second.fetched, second.commit, len(server.mailbox)) == (1, "committed", 0)
        # Said once, and a QUIT that was confirmed leaves nothing to say.
        assert (await run(server, shelf, tmp_path / "journal")).resolved is None


async def test_it_is_said_until_a_run_comes_to_its_end() -> None:
    journal, shelf = MemoryJournal(), Shelf()

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if (keyword == "QUIT" and server.connections == 1) or (keyword == "RETR" and server.connections == 2):
            session.abort()
            return True
        return False

    async with Server(MAIL[:5], on_command=hook) as server:
        assert (await run(server, shelf, journal)).commit == "unknown"
        server.mailbox.add(b"Subject: new\r\n\r\n")
        with pytest.raises(pop3aio.ConnectionLost):
            await run(server, shelf, journal)
        report = await run(server, shelf, journal, pop3aio.Keep())
        assert (report.resolved, report.commit, len(server.mailbox)) == (Resolved(0, 5), None, 6)
        assert (await run(server, shelf, journal)).resolved is None


async def test_what_is_to_be_deleted_is_noted_before_quit() -> None:
    """Whoever is killed between QUIT and its answer has no chance to note anything."""
    journal = MemoryJournal()

    async def hook(session: Session, keyword: str, argument: str) -> None:
        if keyword == "QUIT":
            noted.append(journal.memos[f"user@{server.host}:{server.port}"])

    noted: list[str] = []
    async with Server(MAIL[:2], on_command=hook) as server:
        uids = server.mailbox.uids
        await run(server, Shelf(), journal)
    assert all(uid in noted[0] for uid in uids)
    assert "deleting" not in str(journal.memos.values())


async def test_a_memo_that_cannot_be_noted_deletes_nothing() -> None:
    class Full(MemoryJournal):
        async def memo(self, account: str, text: str | None = None) -> str:
            if text is not None:
                raise pop3aio.JournalError("no room")
            return await super().memo(account)

    async with Server(MAIL[:2]) as server:
        with pytest.raises(pop3aio.JournalError, match="no room"):
            await run(server, Shelf(), Full())
        assert len(server.mailbox) == 2
        assert "QUIT" not in server.commands


async def test_a_memo_that_cannot_be_cleared_is_told_again() -> None:
    class Full(MemoryJournal):
        async def memo(self, account: str, text: str | None = None) -> str:
            if text is not None and "deleting" not in text and "deleting" in self.memos.get(account, ""):
                raise pop3aio.JournalError("no room")
            return await super().memo(account, text)

    journal, shelf = Full(), Shelf()
    async with Server(MAIL[:2]) as server:
        assert (await run(server, shelf, journal)).commit == "committed"
        server.mailbox.add(b"Subject: new\r\n\r\n")
        report = await run(server, shelf, journal)
        assert (report.resolved, report.fetched) == (Resolved(2, 0), 1)


# A message that begins with a line of one dot, from a server that does not stuff the first octet.


def unstuffed(number: int) -> bytes:
    return b".\r\n+OK\r\nSubject: forged %d\r\n\r\nby the sender\r\n.\r\n" % number


async def send_as_it_is(session: Session, keyword: str, argument: str) -> bool:
    """Dovecot, Courier and Twisted do this."""
    if keyword == "RETR":
        message = session.server.mailbox[session.server.mailbox.uids[int(argument) - 1]]
        if isinstance(message, bytes) and message.startswith(b".\r\n"):
            session.write(b"+OK\r\n" + message)
            return True
    return False


@pytest.mark.parametrize("policy", [pop3aio.Delete(), pop3aio.Keep()])
async def test_a_message_that_breaks_the_session_holds_up_nobody(policy: pop3aio.Policy) -> None:
    journal, shelf = MemoryJournal(), Copies()
    bad = {3: unstuffed(1), 7: unstuffed(2)}
    messages = [bad.get(number, MAIL[number]) for number in range(1, 10)]
    good = sorted(set(messages) - set(bad.values()))
    async with Server(messages, on_command=send_as_it_is) as server:
        for _ in range(8):
            with suppress(pop3aio.RemoteProtocolError):
                await run(server, shelf, journal, policy)
        assert shelf.contents() == good
        if policy == pop3aio.Delete():
            assert set(server.mailbox.messages) == set(bad.values())
        # New mail goes first, and the two rest.
        server.mailbox.add(b"Subject: new\r\n\r\n")
        report = await run(server, shelf, journal, policy)
        assert (report.fetched, report.put_off) == (1, 2)
        assert [(failure.kind, failure.retry_at is not None) for failure in report.failed] == [
            ("cut", True)
        ] * 2


async def test_a_message_that_comes_at_last_is_like_any_other() -> None:
    journal, shelf = MemoryJournal(), Copies()
    async with Server([MAIL[0], unstuffed(1)], on_command=send_as_it_is) as server:
        with pytest.raises(pop3aio.RemoteProtocolError, match="came empty"):
            await run(server, shelf, journal)
        server.on_command = None
        # First the deletion of the other one, then this one.
        for known, fetched, left in ((1, 0, 1), (0, 1, 0)):
            report = await run(server, shelf, journal)
            assert (report.known, report.fetched, report.failed, len(server.mailbox)) == (
                known,
                fetched,
                [],
                left,
            )
        await run(server, shelf, journal)
    assert "notes" not in str(journal.memos.values())
    assert shelf.contents() == sorted([MAIL[0], unstuffed(1)])


# The report of a run that is broken off.


async def test_a_run_that_is_broken_off_leaves_its_report() -> None:
    async def failing(message: AsyncIterable[bytes], key: str) -> None:
        await shelf(message, key)
        if len(shelf.messages) == 5:
            raise OSError(28, "No space left on device")

    shelf = Shelf()
    report = pop3aio.FetchReport()
    async with Server(MAIL) as server:
        with pytest.raises(OSError, match="No space"):
            async with session(server) as client:
                await pop3aio.fetch(
                    client, failing, journal=MemoryJournal(), delete=pop3aio.Delete(), report=report
                )
    assert report.account.startswith("user@")
    assert (report.listed, report.fetched, report.octets) == (20, 4, sum(map(len, MAIL[:4])))
    assert (report.deleted, report.commit) == (0, None)


async def test_a_cancelled_run_leaves_its_report() -> None:
    async def slow(message: AsyncIterable[bytes], key: str) -> None:
        await shelf(message, key)
        if len(shelf.messages) == 5:
            task.cancel()
            await asyncio.sleep(0)

    async def run() -> None:
        async with session(server) as client:
            await pop3aio.fetch(client, slow, journal=MemoryJournal(), report=report)

    shelf, report = Shelf(), pop3aio.FetchReport()
    async with Server(MAIL) as server:
        task = asyncio.ensure_future(run())
        with suppress(asyncio.CancelledError):
            await task
    assert task.cancelled()
    # Four had come. The first was taken alone; nothing proves yet that the others are whole.
    assert (report.listed, report.fetched, report.doubtful) == (20, 1, 3)


# Messages that share a unique-id.


async def share(session: Session, keyword: str, argument: str) -> bool:
    """popa3d makes the unique-id of the header."""
    if keyword == "UIDL" and argument:
        session.write(f"+OK {argument} same\r\n".encode())
    elif keyword == "UIDL":
        session.write(b"+OK\r\n")
        for number in range(1, len(session.server.mailbox) + 1):
            session.write(b"%d same\r\n" % number)
        session.write(b".\r\n")
    return keyword == "UIDL"


async def test_what_shares_a_unique_id_is_deleted_together() -> None:
    journal, shelf = MemoryJournal(), Shelf()
    async with Server(MAIL[:3], on_command=share) as server:
        for limit, deleted in ((2, 0), (2, 3)):
            async with session(server) as client:
                report = await pop3aio.fetch(
                    client, shelf, journal=journal, delete=pop3aio.Delete(), limit=limit
                )
            assert report.deleted == deleted
        assert len(server.mailbox) == 0
    # The third would have been taken for the first, were that deleted before.
    assert shelf.contents() == sorted(MAIL[:3])


# Two at once.


async def test_a_second_fetch_of_the_account_is_refused(tmp_path: Path) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(message: AsyncIterable[bytes], key: str) -> None:
        reached.set()
        await go_on.wait()
        await shelf(message, key)

    async def fetch(user: str) -> int:
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            await client.login(user, "password", allow_insecure=True)
            return (await pop3aio.fetch(client, slow, journal=journal, account=user)).fetched

    shelf = Shelf()
    users = {name: ("password", Mailbox(MAIL[:2])) for name in ("user", "other", "third")}
    async with Server(users=users) as server, pop3aio.SQLiteJournal(tmp_path / "journal") as journal:
        first = asyncio.ensure_future(fetch("user"))
        await reached.wait()
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            await client.login("third", "password", allow_insecure=True)
            with pytest.raises(pop3aio.JournalError, match="another fetch of user"):
                await pop3aio.fetch(client, Shelf(), journal=journal, account="user")
            # The same file, opened a second time.
            with pytest.raises(pop3aio.JournalError, match="another process"):
                await pop3aio.fetch(client, Shelf(), journal=journal.path, account="third")
        other = asyncio.ensure_future(fetch("other"))
        go_on.set()
        assert (await first, await other) == (2, 2)
        assert await fetch("user") == 0


# The listing.


async def test_what_a_first_run_fetched_costs_the_second_one_question(tmp_path: Path) -> None:
    class Counting(MemoryJournal):
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[int] = []

        async def compare(self, account: str, uids: Sequence[str]) -> list[int]:
            new = await super().compare(account, uids)
            self.asked.append(len(new))
            return new

    journal, shelf = Counting(), Shelf()
    async with Server(MAIL) as server:
        await run(server, shelf, journal, pop3aio.Keep())
        assert journal.asked == [20, 0]
        server.mailbox.add(b"Subject: new\r\n\r\n")
        await run(server, shelf, journal, pop3aio.Keep())
        assert journal.asked == [20, 0, 1]
        path = tmp_path / "journal"
        await run(server, Shelf(), path, pop3aio.Keep())
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count FROM listing").fetchall() == [(21,)]
