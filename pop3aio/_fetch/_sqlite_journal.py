"""The journal in one SQLite file."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pop3aio._fetch._journal import Identity, JournalError, JournalFault, identities

__all__ = ("SQLiteJournal", "fault_of")

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
) WITHOUT ROWID
"""

# The messages at the front of the last listing that were all known then: how many, and a hash of their unique-ids.
_LISTING = """
CREATE TABLE IF NOT EXISTS listing (
    account TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    digest BLOB NOT NULL,
    swept REAL
) WITHOUT ROWID
"""

# What `fetch` leaves for its next run.
_MEMO = """
CREATE TABLE IF NOT EXISTS memo (
    account TEXT PRIMARY KEY,
    text TEXT NOT NULL
) WITHOUT ROWID
"""

_VERSION = 3

_REASONS: dict[int, JournalFault] = {
    sqlite3.SQLITE_BUSY: "in use",
    sqlite3.SQLITE_LOCKED: "in use",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot open",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}

# The same for what the system says.
_OPENING: dict[int, JournalFault] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "read-only",
}

# How often the whole account is gone through, for what is not listed any more.
_SWEEP_EVERY = 86400.0
# A time of fetching that never comes: of messages that were not fetched but taken as known.
_NEVER = 1e18
# How many unique-ids are looked up by one query; SQLite takes 32766 values, older ones 999.
_TOGETHER = 500


