"""The order of the system calls, which is what durability consists of, and how messages form groups."""

from __future__ import annotations

import asyncio
import os
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maildir import Delivered, Maildir, MaildirError, _group


def normal(log: list[tuple[str, str]]) -> list[str]:
    """Each call with what it was about: a file in tmp/, or a directory."""
    return [
        f"{call} {'file' if os.path.basename(what)[0].isdigit() else os.path.basename(what)}"
        for call, what in log
    ]


async def ready(box: Maildir, calls: Any) -> None:
    await box.keys()
    calls.reset()


async def test_order_of_one_message(box: Maildir, calls: Any) -> None:
    await ready(box, calls)
    await box.deliver(b"hello", date=1e9)
    names = calls.names()
    assert names == ["open", "write", "posix_fadvise", "utime", "fsync", "close", "rename", "fsync"]
    assert normal(calls.log)[4] == "fsync file"
    assert normal(calls.log)[-1] == "fsync new"


async def test_success_is_told_after_the_directory(box: Maildir, calls: Any, gate: Any) -> None:
    await ready(box, calls)
    ticket = asyncio.ensure_future(await box.submit(b"hello"))
    calls.before = lambda call, what: told.append((call, ticket.done()))
    told: list[tuple[str, bool]] = []
    await ticket
    assert told[-1] == ("fsync", False)
    assert not any(done for _, done in told)


@pytest.mark.parametrize(
    ("durability", "expected"),
    [
        ("data", ["open", "write", "posix_fadvise", "fsync", "close", "rename"]),
        ("none", ["open", "write", "close", "rename"]),
    ],
)
async def test_less_durable(path: Path, calls: Any, durability: Any, expected: list[str]) -> None:
    async with Maildir(path, durability=durability) as box:
        await ready(box, calls)
        await box.deliver(b"hello")
        assert calls.names() == expected


async def test_a_link_is_durable_before_the_other_name_goes(path: Path, calls: Any) -> None:
    async with Maildir(path, publish="link") as box:
        await ready(box, calls)
        await box.deliver(b"hello")
        assert calls.names()[-3:] == ["link", "fsync", "unlink"]


async def test_a_group_synchronises_each_directory_once(box: Maildir, calls: Any, gate: Any) -> None:
    await ready(box, calls)
    gate.close("rename")
    first = asyncio.create_task(box.deliver(b"first"))
    await gate.reached()
    tickets = [await box.submit(b"x", flags="S" if number % 2 else "") for number in range(10)]
    calls.reset()
    gate.open()
    await asyncio.gather(first, *tickets)
    log = normal(calls.log)
    assert log[0] == "fsync new"  # of the first, which did not wait for company
    assert log[1:] == [
        *["open file", "write file", "posix_fadvise file"] * 10,
        *["fsync file", "close file"] * 10,
        *["rename file"] * 10,
        *["fsync new", "fsync cur"],
    ]


async def test_new_directories_are_durable_with_their_parents(tmp_path: Path, calls: Any) -> None:
    async with Maildir(tmp_path / "a" / "b") as box:
        await box.keys()
    made = [what for call, what in calls.log if call == "mkdir"]
    synced = [what for call, what in calls.log if call == "fsync"]
    relative = os.path.relpath(tmp_path)
    for part in ("a", "a/b", "a/b/cur", "a/b/new", "a/b/tmp"):
        assert f"{relative}/{part}" in made
        assert f"{relative}/{part}" in synced
    assert relative in synced
    assert made[-1].endswith("tmp")  # so that a half-made one is not taken for whole


async def test_groups_are_bounded_by_number(path: Path, calls: Any, gate: Any) -> None:
    async with Maildir(path, max_batch=4) as box:
        await ready(box, calls)
        gate.close("rename")
        first = asyncio.create_task(box.deliver(b"first"))
        await gate.reached()
        tickets = [await box.submit(b"x") for _ in range(10)]
        calls.reset()
        gate.open()
        await asyncio.gather(first, *tickets)
        directories = [at for at, line in enumerate(normal(calls.log)) if line == "fsync new"]
        assert len(directories) == 1 + 3


def test_groups_are_bounded_by_open_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    for soft, batch in ((40, 10), (3, 1), (resource.RLIM_INFINITY, 128)):
        monkeypatch.setattr(resource, "getrlimit", lambda what, soft=soft: (soft, soft))
        assert Maildir(path)._writer._max_batch == batch
    monkeypatch.setitem(sys.modules, "resource", None)
    assert _group._descriptors() == 512


