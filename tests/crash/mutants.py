"""The job with one of its steps taken out: what must make the tests of this folder fail, or they prove nothing."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable
from typing import Any

from maildir import Maildir
from maildir._sync_order import Committer
from pop3aio._fetch._intake import Intake
from pop3aio._fetch._run import Run

__all__ = ("MUTANTS", "apply")

# The attributes that are taken out here are none of a type checker's business.
_run: Any = Run
_intake: Any = Intake
_committer: Any = Committer
_maildir: Any = Maildir
_os: Any = os


def no_key_check() -> None:
    """What the store holds is not asked: only the journal says what is new."""

    async def ask(self: Any, new: list[Any]) -> list[Any]:
        self._memo.coming = {}
        return new

    _run._ask_store = ask


def no_journal_before_dele() -> None:
    """Messages are deleted first, and journalled after that."""
    record, end = _intake._record, _run._quit
    late: list[Any] = []

    async def later(self: Any, durable: list[Any]) -> None:
        late.extend(durable)
        self.journalled += [item for item, _ in durable]

    async def quit_and_record(self: Any, marked: list[Any]) -> None:
        await end(self, marked)
        await record(self._intake, late)

    _intake._record, _run._quit = later, quit_and_record


def no_waiting_for_the_store() -> None:
    """Messages are journalled and deleted when they are handed over, before the store says that they are durable."""
    submit, fsync = Maildir.submit, os.fsync

    async def hand_over(*arguments: Any, **options: Any) -> Any:
        await submit(*arguments, **options)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def slow(fd: int) -> None:
        # A slow disk, so that the rest of the job overtakes the store.
        if stat.S_ISREG(os.fstat(fd).st_mode):
            time.sleep(0.3)
        fsync(fd)

    _maildir.submit = hand_over
    _os.fsync = slow


def no_file_fsync() -> None:
    """The octets of a message are not synchronised."""
    fsync = os.fsync

    def directories_only(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            fsync(fd)

    _os.fsync = directories_only


def no_directory_fsync() -> None:
    """The names in new/ and cur/ are not synchronised."""
    _committer._sync = lambda self, drafts: drafts


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        no_key_check,
        no_journal_before_dele,
        no_waiting_for_the_store,
        no_file_fsync,
        no_directory_fsync,
    )
}


def apply(name: str) -> None:
    """Take a step out of the job, in this process."""
    MUTANTS[name]()
