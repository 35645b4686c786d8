"""What the tests of delivery share: a look behind the scenes, faults on demand, and a search for what was left."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import maildir
from tests.kit.pace import stretched

CALLS = (
    "open",
    "write",
    "fsync",
    "close",
    "rename",
    "link",
    "unlink",
    "utime",
    "posix_fadvise",
    "mkdir",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Mail"


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    """After every test: no descriptor of a file of it, and no thread of ours."""
    yield
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("maildir"):
            thread.join(stretched(10))
            assert not thread.is_alive()
    assert open_files(tmp_path) == []


def open_files(under: Path) -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith(str(under)):
            found.append(target)
    return found


@dataclass
class Contents:
    """The files of a Maildir by directory, each with what is in it."""

    new: dict[str, bytes] = field(default_factory=dict)
    cur: dict[str, bytes] = field(default_factory=dict)
    tmp: dict[str, bytes] = field(default_factory=dict)

    def empty(self) -> bool:
        return not (self.new or self.cur or self.tmp)

    def messages(self) -> list[bytes]:
        return [octets for _, octets in sorted((self.new | self.cur).items())]


@pytest.fixture
def look(path: Path) -> Callable[[], Contents]:
    """Read the Maildir at `path`; every message in it must be as long as its name says."""

    def look() -> Contents:
        found = Contents(
            **{
                sub: {file.name: file.read_bytes() for file in (path / sub).glob("*")}
                for sub in ("new", "cur", "tmp")
            }
        )
        for name, octets in (found.new | found.cur).items():
            size = re.search(r",S=(\d+),", name)
            assert size is None or int(size[1]) == len(octets)
        return found

    return look


@pytest.fixture
def files(tmp_path: Path) -> Callable[[], list[str]]:
    """The open files in the Maildir, without its three directories."""

    def files() -> list[str]:
        return [
            name
            for name in open_files(tmp_path)
            if not name.removesuffix(" (deleted)").endswith(("tmp", "new", "cur"))
        ]

    return files


class Calls:
    """Notes the calls of the operating system which the writer thread makes, and lets chosen ones fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[tuple[str, str]] = []
        self._faults: dict[tuple[str, int], Callable[[Callable[..., Any], tuple[Any, ...]], Any]] = {}
        self._counts: dict[str, int] = {}
        self._total = 0
        self.before: Callable[[str, str], None] = lambda call, what: None
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not threading.current_thread().name.startswith("maildir"):
                return real(*args, **kwargs)
            what = args[0] if isinstance(args[0], str) else os.readlink(f"/proc/self/fd/{args[0]}")
            self.log.append((name, os.path.relpath(what) if os.path.isabs(what) else what))
            self._counts[name] = self._counts.get(name, 0) + 1
            self._total += 1
            keys = ((name, self._counts[name]), (name, 0), ("", self._total))
            self.before(name, what)
            for key in keys:
                if key in self._faults:
                    return self._faults[key](real, args)
            return real(*args, **kwargs)

        return call

    def fail(self, call: str, error: int, nth: int = 1) -> None:
        """Let the `nth` call fail with `error`; 0 means every one, and "" whichever it is."""

        def fault(real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
            if self.log[-1][0] == "close":
                real(*args)  # the descriptor is gone even so
            raise OSError(error, os.strerror(error))

        self._faults[call, nth] = fault

    def answer(
        self, call: str, answer: Callable[[Callable[..., Any], tuple[Any, ...]], Any], nth: int = 1
    ) -> None:
        self._faults[call, nth] = answer

    def reset(self) -> None:
        self.log.clear()
        self._faults.clear()
        self._counts.clear()
        self._total = 0

    def names(self) -> list[str]:
        return [name for name, _ in self.log]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


class Gate:
    """Holds the writer thread at a call until it is opened."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._open = threading.Event()
        self._reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.at = ""

    def close(self, call: str) -> None:
        self.at = call
        self._calls.before = self._before

    def _before(self, call: str, what: str) -> None:
        if call == self.at:
            self._loop.call_soon_threadsafe(self._reached.set)
            assert self._open.wait(stretched(10))

    async def reached(self) -> None:
        await self._reached.wait()

    def open(self) -> None:
        self._open.set()


@pytest.fixture
async def gate(calls: Calls) -> AsyncIterator[Gate]:
    gate = Gate(calls)
    yield gate
    gate.open()


@pytest.fixture
async def box(path: Path) -> AsyncIterator[maildir.Maildir]:
    async with maildir.Maildir(path) as box:
        yield box


ERRORS = (errno.ENOSPC, errno.EIO)
