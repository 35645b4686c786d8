"""The journal: what was noted stays noted, and a file that cannot be used says what to do."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import pop3aio
from pop3aio import Identity, JournalError, SQLiteJournal, identities

ONE, TWO, THREE = (Identity(uid, 0) for uid in ("one", "two", "three"))
DAY = 86400.0


async def test_what_was_recorded_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    before = time.time()
    async with SQLiteJournal(tmp_path / "journal") as journal:
        await journal.record("me@here", [ONE, Identity("one", 1)])
        await journal.record("me@here", [ONE])
    uids = ["one", "two", "one", "one"]
    async with SQLiteJournal(tmp_path / "journal") as journal:
        assert await journal.compare("me@here", uids) == [1, 3]
        assert await journal.compare("you@here", uids) == [0, 1, 2, 3]
        assert await journal.fetched_until("me@here", uids, time.time()) == [0, 2]
        assert await journal.fetched_until("me@here", uids, before - 1) == []


async def test_what_follows_a_listing_that_has_not_changed_is_looked_up(tmp_path: Path) -> None:
    """The short cut: the front of the listing is the same as last time."""
    async with SQLiteJournal(tmp_path / "journal") as journal:
        uids = ["one", "two", "one"]
        assert await journal.compare("a", uids) == [0, 1, 2]
        await journal.record("a", identities(uids))
        for _ in range(2):
            assert await journal.compare("a", uids) == []
        # Behind the known front: a known one, an unknown one, and one that shares the unique-id of two in front.
        await journal.record("a", [THREE])
        assert await journal.compare("a", [*uids, "three", "four", "one"]) == [4, 5]
        await journal.record("a", [Identity("one", 2)])
        assert await journal.compare("a", [*uids, "three", "four", "one"]) == [4]
        # A front that has changed is looked up whole.
        assert await journal.compare("a", ["two", "one"]) == []
        assert await journal.compare("a", ["zero", *uids]) == [0]


async def test_a_front_does_not_outlive_its_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1_000_000_000.0
    monkeypatch.setattr("pop3aio._fetch._sqlite_journal.time.time", lambda: clock)
    async with SQLiteJournal(tmp_path / "journal") as journal:
        await journal.record("a", [ONE, TWO])
        assert await journal.compare("a", ["one", "two"]) == []
        assert await journal.compare("a", []) == []
        clock += DAY
        assert await journal.compare("a", []) == []
        clock += 31 * DAY
        assert await journal.compare("a", []) == []
        assert await journal.compare("a", ["one", "two"]) == [0, 1]


async def test_the_file_is_private(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "journal"):
        pass
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600


async def test_what_is_hidden_for_a_while_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_000_000_000.0
    monkeypatch.setattr("pop3aio._fetch._sqlite_journal.time.time", lambda: clock)
    async with SQLiteJournal(tmp_path / "journal") as journal:
        await journal.record("a", [ONE, TWO, THREE])
        await journal.compare("a", ["one"])
        clock += 29 * DAY
        # TWO comes back in time, THREE does not.
        assert await journal.compare("a", ["two"]) == []
        clock += 2 * DAY
        await journal.compare("a", ["one"])
        assert await journal.compare("a", ["two", "one", "three"]) == [2]


async def test_a_listing_of_one_account_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_000_000_000.0
    monkeypatch.setattr("pop3aio._fetch._sqlite_journal.time.time", lambda: clock)
    async with SQLiteJournal(tmp_path / "journal") as journal:
        await journal.record("a", [ONE])
        await journal.record("b", [ONE])
        await journal.compare("a", [])
        clock += 31 * DAY
        await journal.compare("a", [])
        assert await journal.compare("b", ["one"]) == []


@pytest.mark.parametrize(
    "junk",
    [b"this is no database, it only is in the place of one" * 100, b"SQLite format 3\0" + b"\xff" * 4096],
)
async def test_a_damaged_file_says_what_to_do(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "journal").write_bytes(junk)
    with pytest.raises(JournalError, match=r"damaged.*move it away"):
        async with SQLiteJournal(tmp_path / "journal"):
            pass
    assert (tmp_path / "journal").read_bytes() == junk


async def test_a_file_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "journal"):
        pass
    database = sqlite3.connect(tmp_path / "journal")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match="newer pop3aio"):
        async with SQLiteJournal(tmp_path / "journal"):
            pass


async def test_a_file_of_an_older_format_is_taken_on(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "journal") as journal:
        await journal.record("a", [ONE])
    database = sqlite3.connect(tmp_path / "journal")
    database.execute("DROP TABLE memo")
    database.execute("PRAGMA user_version = 1")
    database.close()
    async with SQLiteJournal(tmp_path / "journal") as journal:
        assert await journal.compare("a", ["one", "two"]) == [1]
        assert await journal.memo("a", "text") == ""


async def test_a_memo_stays(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "journal") as journal:
        assert await journal.memo("a") == ""
        assert await journal.memo("a", "first") == ""
        assert await journal.memo("a", "second") == "first"
        assert await journal.memo("b") == ""
    async with SQLiteJournal(tmp_path / "journal") as journal:
        assert await journal.memo("a") == "second"


async def test_to_look_writes_nothing(tmp_path: Path) -> None:
    """Also on a full disk a run can find out that there is nothing to do."""
    async with SQLiteJournal(tmp_path / "journal") as journal:
        await journal.record("a", [ONE])
        await journal.compare("a", ["one"])
    before = (tmp_path / "journal").read_bytes()
    async with SQLiteJournal(tmp_path / "journal") as journal:
        assert await journal.compare("a", ["one"]) == []
        assert await journal.memo("a") == ""
        log = tmp_path / "journal-wal"
        assert not log.exists() or log.stat().st_size == 0
    assert (tmp_path / "journal").read_bytes() == before


async def test_the_log_is_private_too(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        async with SQLiteJournal(tmp_path / "journal") as journal:
            await journal.record("a", [ONE])
            assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(old)


async def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no-such-folder"):
        async with SQLiteJournal(tmp_path / "no-such-folder" / "journal"):
            pass


async def test_a_second_process_is_told_at_once(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from pop3aio import SQLiteJournal
        async def main():
            async with SQLiteJournal(sys.argv[1]):
                print("open", flush=True)
                sys.stdin.read()
        asyncio.run(main())
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "journal"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(JournalError, match="another process"):
            async with SQLiteJournal(tmp_path / "journal"):
                pass
        other.communicate()
    async with SQLiteJournal(tmp_path / "journal") as journal:
        assert await journal.compare("a", ["one"]) == [0]


async def test_closing_ends_the_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    journal = SQLiteJournal(tmp_path / "journal")
    await journal.aclose()
    async with journal:
        assert threading.active_count() == before + 1
    await journal.aclose()
    assert threading.active_count() == before
    assert "journal" in repr(journal)


async def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with SQLiteJournal("~/journal") as journal:
        await journal.record("a", [ONE])
    assert journal.path == tmp_path / "journal"
    assert journal.path.exists()


async def test_a_change_of_the_working_directory_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # SQLite takes this name for no file at all, and would forget everything.
    journal = SQLiteJournal(":memory:")
    monkeypatch.chdir("/")
    async with journal:
        await journal.record("a", [ONE])
    assert (tmp_path / ":memory:").stat().st_size > 0


def test_a_path_that_is_empty_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        SQLiteJournal("")


def test_a_key_is_hex_and_tells_messages_apart() -> None:
    keys = {
        Identity(uid, ordinal).key(account)
        for uid in ("1", "2", "../../etc/passwd", "\xff")
        for ordinal in (0, 1)
        for account in ("me@here", "you@here")
    }
    assert len(keys) == 16
    assert all(len(key) == 32 and set(key) <= set("0123456789abcdef") for key in keys)


def test_an_error_of_the_journal_is_an_error_of_pop3aio() -> None:
    assert issubclass(JournalError, pop3aio.POP3Error)
