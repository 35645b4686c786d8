"""Every call of the operating system fails once, in every way of delivering; nothing is ever left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import shutil
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from maildir import Maildir, MaildirError, NotAMaildir, QuotaError

BIG = [b"x" * 400_000 + b"\r\n"] * 4

WAYS: dict[str, tuple[dict[str, Any], dict[str, Any], Any]] = {
    "small": ({}, {"date": 1e9}, b"hello\r\n"),
    "big": ({}, {"flags": "S"}, BIG),
    "link": ({"publish": "link"}, {}, b"hello"),
    "none": ({"durability": "none"}, {}, b"hello"),
}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE])
@pytest.mark.parametrize("way", WAYS)
async def test_each_call_fails_once(
    path: Path, calls: Any, look: Callable[[], Any], files: Callable[[], list[str]], way: str, error: int
) -> None:
    options, arguments, source = WAYS[way]
    async with Maildir(path, **options) as box:
        await box.keys()
        calls.reset()
        await box.deliver(source, **arguments)
        log = calls.names()
        before = look()
        failed = []
        for nth, call in enumerate(log, 1):
            calls.reset()
            calls.fail("", error, nth)
            [raised] = await asyncio.gather(box.deliver(source, **arguments), return_exceptions=True)
            if isinstance(raised, MaildirError):
                assert raised.errno == error
                assert isinstance(raised.__cause__, OSError)
                assert isinstance(raised, QuotaError) == (error in (errno.ENOSPC, errno.EDQUOT))
                assert str(path) in str(raised)
                failed.append(call)
                assert look() == before
            else:
                before = look()
            assert not look().tmp or call == "unlink"
            before.tmp = look().tmp
            assert files() == []
        tolerated = [call for call in log if call not in failed or call in ("posix_fadvise", "unlink")]
        assert set(tolerated) <= {"posix_fadvise", "unlink"}
        calls.reset()
        await box.deliver(source, **arguments)  # none of it did harm to what comes after


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EMFILE])
async def test_each_call_of_the_making_fails_once(path: Path, calls: Any, error: int) -> None:
    nth = 0
    failed: list[str] = []
    tolerated: list[str] = []
    while True:
        nth += 1
        shutil.rmtree(path, ignore_errors=True)
        calls.reset()
        calls.fail("", error, nth)
        async with aclosing(Maildir(path)) as box:
            [raised] = await asyncio.gather(box.deliver(b"hello"), return_exceptions=True)
            if isinstance(raised, MaildirError):
                assert raised.errno == error
                failed.append(calls.names()[nth - 1])
                assert not any((path / "new").glob("*"))
            else:
                if len(calls.log) < nth:
                    break
                tolerated.append(calls.names()[nth - 1])
                calls.reset()
    assert nth > 20
    # A directory that may not be read is reached by path, and not synchronised.
    assert set(tolerated) == ({"posix_fadvise", "open"} if error == errno.EACCES else {"posix_fadvise"})
    assert {"mkdir", "open", "fsync", "close", "write", "rename"} <= set(failed)


async def test_only_the_one_that_failed_fails(
    path: Path, box: Maildir, calls: Any, gate: Any, look: Callable[[], Any], files: Callable[[], list[str]]
) -> None:
    await box.keys()
    gate.close("rename")
    first = asyncio.create_task(box.deliver(b"first"))
    await gate.reached()
    tickets = [await box.submit(b"%d" % number) for number in range(20)]
    calls.reset()
    calls.fail("open", errno.EMFILE, 2)
    calls.fail("write", errno.ENOSPC, 3)
    calls.fail("fsync", errno.EIO, 1 + 5)  # the first is the directory's of the group before
    calls.fail("close", errno.EDQUOT, 5)
    calls.fail("rename", errno.EACCES, 6)
    gate.open()
    await first
    done = await asyncio.gather(*tickets, return_exceptions=True)
    failed = [one.errno for one in done if isinstance(one, MaildirError)]
    assert set(failed) == {errno.EMFILE, errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES}
    assert len(failed) == 5
    assert len(look().new) == 1 + 15
    assert not look().tmp
    assert files() == []


async def test_a_directory_that_cannot_be_synchronised_takes_its_messages_back(
    box: Maildir, calls: Any, look: Callable[[], Any]
) -> None:
    await box.keys()
    calls.reset()

    def fault(real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if calls.log[-1][1].endswith("new"):
            raise OSError(errno.EIO, "broken")
        return real(*args)

    calls.answer("fsync", fault, 0)
    with pytest.raises(MaildirError, match="durable"):
        await box.deliver(b"to new", key="aa")
    await box.deliver(b"to cur", flags="S")
    assert look().messages() == [b"to cur"]
    calls.reset()
    assert not (await box.deliver(b"to new", key="aa")).duplicate


async def test_what_cannot_be_removed_is_said(box: Maildir, calls: Any, look: Callable[[], Any]) -> None:
    await box.keys()
    calls.reset()
    calls.fail("fsync", errno.EIO, 2)
    calls.fail("unlink", errno.EROFS, 1)
    with pytest.raises(MaildirError) as raised:
        await box.deliver(b"hello")
    assert raised.value.__notes__ == [
        f"new/{next(iter(look().new))} could not be removed either: {os.strerror(errno.EROFS)}"
    ]


async def test_a_broken_off_one_that_cannot_be_removed(
    box: Maildir, calls: Any, look: Callable[[], Any]
) -> None:
    await box.keys()
    calls.reset()
    calls.fail("unlink", errno.EROFS, 1)
    with pytest.raises(ConnectionError):
        async with box.open() as writer:
            await writer.write(b"x" * 300_000)
            await box.keys()
            raise ConnectionError
    assert len(look().tmp) == 1
    assert not look().new


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
async def test_a_directory_that_cannot_be_synchronised_at_all(box: Maildir, calls: Any, error: int) -> None:
    await box.keys()
    calls.reset()
    calls.fail("fsync", error, 2)
    await box.deliver(b"hello")


async def test_short_writes(box: Maildir, calls: Any, look: Callable[[], Any]) -> None:
    calls.answer("write", lambda real, args: real(args[0], args[1][:1000]), 0)
    await box.deliver(b"0123456789" * 500)
    assert look().messages() == [b"0123456789" * 500]


async def test_a_write_that_never_ends(box: Maildir, calls: Any, look: Callable[[], Any]) -> None:
    calls.answer("write", lambda real, args: 0)
    with pytest.raises(MaildirError, match="took no octet"):
        await box.deliver(b"hello")
    assert look().empty()


async def test_fsync_is_never_repeated(box: Maildir, calls: Any) -> None:
    await box.keys()
    calls.reset()
    calls.fail("fsync", errno.EIO)
    with pytest.raises(MaildirError):
        await box.deliver(b"hello")
    assert calls.names().count("fsync") == 1


@pytest.mark.parametrize("collisions", [1, 7, 8])
async def test_names_that_exist_in_tmp(
    box: Maildir, calls: Any, path: Path, look: Callable[[], Any], collisions: int
) -> None:
    await box.keys()
    calls.reset()

    def taken(real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        (path / "tmp" / args[0]).write_bytes(b"of another")
        raise FileExistsError(errno.EEXIST, "exists")

    for nth in range(collisions):
        calls.answer("open", taken, nth + 1)
    if collisions == 8:
        with pytest.raises(MaildirError, match="exists"):
            await box.deliver(b"hello")
    else:
        await box.deliver(b"hello")
    assert len(look().new) == (collisions < 8)
    assert len(look().tmp) == collisions  # those of the others are still there


@pytest.mark.parametrize("call", ["link", "rename"])
@pytest.mark.parametrize("collisions", [1, 7, 8])
async def test_names_that_exist_in_new(
    path: Path, calls: Any, look: Callable[[], Any], collisions: int, call: Any
) -> None:
    async with Maildir(path, publish=call) as box:
        await box.keys()
        calls.reset()
        for nth in range(collisions):
            calls.fail(call, errno.EEXIST, nth + 1)
        if collisions == 8:
            with pytest.raises(MaildirError) as raised:
                await box.deliver(b"hello", key="abc")
            assert raised.value.errno == errno.EEXIST
        else:
            done = await box.deliver(b"hello", key="abc")
            assert "Rabc." in done.name
        assert len(look().new) == (collisions < 8)
        assert not look().tmp


@pytest.mark.parametrize("call", ["link", "rename"])
async def test_a_lost_answer(path: Path, calls: Any, look: Callable[[], Any], call: Any) -> None:
    def lost(real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        real(*(os.path.join(path, *part) for part in (("tmp", args[0]), ("new", args[1]))))
        raise OSError(errno.EIO, "no answer")

    async with Maildir(path, publish=call) as box:
        await box.keys()
        calls.reset()
        calls.answer(call, lost)
        done = await box.deliver(b"hello")
        assert Path(done.path).read_bytes() == b"hello"
        assert list(look().new) == [done.name]
        assert not look().tmp


@pytest.mark.parametrize("error", [errno.EPERM, errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK])
async def test_no_hard_links(path: Path, calls: Any, look: Callable[[], Any], error: int) -> None:
    async with Maildir(path, publish="link") as box:
        calls.fail("link", error, 0)
        await box.deliver(b"one")
        await box.deliver(b"two")
    assert look().messages() == [b"one", b"two"]
    assert not look().tmp
    assert calls.names().count("link") == 1


async def test_no_call_to_link(path: Path, look: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "link")
    monkeypatch.delattr(os, "posix_fadvise")
    async with Maildir(path, publish="link") as box:
        await box.deliver(b"hello")
    assert look().messages() == [b"hello"]


@pytest.mark.parametrize("gone", ["tmp", "new", "cur", ""])
@pytest.mark.parametrize("flags", ["", "S"])
async def test_a_directory_that_vanished_is_made_again(
    box: Maildir, path: Path, gone: str, flags: str, look: Callable[[], Any]
) -> None:
    await box.deliver(b"one")
    shutil.rmtree(path / gone)
    await box.deliver(b"two", flags=flags)
    assert b"two" in look().messages()


async def test_a_directory_that_vanished_under_a_stream(
    box: Maildir, path: Path, look: Callable[[], Any]
) -> None:
    with pytest.raises(MaildirError) as raised:
        async with box.open() as writer:
            await writer.write(b"x" * 300_000)
            await box.keys()
            shutil.rmtree(path)
    assert raised.value.errno == errno.ENOENT
    assert look().empty()


async def test_what_vanished_is_not_made_again_unasked(path: Path) -> None:
    for name in ("tmp", "new", "cur"):
        (path / name).mkdir(parents=True)
    async with Maildir(path, create=False) as box:
        await box.deliver(b"one")
        shutil.rmtree(path)
        with pytest.raises(NotAMaildir, match="no Maildir"):
            await box.deliver(b"two")
    assert not path.exists()


async def test_an_error_that_is_none_of_the_system(
    box: Maildir, monkeypatch: pytest.MonkeyPatch, look: Callable[[], Any], files: Callable[[], list[str]]
) -> None:
    await box.keys()

    def write(fd: int, data: bytes) -> int:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        with pytest.raises(MemoryError):
            await box.deliver(b"hello")
    assert look().empty()
    assert files() == []


async def test_an_error_of_the_group_reaches_everybody(box: Maildir, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.keys()
    with monkeypatch.context() as patched:
        patched.setattr(box._committer, "_each", None)
        for outcome in await asyncio.gather(
            *(box.deliver(source) for source in (b"one", [b"x" * 300_000] * 3)), return_exceptions=True
        ):
            assert isinstance(outcome, TypeError)
    await box.deliver(b"hello")


async def test_a_thread_that_takes_nothing_any_more(box: Maildir, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter refuses new calls when it ends; a stream must not try for ever."""
    with pytest.raises(RuntimeError, match="ended"):
        async with box.open() as writer:
            await writer.write(b"x" * 300_000)
            await box.keys()
            with monkeypatch.context() as patched:

                def submit(*args: object) -> None:
                    raise RuntimeError("ended")

                patched.setattr(box._writer._pool, "submit", submit)
                await writer.__aexit__(None, None, None)


