from __future__ import annotations

import array
import asyncio
import contextlib
import datetime
import gc
import mailbox
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import thread as futures_thread
from pathlib import Path
from typing import Any

import aiofiles
import pytest

import maildir
from maildir import Delivered, Maildir, MaildirError

MAIL = b"From: a\r\nTo: b\r\n\r\nhello\r\n"
LF = MAIL.replace(b"\r\n", b"\n")


async def chunks(octets: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]
        await asyncio.sleep(0)


async def test_a_delivered_message(box: Maildir, path: Path) -> None:
    done = await box.deliver(MAIL, key="abc1")
    assert done.key == "abc1"
    assert Path(done.path) == path / "new" / done.name
    assert Path(done.path).read_bytes() == LF
    assert done.name.endswith(f",S={len(LF)},W={len(MAIL)}")
    assert (done.octets, done.virtual_octets, done.duplicate) == (len(LF), len(MAIL), False)
    assert len((await box.deliver(MAIL)).key) == 16


async def test_mailbox_reads_it_back(box: Maildir, path: Path) -> None:
    await box.deliver(MAIL, flags="SRF", date=1_000_000_000.5)
    await box.deliver(b"Subject: two\n\n.\n", date=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    read = mailbox.Maildir(path, create=False)
    found = {message["Subject"]: message for message in read}
    assert found[None].get_flags() == "FRS"
    assert found[None].get_subdir() == "cur"
    assert int(found[None].get_date()) == 1_000_000_000
    assert found["two"].get_subdir() == "new"
    assert found["two"].get_date() == 1_577_836_800
    assert {bytes(read.get_bytes(key)) for key in read.keys()} == {LF, b"Subject: two\n\n.\n"}  # noqa: SIM118
    read.close()


async def test_date_is_exact_and_access_time_young(box: Maildir) -> None:
    done = await box.deliver(MAIL, date=1_000_000_000.123456)
    found = os.stat(done.path)
    assert found.st_mtime_ns // 1000 == 1_000_000_000_123_456
    assert found.st_atime > 1_700_000_000


async def test_permissions(path: Path) -> None:
    async with Maildir(path, mode=0o640, dirmode=0o750) as box:
        done = await box.deliver(MAIL)
    assert stat.S_IMODE(os.stat(done.path).st_mode) == 0o640
    for part in (path, path / "new", path / "cur", path / "tmp"):
        assert stat.S_IMODE(part.stat().st_mode) == 0o750


SOURCES: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "list": lambda octets: [octets[:7], bytearray(octets[7:9]), memoryview(octets[9:])],
    "generator": lambda octets: (octets[at : at + 1000] for at in range(0, len(octets), 1000)),
    "async": lambda octets: chunks(octets, 70_000),
    "array": lambda octets: array.array("B", octets),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("size", [0, 1, 100_000, 600_000, 3_000_000])
async def test_sources(box: Maildir, kind: str, size: int, look: Callable[[], Any]) -> None:
    octets = (b"line of some length\r\n" * (size // 21 + 1))[:size]
    done = await box.deliver(SOURCES[kind](octets), headers=b"X: y\r\n")
    expected = (b"X: y\r\n" + octets).replace(b"\r\n", b"\n")
    assert look().messages() == [expected]
    assert done.octets == len(expected)
    assert done.virtual_octets == len(expected) + expected.count(b"\n")


async def test_a_reused_buffer_may_be_a_source(box: Maildir, look: Callable[[], Any]) -> None:
    async def reuse() -> AsyncIterator[bytearray]:
        buffer = bytearray(100_000)
        for octet in range(10):
            buffer[:] = bytes((octet + 65,)) * 100_000
            yield buffer

    await box.deliver(reuse())
    assert look().messages() == [b"".join(bytes((octet + 65,)) * 100_000 for octet in range(10))]


async def test_a_file_of_aiofiles_is_a_source(box: Maildir, tmp_path: Path, look: Callable[[], Any]) -> None:
    (tmp_path / "mail").write_bytes(MAIL)
    async with aiofiles.open(tmp_path / "mail", "rb") as source:
        await box.deliver(source)
    assert look().messages() == [LF]


@pytest.mark.parametrize("source", ["text", "", ["text"], [1, 2], 5, None])
async def test_what_is_no_source(box: Maildir, source: Any, look: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        await box.deliver(source)
    assert look().empty()


@pytest.mark.parametrize(
    ("newline", "written"),
    [("lf", b"a\nb\nc\rd\n"), ("crlf", b"a\r\nb\r\nc\rd\r\n"), ("verbatim", b"a\r\nb\nc\rd\r\n")],
)
async def test_newlines(path: Path, newline: Any, written: bytes, look: Callable[[], Any]) -> None:
    async with Maildir(path, newline=newline) as box:
        done = await box.deliver(b"a\r\nb\nc\rd\r\n")
    assert look().messages() == [written]
    assert done.virtual_octets == len(b"a\r\nb\r\nc\rd\r\n")


async def test_cr_across_spills(box: Maildir, look: Callable[[], Any]) -> None:
    half = 300_000
    await box.deliver([b"x" * half + b"\r", b"\n" + b"y" * half, b"\r", b"z" * half, b"\r"])
    assert look().messages() == [b"x" * half + b"\n" + b"y" * half + b"\r" + b"z" * half + b"\r"]


async def test_without_sizes(path: Path) -> None:
    async with Maildir(path, sizes=False, hostname="mx") as box:
        assert (await box.deliver(MAIL)).name.endswith(".mx")
        assert (await box.deliver(MAIL, flags="S")).name.endswith(".mx:2,S")


@pytest.mark.parametrize("durability", ["full", "data", "none"])
@pytest.mark.parametrize("publish", ["rename", "link"])
async def test_all_ways(path: Path, durability: Any, publish: Any, look: Callable[[], Any]) -> None:
    async with Maildir(path, durability=durability, publish=publish) as box:
        await asyncio.gather(box.deliver(MAIL), box.deliver(MAIL, flags="S"), box.deliver([MAIL * 40_000]))
        assert not look().tmp
    assert sorted(map(len, look().messages())) == [len(LF), len(LF), len(LF) * 40_000]


async def test_names_are_in_the_order_of_delivery(box: Maildir) -> None:
    tickets = [await box.submit(b"%d" % number) for number in range(500)]
    done = await asyncio.gather(*tickets)
    assert sorted(done, key=lambda one: one.name.split("P")[0]) == done
    assert [Path(one.path).read_bytes() for one in done] == [b"%d" % number for number in range(500)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"durability": "some"},
        {"newline": "cr"},
        {"publish": "copy"},
        {"max_batch": 0},
        {"max_queued": 0},
    ],
)
def test_wrong_options(path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Maildir(path, **wrong)


@pytest.mark.parametrize("wrong", [{"key": "XYZ"}, {"flags": "Q"}, {"date": float("inf")}])
async def test_wrong_arguments(box: Maildir, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|are letters"):
        await box.deliver(MAIL, **wrong)
    with pytest.raises(ValueError, match=r"must be|are letters"):
        box.open(**wrong)


async def test_relative_path_is_resolved_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[], Any]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    async with Maildir("Mail") as box:
        monkeypatch.chdir(tmp_path / "elsewhere")
        await box.deliver(MAIL)
        assert repr(box) == f"Maildir({str(tmp_path / 'Mail')!r})"
    assert look().messages() == [LF]
    assert os.listdir(tmp_path / "elsewhere") == []


class TestKeys:
    async def test_scan(self, box: Maildir, path: Path) -> None:
        await box.deliver(MAIL, key="aa")
        await box.deliver(MAIL, key="bb", flags="S")
        (path / "new" / "1700000000.1.host").touch()
        assert await box.keys() == {"aa", "bb"}

    async def test_a_key_delivered_here(self, box: Maildir, look: Callable[[], Any]) -> None:
        read = False

        def source() -> Iterator[bytes]:
            nonlocal read
            read = True
            yield MAIL

        await box.deliver(MAIL, key="aa")
        assert await box.deliver(source(), key="aa") == Delivered("aa", "", "", 0, 0, duplicate=True)
        assert not read
        assert len(look().new) == 1

    async def test_a_key_of_an_earlier_run(self, box: Maildir, path: Path) -> None:
        done = await box.deliver(MAIL)
        async with Maildir(path) as again:
            assert not (await again.deliver(MAIL, key="cc")).duplicate
            assert await again.keys() == {"cc", done.key}
            assert (await again.deliver(MAIL, key=done.key)).duplicate
            os.unlink(done.path)
            assert await again.keys() == {"cc"}
            assert not (await again.deliver(MAIL, key=done.key)).duplicate

    async def test_what_is_queued_is_in_the_scan(self, box: Maildir) -> None:
        ticket = await box.submit(MAIL, key="aa")
        assert await box.keys() == {"aa"}
        assert not (await ticket).duplicate

    async def test_two_at_once(self, box: Maildir, look: Callable[[], Any]) -> None:
        done = await asyncio.gather(*(box.deliver(chunks(MAIL, 3), key="aa") for _ in range(5)))
        assert sorted(one.duplicate for one in done) == [False, True, True, True, True]
        assert len(look().new) == 1

    async def test_the_second_delivers_when_the_first_fails(
        self, box: Maildir, look: Callable[[], Any]
    ) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"half"
            await asyncio.sleep(0)
            raise ConnectionError("lost")

        first = asyncio.create_task(box.deliver(broken(), key="aa"))
        await asyncio.sleep(0)
        second = asyncio.create_task(box.deliver(MAIL, key="aa"))
        third = asyncio.create_task(box.deliver(MAIL, key="aa"))
        await asyncio.sleep(0)
        third.cancel()
        with pytest.raises(ConnectionError):
            await first
        assert not (await second).duplicate
        with pytest.raises(asyncio.CancelledError):
            await third
        assert look().messages() == [LF]

    async def test_a_writer_of_a_known_key(self, box: Maildir, look: Callable[[], Any]) -> None:
        async with box.open(key="aa") as one:
            await one.write(MAIL)
        async with box.open(key="aa") as two:
            assert two.delivered is not None
            await two.write(b"never")
        assert two.delivered.duplicate
        assert look().messages() == [LF]

    async def test_a_failed_writer_frees_its_key(self, box: Maildir) -> None:
        with pytest.raises(ConnectionError):
            async with box.open(key="aa"):
                raise ConnectionError
        assert not (await box.deliver(MAIL, key="aa")).duplicate


class TestWriter:
    async def test_commit(self, box: Maildir, look: Callable[[], Any]) -> None:
        async with box.open(flags="S", date=1e9) as writer:
            assert writer.delivered is None
            for _ in range(30):
                await writer.write(b"x" * 99_998 + b"\r\n")
        assert writer.delivered is not None
        assert look().cur[writer.delivered.name] == (b"x" * 99_998 + b"\n") * 30
        assert os.stat(writer.delivered.path).st_mtime == 1e9

    @pytest.mark.parametrize("times", [0, 1, 30])
    async def test_an_exception_leaves_nothing(
        self, box: Maildir, times: int, look: Callable[[], Any], files: Callable[[], list[str]]
    ) -> None:
        with pytest.raises(ConnectionError):
            async with box.open() as writer:
                for _ in range(times):
                    await writer.write(b"x" * 100_000)
                raise ConnectionError
        assert writer.delivered is None
        assert look().empty()
        assert files() == []

    async def test_a_refused_chunk_breaks_it(self, box: Maildir, look: Callable[[], Any]) -> None:
        with pytest.raises(MaildirError, match="was not taken"):
            async with box.open() as writer:
                await writer.write(b"first")
                with pytest.raises(TypeError):
                    await writer.write("text")  # type: ignore[arg-type]
                with pytest.raises(MaildirError, match="not open"):
                    await writer.write(b"second")
        assert look().empty()

    async def test_is_for_one_message(self, box: Maildir) -> None:
        writer = box.open()
        with pytest.raises(MaildirError, match="not open"):
            await writer.write(b"")
        async with writer:
            pass
        with pytest.raises(MaildirError, match="not open"):
            await writer.write(b"")
        with pytest.raises(MaildirError, match="one message"):
            await writer.__aenter__()


class TestSourceErrors:
    @pytest.mark.parametrize("size", [0, 10, 500_000, 3_000_000])
    async def test_nothing_is_left_and_the_generator_closed(
        self, box: Maildir, size: int, look: Callable[[], Any], files: Callable[[], list[str]]
    ) -> None:
        closed = False

        async def broken() -> AsyncIterator[bytes]:
            nonlocal closed
            try:
                async for chunk in chunks(b"x" * size, 100_000):
                    yield chunk
                raise ConnectionError("lost")
            finally:
                closed = True

        with pytest.raises(ConnectionError, match="lost"):
            await box.deliver(broken())
        assert closed
        assert look().empty()
        assert files() == []

    async def test_a_wrong_chunk_closes_the_generator(self, box: Maildir) -> None:
        closed = False

        async def wrong() -> AsyncIterator[Any]:
            nonlocal closed
            try:
                yield "text"
            finally:
                closed = True

        with pytest.raises(TypeError):
            await box.deliver(wrong())
        assert closed

    async def test_a_synchronous_source(self, box: Maildir, look: Callable[[], Any]) -> None:
        def broken() -> Iterator[bytes]:
            yield b"x" * 2_000_000
            yield b"x" * 2_000_000
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await box.deliver(broken())
        assert look().empty()


class TestClean:
    async def test_age(self, box: Maildir, path: Path) -> None:
        await box.deliver(MAIL)
        (path / "tmp" / "fresh").touch()
        (path / "tmp" / "directory").mkdir()
        (path / "tmp" / "link").symlink_to("fresh")
        assert await box.clean() == []
        assert await box.clean(0) == ["fresh"]
        assert sorted(os.listdir(path / "tmp")) == ["directory", "link"]

    async def test_what_is_coming_in_is_spared(
        self, box: Maildir, path: Path, look: Callable[[], Any]
    ) -> None:
        async with box.open() as writer:
            await writer.write(b"x" * 300_000)
            (path / "tmp").mkdir(parents=True, exist_ok=True)
            assert await box.clean(0) == []
            assert len(look().tmp) == 1
        assert len(look().new) == 1

    async def test_another_cleaner_was_faster(
        self, box: Maildir, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await box.keys()
        (path / "tmp" / "one").touch()
        real = os.unlink

        def unlink(name: str, **kwargs: Any) -> None:
            real(name, **kwargs)
            real(name, **kwargs)

        monkeypatch.setattr(os, "unlink", unlink)
        assert await box.clean(0) == []


class TestLife:
    async def test_a_closed_one_says_so(self, path: Path) -> None:
        async with Maildir(path) as box:
            await box.deliver(MAIL)
        await box.aclose()
        for call in (box.deliver(MAIL), box.submit(MAIL), box.keys(), box.clean()):
            with pytest.raises(MaildirError, match="closed"):
                await call
        with pytest.raises(MaildirError, match="closed"):
            async with box.open():
                pass

    async def test_an_unused_one_makes_nothing(self, path: Path) -> None:
        box = Maildir(path)
        for _ in range(2):
            await box.aclose()
        assert not path.exists()
        with pytest.raises(MaildirError, match="closed"):
            await box.deliver(MAIL)

    async def test_closing_commits_what_is_queued(self, path: Path, look: Callable[[], Any]) -> None:
        async with Maildir(path) as box:
            for _ in range(300):
                await box.submit(MAIL)
        assert len(look().new) == 300

    async def test_closing_breaks_off_what_is_coming_in(
        self, path: Path, look: Callable[[], Any], files: Callable[[], list[str]]
    ) -> None:
        box = Maildir(path)
        writer = await box.open().__aenter__()
        other = await box.open().__aenter__()
        await writer.write(b"x" * 300_000)
        await other.write(b"x")
        await box.keys()
        closing = asyncio.create_task(box.aclose())
        await asyncio.sleep(0)
        for one in (writer, other):
            with pytest.raises(MaildirError, match="closed"):
                await one.__aexit__(None, None, None)
        await closing
        assert look().empty()
        assert files() == []

    async def test_two_may_close(self, path: Path) -> None:
        box = Maildir(path)
        await box.deliver(MAIL)
        await asyncio.gather(box.aclose(), box.aclose())

    def test_another_loop(self, path: Path) -> None:
        box = Maildir(path)
        asyncio.run(box.keys())
        for call in (box.keys(), box.aclose()):
            with pytest.raises(MaildirError, match="another event loop"):
                asyncio.run(call)

    def test_a_forgotten_one_cleans_up(self, path: Path, tmp_path: Path, look: Callable[[], Any]) -> None:
        async def forget() -> None:
            box = Maildir(path)
            writer = await box.open().__aenter__()
            await writer.write(b"x" * 300_000)
            await box.keys()
            assert len(look().tmp) == 1

        asyncio.run(forget())
        gc.collect()
        assert look().empty()

    def test_a_forgotten_one_needs_no_lock_to_clean_up(self, path: Path) -> None:
        async def forget() -> list[Maildir]:
            boxes = [Maildir(path)]
            await boxes[0].deliver(MAIL)
            return boxes

        boxes = asyncio.run(forget())
        gc.collect()
        # The collector may run while some thread pool is just starting a thread.
        with futures_thread._global_shutdown_lock:
            boxes.clear()
            gc.collect()

    def test_a_fork_is_noticed(self, path: Path, look: Callable[[], Any]) -> None:
        async def parent() -> None:
            async with Maildir(path) as box:
                await box.deliver(MAIL)
                async with box.open() as writer:
                    await writer.write(b"x" * 300_000)
                    await box.keys()
                    real = os.getpid
                    try:
                        os.getpid = lambda: 1
                        for call in (box.deliver(MAIL), box.keys(), box.aclose()):
                            with pytest.raises(MaildirError, match="forked"):
                                await call
                    finally:
                        os.getpid = real

        asyncio.run(parent())
        assert len(look().new) == 2

    def test_a_forked_process_leaves_the_files_of_its_parent_alone(
        self, path: Path, look: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def forget() -> None:
            box = Maildir(path)
            writer = await box.open().__aenter__()
            await writer.write(b"x" * 300_000)
            await box.keys()
            monkeypatch.setattr(os, "getpid", lambda: 1)
            del box, writer

        descriptors = set(os.listdir("/proc/self/fd"))
        asyncio.run(forget())
        gc.collect()
        assert len(look().tmp) == 1
        for number in set(os.listdir("/proc/self/fd")) - descriptors:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{number}").startswith(str(path)):
                    os.close(int(number))

    def test_everything_is_cancelled_at_the_end_of_the_loop(
        self, path: Path, look: Callable[[], Any]
    ) -> None:
        async def main() -> None:
            box = Maildir(path)
            for number in range(300):
                asyncio.create_task(box.deliver(b"x" * number))  # noqa: RUF006
            await box.deliver(b"")

        asyncio.run(main())
        assert not look().tmp

    async def test_temporary_directories(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            async with Maildir(Path(name)) as box:
                await box.deliver(b"")
                assert isinstance(box, maildir.Maildir)
