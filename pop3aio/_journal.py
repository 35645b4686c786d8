"""What was fetched already, noted so that a power cut does not undo it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self, TypeVar

from pop3core import POP3Error

__all__ = ("Identity", "Journal", "JournalError", "SQLiteJournal")

_T = TypeVar("_T")

_FORGET_AFTER = 30 * 86400.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fetched (
    account TEXT NOT NULL,
    uid TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    at REAL NOT NULL,
    gone REAL,
    PRIMARY KEY (account, uid, ordinal)
) WITHOUT ROWID;
"""
_VERSION = 1


class JournalError(POP3Error):
    """The journal cannot be used; the message says what to do."""


class Identity(NamedTuple):
    """What a message is recognised by in later sessions.

    `uid` is its unique-id. Servers give equal messages the same one now and then; `ordinal` counts those from 0, in
    the order of the listing.
    """

    uid: str
    ordinal: int

    def key(self, account: str) -> str:
        """Return 32 hex digits for this message of this account, to find it in a store.

        Unique-ids may be chosen by whoever sends the mail, so they are hashed before they become part of a name.
        """
        octets = f"{account}\0{self.uid}\0{self.ordinal}".encode()
        return hashlib.sha256(octets).hexdigest()[:32]


class Journal(Protocol):
    """What `fetch` asks of a journal; bring your own to keep it in PostgreSQL, Redis or elsewhere."""

    async def compare(self, account: str, listed: Sequence[Identity]) -> Sequence[float | None]:
        """Take the complete listing of a maildrop, and return when each message was fetched.

        Times are seconds since the epoch, None for a message that was not fetched yet. Messages that are known and
        not listed may be forgotten after some time, not at once: servers hide messages now and then.
        """

    async def record(self, account: str, fetched: Iterable[Identity]) -> None:
        """Note messages as fetched; when this returns it must survive a power cut."""


class SQLiteJournal:
    """A journal in one SQLite file, made if it is not there.

    `path` is the file. While it is open no other process can use it, so that two runs cannot fetch the same message.
    Use it in ``async with``. Its work is done in a thread of its own; a cancelled call runs to its end there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._executor: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"SQLiteJournal({str(self.path)!r})"

    async def __aenter__(self) -> Self:
        try:
            await self._run(lambda _: None)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the file and end the thread; what was recorded is safe."""
        executor, self._executor = self._executor, None
        if executor is not None:
            # Behind whatever still runs there, also when this is cancelled.
            done = asyncio.get_running_loop().run_in_executor(executor, self._close)
            executor.shutdown(wait=False)
            await done
            # The thread has nothing left to do but to end.
            executor.shutdown()

    async def compare(self, account: str, listed: Sequence[Identity]) -> list[float | None]:
        """See `Journal.compare`; forgets what was not listed for 30 days. Raises JournalError."""
        return await self._run(lambda database: _compare(database, account, listed, time.time()))

    async def record(self, account: str, fetched: Iterable[Identity]) -> None:
        """See `Journal.record`; raises JournalError."""
        rows = [(account, identity.uid, identity.ordinal, time.time()) for identity in fetched]

        def insert(database: sqlite3.Connection) -> None:
            with database:
                database.executemany("INSERT OR IGNORE INTO fetched VALUES (?, ?, ?, ?, NULL)", rows)

        await self._run(insert)

    async def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="pop3aio-journal")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._work, work)

    # -- in the thread

    def _work(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            if self._database is None:
                self._database = self._open()
            return work(self._database)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalError(
                    f"another process is using the journal {self.path}; let it finish, or give this run its own"
                ) from error
            raise JournalError(f"the journal {self.path} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"the journal {self.path} is damaged ({error}): move it away and run again; what stands in the "
                "Maildir already is recognised there and not fetched twice"
            ) from error

    def _open(self) -> sqlite3.Connection:
        existed = self.path.exists()
        database = sqlite3.connect(self.path, timeout=1.0)
        try:
            # Held until the file is closed: a second process is told so at once.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise JournalError(
                    f"the journal {self.path} was written by a newer pop3aio (format {version}); use that one"
                )
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.execute(_SCHEMA)
                database.execute(f"PRAGMA user_version = {_VERSION}")
        except BaseException:
            database.close()
            raise
        if not existed:
            self.path.chmod(0o600)
            _sync_directory(self.path.parent)
        return database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _compare(
    database: sqlite3.Connection, account: str, listed: Sequence[Identity], now: float
) -> list[float | None]:
    with closing(
        database.execute("SELECT uid, ordinal, at, gone FROM fetched WHERE account = ?", (account,))
    ) as rows:
        known = {(uid, ordinal): (at, gone) for uid, ordinal, at, gone in rows}
    times = [known[identity][0] if identity in known else None for identity in listed]
    present = set(listed)
    missing = [
        (now, account, *identity)
        for identity, (_, gone) in known.items()
        if identity not in present and gone is None
    ]
    back = [
        (account, *identity)
        for identity, (_, gone) in known.items()
        if identity in present and gone is not None
    ]
    with database:
        database.executemany(
            "UPDATE fetched SET gone = ? WHERE account = ? AND uid = ? AND ordinal = ?", missing
        )
        database.executemany(
            "UPDATE fetched SET gone = NULL WHERE account = ? AND uid = ? AND ordinal = ?", back
        )
        database.execute("DELETE FROM fetched WHERE account = ? AND gone < ?", (account, now - _FORGET_AFTER))
    return times


def _sync_directory(path: Path) -> None:
    # Without this a power cut may take the new file's name away. Not every system can open a directory.
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
