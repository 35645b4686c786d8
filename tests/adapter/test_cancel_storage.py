"""Journal, Maildir and the run that fills them, cancelled at every place where they wait.

What was cancelled has happened wholly or not at all, the object works on, and closing it leaves no thread, no
descriptor and no temporary file.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import maildir
import pop3aio
from pop3aio.testing import Mailbox, Server
from tests.kit.cancelling import Through, When, cancelled_at
from tests.kit.leaks import Leaks

THREADS = ("maildir", "pop3aio-journal")

BODY = b"Subject: mail\r\n\r\n" + b"x" * 70 + b"\r\n"
STORED = BODY.replace(b"\r\n", b"\n")
# More than is gathered before the thread is given some.
LARGE = [b"y" * 99 + b"\n"] * 20_000


def left(under: Path) -> dict[str, list[str]]:
    """Return the threads that are not over, and the open files below a directory."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith(THREADS)]
    return {"threads": threads, "files": [name for name in found if name.startswith(str(under))]}


async def nothing_left(under: Path, leaks: Leaks, suspension: int) -> None:
    assert left(under) == {"threads": [], "files": []}, suspension
    assert not await leaks.settled(), suspension


# -- the journal

ACCOUNT = "user@host"
IDENTITIES = pop3aio.identities(["a", "b"])

JOURNAL: dict[str, Callable[[pop3aio.SQLiteJournal], Awaitable[Any]]] = {
    "__aenter__": lambda journal: journal.__aenter__(),
    "__aexit__": lambda journal: journal.__aexit__(None, None, None),
    "aclose": lambda journal: journal.aclose(),
    "compare": lambda journal: journal.compare(ACCOUNT, ["a", "b", "c"]),
    "fetched_until": lambda journal: journal.fetched_until(ACCOUNT, ["a", "b"], time.time()),
    "memo": lambda journal: journal.memo(ACCOUNT),
    "adopt": lambda journal: journal.adopt("other@host", IDENTITIES),
    "forget": lambda journal: journal.forget("other@host", IDENTITIES),
    "present": lambda journal: journal.present(ACCOUNT),
    "elsewhere": lambda journal: journal.elsewhere(ACCOUNT, ["a", "b"]),
    "record": lambda journal: journal.record(ACCOUNT, IDENTITIES),
}


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("fresh", [True, False], ids=["new", "open"])
@pytest.mark.parametrize("name", JOURNAL)
async def test_journal(tmp_path: Path, name: str, fresh: bool, when: When) -> None:
    for suspension in itertools.count(1):
        leaks = Leaks()
        path = tmp_path / f"journal{suspension}"
        journal = pop3aio.SQLiteJournal(path)
        if not fresh:
            await journal.record(ACCOUNT, [])
        through = False
        try:
            await cancelled_at(JOURNAL[name](journal), suspension, when)
        except Through:
            through = True
        # It works on, wherever that broke off, and a cancelled record has recorded all or nothing.
        new = await journal.compare(ACCOUNT, ["a", "b", "c"])
        assert new in ([2], [0, 1, 2])
        if name == "record" and through:
            assert new == [2]
        await journal.aclose()
        await nothing_left(tmp_path, leaks, suspension)
        if through:
            return


# -- the Maildir


async def chunks() -> AsyncIterator[bytes]:
    for chunk in LARGE:
        yield chunk


async def submit(box: maildir.Maildir) -> None:
    await (await box.submit(chunks()))


async def replace(box: maildir.Maildir) -> None:
    await (await box.replace(chunks(), key="0" * 32))


async def write(box: maildir.Maildir) -> None:
    async with box.open() as writer:
        for _ in range(3):
            await writer.write(b"".join(LARGE))


async def broken_off(box: maildir.Maildir) -> None:
    with pytest.raises(ZeroDivisionError):
        async with box.open() as writer:
            await writer.write(b"".join(LARGE))
            raise ZeroDivisionError


