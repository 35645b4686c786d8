"""The conformance kits: our own stores and journals pass, and each fault is found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from maildir import Maildir
from pop3aio import Delete, Identity, SQLiteJournal, fetch
from pop3aio.testing import Server, check_journal, check_store
from tests.fetch.support import MemoryJournal, session


async def test_the_maildir(tmp_path: Path) -> None:
    async def read(box: Maildir) -> list[bytes]:
        return [path.read_bytes() for sub in ("new", "cur") for path in (tmp_path / sub).iterdir()]

    await check_store(lambda: Maildir(tmp_path, newline="verbatim"), read=read)


async def test_the_sqlite_journal(tmp_path: Path) -> None:
    await check_journal(lambda: SQLiteJournal(tmp_path / "journal"))


class Punctual(MemoryJournal):
    async def record(self, account: str, fetched: Iterable[Identity]) -> None:
        await super().record(account, named := list(fetched))
        self.fetched |= {(account, identity): time.time() for identity in named}


async def test_a_journal_of_four_methods() -> None:
    journal = Punctual()
    await check_journal(lambda: journal)


class Table:
    """A store that keeps its promises, in memory; its rows outlive it."""

    def __init__(self, rows: dict[str, bytes]) -> None:
        self.rows = rows

    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
        self.rows[key] = b"".join([chunk async for chunk in source])
        return done()

    async def keys(self) -> set[str]:
        return set(self.rows)


def done() -> asyncio.Future[None]:
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    outcome.set_result(None)
    return outcome


async def rows(store: Any) -> list[bytes]:
    return [*store.rows.values()]


async def test_a_table() -> None:
    kept: dict[str, bytes] = {}
    await check_store(lambda: Table(kept), read=rows)


async def test_a_plain_function() -> None:
    kept: dict[str, bytes] = {}

    async def deliver(message: AsyncIterable[bytes], key: str) -> None:
        kept[key] = b"".join([chunk async for chunk in message])

    await check_store(lambda: deliver)


async def test_a_factory_may_be_a_coroutine_function() -> None:
    kept: dict[str, bytes] = {}

    async def make() -> Table:
        return Table(kept)

    await check_store(make, read=rows)


class Unread(Table):
    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
        self.rows[key] = b""
        return done()


class Half(Table):
    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
        try:
            return await super().submit(source, key=key)
        except ConnectionResetError:
            return done()


class KeepsBroken(Table):
    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
        octets = b""
        try:
            async for chunk in source:
                octets += chunk
        finally:
            self.rows[key] = octets
        return done()


class Forgets(Table):
    def __init__(self, rows: dict[str, bytes]) -> None:
        super().__init__({})


class Spoils(Table):
    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
        outcome = await super().submit(source, key=key)
        self.rows[key] = self.rows[key].replace(b"\r\n", b"\n")
        return outcome


class Keyless(Table):
    async def keys(self) -> set[str]:
        return set()


class Twice(Table):
    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
        return await super().submit(source, key=key + "x" * (key in self.rows))


class Shares(Table):
    """Keeps what belongs to one message where the next one overwrites it."""

    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
        self.octets = b"".join([chunk async for chunk in source])

        async def store() -> None:
            await asyncio.sleep(0)
            self.rows[key] = self.octets

        return asyncio.ensure_future(store())


class Unquoting(Table):
    """Quotes no line "From ", and unquotes those that it reads, as a careless mbox does."""

    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> asyncio.Future[None]:
        outcome = await super().submit(source, key=key)
        self.rows[key] = self.rows[key].replace(b"\n>From ", b"\nFrom ")
        return outcome


class ReturnsNothing(Table):
    async def submit(self, source: AsyncIterable[bytes], *, key: str) -> Any:
        await super().submit(source, key=key)


@pytest.mark.parametrize(
    ("store", "text"),
    [
        (Unread, "did not read message 1 to its end"),
        (Half, "whose octets had ended by an exception"),
        (KeepsBroken, "there is more than"),
        (Forgets, "message 1 is missing or altered"),
        (Spoils, "message 2 is missing or altered"),
        (Keyless, "lacks those of the messages"),
        (Twice, "message 2 is there 2 times"),
        (Shares, "message [12] is missing or altered"),
        (Unquoting, "message 6 is missing or altered"),
        (ReturnsNothing, r"submit\(\) returned None"),
    ],
)
async def test_a_store_that_breaks_a_promise_is_found(store: type[Table], text: str) -> None:
    kept: dict[str, bytes] = {}
    with pytest.raises(AssertionError, match=text):
        await check_store(lambda: store(kept), read=rows)


async def test_fetch_says_what_a_store_must_return() -> None:
    async with Server([b"Subject: x\r\n\r\n"]) as server, session(server) as client:
        with pytest.raises(TypeError, match="must return what to await"):
            await fetch(client, ReturnsNothing({}), journal=MemoryJournal(), delete=Delete())
    assert len(server.mailbox) == 1


class Remembers(Punctual):
    """A journal with faults that are switched on by name."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    async def compare(self, account: str, uids: Sequence[str]) -> list[int]:
        if self.fault == "accounts":
            account = "all"
        if self.fault == "hides" and len(uids) == 2:
            self.fetched = {entry: at for entry, at in self.fetched.items() if entry[1].uid in uids}
        return await super().compare(account, uids)

    async def record(self, account: str, fetched: Iterable[Identity]) -> None:
        if self.fault != "records":
            await super().record("all" if self.fault == "accounts" else account, fetched)

    async def fetched_until(self, account: str, uids: Sequence[str], when: float) -> list[int]:
        return [] if self.fault == "times" else await super().fetched_until(account, uids, when)

    async def memo(self, account: str, text: str | None = None) -> str:
        if self.fault == "memo" and not text:
            text = None
        return await super().memo("all" if self.fault == "memos" else account, text)


class AdoptsAsFetched(Punctual):
    async def adopt(self, account: str, known: Iterable[Identity]) -> None:
        await self.record(account, known)


class ForgetsNothing(Punctual):
    async def forget(self, account: str, gone: Iterable[Identity]) -> None:
        pass


class CountsWrong(Punctual):
    async def present(self, account: str) -> int:
        return 1


class LooksNowhere(Punctual):
    async def elsewhere(self, account: str, uids: Sequence[str]) -> dict[str, int]:
        return {}


@pytest.mark.parametrize("fault", ["accounts", "hides", "records", "times", "memo", "memos"])
async def test_a_journal_that_breaks_a_promise_is_found(fault: str) -> None:
    journal = Remembers(fault)
    with pytest.raises(AssertionError):
        await check_journal(lambda: journal)


@pytest.mark.parametrize("kind", [AdoptsAsFetched, ForgetsNothing, CountsWrong, LooksNowhere])
async def test_a_method_more_that_breaks_a_promise_is_found(kind: type[MemoryJournal]) -> None:
    journal = kind()
    with pytest.raises(AssertionError):
        await check_journal(lambda: journal)