class SQLiteJournal:
    """A journal in one SQLite file, made if it is not there.

    `path` is the file; ``~`` at its beginning is expanded. While it is open no other process can use it, so that two
    runs cannot fetch the same message. Use it in ``async with``. Its work is done in a thread of its own; a cancelled
    call runs to its end there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not os.fspath(path):
            raise ValueError("a journal is a file, and the path of this one is empty")
        # Absolute, so that a change of the working directory does not take it elsewhere.
        self.path: Path = Path(os.path.abspath(os.path.expanduser(path)))
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
        """Close the file and end the thread; what was recorded is safe. Cancelling waits for the end all the same."""
        executor, self._executor = self._executor, None
        if executor is not None:
            # Behind whatever still runs there.
            done = asyncio.get_running_loop().run_in_executor(executor, self._close)
            executor.shutdown(wait=False)
            cancelled: asyncio.CancelledError | None = None
            while not done.done():
                # Cancelling `done` would take it out of the thread's queue, and leave the file open and locked.
                try:
                    await asyncio.wait([done])
                except asyncio.CancelledError as error:
                    cancelled = error
            # The thread has nothing left to do but to end.
            executor.shutdown()
            done.result()
            if cancelled is not None:
                raise cancelled

    async def compare(self, account: str, uids: Sequence[str], *, complete: bool = True) -> list[int]:
        """See `Journal.compare`; forgets what was not listed for 30 days. Raises JournalError.

        What has not changed since the last time costs a hash of it: only what follows is looked up. Once a day the
        whole account is gone through for what is missing.
        """
        return await self._run(lambda database: _compare(database, account, uids, time.time(), complete))

    async def fetched_until(self, account: str, uids: Sequence[str], when: float) -> list[int]:
        """See `Journal.fetched_until`; raises JournalError."""
        return await self._run(lambda database: _fetched_until(database, account, uids, when))

    async def record(self, account: str, fetched: Iterable[Identity]) -> None:
        """See `Journal.record`; raises JournalError."""
        await self._note(account, fetched, time.time())

    async def adopt(self, account: str, known: Iterable[Identity]) -> None:
        """Note messages as known that were never fetched; see `Journal`. Raises JournalError."""
        await self._note(account, known, _NEVER)

    async def _note(self, account: str, messages: Iterable[Identity], at: float) -> None:
        rows = [(account, uid, ordinal, at) for uid, ordinal in messages]

        def insert(database: sqlite3.Connection) -> None:
            with database:
                database.executemany("INSERT OR IGNORE INTO fetched VALUES (?, ?, ?, ?, NULL)", rows)

        await self._run(insert)

    async def forget(self, account: str, gone: Iterable[Identity]) -> None:
        """Forget messages that were deleted; see `Journal`. Raises JournalError."""
        rows = [(account, uid, ordinal) for uid, ordinal in gone]

        def delete(database: sqlite3.Connection) -> None:
            with database:
                database.executemany(f"DELETE FROM fetched {_ONE}", rows)  # noqa: S608 - ours
                # What is noted of the listing's front says that its messages are known.
                database.execute("UPDATE listing SET count = 0, digest = '' WHERE account = ?", (account,))

        await self._run(delete)

    async def present(self, account: str) -> int:
        """Return how many known messages the last listing had; see `Journal`. Raises JournalError."""
        return await self._run(lambda database: _present(database, account))

    async def elsewhere(self, account: str, uids: Sequence[str]) -> dict[str, int]:
        """Return other accounts of the same user that know these unique-ids; see `Journal`. Raises JournalError."""
        return await self._run(lambda database: _elsewhere(database, account, uids))

    async def memo(self, account: str, text: str | None = None) -> str:
        """See `Journal.memo`; raises JournalError."""
        return await self._run(lambda database: _memo(database, account, text))

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
        except sqlite3.DatabaseError as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.DatabaseError) -> JournalError:
        """Say what is wrong with the file, by SQLite's number and not by its words."""
        reason = fault_of(error, self.path.parent)
        match reason:
            case "in use":
                text = (
                    f"another process is using the journal {self.path}; let it finish, or give a run for another "
                    "account its own"
                )
            case "damaged":
                text = (
                    f"the journal {self.path} is damaged ({error}): move it away and run again; what stands in the "
                    "Maildir already is recognised there and not fetched twice"
                )
            case "read-only":
                text = f"the journal {self.path} cannot be written: the file or its file system is read-only"
            case "full":
                free = shutil.disk_usage(self.path.parent).free
                text = f"the journal {self.path} cannot be used: the disk is full, {free} octets are free"
            case _:
                text = f"the journal {self.path} cannot be used: {error}"
        return JournalError(text, reason=reason)

    def _open(self) -> sqlite3.Connection:
        existed = self.path.exists()
        # For nobody else to read from the first moment; SQLite gives its log the same permissions.
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            # SQLite would only say that it is unable to open the file.
            raise JournalError(
                f"the journal {self.path} cannot be opened: {error.strerror}",
                reason=_OPENING.get(error.errno or 0, "cannot open"),
            ) from error
        database = sqlite3.connect(self.path, timeout=1.0)
        try:
            # Held until the file is closed: a second process is told so at once.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise JournalError(
                    f"the journal {self.path} was written by a newer pop3aio (format {version}); use that one",
                    reason="newer",
                )
            with database:
                database.execute("BEGIN IMMEDIATE")
                # A run that finds nothing to do writes nothing.
                if version < _VERSION:
                    if version:
                        # Made anew by the next listing.
                        database.execute("DROP TABLE IF EXISTS listing")
                    for table in (_SCHEMA, _LISTING, _MEMO):
                        database.execute(table)
                    database.execute(f"PRAGMA user_version = {_VERSION}")
        except BaseException:
            database.close()
            raise
        if not existed:
            _sync_directory(self.path.parent)
        return database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


_ONE = "WHERE account = ? AND uid = ? AND ordinal = ?"


def _compare(
    database: sqlite3.Connection, account: str, uids: Sequence[str], now: float, complete: bool
) -> list[int]:
    row = database.execute(
        "SELECT count, digest, swept FROM listing WHERE account = ?", (account,)
    ).fetchone()
    start, swept = 0, None
    if row is not None:
        count, digest, swept = row
        # Of the first messages all that were listed last time, and known, or none.
        start = count if count <= len(uids) and _digest(uids[:count]) == digest else 0
    known = _rows(database, account, uids[start:])
    listed = identities(uids, start)
    new = [position for position, identity in enumerate(listed, start) if identity not in known]
    front = new[0] if new else len(uids)
    due = swept is None or not swept <= now < swept + _SWEEP_EVERY
    if due and complete:
        # Bookkeeping can wait: a full disk must not keep a run from looking.
        with suppress(sqlite3.OperationalError), database:
            _sweep(database, account, identities(uids), now)
            swept = now
    if due or row is None or front != start or not start:
        with suppress(sqlite3.OperationalError), database:
            values = (account, front, _digest(uids[:front]), swept)
            if row != values[1:]:
                database.execute("INSERT OR REPLACE INTO listing VALUES (?, ?, ?, ?)", values)
    return new


