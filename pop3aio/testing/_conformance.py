"""Conformance kits: whether a store or a journal of your own keeps what `fetch` relies on.

```python
async def test_my_store(tmp_path):
    await pop3aio.testing.check_store(lambda: MyStore(tmp_path / "mail"))
```

Each kit calls the factory anew wherever the object must come up again, as after a restart. So an object that the
factory makes must find what an earlier one has left. An object that is an asynchronous context manager is entered and
left.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from pop3aio._fetch._incoming import Incoming
from pop3aio._fetch._journal import Identity, identities
from pop3aio._fetch._store import MessageStore

__all__ = ("check_journal", "check_store")

Factory = Callable[[], Any]

_MESSAGES = (
    b"",
    b"Subject: short\r\n\r\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n.text\r\n",
    b"Subject: no line end\r\n\r\nthe last line",
    b"Subject: octets\r\n\r\n" + bytes(range(256)) + b"\r\n",
    b"Subject: mbox\r\n\r\nFrom here on\r\n>From there on\r\n>>From us\r\n",
    b"Subject: long\r\n\r\n" + (b"x" * 75 + b"\r\n") * 10_000,
)


class _Message(Incoming):
    """A message that comes from no server, in chunks of a given size."""

    def __init__(self, octets: bytes, number: int, key: str, chunk: int, *, fails: bool = False) -> None:
        self.number, self.size, self.uid, self.key = number, len(octets), f"uid-{number}", key
        self.octets = 0
        self.ended = self.closed = self.cut = False
        self.changed = None
        self.failure = None
        pieces = [octets[start : start + chunk] for start in range(0, len(octets), chunk)]
        self._pieces = pieces[::-1]
        self._fails = fails
        self._waits = len(pieces) > 1

    __slots__ = ("_fails", "_pieces", "_waits")

    async def __anext__(self) -> bytes:
        if self._waits:
            await asyncio.sleep(0)
        if not self._pieces:
            if self._fails:
                raise ConnectionResetError("the connection broke in the middle of the message")
            self.ended = True
            raise StopAsyncIteration
        piece = self._pieces.pop()
        self.octets += len(piece)
        return piece


@asynccontextmanager
async def _made(factory: Factory) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        made = factory()
        if isinstance(made, Awaitable):
            made = await made
        if hasattr(made, "__aenter__"):
            made = await stack.enter_async_context(made)
        yield made


def _key(number: int) -> str:
    return Identity(f"uid-{number}", 0).key("conformance")


async def _submit(store: Any, message: _Message, *, again: bool = False) -> object:
    return await (await _begin(store, message, again=again))


async def _begin(store: Any, message: _Message, *, again: bool = False) -> Awaitable[object]:
    """Submit a message; return what is done when it is durable."""
    if not isinstance(store, MessageStore):
        await store(message, message.key)
        return asyncio.sleep(0)
    submit = getattr(store, "replace", store.submit) if again else store.submit
    outcome = await submit(message, key=message.key)
    assert isinstance(outcome, Awaitable), (
        f"submit() returned {outcome!r}; it must return what to await for the message to be durable. A store that is "
        "done when it returns is a coroutine function deliver(message, key)"
    )
    return outcome


async def check_store(factory: Factory, *, read: Callable[[Any], Awaitable[Any]] | None = None) -> None:
    """Check that a store keeps what `fetch` relies on.

    Messages are submitted as `fetch` does: the next ones before the first is durable. Whether a store synchronises its
    disk cannot be seen here.

    Args:
        factory: makes the store, empty at first; called again, it makes one that has what the first one stored. A
            plain coroutine function ``deliver(message, key)`` may be returned too.
        read: a coroutine function that takes the store and returns the octets of its messages, in any order. Give it:
            without it messages that are lost or altered are not seen.

    Raises:
        AssertionError: the store does not keep something; the text says what.
    """
    async with _made(factory) as store:
        outcomes = []
        for number, octets in enumerate(_MESSAGES, start=1):
            # Some come in one piece, one behind the other, without a turn of the loop between them.
            whole = number % 4 in (2, 3)
            chunk = len(octets) if whole else 1 if len(octets) < 1000 else 4096
            message = _Message(octets, number, _key(number), chunk)
            outcomes.append(await _begin(store, message))
            assert message.ended, f"the store did not read message {number} to its end, and called it stored"
        for outcome in outcomes:
            await outcome
        await _check_contents(store, read, "was submitted")
        broken = _Message(b"Subject: broken\r\n\r\nhalf", 100, _key(100), 8, fails=True)
        try:
            await _submit(store, broken)
        except Exception:  # noqa: S110 - that is what it has to do, by whatever exception
            pass
        else:
            raise AssertionError("the store called a message stored whose octets had ended by an exception")
        await _check_contents(store, read, "was submitted, behind a message that broke off")
        if hasattr(store, "keys"):
            held = await store.keys()
            assert _key(100) not in held, "the store holds the key of a message that broke off"
    async with _made(factory) as store:
        await _check_contents(store, read, "was stored before the store was made anew")
        if hasattr(store, "keys"):
            held = await store.keys()
            missing = [number for number in range(1, len(_MESSAGES) + 1) if _key(number) not in held]
            assert not missing, f"keys() of the store made anew lacks those of the messages {missing}"
        await _submit(store, _Message(_MESSAGES[1], 2, _key(2), 5), again=True)
        await _check_contents(store, read, "was stored, after message 2 was submitted again under its key")
        await _cancelled(store)
        await _check_contents(store, read, "was submitted, behind a message that was cancelled")


async def _cancelled(store: Any) -> None:
    """Cancel a delivery while its message comes; nothing of it may be there."""
    reached = asyncio.Event()

    class Slow(_Message):
        __slots__ = ()

        async def __anext__(self) -> bytes:
            if self.octets:
                reached.set()
                await asyncio.Event().wait()
            return await super().__anext__()

    task = asyncio.ensure_future(_submit(store, Slow(b"Subject: slow\r\n\r\n" * 9, 101, _key(101), 8)))
    await asyncio.wait([task, asyncio.ensure_future(reached.wait())], return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or task.exception() is not None, (
        "a delivery that was cancelled called its message stored"
    )
    if hasattr(store, "keys"):
        assert _key(101) not in await store.keys(), "the store holds the key of a message that was cancelled"


async def _check_contents(store: Any, read: Callable[[Any], Awaitable[Any]] | None, what: str) -> None:
    if read is None:
        return
    found = Counter(bytes(octets) for octets in await read(store))
    for number, octets in enumerate(_MESSAGES, start=1):
        count = found.pop(octets, 0)
        assert count, f"message {number} is missing or altered, of what {what}: {octets[:60]!r}"
        assert count == 1, (
            f"message {number} is there {count} times, of what {what}; a new copy should take the place of the one "
            "under the same key"
        )
    assert not found, f"there is more than what {what}: {min(found)[:60]!r}"


async def check_journal(factory: Factory) -> None:
    """Check that a journal keeps what `fetch` relies on.

    Args:
        factory: makes the journal, empty at first; called again, it makes one that knows what the first one recorded.

    Raises:
        AssertionError: the journal does not keep something; the text says what.
    """
    account, other = f"conformance-{os.getpid()}@one.example", f"conformance-{os.getpid()}@two.example"
    uids = ["a", "b", "a", "with a very long name " + "x" * 60, "\xfc"]
    named = identities(uids)
    before = time.time()
    async with _made(factory) as journal:
        assert [*await journal.compare(account, uids)] == [0, 1, 2, 3, 4], (
            "a new journal knows messages already"
        )
        assert await journal.memo(account) == "", "a new journal keeps a memo already"
        await journal.record(account, named[:2])
        await journal.record(account, named[:1])
        await journal.memo(account, "first")
        await journal.memo(account, '{"second": "\xfc"}')
    async with _made(factory) as journal:
        found = [*await journal.compare(account, uids)]
        assert found == [2, 3, 4], f"the journal made anew finds {found} to be new, not [2, 3, 4]"
        assert [*await journal.compare(other, uids)] == [0, 1, 2, 3, 4], (
            "one account knows the messages of another"
        )
        assert await journal.memo(account) == '{"second": "\xfc"}', "the journal made anew has lost the memo"
        assert await journal.memo(other) == "", "one account has the memo of another"
        await journal.memo(account, "")
        assert await journal.memo(account) == "", "a memo cannot be emptied"
        await _check_times(journal, account, uids, before)
        await journal.record(account, named[2:])
        assert [*await journal.compare(account, uids)] == [], "what was recorded is new"
        assert [*await journal.compare(account, uids[:2])] == [], (
            "a listing that lacks messages makes others new"
        )
        assert [*await journal.compare(account, uids)] == [], "a message that was hidden once is new"
        assert [*await journal.compare(account, [*uids, "a"])] == [5], (
            "a third message of one unique-id is known"
        )
        await _check_more(journal, account, other, uids)


async def _check_times(journal: Any, account: str, uids: list[str], before: float) -> None:
    old = [*await journal.fetched_until(account, uids, before - 60)]
    assert old == [], f"fetched_until finds {old} to be older than they are"
    known = [*await journal.fetched_until(account, uids, time.time() + 60)]
    assert known == [0, 1], f"fetched_until finds {known} to be fetched, not [0, 1]"


async def _check_more(journal: Any, account: str, other: str, uids: list[str]) -> None:
    """Check the methods that a journal need not have."""
    if hasattr(journal, "adopt"):
        await journal.adopt(other, [Identity("adopted", 0)])
        assert [*await journal.compare(other, ["adopted"])] == [], "what was adopted is new"
        late = [*await journal.fetched_until(other, ["adopted"], time.time() + 1e9)]
        assert late == [], "what was adopted counts as fetched, so that it would be deleted"
    if hasattr(journal, "present"):
        await journal.compare(account, uids)
        count = await journal.present(account)
        assert count == len(uids), (
            f"present() says {count}, and the last listing had {len(uids)} known messages"
        )
    if hasattr(journal, "elsewhere"):
        found = await journal.elsewhere(other, ["a", "b", "nowhere"])
        assert dict(found) == {account: 2}, f"elsewhere() finds {dict(found)}, not {{{account!r}: 2}}"
    if hasattr(journal, "forget"):
        await journal.forget(account, [Identity("b", 0)])
        assert [*await journal.compare(account, uids)] == [1], "a message that was forgotten is known"
