"""What the tests of fetching share: a session on an embedded server, and mail that can be told apart."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pop3aio
from pop3aio.testing import Server


def mail(count: int, size: int = 200) -> list[bytes]:
    return [
        b"Subject: %d\r\n\r\n" % number + b".begins with a dot %d\r\n" % number * (size // 20)
        for number in range(1, count + 1)
    ]


@asynccontextmanager
async def session(server: Server, **options: object) -> AsyncIterator[pop3aio.Client]:
    connection = pop3aio.connect(server.host, server.port, tls="none", **options)  # type: ignore[arg-type]
    async with connection as client:
        await client.login("user", "password", allow_insecure=True)
        yield client


def opener(server: Server, **options: object) -> Callable[[], Awaitable[pop3aio.Client]]:
    """Return what `collect` opens its sessions by."""

    async def open_session() -> pop3aio.Client:
        client = await pop3aio.connect(server.host, server.port, tls="none", **options)  # type: ignore[arg-type]
        await client.login("user", "password", allow_insecure=True)
        return client

    return open_session


def in_new(folder: Path) -> list[bytes]:
    """The messages of a Maildir as they came over the wire, sorted; nothing may lie about in tmp."""
    assert list((folder / "tmp").iterdir()) == []
    contents = [path.read_bytes().replace(b"\n", b"\r\n") for path in (folder / "new").iterdir()]
    return sorted(contents)


class Shelf:
    """A store in memory that says what it was asked; durable as soon as `submit` returns."""

    def __init__(self) -> None:
        self.messages: dict[str, bytes] = {}

    async def __call__(self, message: AsyncIterable[bytes], key: str) -> None:
        octets = b"".join([chunk async for chunk in message])
        assert key not in self.messages, "delivered twice"
        self.messages[key] = octets

    def contents(self) -> list[bytes]:
        return sorted(self.messages.values())


class Copies(Shelf):
    """A store in memory in which the last copy of a message takes the place of the earlier one."""

    async def __call__(self, message: AsyncIterable[bytes], key: str) -> None:
        self.messages[key] = b"".join([chunk async for chunk in message])


class MemoryJournal:
    """A journal that keeps nothing for long, for a test to look into."""

    def __init__(self) -> None:
        self.fetched: dict[tuple[str, pop3aio.Identity], float] = {}
        self.groups: list[int] = []
        self.memos: dict[str, str] = {}

    async def compare(self, account: str, uids: Sequence[str]) -> list[int]:
        listed = enumerate(pop3aio.identities(uids))
        return [position for position, identity in listed if (account, identity) not in self.fetched]

    async def fetched_until(self, account: str, uids: Sequence[str], when: float) -> list[int]:
        listed = enumerate(pop3aio.identities(uids))
        return [p for p, identity in listed if self.fetched.get((account, identity), when + 1) <= when]

    async def record(self, account: str, fetched: Iterable[pop3aio.Identity]) -> None:
        identities = list(fetched)
        self.groups.append(len(identities))
        self.fetched |= {(account, identity): 1.0 for identity in identities}

    async def memo(self, account: str, text: str | None = None) -> str:
        kept = self.memos.get(account, "")
        if text is not None:
            self.memos[account] = text
        return kept