def _digest(uids: Sequence[str]) -> bytes:
    # No unique-id holds a line end.
    return hashlib.sha256("\n".join(uids).encode()).digest()


def _rows(database: sqlite3.Connection, account: str, uids: Sequence[str]) -> dict[tuple[str, int], float]:
    """Return when the messages with these unique-ids were fetched; the cost is that of what is listed."""
    found: dict[tuple[str, int], float] = {}
    for start in range(0, len(uids), _TOGETHER):
        some = uids[start : start + _TOGETHER]
        marks = ",".join("?" * len(some))
        query = f"SELECT uid, ordinal, at FROM fetched WHERE account = ? AND uid IN ({marks})"  # noqa: S608 - marks
        found |= {(uid, ordinal): at for uid, ordinal, at in database.execute(query, (account, *some))}
    return found


def _sweep(database: sqlite3.Connection, account: str, listed: Sequence[Identity], now: float) -> None:
    """Note what is listed no more, and what is again; forget what has been missing for long."""
    query = "SELECT uid, ordinal, gone FROM fetched WHERE account = ?"
    known = {(uid, ordinal): gone for uid, ordinal, gone in database.execute(query, (account,))}
    present = set(listed)
    missing = [(now, account, *key) for key, gone in known.items() if key not in present and gone is None]
    back = [(account, *key) for key, gone in known.items() if key in present and gone is not None]
    database.executemany(f"UPDATE fetched SET gone = ? {_ONE}", missing)  # noqa: S608 - ours
    database.executemany(f"UPDATE fetched SET gone = NULL {_ONE}", back)  # noqa: S608 - ours
    database.execute("DELETE FROM fetched WHERE account = ? AND gone < ?", (account, now - _FORGET_AFTER))


def _fetched_until(database: sqlite3.Connection, account: str, uids: Sequence[str], when: float) -> list[int]:
    rows = _rows(database, account, uids)
    return [
        position for position, identity in enumerate(identities(uids)) if rows.get(identity, _NEVER) <= when
    ]


def _present(database: sqlite3.Connection, account: str) -> int:
    query = "SELECT count(*) FROM fetched WHERE account = ? AND gone IS NULL"
    count: int = database.execute(query, (account,)).fetchone()[0]
    return count


def _elsewhere(database: sqlite3.Connection, account: str, uids: Sequence[str]) -> dict[str, int]:
    user = account.rpartition("@")[0]
    accounts = [other for (other,) in database.execute("SELECT account FROM listing")]
    same = [other for other in accounts if other != account and other.rpartition("@")[0] == user]
    found = {other: len({uid for uid, _ in _rows(database, other, uids)}) for other in same}
    return {other: count for other, count in found.items() if count}


def _memo(database: sqlite3.Connection, account: str, text: str | None) -> str:
    row = database.execute("SELECT text FROM memo WHERE account = ?", (account,)).fetchone()
    if text is not None:
        with database:
            database.execute("INSERT OR REPLACE INTO memo VALUES (?, ?)", (account, text))
    return row[0] if row is not None else ""


def fault_of(error: sqlite3.DatabaseError, folder: Path) -> JournalFault | None:
    """Return why the journal in `folder` cannot be used, or None for a reason that is none of the known ones."""
    # The lower octet is the kind, the rest a detail of it. Errors of Python's module have no number.
    reason = _REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if reason in (None, "cannot open") and _is_read_only(folder):
        # SQLite calls it a disk I/O error, or says that it cannot open the file.
        return "read-only"
    if reason is None and not isinstance(error, sqlite3.OperationalError):
        return "damaged"
    return reason


def _is_read_only(folder: Path) -> bool:
    """Tell whether a folder lies on a file system that cannot be written."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except (OSError, AttributeError):
        # There is no such folder, or the system does not tell.
        return False


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
