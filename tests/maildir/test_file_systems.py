"""Real faults of real file systems: full, read-only, broken, without hard links; and what a process may not do.

After each: nothing half done is visible, nothing is left in tmp/ that could be removed, the error names the path and
what to do, and when the fault is gone the next delivery works.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from maildir import Maildir, MaildirError, NotAMaildir, QuotaError

from .disks import broken_disk, exfat, quota, tmpfs

SMALL = b"x" * 50_000
STREAM = [b"x" * 200_000] * 10


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 100_000


def messages(path: Path) -> list[Path]:
    """What is in new/ and cur/; tmp/ must be empty."""
    assert list((path / "tmp").iterdir()) == []
    return [*(path / "new").iterdir(), *(path / "cur").iterdir()]


async def test_a_full_disk(tmp_path: Path, files: Callable[[], list[str]]) -> None:
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        path = disk.folder / "Mail"
        async with Maildir(path) as box:
            for source in (SMALL * 40, STREAM, endless()):
                with pytest.raises(
                    QuotaError, match=r"No room .*octets and \d+ files are free there.*make room"
                ) as raised:
                    await box.deliver(source)
                assert str(path) in str(raised.value)
                assert raised.value.errno == errno.ENOSPC
                assert messages(path) == []
            outcomes = await asyncio.gather(*[box.deliver(SMALL) for _ in range(40)], return_exceptions=True)
            well = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
            assert all(isinstance(one, QuotaError) for one in outcomes if isinstance(one, BaseException))
            assert 10 < len(well) < 40
            assert {str(file) for file in messages(path)} == {one.path for one in well}
            assert {file.stat().st_size for file in messages(path)} == {len(SMALL)}
            assert files() == []
            disk.remount("size=8m")
            await box.deliver(STREAM)
            assert len(messages(path)) == len(well) + 1


async def test_no_room_for_another_file(tmp_path: Path) -> None:
    # The root, Mail, its three directories, and two messages.
    with tmpfs(tmp_path / "disk", "nr_inodes=7") as disk:
        path = disk.folder / "Mail"
        async with Maildir(path) as box:
            for _ in range(2):
                await box.deliver(b"hello")
            with pytest.raises(QuotaError, match="0 files are free"):
                await box.deliver(b"hello")
            assert len(messages(path)) == 2
            messages(path)[0].unlink()
            await box.deliver(b"hello")
            assert len(messages(path)) == 2


async def test_no_room_for_the_directories(tmp_path: Path) -> None:
    """A Maildir that was half made is completed by the next attempt."""
    with tmpfs(tmp_path / "disk", "nr_inodes=4") as disk:
        path = disk.folder / "Mail"
        async with aclosing(Maildir(path)) as box:
            with pytest.raises(QuotaError, match="0 files are free"):
                await box.deliver(b"hello")
            disk.remount("nr_inodes=20")
            await box.deliver(b"hello")
            assert len(messages(path)) == 1


async def test_a_disk_that_became_read_only(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        path = disk.folder / "Mail"
        async with Maildir(path) as box:
            await box.deliver(b"one", key="aa")
            disk.remount("ro")
            for source in (b"two", STREAM):
                with pytest.raises(MaildirError, match="mend that and try again") as raised:
                    await box.deliver(source)
                assert raised.value.errno == errno.EROFS
                assert str(path) in str(raised.value)
            assert await box.keys() == {"aa"}
            disk.remount("rw")
            await box.deliver(b"two")
            assert len(messages(path)) == 2


async def test_a_disk_that_breaks_down(tmp_path: Path, files: Callable[[], list[str]]) -> None:
    """The writes are taken, and fsync says that they were not carried out."""
    with broken_disk(tmp_path / "disk") as disk:
        path = disk.folder / "Mail"
        async with Maildir(path) as box:
            disk.break_down()
            outcomes = await asyncio.gather(
                box.deliver(STREAM), *[box.deliver(SMALL) for _ in range(20)], return_exceptions=True
            )
            broken = [outcome for outcome in outcomes if isinstance(outcome, MaildirError)]
            assert {error.errno for error in broken} == {errno.EIO}
            assert all(str(path) in str(error) for error in broken)
            assert outcomes[0] in broken
            # Some may have found room on what is left of the disk.
            well = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
            assert {str(file) for file in messages(path)} == {one.path for one in well}
            assert files() == []
            disk.mend()
            await box.deliver(STREAM)
            assert len(messages(path)) == len(well) + 1


async def test_a_quota(tmp_path: Path) -> None:
    with quota(tmp_path / "disk", 1 << 20) as folder:
        path = folder / "Mail"
        async with Maildir(path) as box:
            with pytest.raises(QuotaError, match="make room") as raised:
                await box.deliver(endless())
            assert raised.value.errno == errno.EDQUOT
            assert str(path) in str(raised.value)
            # The disk has room; it is not the disk's that counts.
            assert "free there" not in str(raised.value)
            assert messages(path) == []
        # What was taken back counts until btrfs has committed it.
        os.sync()
        async with Maildir(path) as box:
            await box.deliver(SMALL)
            assert len(messages(path)) == 1


async def test_no_hard_links_and_no_colons(tmp_path: Path) -> None:
    with exfat(tmp_path / "disk") as disk:
        path = disk.folder / "Mail"
        async with Maildir(path, publish="link") as box:
            await box.deliver(b"one")
            await box.deliver(STREAM[:2])
            assert len(messages(path)) == 2
            with pytest.raises(MaildirError, match="publish"):
                await box.deliver(b"seen", flags="S")
            assert len(messages(path)) == 2


@contextmanager
def limit(what: int, value: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


async def test_no_more_descriptors(path: Path) -> None:
    async with Maildir(path) as box:
        await box.deliver(b"one")
        free = os.open(path, os.O_RDONLY)
        os.close(free)
        with limit(resource.RLIMIT_NOFILE, free):
            for source in (b"two", STREAM):
                with pytest.raises(MaildirError, match="Too many open files") as raised:
                    await box.deliver(source)
                assert raised.value.errno == errno.EMFILE
        await box.deliver(b"two")
        assert len(messages(path)) == 2


@pytest.mark.parametrize("held", [0, 1, 2])
async def test_no_descriptors_for_the_directories(path: Path, held: int) -> None:
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    async with Maildir(path):
        pass
    async with aclosing(Maildir(path)) as box:
        with limit(resource.RLIMIT_NOFILE, free + held), pytest.raises(MaildirError) as raised:
            await box.deliver(b"one")
        assert raised.value.errno == errno.EMFILE
        await box.deliver(b"one")
    assert len(messages(path)) == 1


@pytest.mark.parametrize("source", [SMALL * 3, [b"x" * 40_000] * 10], ids=["whole", "stream"])
async def test_a_file_that_may_not_grow(path: Path, source: Any) -> None:
    """The system takes a part of the write, and nothing of the next one."""
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    async with Maildir(path) as box:
        with limit(resource.RLIMIT_FSIZE, 100_001), pytest.raises(MaildirError) as raised:
            await box.deliver(source)
        assert raised.value.errno == errno.EFBIG
        assert messages(path) == []
        await box.deliver(source)
        assert len(messages(path)) == 1


async def test_a_symlink_in_the_place_of_a_message(path: Path, tmp_path: Path, calls: Any) -> None:
    """Who may write to tmp/ and knows a name must not lead a message to another file."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    targets = [victim, tmp_path / "not there", path / "tmp"]

    def planted(real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        (path / "tmp" / args[0]).symlink_to(targets[calls.names().count("open") - 1])
        return real(str(path / "tmp" / args[0]), *args[1:])

    async with Maildir(path) as box:
        await box.keys()
        calls.reset()
        for nth in range(1, 4):
            calls.answer("open", planted, nth)
        done = await box.deliver(b"hello")
        assert calls.names().count("open") == 4
        assert Path(done.path).read_bytes() == b"hello"
        assert not Path(done.path).is_symlink()
        assert victim.read_bytes() == b"precious"
        assert not targets[1].exists()
        # They are somebody else's, and a cleaner takes files only.
        assert len(list((path / "tmp").iterdir())) == 3
        assert await box.clean(0) == []


async def test_a_directory_exchanged_for_a_symlink(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with Maildir(path) as box:
        await box.deliver(b"one")
        for name in ("tmp", "new"):
            (path / name).rename(path / f"old-{name}")
            (path / name).symlink_to(elsewhere)
        await box.deliver(b"two")
    assert list(elsewhere.iterdir()) == []
    assert len(list((path / "old-new").iterdir())) == 2


async def test_a_symlink_to_nowhere_in_the_place_of_a_directory(path: Path) -> None:
    for name in ("cur", "tmp"):
        (path / name).mkdir(parents=True)
    (path / "new").symlink_to("not there")
    async with aclosing(Maildir(path)) as box:
        with pytest.raises(NotAMaildir, match="new in it is no directory"):
            await box.deliver(b"hello")


async def test_a_cleaner_took_it_before_it_was_published(path: Path, calls: Any) -> None:
    async with Maildir(path) as box:
        await box.keys()
        calls.reset()

        def taken(real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
            os.unlink(str(path / "tmp" / args[0]))
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

        calls.answer("rename", taken)
        with pytest.raises(MaildirError, match="publish") as raised:
            await box.deliver(b"hello")
        assert raised.value.errno == errno.ENOENT
        assert messages(path) == []
        calls.reset()
        await box.deliver(b"hello")
        assert len(messages(path)) == 1


@pytest.mark.parametrize("publish", ["rename", "link"])
async def test_a_clock_that_goes_backwards(path: Path, monkeypatch: pytest.MonkeyPatch, publish: Any) -> None:
    now = 1_700_000_000 * 10**9
    monkeypatch.setattr("maildir._names.time.time_ns", lambda: now)
    names = []
    async with Maildir(path, publish=publish) as box:
        for step in (0, 0, -1, -3600, -86400 * 365, -now // 10**9, 5):
            now += step * 10**9
            names.append((await box.deliver(b"hello")).name)

    def when(name: str) -> tuple[int, int]:
        seconds, micros, *_ = name.replace("M", "").replace("P", ".").split(".")
        return int(seconds), int(micros)

    assert sorted(names, key=when) == names
    assert len(set(map(when, names))) == len(names) == len(messages(path))