MAILDIR: dict[str, Callable[[maildir.Maildir], Awaitable[Any]]] = {
    "__aenter__": lambda box: box.__aenter__(),
    "__aexit__": lambda box: box.__aexit__(None, None, None),
    "aclose": lambda box: box.aclose(),
    "clean": lambda box: box.clean(0),
    "deliver": lambda box: box.deliver(BODY, key="0" * 32),
    "keys": lambda box: box.keys(),
    "replace": lambda box: box.replace(BODY, key="0" * 32),
    "submit": submit,
    "write": write,
    "broken off": broken_off,
}
LARGEST = {b"".join(LARGE), b"".join(LARGE) * 3}


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("name", MAILDIR)
async def test_maildir(tmp_path: Path, name: str, when: When) -> None:
    for suspension in itertools.count(1):
        leaks = Leaks()
        path = tmp_path / f"Mail{suspension}"
        box = maildir.Maildir(path, durability="none")
        if name in ("clean", "keys", "__aexit__", "aclose"):
            await box.deliver(BODY)
        through = False
        try:
            await cancelled_at(MAILDIR[name](box), suspension, when)
        except Through:
            through = True
        try:
            await box.deliver(BODY)
        except maildir.MaildirError:
            # It was closed, by what was cancelled or because that has gone wrong from the start.
            assert name in ("__aenter__", "__aexit__", "aclose")
        await box.aclose()
        if path.exists():
            assert list((path / "tmp").iterdir()) == []
            for message in (path / "new").iterdir():
                assert message.read_bytes() in {STORED, *LARGEST}
        await nothing_left(tmp_path, leaks, suspension)
        if through:
            return


# -- the run

MAIL = [b"Subject: %d\r\n\r\n.body of %d\r\n" % (number, number) * number for number in range(1, 5)]


async def fetch_into(path: Path, server: Server) -> pop3aio.FetchReport:
    async with (
        maildir.Maildir(path / "Mail", durability="none") as box,
        pop3aio.connect("127.0.0.1", server.port, tls="none") as client,
    ):
        await client.login("user", "password", allow_insecure=True)
        return await pop3aio.fetch(client, box, journal=path / "journal", delete=pop3aio.Delete())


async def look(path: Path, server: Server) -> None:
    async with pop3aio.connect("127.0.0.1", server.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        assert len(await pop3aio.unseen(client, path / "journal")) == len(MAIL)


async def collect_into(path: Path, server: Server) -> pop3aio.FetchReport:
    async def open_session() -> pop3aio.Client:
        client = await pop3aio.connect("127.0.0.1", server.port, tls="none")
        try:
            await client.login("user", "password", allow_insecure=True)
        except BaseException:
            client.abort()
            raise
        return client

    async with maildir.Maildir(path / "Mail", durability="none") as box:
        return await pop3aio.collect(
            open_session, box, journal=path / "journal", delete=pop3aio.Delete(), patience=0
        )


@pytest.mark.parametrize("run", [fetch_into, look, collect_into])
@pytest.mark.parametrize("when", ["early", "late"])
async def test_a_run_into_a_maildir(
    tmp_path: Path, when: When, run: Callable[[Path, Server], Awaitable[pop3aio.FetchReport | None]]
) -> None:
    """Whenever it is cancelled, a second run completes it, and every message is there once."""
    for suspension in itertools.count(1):
        path = tmp_path / str(suspension)
        path.mkdir()
        through = False
        async with Server(Mailbox(MAIL)) as server:
            leaks = Leaks()
            try:
                await cancelled_at(run(path, server), suspension, when)
            except Through:
                through = True
            for session in server.sessions:
                await session.wait_closed()
            stored = contents(path)
            gone = [message for message in MAIL if message not in server.mailbox.messages]
            assert set(gone) <= set(stored)
            await nothing_left(tmp_path, leaks, suspension)
            await collect_into(path, server)
            assert contents(path) == sorted(MAIL)
            assert len(server.mailbox) == 0
        if through:
            assert suspension > 10
            return


def contents(path: Path) -> list[bytes]:
    """The messages of the Maildir, as they came over the wire; nothing may lie about in tmp."""
    box = path / "Mail"
    if not box.exists():
        return []
    assert list((box / "tmp").iterdir()) == []
    return sorted(path.read_bytes().replace(b"\n", b"\r\n") for path in (box / "new").iterdir())


async def test_a_future_of_the_thread_is_not_forgotten(tmp_path: Path) -> None:
    """A journal's call that fails after its caller has gone complains to nobody."""
    leaks = Leaks()
    (tmp_path / "journal").write_bytes(b"no database" * 100)
    journal = pop3aio.SQLiteJournal(tmp_path / "journal")
    call = asyncio.ensure_future(journal.record(ACCOUNT, IDENTITIES))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    await journal.aclose()
    await nothing_left(tmp_path, leaks, 1)