async def test_failures_of_scan_and_cleaning(
    box: Maildir, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.keys()

    def fail(*args: Any) -> Any:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "listdir", fail)
    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(MaildirError, match="list"):
        await box.keys()
    with pytest.raises(MaildirError, match="clean"):
        await box.clean()


@pytest.mark.filterwarnings("error")
async def test_a_failure_nobody_asks_for_is_not_reported(box: Maildir, calls: Any) -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    calls.fail("write", errno.EIO, 0)
    await box.submit(b"hello")
    with contextlib.suppress(MaildirError):
        await box.submit([b"x" * 300_000])
    await box.keys()
    gc.collect()
    assert complaints == []


async def test_a_failure_is_told_to_everybody_who_asks(box: Maildir, calls: Any) -> None:
    calls.fail("write", errno.EIO, 0)
    ticket = await box.submit(b"hello")
    for _ in range(2):
        with pytest.raises(MaildirError):
            await ticket


@pytest.mark.parametrize("error", [errno.EDQUOT, errno.ENOSPC])
@pytest.mark.parametrize("statvfs", ["works", "fails", "is not there"])
async def test_quota_error(
    box: Maildir, path: Path, calls: Any, monkeypatch: pytest.MonkeyPatch, error: int, statvfs: str
) -> None:
    calls.fail("write", error)
    if statvfs == "fails":
        monkeypatch.setattr(os, "statvfs", lambda path: (_ for _ in ()).throw(OSError))
    elif statvfs == "is not there":
        monkeypatch.delattr(os, "statvfs")
    with pytest.raises(QuotaError, match="No room") as raised:
        await box.deliver(b"hello")
    known = error == errno.ENOSPC and statvfs == "works"
    assert ("octets" in str(raised.value)) == known
    assert (raised.value.free is not None) == (raised.value.free_files is not None) == known
    assert (raised.value.errno, raised.value.path) == (error, str(path))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
async def test_the_facts_where_the_maildir_cannot_be_made(path: Path, calls: Any, error: int) -> None:
    calls.fail("mkdir", error)
    async with aclosing(Maildir(path)) as box:
        with pytest.raises(MaildirError) as raised:
            await box.deliver(b"hello")
    assert (raised.value.errno, raised.value.path) == (error, str(path))
    assert (raised.value.free is not None) == (error == errno.ENOSPC)


async def test_the_path_where_there_is_no_maildir(path: Path) -> None:
    async with aclosing(Maildir(path, create=False)) as box:
        with pytest.raises(NotAMaildir) as raised:
            await box.keys()
    assert (raised.value.errno, raised.value.path) == (errno.ENOENT, str(path))
