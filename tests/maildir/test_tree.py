from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from maildir import Maildir, MaildirError, NotAMaildir, _tree


async def test_an_empty_directory_becomes_one(path: Path) -> None:
    path.mkdir()
    async with aclosing(Maildir(path)) as box:
        await box.keys()
    assert sorted(os.listdir(path)) == ["cur", "new", "tmp"]


@pytest.mark.parametrize(
    "present", [["cur"], ["cur", "new"], ["new", "cur", ".Sent"], ["tmp", "new", "dovecot-uidlist"]]
)
async def test_a_half_made_one_is_completed(path: Path, present: list[str]) -> None:
    for name in present:
        (path / name).mkdir(parents=True)
    async with aclosing(Maildir(path)) as box:
        await box.deliver(b"")
    assert {"cur", "new", "tmp"} <= set(os.listdir(path))


@pytest.mark.parametrize("present", [["Documents"], ["tmp", "Documents"], [".profile"]])
async def test_somebody_elses_directory_is_left_alone(path: Path, present: list[str]) -> None:
    for name in present:
        (path / name).mkdir(parents=True)
    async with aclosing(Maildir(path)) as box:
        for call in (box.deliver(b"hello"), box.deliver([b"hello"]), box.keys(), box.clean()):
            with pytest.raises(NotAMaildir, match="is no Maildir"):
                await call
    assert sorted(os.listdir(path)) == sorted(present)


async def test_a_file(path: Path) -> None:
    path.touch()
    async with aclosing(Maildir(path)) as box:
        with pytest.raises(NotAMaildir, match="is no directory") as raised:
            await box.deliver(b"hello")
    assert raised.value.errno == errno.ENOTDIR
    assert isinstance(raised.value.__cause__, NotADirectoryError)


async def test_a_file_in_the_place_of_a_part(path: Path) -> None:
    (path / "new").mkdir(parents=True)
    (path / "cur").touch()
    async with aclosing(Maildir(path)) as box:
        with pytest.raises(NotAMaildir, match="cur in it"):
            await box.deliver(b"hello")


@pytest.mark.parametrize("there", [True, False])
async def test_not_to_be_created(path: Path, there: bool) -> None:
    if there:
        path.mkdir()
    async with aclosing(Maildir(path, create=False)) as box:
        with pytest.raises(NotAMaildir):
            await box.deliver(b"hello")
    assert path.exists() == there


async def test_nothing_is_tried_again_before_it_is_called_for(path: Path) -> None:
    path.touch()
    async with aclosing(Maildir(path)) as box:
        with pytest.raises(NotAMaildir):
            await box.deliver(b"hello")
        path.unlink()
        await box.deliver(b"hello")


async def test_another_process_makes_it_as_well(
    path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[], Any]
) -> None:
    real = os.mkdir

    def mkdir(name: str, mode: int = 0o777) -> None:
        if os.path.exists(os.path.dirname(name)):
            real(name, mode)
        real(name, mode)

    monkeypatch.setattr(os, "mkdir", mkdir)
    async with aclosing(Maildir(path)) as box:
        await box.deliver(b"hello")
    assert look().messages() == [b"hello"]


async def test_two_file_systems(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat

    def stat(name: Any, **kwargs: Any) -> Any:
        found = list(real(name, **kwargs))
        if str(name).endswith("tmp"):
            found[2] += 1
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", stat)
    async with aclosing(Maildir(path)) as box:
        with pytest.raises(NotAMaildir, match="one file system"):
            await box.deliver(b"hello")


@pytest.mark.parametrize("publish", ["rename", "link"])
async def test_by_path(
    path: Path, monkeypatch: pytest.MonkeyPatch, calls: Any, look: Callable[[], Any], publish: Any
) -> None:
    monkeypatch.setattr(_tree, "_BY_HANDLE", False)
    async with aclosing(Maildir(path, publish=publish)) as box:
        done = await box.deliver(b"hello", key="ab", date=1e9)
        await box.deliver(b"seen", flags="S")
        assert await box.keys() >= {"ab"}
        (path / "tmp" / "old").touch()
        assert await box.clean(0) == ["old"]
    assert Path(done.path).read_bytes() == b"hello"
    assert sorted(look().messages()) == [b"hello", b"seen"]
    assert [what for call, what in calls.log if call == "fsync"][-1].endswith("cur")
    assert not look().tmp


async def test_directories_that_may_not_be_read(path: Path, calls: Any, look: Callable[[], Any]) -> None:
    for name in ("tmp", "new", "cur"):
        (path / name).mkdir(parents=True)

    def refuse(real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if args[1] & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, "no")
        return real(*args)

    calls.answer("open", refuse, 0)
    async with aclosing(Maildir(path)) as box:
        await box.deliver(b"hello")
    assert look().messages() == [b"hello"]


async def test_entering_makes_it(path: Path) -> None:
    async with Maildir(path):
        assert sorted(os.listdir(path)) == ["cur", "new", "tmp"]


async def test_entering_says_at_once_that_there_is_none(path: Path) -> None:
    path.touch()
    box = Maildir(path)
    with pytest.raises(NotAMaildir, match="is no directory"):
        await box.__aenter__()
    with pytest.raises(MaildirError, match="closed"):
        await box.deliver(b"hello")
