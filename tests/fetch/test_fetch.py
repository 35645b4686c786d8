"""The job of fetching: what is new comes once, and goes only when it is safe."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Iterable
from pathlib import Path

import pytest

import pop3aio
from maildir import Maildir
from pop3aio.testing import Mailbox, Server, Session

from .support import MemoryJournal, Shelf, in_new, mail, session

MAIL = mail(20)


async def test_what_was_fetched_once_is_not_fetched_again(tmp_path: Path) -> None:
    async with Server(MAIL) as server, Maildir(tmp_path / "box") as box:
        for new, known in ((20, 0), (0, 20)):
            async with session(server) as client:
                report = await pop3aio.fetch(client, box, journal=tmp_path / "journal")
            assert (report.listed, report.fetched, report.known) == (20, new, known)
            assert report.commit is None
        server.mailbox.add(b"Subject: late\r\n\r\n")
        async with session(server) as client:
            assert (await pop3aio.fetch(client, box, journal=tmp_path / "journal")).fetched == 1
        assert in_new(tmp_path / "box") == sorted([*MAIL, b"Subject: late\r\n\r\n"])
        assert len(server.mailbox) == 21


async def test_delete_removes_what_is_safe_here_whenever_it_was_fetched(tmp_path: Path) -> None:
    shelf = Shelf()
    async with Server(MAIL) as server:
        async with session(server) as client:
            await pop3aio.fetch(client, shelf, journal=tmp_path / "journal", limit=5)
        async with session(server) as client:
            report = await pop3aio.fetch(
                client, shelf, journal=tmp_path / "journal", limit=10, delete=pop3aio.Delete()
            )
        assert (report.fetched, report.known, report.postponed) == (10, 5, 5)
        assert (report.deleted, report.commit) == (15, "committed")
        assert server.mailbox.messages == MAIL[15:]
    assert shelf.contents() == sorted(MAIL[:15])


async def test_after_deletes_by_the_time_of_fetching() -> None:
    journal, shelf = MemoryJournal(), Shelf()
    async with Server(MAIL) as server:
        async with session(server) as client:
            await pop3aio.fetch(client, shelf, journal=journal)
        now = time.time()
        for age, entry in enumerate(journal.fetched):
            journal.fetched[entry] = now - age * 86400
        async with session(server) as client:
            report = await pop3aio.fetch(client, shelf, journal=journal, delete=pop3aio.After(7.5))
        # 0 to 7 days old stay.
        assert report.deleted == 12
        assert server.mailbox.messages == MAIL[:8]


async def test_after_no_days_deletes_at_once() -> None:
    async with Server(MAIL) as server:
        async with session(server) as client:
            report = await pop3aio.fetch(client, Shelf(), journal=MemoryJournal(), delete=pop3aio.After(0))
        assert (report.fetched, report.deleted, len(server.mailbox)) == (20, 20, 0)


@pytest.mark.parametrize("days", [-1, float("nan")])
def test_after_refuses_what_is_no_number_of_days(days: float) -> None:
    with pytest.raises(ValueError, match="days"):
        pop3aio.After(days)


async def test_nothing_is_deleted_before_it_is_journalled() -> None:
    class Watching(MemoryJournal):
        async def record(self, account: str, fetched: Iterable[pop3aio.Identity]) -> None:
            # A slow journal: everything that could overtake it does.
            for _ in range(20):
                await asyncio.sleep(0)
            assert not any(command.startswith("DELE") for command in server.commands)
            await super().record(account, fetched)

    journal = Watching()
    async with Server(MAIL) as server, session(server) as client:
        report = await pop3aio.fetch(client, Shelf(), journal=journal, delete=pop3aio.Delete())
        assert report.deleted == 20
    assert sum(journal.groups) == 20
    assert server.commands[-21:-1] == [f"DELE {number}" for number in range(1, 21)]


async def test_a_journal_that_fails_keeps_everything_on_the_server(tmp_path: Path) -> None:
    class Broken(MemoryJournal):
        async def record(self, account: str, fetched: Iterable[pop3aio.Identity]) -> None:
            raise pop3aio.JournalError("no room")

    async with Server(MAIL) as server, Maildir(tmp_path / "box") as box:
        with pytest.raises(pop3aio.JournalError, match="no room"):
            async with session(server) as client:
                await pop3aio.fetch(client, box, journal=Broken(), delete=pop3aio.Delete())
        assert len(server.mailbox) == 20
        assert not any(command.startswith(("DELE", "QUIT")) for command in server.commands)
        # What was delivered was never proved to be whole as far as a journal knows: it is fetched again, and replaced.
        assert in_new(tmp_path / "box")
        async with session(server) as client:
            report = await pop3aio.fetch(client, box, journal=MemoryJournal(), delete=pop3aio.Delete())
        assert (report.recovered, report.fetched) == (0, 20)
        assert (report.deleted, len(server.mailbox)) == (20, 0)
    assert in_new(tmp_path / "box") == sorted(MAIL)


async def test_a_lost_journal_costs_nothing(tmp_path: Path) -> None:
    async with Server(MAIL) as server:
        for fetched, recovered in ((20, 0), (0, 20)):
            async with Maildir(tmp_path / "box") as box, session(server) as client:
                report = await pop3aio.fetch(client, box, journal=tmp_path / "journal")
            assert (report.fetched, report.recovered) == (fetched, recovered)
            (tmp_path / "journal").unlink()
    assert in_new(tmp_path / "box") == sorted(MAIL)


async def test_one_refused_message_does_not_hold_up_the_others() -> None:
    refuse = True

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and argument == "7" and refuse:
            session.write(b"-ERR [SYS/TEMP] try again later\r\n")
            return True
        return False

    journal, shelf = MemoryJournal(), Shelf()
    async with Server(MAIL, on_command=hook) as server:
        async with session(server) as client:
            report = await pop3aio.fetch(client, shelf, journal=journal, delete=pop3aio.Delete())
        assert [failure.number for failure in report.failed] == [7]
        assert isinstance(report.failed[0].error, pop3aio.ServerTemporaryError)
        assert (report.fetched, report.deleted, server.mailbox.messages) == (19, 19, [MAIL[6]])
        refuse = False
        async with session(server) as client:
            report = await pop3aio.fetch(client, shelf, journal=journal, delete=pop3aio.Delete())
        assert (report.fetched, len(server.mailbox)) == (1, 0)
    assert shelf.contents() == sorted(MAIL)


async def test_a_store_that_fails_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    shelf = Shelf()

    async def failing(message: AsyncIterable[bytes], key: str) -> None:
        await shelf(message, key)
        if len(shelf.messages) == 5:
            del shelf.messages[key]
            raise OSError(28, "No space left on device")

    async with Server(MAIL) as server:
        with pytest.raises(OSError, match="No space"):
            async with session(server) as client:
                await pop3aio.fetch(client, failing, journal=tmp_path / "journal", delete=pop3aio.Delete())
        assert len(server.mailbox) == 20
        assert len(shelf.messages) == 4
        async with session(server) as client:
            report = await pop3aio.fetch(client, shelf, journal=tmp_path / "journal", delete=pop3aio.Delete())
        # Shelf complains of anything that comes twice.
        assert (report.known, report.fetched, report.deleted) == (4, 16, 20)
    assert shelf.contents() == sorted(MAIL)


async def test_what_a_store_returns_may_be_a_coroutine() -> None:
    class Lazy:
        async def submit(self, source: AsyncIterable[bytes], *, key: str) -> Awaitable[None]:
            octets = b"".join([chunk async for chunk in source])
            return self.store(octets)

        async def store(self, octets: bytes) -> None:
            await asyncio.sleep(0)
            stored.append(octets)

    stored: list[bytes] = []
    async with Server(MAIL) as server, session(server) as client:
        report = await pop3aio.fetch(client, Lazy(), journal=MemoryJournal(), delete=pop3aio.Delete())
    assert (report.fetched, report.deleted) == (20, 20)
    assert stored == MAIL


async def test_a_store_that_takes_half_a_message_is_told_so() -> None:
    async def half(message: AsyncIterable[bytes], key: str) -> None:
        async for _ in message:
            break

    async with Server([b"x" * 1_000_000]) as server:
        async with session(server) as client:
            report = await pop3aio.fetch(client, half, journal=MemoryJournal(), delete=pop3aio.Delete())
        [failure] = report.failed
        assert failure.kind == "store"
        assert isinstance(failure.error, pop3aio.LocalProtocolError)
        assert "must read a message to its end" in str(failure.error)
        assert (report.fetched, len(server.mailbox)) == (0, 1)


async def test_a_connection_cut_in_a_message_leaves_no_half_of_it(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and argument == "9" and server.connections == 1:
            session.write(b"+OK\r\n" + MAIL[8][:-50])
            session.close()
            return True
        return False

    async with Server(MAIL, on_command=hook) as server, Maildir(tmp_path / "box") as box:
        with pytest.raises(pop3aio.ConnectionLost, match="RETR 9"):
            async with session(server) as client:
                await pop3aio.fetch(client, box, journal=tmp_path / "journal", delete=pop3aio.Delete())
        assert in_new(tmp_path / "box") == sorted(MAIL[:8])
        async with session(server) as client:
            report = await pop3aio.fetch(client, box, journal=tmp_path / "journal", delete=pop3aio.Delete())
        # Nothing had proved that the first eight are whole: they come again, alone, behind the deletions of the others.
        assert (report.fetched, report.put_off, report.deleted, report.more) == (11, 9, 11, True)
        async with session(server) as client:
            report = await pop3aio.fetch(client, box, journal=tmp_path / "journal", delete=pop3aio.Delete())
        assert (report.fetched, report.put_off, report.deleted, report.more) == (9, 0, 9, False)
    assert in_new(tmp_path / "box") == sorted(MAIL)


@pytest.mark.parametrize("after", range(0, 60, 3))
async def test_a_cancel_anywhere_and_a_second_run_complete_the_work(tmp_path: Path, after: int) -> None:
    async with Server(MAIL) as server:
        steps = 0

        def progress(state: pop3aio.Progress) -> None:
            nonlocal steps
            steps += 1
            if steps == after:
                task.cancel()

        async def run() -> pop3aio.FetchReport:
            async with Maildir(tmp_path / "box") as box, session(server) as client:
                return await pop3aio.fetch(
                    client, box, journal=tmp_path / "journal", delete=pop3aio.Delete(), progress=progress
                )

        task = asyncio.ensure_future(run())
        await asyncio.wait([task])
        if task.cancelled():
            assert len(server.mailbox) == 20
        steps = 1000
        task = asyncio.ensure_future(run())
        await task
        assert len(server.mailbox) == 0
    assert in_new(tmp_path / "box") == sorted(MAIL)


async def test_equal_unique_ids_are_told_apart_by_their_order() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "UIDL":
            return False
        names = {"1": b"same", "2": b"other", "3": b"same"}
        if argument:
            session.write(b"+OK %s %s\r\n" % (argument.encode(), names[argument]))
        else:
            session.write(b"+OK\r\n1 same\r\n2 other\r\n3 same\r\n.\r\n")
        return True

    journal, shelf = MemoryJournal(), Shelf()
    async with Server(MAIL[:3], on_command=hook) as server:
        for fetched in (3, 0):
            async with session(server) as client:
                assert (await pop3aio.fetch(client, shelf, journal=journal)).fetched == fetched
    assert shelf.contents() == sorted(MAIL[:3])


async def test_without_sizes_everything_still_comes() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "LIST":
            session.write(b"-ERR not today\r\n")
        return keyword == "LIST"

    shelf = Shelf()
    async with Server(MAIL, on_command=hook) as server, session(server) as client:
        report = await pop3aio.fetch(client, shelf, journal=MemoryJournal())
    assert (report.fetched, report.octets) == (20, sum(map(len, MAIL)))


async def test_a_message_that_ends_too_early_poisons_the_session() -> None:
    """Dovecot, Courier and Twisted do not stuff a dot that is a message's first octet."""
    forged = b".\r\n+OK\r\nSubject: forged\r\n\r\nby the sender\r\n.\r\n"

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and argument == "3":
            session.write(b"+OK\r\n" + forged)
            return True
        return False

    journal, shelf = MemoryJournal(), Shelf()
    async with Server([*MAIL[:2], forged, *MAIL[3:6]], on_command=hook) as server:
        with pytest.raises(pop3aio.RemoteProtocolError, match="message 3 came empty"):
            async with session(server) as client:
                await pop3aio.fetch(client, shelf, journal=journal, delete=pop3aio.Delete())
        assert len(server.mailbox) == 6
        assert not any(command.startswith("QUIT") for command in server.commands)
    assert shelf.contents() == sorted(MAIL[:2])
    # The first was taken alone, with a proof behind it. Nothing proves that the second came whole.
    assert len(journal.fetched) == 1


