"""Replacing a message: the older files of its key go, and not before the new one is durable."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maildir import Maildir, MaildirError


async def test_a_known_key_is_delivered_again(box: Maildir, look: Callable[[], Any]) -> None:
    other = await box.deliver(b"other", key="bb")
    old = await box.deliver(b"old", key="aa")
    done = await (await box.replace([b"n", b"ew"], key="aa", flags="S", date=1e9, headers=b"X: y\n"))
    assert not done.duplicate
    assert done.name != old.name
    assert look().new == {other.name: b"other"}
    assert look().cur == {done.name: b"X: y\nnew"}
    assert os.stat(done.path).st_mtime == 1e9
    assert (await box.deliver(b"never", key="aa")).duplicate


async def test_a_key_that_is_new(box: Maildir, look: Callable[[], Any]) -> None:
    done = await (await box.replace(b"new", key="aa"))
    assert look().new == {done.name: b"new"}


async def test_all_older_files_go_wherever_a_reader_has_moved_them(
    box: Maildir, path: Path, look: Callable[[], Any]
) -> None:
    for number in range(3):
        async with Maildir(path) as another:  # whose files are not known to this one
            old = await another.deliver(b"old %d" % number, key="aa")
        if number:
            os.rename(old.path, path / "cur" / f"{old.name}:2,RS")
    strange = path / "cur" / "1700000000.Raa.host"
    strange.touch()
    await (await box.replace(b"new", key="aa"))
    strange.unlink()
    assert look().messages() == [b"new"]


async def test_the_order(box: Maildir, calls: Any) -> None:
    await box.deliver(b"old", key="aa")
    calls.reset()
    await (await box.replace(b"new", key="aa"))
    assert calls.names() == [
        *["open", "write", "posix_fadvise", "fsync", "close", "rename", "fsync"],
        *["unlink", "fsync"],
    ]


@pytest.mark.parametrize("publish", ["rename", "link"])
@pytest.mark.parametrize("durability", ["data", "none"])
async def test_less_durable(
    path: Path, look: Callable[[], Any], publish: Any, durability: Any, calls: Any
) -> None:
    async with Maildir(path, durability=durability, publish=publish) as box:
        await box.deliver(b"old", key="aa")
        await (await box.replace(b"new", key="aa"))
    assert look().messages() == [b"new"]
    assert not look().tmp
    assert ("fsync", "new") not in [(call, os.path.basename(what)) for call, what in calls.log]


async def test_a_group(box: Maildir, calls: Any, gate: Any, look: Callable[[], Any]) -> None:
    for number in range(5):
        await box.deliver(b"old", key=f"{number:x}")
    gate.close("rename")
    first = asyncio.create_task(box.deliver(b"first"))
    await gate.reached()
    tickets = [await box.replace(b"new", key=f"{number:x}") for number in range(5)]
    tickets.append(await box.submit(b"new"))
    calls.reset()
    gate.open()
    await asyncio.gather(first, *tickets)
    assert sorted(look().messages()) == [b"first", *[b"new"] * 6]
    assert calls.names()[-6:] == [*["unlink"] * 5, "fsync"]


async def test_one_at_a_time(box: Maildir, look: Callable[[], Any]) -> None:
    async def replace(octets: bytes) -> None:
        done = await (await box.replace([octets], key="aa"))
        assert not done.duplicate

    await asyncio.gather(box.deliver([b"0"], key="aa"), *(replace(b"%d" % number) for number in range(1, 6)))
    assert look().messages() == [b"5"]


async def test_what_fails_leaves_the_older_file(box: Maildir, calls: Any, look: Callable[[], Any]) -> None:
    old = await box.deliver(b"old", key="aa")
    for call, nth in (("write", 1), ("fsync", 1), ("rename", 1), ("fsync", 2)):
        calls.reset()
        calls.fail(call, errno.EIO, nth)
        with pytest.raises(MaildirError, match="mend that"):
            await (await box.replace(b"new", key="aa"))
        assert (look().new, look().tmp) == ({old.name: b"old"}, {})
    assert (await box.deliver(b"never", key="aa")).duplicate

    with pytest.raises(ZeroDivisionError):
        await box.replace((b"x" * (1 // 0) for _ in range(1)), key="aa")
    assert look().new == {old.name: b"old"}


@pytest.mark.parametrize("nth_fsync", [0, 3])
async def test_an_older_file_that_stays(
    box: Maildir, calls: Any, look: Callable[[], Any], nth_fsync: int
) -> None:
    await box.deliver(b"old", key="aa")
    calls.reset()
    calls.fail("fsync" if nth_fsync else "unlink", errno.EIO, nth_fsync)
    with pytest.raises(MaildirError, match="the new file is there and durable") as raised:
        await (await box.replace(b"new", key="aa"))
    assert raised.value.errno == errno.EIO
    assert b"new" in look().messages()
    calls.reset()
    await (await box.replace(b"newer", key="aa"))
    assert look().messages() == [b"newer"]


async def test_a_reader_that_moves_an_older_file_meanwhile(
    box: Maildir, path: Path, calls: Any, look: Callable[[], Any]
) -> None:
    old = await box.deliver(b"old", key="aa")

    def before(call: str, what: str) -> None:
        if call == "unlink" and os.path.exists(old.path):
            os.replace(old.path, path / "cur" / f"{old.name}:2,S")

    calls.before = before
    await (await box.replace(b"new", key="aa"))
    assert look().messages() == [b"new"]


async def test_a_reader_that_never_stops(box: Maildir, path: Path, calls: Any) -> None:
    await box.deliver(b"old", key="aa")

    def before(call: str, what: str) -> None:
        if call == "unlink":
            [old] = [file for file in path.glob("*/*") if file.name.startswith(what.partition(":")[0])]
            old.rename(path / "cur" / f"{what.partition(':')[0]}:2,{'S' if what.endswith('F') else 'F'}")

    calls.before = before
    with pytest.raises(MaildirError, match="renames the older files"):
        await (await box.replace(b"new", key="aa"))


async def test_two_processes_do_not_remove_each_other(
    box: Maildir, path: Path, calls: Any, gate: Any, look: Callable[[], Any]
) -> None:
    """Both new files are published; the second to remove does not find its own, and leaves the other."""
    await box.deliver(b"old", key="aa")
    calls.reset()
    gate.close("unlink")
    async with Maildir(path) as another:
        first = asyncio.ensure_future(await box.replace(b"first", key="aa"))
        await gate.reached()
        gate.at = ""
        second = asyncio.ensure_future(await another.replace(b"second", key="aa"))
        published = threading.Event()
        calls.before = lambda call, what: (
            published.set() if call == "fsync" and what.endswith("new") else None
        )
        assert await asyncio.to_thread(published.wait, 10)
        gate.open()
        await asyncio.gather(first, second)
    assert len(look().messages()) == 1


async def test_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[], Any]) -> None:
    def refuse(handle: int, what: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    for number, lack in enumerate((refuse, None)):
        if lack:
            monkeypatch.setattr(fcntl, "flock", lack)
        else:
            monkeypatch.setitem(sys.modules, "fcntl", None)
        async with Maildir(path) as box:
            await (await box.replace(b"%d" % number, key="aa"))
    assert look().messages() == [b"1"]


async def test_cancelled_before_it_is_published(
    box: Maildir, calls: Any, gate: Any, look: Callable[[], Any]
) -> None:
    await box.deliver(b"old", key="aa")
    calls.reset()
    gate.close("fsync")
    ticket = asyncio.ensure_future(await box.replace(b"new", key="aa"))
    await gate.reached()
    ticket.cancel()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await ticket
    assert look().messages() == [b"old"]
    await (await box.replace(b"new", key="aa"))
    assert look().messages() == [b"new"]


class TestWhatMakesADuplicate:
    async def test_a_file_that_was_not_asked_for_makes_none(
        self, box: Maildir, path: Path, look: Callable[[], Any]
    ) -> None:
        await box.deliver(b"one", key="aa")
        async with Maildir(path) as again:
            assert not (await (await again.submit(b"two", key="aa"))).duplicate
        assert look().messages() == [b"one", b"two"]

    async def test_a_key_that_was_asked_for(self, box: Maildir, path: Path) -> None:
        await box.deliver(b"one", key="aa")
        async with Maildir(path) as again:
            await again.keys()
            assert (await (await again.submit(b"two", key="aa"))).duplicate
            assert not (await (await again.replace(b"two", key="aa"))).duplicate


class TestAmong:
    """An equal message under another key stays, and the new one goes."""

    async def test_an_equal_message(self, box: Maildir, look: Callable[[], Any]) -> None:
        old = await box.deliver(b"the same", key="ab" * 16)
        delivered = await (await box.replace(b"the same", key="cd" * 16, among=["ab" * 16]))
        assert delivered.duplicate
        assert list(look().new) == [old.name]

    @pytest.mark.parametrize("other", [b"other!!!", b"longer than it was"])
    async def test_another_message(self, box: Maildir, look: Callable[[], Any], other: bytes) -> None:
        await box.deliver(b"the same", key="ab" * 16)
        delivered = await (await box.replace(other, key="cd" * 16, among=["ab" * 16]))
        assert not delivered.duplicate
        assert sorted(look().messages()) == sorted([b"the same", other])

    async def test_a_message_that_a_reader_has_moved(
        self, box: Maildir, path: Path, look: Callable[[], Any]
    ) -> None:
        old = await box.deliver(b"the same", key="ab" * 16)
        (path / "new" / old.name).rename(path / "cur" / f"{old.name}:2,S")
        assert (await (await box.replace(b"the same", key="cd" * 16, among=["ab" * 16]))).duplicate
        assert look().messages() == [b"the same"]

    async def test_a_file_that_vanishes_is_equal_to_none(
        self, box: Maildir, calls: Any, look: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await box.deliver(b"the same", key="ab" * 16)
        monkeypatch.setattr("builtins.open", _vanished)
        delivered = await (await box.replace(b"the same", key="cd" * 16, among=["ab" * 16]))
        monkeypatch.undo()
        assert not delivered.duplicate
        assert look().messages() == [b"the same"] * 2

    async def test_closing_waits_for_the_comparison(self, box: Maildir, look: Callable[[], Any]) -> None:
        await box.deliver(b"the same", key="ab" * 16)
        await box.replace(b"the same", key="cd" * 16, among=["ab" * 16])
        await box.aclose()
        assert look().messages() == [b"the same"]


def _vanished(*_: object, **__: object) -> None:
    raise FileNotFoundError
