"""Nothing is deleted that is not certain: what a broken server, a sender of mail, or a store may do to a run."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import unittest.mock
from collections.abc import AsyncIterable
from contextlib import suppress
from pathlib import Path

import pytest

import pop3aio
from maildir import Maildir
from pop3aio import Delete, Identity, Incoming, Keep
from pop3aio.testing import Refuse, Server, Session
from tests.kit.pace import stretched

from .support import Copies, MemoryJournal, mail, opener, session

MAIL = mail(6)
DAY = 86400.0


def as_it_is(session: Session, keyword: str, argument: str) -> bool:
    """A server that stuffs no dots."""
    if keyword != "RETR":
        return False
    message = session.server.mailbox[session.server.mailbox.uids[int(argument) - 1]]
    assert isinstance(message, bytes)
    session.write(b"+OK\r\n" + message + b".\r\n")
    return True


async def unstuffed(session: Session, keyword: str, argument: str) -> bool:
    return as_it_is(session, keyword, argument)


CUT = b"Subject: cut\r\n\r\nfirst half\r\n.\r\n" + b"second half of the mail\r\n" * 100
FORGED = (
    b"Subject: cut\r\n\r\nfirst half\r\n.\r\n"
    + b"+OK\r\nSubject: forged\r\n\r\nnot what was sent\r\n.\r\n" * 3
    + b"+OK 1 forged\r\n+OK 2 forged\r\n+OK 3 forged\r\n" * 3
)


@pytest.mark.parametrize("capabilities", [None, ["UIDL", "TOP", "USER"]], ids=["pipelined", "one by one"])
@pytest.mark.parametrize("bad", [CUT, FORGED], ids=["cut", "forged"])
@pytest.mark.parametrize("place", [0, 1, 3])
async def test_a_message_that_is_cut_is_never_deleted(
    tmp_path: Path, capabilities: list[str] | None, bad: bytes, place: int
) -> None:
    # Without a dot at the start of a line, which such a server spoils too.
    good = [b"Subject: %d\r\n\r\nbody of %d\r\n" % (number, number) for number in range(3)]
    messages = [*good[:place], bad, *good[place:]]
    options = {} if capabilities is None else {"capabilities": capabilities}
    async with (
        Server(messages, on_command=unstuffed, **options) as server,  # type: ignore[arg-type]
        Maildir(tmp_path / "box", newline="crlf") as box,
    ):
        for _ in range(3):
            with suppress(pop3aio.POP3Error):
                await pop3aio.collect(
                    opener(server, timeout=stretched(2)), box, journal=tmp_path / "journal", delete=Delete()
                )
        assert server.mailbox.messages == [bad]
        stored = [path.read_bytes() for path in (tmp_path / "box" / "new").iterdir()]
        assert all(stored.count(message) == 1 for message in good)
        assert not any(b"forged" in message for message in stored)


@pytest.mark.parametrize("quirks", ["dovecot", "courier"])
@pytest.mark.parametrize(
    "evil", [b".\r\n+OK\r\nSubject: forged\r\n\r\nforged\r\n.\r\n", b".\r\n", b"\r\n.\r\n+OK\r\nforged\r\n"]
)
@pytest.mark.parametrize("window", [1, 256])
async def test_where_no_sizes_are_listed(quirks: str, evil: bytes, window: int, tmp_path: Path) -> None:
    messages = [MAIL[0], evil, *MAIL[1:3]]
    faults = [Refuse("LIST"), *[Refuse(f"LIST {number}") for number in range(1, 5)]]
    store = Copies()
    async with Server(messages, faults=faults, quirks=quirks) as server:
        for _ in range(4):
            with suppress(pop3aio.POP3Error):
                async with server.client(window=window, timeout=stretched(1)) as client:
                    await pop3aio.fetch(client, store, journal=tmp_path / "journal", delete=Delete())
        left = [bytes(message) for message in server.mailbox.messages]  # type: ignore[arg-type]
    assert all(message in left or message in store.contents() for message in messages)


@pytest.mark.parametrize("reads", ["nothing", "a piece", "later"])
async def test_a_store_that_does_not_read_has_not_stored(reads: str) -> None:
    kept = []

    async def deliver(message: Incoming, key: str) -> None:
        kept.append(message)
        if reads == "a piece":
            await anext(message)

    async with Server([b"x" * 100_000, b"Subject: short\r\n\r\n"]) as server:
        async with session(server) as client:
            report = await pop3aio.fetch(client, deliver, journal=MemoryJournal(), delete=Delete())
        assert (report.fetched, report.deleted, len(server.mailbox)) == (0, 0, 2)
        assert [failure.kind for failure in report.failed] == ["store", "store"]
        # What was not read is not there any more: an error, never an empty message.
        with pytest.raises(pop3aio.LocalProtocolError, match="cannot be read any more"):
            await anext(kept[0])


async def test_what_is_durable_behind_a_failure_is_journalled(tmp_path: Path) -> None:
    """A group of four settles together, and the third of it has failed."""

    class Groups:
        def __init__(self, bad: int) -> None:
            self.stored: list[bytes] = []
            self.waiting: list[tuple[asyncio.Future[None], bytes]] = []
            self.bad = bad
            self.groups = 0

        async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
            octets = b"".join([chunk async for chunk in source])
            outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append((outcome, octets))
            if len(self.waiting) == 4 or not self.bad or self.groups:
                self.settle()
            return outcome

        def settle(self) -> None:
            for place, (outcome, content) in enumerate(self.waiting, start=1):
                if place == self.bad and not self.groups:
                    outcome.set_exception(OSError(5, "disk error"))
                else:
                    self.stored.append(content)
                    outcome.set_result(None)
            self.waiting.clear()
            self.groups += 1

    first, second = Groups(3), Groups(0)
    async with Server(MAIL) as server:
        with pytest.raises(OSError, match="disk error"):
            async with session(server) as client:
                await pop3aio.fetch(client, first, journal=tmp_path / "journal")
        async with session(server) as client:
            await pop3aio.fetch(client, second, journal=tmp_path / "journal")
    assert sorted(first.stored + second.stored) == sorted(MAIL)


async def test_a_copy_of_a_killed_run_is_remembered_by_a_run_that_does_not_come_to_it() -> None:
    """The message has a note besides, so that the first run takes the other one and leaves this one for the next."""

    class Box:
        def __init__(self) -> None:
            self.held: dict[str, bytes] = {}

        async def keys(self) -> set[str]:
            return set(self.held)

        async def submit(self, source: pop3aio.Incoming, *, key: str) -> asyncio.Future[None]:
            self.held[key] = b"".join([chunk async for chunk in source])
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done

        replace = submit

    box, journal = Box(), MemoryJournal()
    async with Server(MAIL[:2]) as server:
        account, uid = f"user@{server.host}:{server.port}", server.mailbox.uids[0]
        box.held[pop3aio.Identity(uid, 0).key(account)] = MAIL[0]
        journal.memos[account] = json.dumps({"coming": [[uid, 0, 0]], "notes": [[uid, 0, "broke", 1, 1, 1]]})
        for left in (1, 0):
            async with session(server) as client:
                await pop3aio.fetch(client, box, journal=journal, delete=Delete())
            assert len(server.mailbox) == left
    assert sorted(box.held.values()) == sorted(MAIL[:2])


async def test_a_unique_id_that_is_used_again(tmp_path: Path) -> None:
    start = time.time()
    async with Server() as server:
        server.add(b"Subject: old\r\n\r\nold\r\n", uid="1")

        async def run(day: float) -> pop3aio.FetchReport:
            with unittest.mock.patch("time.time", return_value=start + day * DAY):
                async with Maildir(tmp_path / "box") as box:
                    return await pop3aio.collect(
                        opener(server), box, journal=tmp_path / "journal", delete=Delete()
                    )

        for day in (0, 1, 40, 400):
            await run(day)
        server.add(b"Subject: new\r\n\r\nnew\r\n", uid="1")
        report = await run(401)
        assert (report.fetched, report.deleted, len(server.mailbox)) == (1, 1, 0)
    subjects = {path.read_bytes().split(b"\n")[0] for path in (tmp_path / "box" / "new").iterdir()}
    assert subjects == {b"Subject: old", b"Subject: new"}


async def test_a_unique_id_that_is_used_again_beside_a_message_without_a_name(tmp_path: Path) -> None:
    """The first message has two unique-ids and is refused, so that not everything that is listed has a name."""

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "UIDL" and not argument:
            uids = ["one", *session.server.mailbox.uids[1:]]
            lines = [f"{number} {uid}\r\n" for number, uid in enumerate(uids, 1)]
            session.write(f"+OK\r\n1 another\r\n{''.join(lines)}.\r\n".encode())
            return True
        if keyword == "RETR" and argument == "1":
            session.write(b"-ERR damaged\r\n")
            return True
        return False

    async with (
        Server([b"Subject: damaged\r\n\r\n"], on_command=hook) as server,
        Maildir(tmp_path / "box") as box,
    ):
        for number in range(3):
            server.add(b"Subject: %d\r\n\r\n" % number, uid="again")
            # The next listing comes without it, and yet another one with the next message under its name.
            for _ in range(2):
                await pop3aio.collect(opener(server), box, journal=tmp_path / "journal", delete=Delete())
            assert len(server.mailbox) == 1
    subjects = {path.read_bytes().split(b"\n")[0] for path in (tmp_path / "box" / "new").iterdir()}
    assert subjects == {b"Subject: 0", b"Subject: 1", b"Subject: 2"}


async def test_a_unique_id_that_is_used_again_behind_a_session_that_broke(tmp_path: Path) -> None:
    """The session without it breaks over a message without a name, before anything is compared."""
    closes = False

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "UIDL" and not argument:
            uids = session.server.mailbox.uids[1:]
            lines = [f"{number} {uid}\r\n" for number, uid in enumerate(uids, 2)]
            session.write(f"+OK\r\n1 one\r\n1 another\r\n{''.join(lines)}.\r\n".encode())
            return True
        if keyword == "RETR" and argument == "1":
            session.write(b"-ERR damaged\r\n")
            if closes:
                session.close()
            return True
        return False

    async with (
        Server([b"Subject: damaged\r\n\r\n"], on_command=hook) as server,
        Maildir(tmp_path / "box") as box,
    ):

        async def run() -> None:
            async with session(server) as client:
                await pop3aio.fetch(client, box, journal=tmp_path / "journal", delete=Delete())

        server.add(b"Subject: old\r\n\r\n", uid="again")
        await run()
        assert len(server.mailbox) == 1
        closes = True
        with pytest.raises(pop3aio.ConnectionLost):
            await run()
        closes = False
        server.add(b"Subject: new\r\n\r\n", uid="again")
        await run()
        await run()
        assert len(server.mailbox) == 1
    subjects = {path.read_bytes().split(b"\n")[0] for path in (tmp_path / "box" / "new").iterdir()}
    assert subjects == {b"Subject: old", b"Subject: new"}


async def test_a_unique_id_that_is_used_again_at_once_with_one_store_for_years(tmp_path: Path) -> None:
    async with Server() as server, Maildir(tmp_path / "box") as box:
        for number in range(4):
            server.add(b"Subject: %d\r\n\r\n" % number, uid="1")
            report = await pop3aio.collect(opener(server), box, journal=tmp_path / "journal", delete=Delete())
            assert (report.fetched, report.deleted, len(server.mailbox)) == (1, 1, 0)
            # A listing without it, so that it is known to be gone.
            await pop3aio.collect(opener(server), box, journal=tmp_path / "journal", delete=Delete())
    assert len(list((tmp_path / "box" / "new").iterdir())) == 4


async def test_a_memo_that_fails_behind_dele_deletes_nothing() -> None:
    """Also if the caller catches the error inside the block, and leaves that cleanly."""

    class Full(MemoryJournal):
        async def memo(self, account: str, text: str | None = None) -> str:
            if text is not None and "deleting" in text:
                raise pop3aio.JournalError("no room")
            return await super().memo(account, text)

    async with Server(MAIL[:2]) as server:
        async with session(server) as client:
            with pytest.raises(pop3aio.JournalError, match="no room"):
                await pop3aio.fetch(client, Copies(), journal=Full(), delete=Delete())
        assert len(server.mailbox) == 2


async def test_a_run_that_breaks_behind_dele_deletes_nothing_later() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> None:
        if keyword == "DELE" and argument == "2":
            task.cancel()

    async with Server(MAIL[:3], on_command=hook) as server:

        async def run() -> None:
            async with session(server) as client:
                with suppress(asyncio.CancelledError):
                    await pop3aio.fetch(client, Copies(), journal=MemoryJournal(), delete=Delete())

        task = asyncio.ensure_future(run())
        await task
        assert len(server.mailbox) == 3
        assert "QUIT" not in server.commands


async def test_a_message_that_swallows_the_next_answer(tmp_path: Path) -> None:
    """The final dot stands right behind a text without a line end: Exchange 2000 does that."""
    messages = mail(10)
    messages[2] = messages[2].removesuffix(b"\r\n")

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "RETR":
            return False
        message = session.server.mailbox[session.server.mailbox.uids[int(argument) - 1]]
        assert isinstance(message, bytes)
        session.write(b"+OK\r\n" + message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return True

    async with (
        Server(messages, on_command=hook) as server,
        Maildir(tmp_path / "box", newline="crlf") as box,
    ):
        for _ in range(3):
            with suppress(pop3aio.POP3Error):
                await pop3aio.collect(
                    opener(server, timeout=stretched(0.5)), box, journal=tmp_path / "journal", delete=Delete()
                )
        assert server.mailbox.messages == [messages[2]]
        stored = [path.read_bytes() for path in (tmp_path / "box" / "new").iterdir()]
    assert all(stored.count(message) == 1 for message in messages if message != messages[2])
    # What came of the bad one at first stays, doubtful, until a whole copy can take its place.
    assert len(stored) == 10


async def test_answers_that_are_mixed_up(tmp_path: Path) -> None:
    """WildDuck before its pull request 950: the status line of the next message stands within the first."""

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and session._wire.has_received(b"RETR"):
            session.write(
                b"+OK\r\n" + MAIL[0][:40] + b"+OK\r\n" + MAIL[0][40:] + b".\r\n" + MAIL[1] + b".\r\n"
            )
            session._wire.forget_received()
            return True
        return False

    async with (
        Server(MAIL[:2], on_command=hook) as server,
        Maildir(tmp_path / "box", newline="crlf") as box,
    ):
        report = await pop3aio.collect(
            opener(server, timeout=stretched(1)), box, journal=tmp_path / "journal", delete=Delete()
        )
        assert (report.fetched, report.deleted, len(server.mailbox)) == (2, 2, 0)
    stored = sorted(path.read_bytes() for path in (tmp_path / "box" / "new").iterdir())
    assert stored == sorted(MAIL[:2])


# A maildrop under new names.


async def test_all_unique_ids_are_new(tmp_path: Path) -> None:
    store = Copies()
    async with Server(MAIL) as server, session(server) as client:
        await pop3aio.fetch(client, store, journal=tmp_path / "journal")
    async with Server(MAIL, port=server.port) as migrated:
        with pytest.raises(pop3aio.MaildropChanged) as caught:
            async with session(migrated) as client:
                await pop3aio.fetch(client, store, journal=tmp_path / "journal", delete=Delete())
        assert (caught.value.reason, caught.value.listed, caught.value.known) == ("renamed", 6, 6)
        assert not any(command.startswith(("RETR", "DELE")) for command in migrated.commands)
        async with session(migrated) as client:
            report = await pop3aio.fetch(client, store, journal=tmp_path / "journal", adopt=True)
        assert (report.adopted, report.fetched) == (6, 0)
        # What was adopted was not fetched, so it is never deleted.
        async with session(migrated) as client:
            report = await pop3aio.fetch(client, store, journal=tmp_path / "journal", delete=Delete())
        assert (report.known, report.fetched, report.deleted, len(migrated.mailbox)) == (6, 0, 0, 6)


async def test_all_unique_ids_are_new_and_all_is_fetched_again(tmp_path: Path) -> None:
    async with Server(MAIL) as server, session(server) as client:
        await pop3aio.fetch(client, Copies(), journal=tmp_path / "journal")
    async with Server(MAIL, port=server.port) as migrated, session(migrated) as client:
        report = await pop3aio.fetch(client, Copies(), journal=tmp_path / "journal", again=True)
        assert report.fetched == 6


async def test_other_mail_is_no_change(tmp_path: Path) -> None:
    """Another program has emptied the maildrop, and other mail has come."""
    async with Server(MAIL) as server:
        async with session(server) as client:
            await pop3aio.fetch(client, Copies(), journal=tmp_path / "journal")
        for uid in server.mailbox.uids:
            server.mailbox.remove(uid)
        for number in range(4):
            server.mailbox.add(b"Subject: %d\r\n\r\n" % number + b"x" * number * 7 + b"\r\n")
        async with session(server) as client:
            report = await pop3aio.fetch(client, Copies(), journal=tmp_path / "journal")
        assert report.fetched == 4


async def test_the_host_is_spelt_otherwise(tmp_path: Path) -> None:
    store = Copies()
    async with Server(MAIL) as server:
        async with session(server) as client:
            await pop3aio.fetch(client, store, journal=tmp_path / "journal", account="user@localhost")
        with pytest.raises(pop3aio.MaildropChanged) as caught:
            async with session(server) as client:
                await pop3aio.fetch(client, store, journal=tmp_path / "journal", account="user@127.0.0.1")
        assert (caught.value.reason, caught.value.other) == ("account", "user@localhost")
        assert "account='user@localhost'" in str(caught.value)
        # Another user of the same host may have the same unique-ids.
        async with session(server) as client:
            report = await pop3aio.fetch(
                client, Copies(), journal=tmp_path / "journal", account="other@localhost"
            )
        assert report.fetched == 6


# The journal.


async def test_what_was_deleted_is_forgotten_behind_one_listing_without_it(tmp_path: Path) -> None:
    async with Server(MAIL) as server, pop3aio.SQLiteJournal(tmp_path / "journal") as journal:
        async with session(server) as client:
            account = client.account
            assert account is not None
            uids = server.mailbox.uids
            await pop3aio.fetch(client, Copies(), journal=journal, delete=Delete())
        # Nothing has shown yet that they are gone.
        assert await journal.compare(account, uids) == []
        async with session(server) as client:
            await pop3aio.fetch(client, Copies(), journal=journal, delete=Delete())
        assert await journal.compare(account, uids) == list(range(6))


async def test_deletions_that_the_server_forgets_are_noticed(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "DELE":
            session.write(b"+OK deleted\r\n")
        return keyword == "DELE"

    store = Copies()
    async with Server(MAIL, on_command=hook) as server:
        for returned in (0, 6, 6):
            async with session(server) as client:
                report = await pop3aio.fetch(client, store, journal=tmp_path / "journal", delete=Delete())
            assert (report.returned, report.commit) == (returned, "committed")
    assert len(store.messages) == 6


async def test_a_message_hidden_twice_is_known_for_thirty_days(tmp_path: Path) -> None:
    start = time.time()
    async with pop3aio.SQLiteJournal(tmp_path / "journal") as journal:

        async def at(day: float, uids: list[str]) -> list[int]:
            with unittest.mock.patch("time.time", return_value=start + day * DAY):
                new = await journal.compare("a", uids)
                await journal.record("a", [pop3aio.identities(uids)[position] for position in new])
                return new

        assert await at(0, ["A", "B", "C"]) == [0, 1, 2]
        for day, uids in ((1, "AB"), (2, "ABC"), (40, "ABC"), (60, "AB"), (61, "ABC"), (90, "AB")):
            assert await at(day, list(uids)) == []
        assert await at(119, list("ABC")) == []
        await at(120, list("AB"))
        await at(151, list("AB"))
        assert await at(152, list("ABC")) == [2]


async def test_a_message_that_stays_in_front_keeps_nothing_from_being_forgotten(tmp_path: Path) -> None:
    start = time.time()
    async with pop3aio.SQLiteJournal(tmp_path / "journal") as journal:
        for day in range(100):
            with unittest.mock.patch("time.time", return_value=start + day * DAY):
                uids = ["stays", *(f"{day}-{number}" for number in range(20))]
                new = await journal.compare("a", uids)
                await journal.record("a", [pop3aio.identities(uids)[position] for position in new])
        known = [f"{day}-{number}" for day in range(100) for number in range(20)]
        rows = len(known) - len(await journal.compare("a", known, complete=False))
    assert 30 * 20 < rows < 33 * 20


async def test_the_cost_of_a_comparison_is_that_of_the_listing(tmp_path: Path) -> None:
    """What is remembered does not count: measured by what SQLite does, in steps of its machine."""
    steps = []
    for rows in (1_000, 100_000):
        async with pop3aio.SQLiteJournal(tmp_path / f"journal{rows}") as journal:
            await journal.record("a", [Identity(f"{number:020x}", 0) for number in range(rows)])
            await journal.compare("a", ["x"])
            count = 0

            def note() -> int:
                nonlocal count
                count += 1
                return 0

            await journal._run(lambda database: database.set_progress_handler(note, 100))
            for _ in range(3):
                await journal.compare("a", [f"n{number}" for number in range(5)])
                await journal.fetched_until("a", [f"n{number}" for number in range(5)], time.time())
            steps.append(count)
    assert steps[1] <= 2 * steps[0] + 10


async def test_a_journal_of_an_earlier_format_is_carried_over(tmp_path: Path) -> None:
    account = ""
    async with Server(MAIL[:4]) as server:
        async with session(server) as client:
            account = client.account or ""
            await pop3aio.fetch(client, Copies(), journal=tmp_path / "journal", limit=2)
        uids = server.mailbox.uids
        async with pop3aio.SQLiteJournal(tmp_path / "journal") as journal:
            # As the version before wrote it.
            await journal.memo(account, f'{{"deleting": [["{uids[0]}", 0]], "empty": [["{uids[2]}", 0]]}}')
            await journal._run(_earlier)
        store = Copies()
        async with session(server) as client:
            report = await pop3aio.fetch(client, store, journal=tmp_path / "journal", delete=Keep())
        assert (report.known, report.fetched) == (2, 2)
        assert report.resolved == pop3aio.Resolved(0, 1)


def _earlier(database: sqlite3.Connection) -> None:
    with database:
        database.execute("ALTER TABLE listing DROP COLUMN swept")
    database.execute("PRAGMA user_version = 2")