async def test_the_queue_is_bounded(path: Path, calls: Any, gate: Any, look: Callable[[], Any]) -> None:
    async with Maildir(path, max_queued=10_000) as box:
        await ready(box, calls)
        gate.close("rename")
        submitted = 0

        async def submit(size: int) -> Any:
            nonlocal submitted
            ticket = await box.submit(b"x" * size)
            submitted += 1
            return await ticket

        tasks = [asyncio.create_task(submit(3000)) for _ in range(8)]
        tasks.append(asyncio.create_task(submit(50_000)))
        await gate.reached()
        assert submitted == 2
        tasks[3].cancel()
        await asyncio.sleep(0)
        gate.open()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done.pop(3), asyncio.CancelledError)
        assert sorted(one.octets for one in done if isinstance(one, Delivered)) == [3000] * 7 + [50_000]
        assert box._writer._queued == 0


async def test_room_given_to_a_task_cancelled_in_the_same_turn(path: Path, calls: Any, gate: Any) -> None:
    async with Maildir(path, max_queued=1) as box:
        await ready(box, calls)
        first = await box.submit(b"first")
        waiting = asyncio.create_task(box.deliver(b"second"))
        last = asyncio.create_task(box.deliver(b"third"))
        first.add_done_callback(lambda _: waiting.cancel())  # type: ignore[attr-defined]
        await first
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await last
        assert box._writer._queued == 0


async def test_waiting_for_room_when_it_closes(path: Path, calls: Any, gate: Any) -> None:
    box = Maildir(path, max_queued=1)
    await ready(box, calls)
    gate.close("rename")
    first = asyncio.create_task(box.deliver(b"first"))
    await gate.reached()
    second = asyncio.create_task(box.deliver(b"second"))
    third = asyncio.create_task(box.deliver([b"third"]))
    await asyncio.sleep(0)
    closing = asyncio.create_task(box.aclose())
    await asyncio.sleep(0)
    gate.open()
    await first
    for late in (second, third):
        with pytest.raises(MaildirError, match="closed"):
            await late
    await closing


async def test_receiving_goes_on_while_a_spill_is_written(box: Maildir, calls: Any, gate: Any) -> None:
    await ready(box, calls)
    gate.close("write")
    received = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal received
        for _ in range(40):
            received += 100_000
            yield b"x" * 100_000

    task = asyncio.create_task(box.deliver(source()))
    await gate.reached()
    for _ in range(20):
        await asyncio.sleep(0)
    # One spill of 256 KiB or more is on its way, 1 MiB has gathered behind it, and there it stops.
    assert 300_000 + (1 << 20) <= received <= 300_000 + (1 << 20) + 100_000
    gate.open()
    assert (await task).octets == 4_000_000
    assert calls.names().count("rename") == 1


async def test_the_loop_goes_on_between_chunks_of_one_octet(box: Maildir, calls: Any) -> None:
    await ready(box, calls)
    drawn = longest = 0

    def source() -> Iterator[bytes]:
        nonlocal drawn
        for _ in range(300_000):
            drawn += 1
            yield b"x"

    async def look_on() -> None:
        nonlocal longest
        before = 0
        while True:
            longest, before = max(longest, drawn - before), drawn
            await asyncio.sleep(0)

    looking = asyncio.create_task(look_on())
    done = await box.deliver(source())
    looking.cancel()
    assert done.octets == 300_000
    # Some milliseconds; a mebibyte of such chunks would take a fifth of a second.
    assert longest < 25_000
    assert calls.names().count("write") < 100


@pytest.mark.parametrize("by", ["writer", "chunk"])
async def test_a_large_buffer_is_copied_in_pieces(box: Maildir, calls: Any, gate: Any, by: str) -> None:
    """While the thread is busy, no more than one or two mebibytes are copied, so the loop is not held up."""
    await ready(box, calls)
    buffer = bytearray(16 << 20)

    async def deliver() -> None:
        if by == "chunk":
            await box.deliver([buffer])
            return
        async with box.open() as writer:
            await writer.write(buffer)

    gate.close("write")
    tracemalloc.start()
    try:
        task = asyncio.create_task(deliver())
        await gate.reached()
        for _ in range(20):
            await asyncio.sleep(0)
        assert tracemalloc.get_traced_memory()[0] < 3 << 20
    finally:
        tracemalloc.stop()
    gate.open()
    await task


async def test_a_stream_joins_a_group_for_its_end(box: Maildir, calls: Any, look: Callable[[], Any]) -> None:
    await ready(box, calls)
    done = await asyncio.gather(
        box.deliver([b"x" * 700_000, b"y" * 700_000]), *(box.deliver(b"z" * size) for size in range(50))
    )
    assert done[0].octets == 1_400_000
    assert len(look().new) == 51
    assert not look().tmp
