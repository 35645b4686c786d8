"""The clients that are measured: pop3aio, and maildir."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from multiprocessing import Process
from pathlib import Path
from typing import Any, cast

from benchmarks.jobs import ACCOUNT, PASSWORD, USER, Job, Work, simple
from benchmarks.load import Mail, body
from benchmarks.maildirs import stored
from maildir import Maildir
from pop3aio import Client, SQLiteJournal, connect, fetch, identities

__all__ = (
    "again",
    "deliver",
    "keep",
    "listing",
    "mailboxes",
    "one_by_one",
    "path",
    "retrieve",
    "store",
    "stream",
    "uidl",
)

_Session = Callable[[Client], Awaitable[int]]


def _run(job: Job, main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    factory = None
    if job.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


@asynccontextmanager
async def _login(job: Job, context: ssl.SSLContext | None) -> AsyncIterator[Client]:
    connection = connect(
        "localhost" if context else "127.0.0.1",
        job.port,
        tls="implicit" if context else "none",
        ssl_context=context,
        window=job.window,
    )
    async with connection as client:
        await client.login(USER, PASSWORD, allow_insecure=True)
        yield client


def _session(job: Job, session: _Session) -> Work:
    """Return the Work of one session: from the connection to the answer to QUIT."""
    context = ssl.create_default_context(cafile=job.authority) if job.authority else None

    async def main() -> int:
        async with _login(job, context) as client:
            return await session(client)

    return simple(lambda: _run(job, main))


async def _retrieve(client: Client, count: int, sizes: dict[int, int] | None = None) -> int:
    total = 0
    async for message in client.retrieve(range(1, count + 1), sizes=sizes):
        total += len(await message)
    return total


def retrieve(job: Job) -> Work:
    """Every message as bytes, from `retrieve()`."""
    return _session(job, lambda client: _retrieve(client, job.count))


def stream(job: Job) -> Work:
    """Every message in chunks, as they come."""

    async def session(client: Client) -> int:
        total = 0
        async for message in client.retrieve(range(1, job.count + 1)):
            async for chunk in message:
                total += len(chunk)
        return total

    return _session(job, session)


def one_by_one(job: Job) -> Work:
    """One `await client.retr(n)` after another."""

    async def session(client: Client) -> int:
        total = 0
        for number in range(1, job.count + 1):
            total += len(await client.retr(number))
        return total

    return _session(job, session)


def path(job: Job) -> Work:
    """A whole session: UIDL and LIST in one round trip, then every message."""

    async def session(client: Client) -> int:
        uids, scans = await asyncio.gather(client.uidl(), client.list())
        return await _retrieve(client, len(uids), dict(scans))

    return _session(job, session)


def mailboxes(job: Job) -> Work:
    """Many sessions at once in one process."""

    async def one() -> int:
        async with _login(job, None) as client:
            return await _retrieve(client, job.count)

    async def main() -> int:
        return sum(await asyncio.gather(*(one() for _ in range(job.mailboxes))))

    return simple(lambda: _run(job, main))


def listing(job: Job) -> Work:
    """UIDL and LIST, as dictionaries; counts the sizes listed and the octets of the unique-ids."""

    async def session(client: Client) -> int:
        listed = await asyncio.gather(client.uidl(), client.list())
        # Twice as fast as dict(), which makes a list of each entry first.
        uids = {entry.number: entry.uid for entry in listed[0]}
        sizes = {entry.number: entry.octets for entry in listed[1]}
        return sum(sizes.values()) + sum(map(len, filter(None, uids.values())))

    return _session(job, session)


def uidl(job: Job) -> Work:
    """UIDL alone; counts the octets of the unique-ids."""

    async def session(client: Client) -> int:
        return sum(len(uid or "") for _, uid in await client.uidl())

    return _session(job, session)


def store(job: Job) -> Work:
    """`fetch` into a Maildir, with a journal beside it."""
    run, _ = again(job)
    return run, lambda _: stored(job)


def keep(job: Job) -> Work:
    """Every message from `retrieve()` into a Maildir, without a journal, as the peers do it."""

    async def session(client: Client) -> int:
        async with Maildir(Path(job.folder, "mail"), durability=cast("Any", job.durability)) as box:
            delivered = []
            async for message in client.retrieve(range(1, job.count + 1)):
                # For each, as what comes of it may not be lost.
                delivered.append(await box.submit(await message))  # noqa: PERF401
            for ticket in delivered:
                await ticket
        return 0

    run, _ = _session(job, session)
    return run, lambda _: stored(job)


def again(job: Job) -> Work:
    """`fetch` where `known` messages of the mailbox are in the journal; counts what was fetched."""
    journal = Path(job.folder, "journal")
    if job.known:
        # In another process, so that its memory is not ours.
        preparation = Process(target=_prepare, args=(journal, job.known))
        preparation.start()
        preparation.join()

    async def session(client: Client) -> int:
        async with Maildir(Path(job.folder, "mail"), durability=cast("Any", job.durability)) as box:
            report = await fetch(client, box, journal=journal, account=ACCOUNT)
        if report.failed or report.known != job.known:
            raise RuntimeError(f"{len(report.failed)} failed, {report.known} known")
        return report.octets

    return _session(job, session)


def _prepare(path: Path, known: int) -> None:
    asyncio.run(_know(path, known))


async def _know(path: Path, known: int) -> None:
    async with SQLiteJournal(path) as journal:
        uids = [f"uid{n:017x}" for n in range(1, known + 1)]
        await journal.record(ACCOUNT, identities(uids))
        # As the run that fetched them does at its end.
        await journal.compare(ACCOUNT, uids)


def deliver(job: Job) -> Work:
    """Delivery alone: messages from memory, each awaited when all are submitted."""
    message = body(Mail(1, job.octets))

    async def main() -> int:
        async with Maildir(Path(job.folder, "mail"), durability=cast("Any", job.durability)) as box:
            await asyncio.gather(*[await box.submit(message) for _ in range(job.count)])
        return 0

    return lambda: _run(job, main), lambda _: stored(job)
