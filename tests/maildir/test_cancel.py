"""A task is cancelled at each place where it waits: nothing is left, or the whole message is there."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from maildir import Delivered, Maildir, MaildirError

MEDIUM = b"line of some length\r\n" * 20_000


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(8):
        yield MEDIUM
        await asyncio.sleep(0)


async def deliver_bytes(box: Maildir) -> object:
    return await box.deliver(b"hello\n", key="aa")


async def deliver_chunks(box: Maildir) -> object:
    return await box.deliver(chunks(), key="aa")


async def submit(box: Maildir) -> object:
    return await (await box.submit(chunks()))


async def write(box: Maildir) -> object:
    async with box.open(key="aa") as writer:
        async for chunk in chunks():
            await writer.write(chunk)
    return writer.delivered


async def gather(box: Maildir) -> object:
    ticket = await box.submit(b"hello\n")
    return await asyncio.gather(box.deliver(b"hello\n"), ticket, box.deliver(chunks()))


@types.coroutine
def cancelled_at(
    work: Coroutine[Any, Any, object], nth: int, late: bool, seen: list[int]
) -> Generator[Any, Any, object]:
    """Run `work`; when it waits for the `nth` time, cancel it, or `late`: just when it need not wait any more."""
    task = asyncio.current_task()
    assert task is not None
    step: Callable[[], Any] = lambda: work.send(None)  # noqa: E731
    while True:
        try:
            waits_for = step()
        except StopIteration as end:
            return end.value
        seen[0] += 1
        if seen[0] == nth:
            if late and waits_for is not None:
                blocking = waits_for._asyncio_future_blocking
                waits_for._asyncio_future_blocking = False
                waits_for.add_done_callback(lambda _: task.cancel())
                waits_for._asyncio_future_blocking = blocking
            else:
                asyncio.get_running_loop().call_soon(task.cancel)
        try:
            yield waits_for
        except BaseException as error:
            step = lambda error=error: work.throw(error)  # type: ignore[misc]  # noqa: E731
        else:
            step = lambda: work.send(None)  # noqa: E731


async def drive(work: Coroutine[Any, Any, object], nth: int, late: bool, seen: list[int]) -> object:
    return await cancelled_at(work, nth, late, seen)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("how", [deliver_bytes, deliver_chunks, submit, write, gather])
@pytest.mark.parametrize("queued", [8 << 20, 1])
async def test_cancelled_wherever_it_waits(
    path: Path,
    how: Callable[[Maildir], Coroutine[Any, Any, object]],
    late: bool,
    queued: int,
    look: Callable[[], Any],
    files: Callable[[], list[str]],
) -> None:
    nth = 0
    whole = {b"hello\n", MEDIUM.replace(b"\r\n", b"\n") * 8}
    while True:
        nth += 1
        seen = [0]
        async with Maildir(path, max_queued=queued) as box:
            before = len(look().new)
            other = asyncio.create_task(box.deliver(b"hello\n"))
            task = asyncio.create_task(drive(how(box), nth, late, seen))
            try:
                await task
            except asyncio.CancelledError:
                assert seen[0] >= nth
                if how is not gather:
                    # Not later, but at the moment in which the caller goes on.
                    if other.done():
                        assert look().tmp == {}
                    # Of new/ alone: the other message may just be leaving tmp/.
                    assert {file.read_bytes() for file in (path / "new").iterdir()} <= whole
            else:
                assert seen[0] < nth or late
            await other
            assert (await box.deliver(b"hello\n", key="ab")).octets == 6
            if how is not gather:
                assert look().tmp == {}
                assert files() == []
        assert files() == []
        found = look()
        assert set(found.new.values()) <= whole
        assert found.tmp == {}
        assert before + 2 <= len(found.new) <= before + 5
        if seen[0] < nth:
            break
    assert nth >= 2


async def cancel_at(call: str, box: Maildir, gate: Any, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    await box.keys()
    gate.close(call)
    task = asyncio.create_task(work)
    await gate.reached()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()  # the thread is still at its file
    return task


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close"])
async def test_cancelled_before_it_is_published(
    box: Maildir, gate: Any, call: str, look: Callable[[], Any], files: Callable[[], list[str]]
) -> None:
    task = await cancel_at(call, box, gate, box.deliver(b"hello"))
    task.cancel()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert look().empty()
    assert files() == []


async def test_cancelled_while_it_is_published(box: Maildir, gate: Any, look: Callable[[], Any]) -> None:
    task = await cancel_at("rename", box, gate, box.deliver(b"hello", key="aa"))
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert look().messages() == [b"hello"]
    assert (await box.deliver(b"hello", key="aa")).duplicate


async def test_a_writer_cancelled_too_late_knows_it(box: Maildir, gate: Any, look: Callable[[], Any]) -> None:
    writer = box.open()

    async def write() -> None:
        async with writer:
            await writer.write(b"hello")

    task = await cancel_at("rename", box, gate, write())
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert writer.delivered is not None
    assert look().messages() == [b"hello"]


async def test_a_cancelled_stream_waits_for_its_spill(
    box: Maildir, gate: Any, look: Callable[[], Any], files: Callable[[], list[str]]
) -> None:
    task = await cancel_at("write", box, gate, box.deliver(chunks()))
    task.cancel()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert look().empty()
    assert files() == []


async def test_cancelled_while_it_is_given_up(
    box: Maildir, calls: Any, gate: Any, look: Callable[[], Any], files: Callable[[], list[str]]
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield MEDIUM
        await box.keys()
        gate.close("unlink")
        raise ConnectionError

    task = asyncio.create_task(box.deliver(broken()))
    await gate.reached()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert look().empty()
    assert files() == []


async def test_what_the_thread_does_not_have_yet_is_taken_back_at_once(
    box: Maildir, gate: Any, look: Callable[[], Any]
) -> None:
    await box.keys()
    gate.close("write")
    first = asyncio.create_task(box.deliver(b"first"))
    await gate.reached()
    ticket = await box.submit(b"second")
    assert isinstance(ticket, asyncio.Future)
    assert ticket.cancel()
    assert not ticket.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ticket
    gate.open()
    await first
    assert look().messages() == [b"first"]
    assert box._writer._queued == 0


async def test_a_cancelled_ticket_tells_those_who_wait(
    box: Maildir, gate: Any, look: Callable[[], Any]
) -> None:
    await box.keys()
    gate.close("write")
    ticket = await box.submit(b"hello")
    assert isinstance(ticket, asyncio.Future)
    waiting = asyncio.ensure_future(asyncio.wait([ticket]))
    await gate.reached()
    assert not ticket.cancel()
    gate.open()
    await waiting
    assert ticket.cancelled()
    assert look().empty()


async def open_when_cancelled(task: asyncio.Task[Any], gate: Any) -> None:
    while not task.cancelling():
        await asyncio.sleep(0)
    assert not task.done()
    gate.open()


async def test_a_time_limit(box: Maildir, gate: Any, look: Callable[[], Any]) -> None:
    await box.keys()
    gate.close("write")
    ticket = await box.submit(b"hello")

    async def limited() -> Delivered:
        async with asyncio.timeout(0):
            return await ticket

    await gate.reached()
    task = asyncio.create_task(limited())
    await open_when_cancelled(task, gate)
    with pytest.raises(TimeoutError):
        await task
    assert look().empty()


@pytest.mark.parametrize("what", ["keys", "clean", "aclose"])
async def test_other_calls_end_before_they_are_cancelled(
    path: Path, calls: Any, gate: Any, what: str
) -> None:
    box = Maildir(path)
    await box.keys()
    gate.close("write")
    first = asyncio.create_task(box.deliver(b"first"))
    await gate.reached()
    work: Awaitable[Any] = getattr(box, what)()
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    await first
    await box.aclose()


async def test_the_pump_outlives_a_cancelling_of_all_tasks(
    box: Maildir, gate: Any, look: Callable[[], Any]
) -> None:
    await box.keys()
    gate.close("rename")
    ticket = await box.submit(b"first")
    later = await box.submit(b"second")
    for _ in range(3):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # the first time before it began
        await asyncio.sleep(0)
    await gate.reached()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    gate.open()
    await ticket
    await later
    assert look().messages() == [b"first", b"second"]


async def test_a_writer_cancelled_by_its_own_time_limit_does_not_commit(
    box: Maildir, gate: Any, look: Callable[[], Any]
) -> None:
    """To catch what stopped a write does not make the message whole."""
    await box.keys()
    gate.close("write")
    with pytest.raises(MaildirError, match="was not taken"):
        async with box.open() as writer:
            await writer.write(MEDIUM)
            await gate.reached()
            task = asyncio.current_task()
            assert task
            opening = asyncio.create_task(open_when_cancelled(task, gate))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await writer.write(MEDIUM * 3)
            await opening
    assert look().empty()
