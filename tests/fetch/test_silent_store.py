"""A store that never says whether it has a message: a cancel ends the run, nothing uncertain goes, the rest goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

import pop3aio
from pop3aio.testing import Server, Session

from .support import mail, session

MAIL = mail(6)
SILENT = MAIL[2]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cancelled gives its store ten seconds more; the tests need not."""
    monkeypatch.setattr("pop3aio._fetch._intake._PATIENCE", 0.1)


class Store:
    """A store whose answer for one message never comes, until it is mended.

    `reached` is set when that message was handed over.
    """

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.reached = asyncio.Event()
        self.silent = True

    async def keep(self, source: pop3aio.Incoming, key: str) -> bool:
        octets = b"".join([chunk async for chunk in source])
        if self.silent and octets == SILENT:
            self.reached.set()
            return False
        self.stored[key] = octets
        return True

    async def submit(self, source: pop3aio.Incoming, *, key: str) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if await self.keep(source, key):
            done.set_result(None)
        return done

    async def replace(self, source: pop3aio.Incoming, *, key: str) -> asyncio.Future[None]:
        return await self.submit(source, key=key)

    async def deliver(self, source: pop3aio.Incoming, key: str) -> None:
        if not await self.keep(source, key):
            await asyncio.Event().wait()


async def run(
    server: Server, store: Store, journal: Path, *, deliver: bool = False, concurrency: int = 1
) -> pop3aio.FetchReport:
    """Fetch; cancel if the store falls silent; return the report."""
    report = pop3aio.FetchReport()
    store.reached.clear()
    where: pop3aio.MessageStore | pop3aio.Deliver = store.deliver if deliver else store
    async with session(server) as client:
        fetching = asyncio.create_task(
            pop3aio.fetch(
                client,
                where,
                journal=journal,
                delete=pop3aio.Delete(),
                concurrency=concurrency,
                report=report,
            )
        )
        silent = asyncio.create_task(store.reached.wait())
        await asyncio.wait([fetching, silent], return_when=asyncio.FIRST_COMPLETED)
        # The messages behind the silent one may still reach the store.
        for _ in range(20):
            await asyncio.sleep(0)
        silent.cancel()
        fetching.cancel()
        with suppress(asyncio.CancelledError, pop3aio.ConnectionLost):
            await fetching
    return report


@pytest.mark.parametrize(("deliver", "concurrency"), [(False, 1), (True, 1), (True, 3)])
async def test_a_cancel_ends_the_run_and_the_next_ones_go_on(
    deliver: bool, concurrency: int, tmp_path: Path
) -> None:
    store = Store()
    async with Server(MAIL) as server:
        for number in range(6):
            report = await run(server, store, tmp_path / "journal", deliver=deliver, concurrency=concurrency)
            if not number:
                assert 3 in [failure.number for failure in report.failed]
                assert len(server.mailbox) == 6
        # The others came and went, though the silent message was in front of them.
        assert server.mailbox.messages == [SILENT]
        store.silent = False
        # It rests for an hour by now; another journal does not know that.
        await run(server, store, tmp_path / "other", deliver=deliver, concurrency=concurrency)
        assert server.mailbox.messages == []
    assert sorted(store.stored.values()) == sorted(MAIL)


async def test_a_connection_that_breaks_meanwhile_is_no_reason_to_wait_for_ever(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "RETR" or argument != "6":
            return False
        await store.reached.wait()
        session.close()
        return True

    store = Store()
    async with Server(MAIL, on_command=hook) as server:
        report = await run(server, store, tmp_path / "journal")
        assert 3 in [failure.number for failure in report.failed]
        assert len(server.mailbox) == 6