@pytest.mark.parametrize(
    ("answer", "commit"), [(b"-ERR [SYS/TEMP] some messages not removed\r\n", "refused"), (b"", "unknown")]
)
async def test_the_outcome_of_quit_is_reported(answer: bytes, commit: str) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "QUIT":
            session.write(answer)
            session.close()
        return keyword == "QUIT"

    async with Server(MAIL, on_command=hook) as server, session(server) as client:
        report = await pop3aio.fetch(client, Shelf(), journal=MemoryJournal(), delete=pop3aio.Delete())
    assert (report.deleted, report.commit) == (20, commit)
    assert len(report.failed) == (20 if commit == "refused" else 0)


async def test_deletions_that_are_refused_are_reported() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "DELE" and argument == "4":
            session.write(b"-ERR no\r\n")
            return True
        return False

    async with Server(MAIL, on_command=hook) as server, session(server) as client:
        report = await pop3aio.fetch(client, Shelf(), journal=MemoryJournal(), delete=pop3aio.Delete())
    assert [failure.number for failure in report.failed] == [4]
    assert (report.deleted, len(server.mailbox)) == (19, 1)


async def test_progress_goes_from_nothing_to_everything() -> None:
    states: list[pop3aio.Progress] = []
    async with Server(MAIL) as server, session(server) as client:
        await pop3aio.fetch(client, Shelf(), journal=MemoryJournal(), progress=states.append)
    octets = sum(map(len, MAIL))
    assert states[0] == pop3aio.Progress(0, 20, 0, octets)
    assert states[-1] == pop3aio.Progress(20, 20, octets, octets)
    assert [s.messages for s in states] == sorted(s.messages for s in states)


async def test_one_journal_serves_several_accounts(tmp_path: Path) -> None:
    users = {"user": ("password", Mailbox(MAIL[:1])), "other": ("password", Mailbox(MAIL[:1]))}
    # The same unique-id in both, as servers that count from 1 have it.
    for _, mailbox in users.values():
        mailbox.remove(mailbox.uids[0])
        mailbox.add(MAIL[0], uid="1")
    shelf = Shelf()
    async with Server(users=users) as server, pop3aio.SQLiteJournal(tmp_path / "journal") as journal:
        for user in users:
            async with pop3aio.connect(server.host, server.port, tls="none") as client:
                await client.login(user, "password", allow_insecure=True)
                report = await pop3aio.fetch(client, shelf, journal=journal)
                assert (report.fetched, report.account) == (1, f"{user}@{server.host}:{server.port}")


async def test_fetch_wants_a_login_or_a_name() -> None:
    async with Server(MAIL) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        with pytest.raises(pop3aio.LocalProtocolError, match="logged in"):
            await pop3aio.fetch(client, Shelf(), journal=MemoryJournal())
