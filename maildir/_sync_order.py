"""The order of write, fsync, rename and directory fsync: what the writer thread does with a group of messages."""

# How it works: a group is a list of drafts. Each goes through the stages below; a stage is done for the whole group
# before the next one begins. Nothing here knows of an event loop, and everything blocks.
#
# 1. write   create the file in tmp/, write the octets, ask the system to begin the write-back (`posix_fadvise`).
# 2. seal    set the modification time, fsync the file, close it, and check each answer.
# 3. publish rename the file from tmp/ into new/ or cur/ (or link it there).
# 4. sync    fsync new/ and cur/, each once for the group, if a file came in.
# 5. remove  for replacements: remove the older files of the key, and fsync their directories.
#
# Why in this order:
# - fsync before rename: a reader, or a power cut, must never meet a name whose octets are not on the disk.
# - Modification time before fsync: else a power cut could take the time of a message that was reported.
# - Directory fsync before the report: the fsync of a file does not make its name durable. POP3 deletes the message on
#   the server after the report, so a lost name would be a lost message.
# - Stage by stage, not message by message: the write-back of all files runs while the first is waited for, and one
#   directory fsync serves all. That is about five times as fast.
# - fsync of tmp/ is not needed: a name that is left in tmp/ does no harm.
#
# Invariants:
# - Only the writer thread calls these methods, one call at a time. Exceptions: `__init__` and `guard` run on the loop
#   before the first call, and `_clean_up` may run in the finalizer when no call is running any more.
# - Between two calls, `_partial` holds exactly the drafts that have an open file: written in part, and not yet
#   committed.
# - After `commit`, each draft of the group has `delivered`, or `error`, or is `dropped`, or is in `_partial`; a draft
#   that is not delivered has no file in tmp/, new/ or cur/ that could be removed. A failed replacement of stage 5 is
#   the exception: its new file is durable and stays.
# - A failing draft does not disturb the others of its group. Only a failing directory fsync fails all drafts in it.

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Callable, Collection, Iterator
from typing import Literal, TypeVar

from maildir._cleaning import clean
from maildir._draft import Delivered, Draft, Step
from maildir._errors import explain
from maildir._names import SEPARATOR, Names, key_of, suffix
from maildir._newlines import pieces
from maildir._replacing import remove_older
from maildir._tree import Tree, write_all

__all__ = ("Committer", "Durability", "Publish")

Durability = Literal["full", "data", "none"]
Publish = Literal["rename", "link"]

_T = TypeVar("_T")

# A name holds 64 random bits or the caller's hash, and the time and a counter. So even one clash is a sign of a fault.
_TRIES = 8

# Hard links do not exist on FAT, SMB, AFS, Android and many a FUSE file system.
_NO_LINK = frozenset(
    {errno.EPERM, errno.EXDEV, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK},
)


class Committer:
    """Brings groups of drafts into one Maildir, one call at a time and always from the same thread."""

    def __init__(
        self, tree: Tree, names: Names, *, durability: Durability, sizes: bool, mode: int, publish: Publish
    ) -> None:
        self._tree = tree
        self._names = names
        self._sync_files = durability != "none"
        self._sync_directories = durability == "full"
        self._sizes = sizes
        self._mode = mode
        self._link = publish == "link" and hasattr(os, "link")
        # Drafts that are written in part, between two groups. `close` must remove their files.
        self._partial: set[Draft] = set()

    def guard(self) -> None:
        """Arrange that files and handles go when the garbage collector finds this object: a caller forgot to close.

        The collector may run at any moment, even while its thread holds some lock, so the finalizer takes no lock. A
        call that runs in the writer thread keeps this object alive, so the finalizer never runs beside it. The thread
        itself ends when its pool is collected.
        """
        weakref.finalize(self, _clean_up, os.getpid(), self._tree, self._partial).atexit = False

    def commit(self, group: list[Draft]) -> None:
        """Do the step of each draft, and note the outcome in the draft."""
        for draft in group:
            if draft.step is Step.DISCARD:
                self._discard(draft, None)
        group = self._each(self._start, "write a message", [d for d in group if d.step is not Step.DISCARD])
        ready = []
        for draft in group:
            if draft.step is Step.SPILL:
                self._partial.add(draft)
            else:
                ready.append(draft)
        ready = self._each(self._seal, "write a message", ready)
        ready = self._each(self._publish, "publish a message", ready)
        if self._sync_directories:
            ready = self._sync(ready)
        for draft in ready:
            if draft.linked:
                # A second name left in tmp/ does no harm: readers ignore it, and a cleaner takes it.
                with contextlib.suppress(OSError):
                    self._tree.unlink("tmp", draft.base)
        for draft in self._replace(ready):
            newlines = draft.newlines
            path = self._tree.path_of(_subdirectory(draft), draft.name)
            draft.delivered = Delivered(
                draft.key, draft.name, path, newlines.octets, newlines.virtual_octets, duplicate=False
            )

    def prepare(self) -> None:
        """Make and open the directories."""
        with self._explained("open the Maildir"):
            self._tree.prepare()

    def keys(self) -> tuple[set[str], set[str]]:
        """Return the keys in the names of new/ and cur/, which are durable then, in two sets that are equal.

        To copy a large set takes milliseconds, so the thread does it.
        """
        with self._explained("list the messages"):
            self._tree.prepare()
            # Mail readers move files from new/ to cur/. In this order a file that moves meanwhile is seen at least
            # once.
            names = self._retry(self._tree.names, "new")
            names += self._tree.names("cur")
            if self._sync_directories:
                # A process that was killed between rename and directory fsync left names that are not durable. The
                # caller may delete the originals of what we list, so make the names durable first.
                self._tree.sync("new")
                self._tree.sync("cur")
        found = {key for name in names if (key := key_of(name))}
        return found, set(found)

    def remove_if_known(self, delivered: Delivered, among: Collection[str]) -> bool:
        """Remove a message again if one with a key in `among` is equal to it; return whether that was so."""
        name = delivered.name.partition(SEPARATOR)[0]
        with self._explained("compare the message with an earlier copy"):
            self._tree.prepare()
            # New mail moves from new/ to cur/, so in this order none slips through between the two.
            found = [
                (subdirectory, entry)
                for subdirectory in ("new", "cur")
                for entry in self._retry(self._tree.names, subdirectory)
            ]
            mine = [place for place in found if place[1].partition(SEPARATOR)[0] == name]
            others = [place for place in found if key_of(place[1]) in among]
            if not any(self._tree.is_equal(*own, *other) for own in mine for other in others):
                return False
            for subdirectory, entry in mine:
                self._tree.unlink(subdirectory, entry)
            for subdirectory in {subdirectory for subdirectory, _ in mine if self._sync_directories}:
                self._tree.sync(subdirectory)
        return True

    def clean(self, max_age: float) -> list[str]:
        """Remove what is abandoned or older than `max_age` seconds from tmp/, except messages that are coming in."""
        with self._explained("clean tmp/"):
            self._tree.prepare()
            spare = {draft.base for draft in self._partial}
            return self._retry(clean, self._tree, max_age, self._names.host, spare)

    def close(self) -> None:
        """Discard what came in part, and close the directories."""
        _clean_up(os.getpid(), self._tree, self._partial)

    def _each(self, act: Callable[[Draft], None], doing: str, drafts: list[Draft]) -> list[Draft]:
        """Do `act` with each draft; return the drafts that went well, and leave nothing of the others."""
        well = []
        for draft in drafts:
            try:
                if draft.withdrawn:
                    draft.dropped = True
                    self._discard(draft, None)
                else:
                    act(draft)
                    well.append(draft)
            except OSError as error:
                self._fail(draft, explain(error, doing, self._tree.path))
            except Exception as error:
                self._fail(draft, error)
        return well

    def _fail(self, draft: Draft, error: Exception) -> None:
        draft.error = error
        self._discard(draft, error)

    def _start(self, draft: Draft) -> None:
        if draft.fd < 0:
            self._tree.prepare()
            self._create(draft)
        newlines = draft.newlines
        for piece in pieces(draft.chunks):
            write_all(draft.fd, newlines.feed(piece))
        draft.chunks = []
        if draft.step is Step.COMMIT:
            write_all(draft.fd, newlines.finish())
        if self._sync_files and hasattr(os, "posix_fadvise"):
            # This starts the write-back of this file alone, so the later fsyncs find most of it done: 2 to 3 times as
            # fast on ext4 and XFS.
            with contextlib.suppress(OSError):
                os.posix_fadvise(draft.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def _create(self, draft: Draft) -> None:
        left = _TRIES
        while True:
            left -= 1
            name = self._names.make(draft.key)
            try:
                draft.fd = self._retry(self._tree.create, name, self._mode)
            except FileExistsError:
                if not left:
                    raise
            else:
                # Set only now that the file exists: `_discard` removes the file of this name, and before this line a
                # file of this name would belong to another delivery.
                draft.base = name
                return

    def _seal(self, draft: Draft) -> None:
        if draft.date is not None:
            self._tree.set_mtime(draft.base, draft.date)
        if self._sync_files:
            # Never repeat a failed fsync: Linux marks the pages as clean after an error, so the second call would
            # report success for octets that are lost.
            os.fsync(draft.fd)
        # Even a failed close frees the descriptor. A second close could hit a file that another thread has just opened,
        # so forget the number first.
        fd, draft.fd = draft.fd, -1
        os.close(fd)
        self._partial.discard(draft)

    def _publish(self, draft: Draft) -> None:
        tail = suffix(draft.newlines.octets, draft.newlines.virtual_octets) if self._sizes else ""
        if draft.flags:
            tail += f"{SEPARATOR}2,{draft.flags}"
        base = draft.base
        left = _TRIES
        while True:
            left -= 1
            draft.name = base + tail
            try:
                self._move(draft)
            except FileExistsError:
                if not left:
                    raise
                base = self._names.make(draft.key)
            else:
                return

    def _move(self, draft: Draft) -> None:
        subdirectory = _subdirectory(draft)
        try:
            self._retry(self._rename_or_link, draft, subdirectory)
        except OSError:
            # Over NFS the answer to a rename can get lost. The client repeats the call, and the repetition fails,
            # though the first one moved the file.
            if not self._tree.has_moved(draft.base, subdirectory, draft.name):
                raise

    def _rename_or_link(self, draft: Draft, subdirectory: str) -> None:
        draft.linked = self._link
        if self._link:
            try:
                self._tree.link(draft.base, subdirectory, draft.name)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                draft.linked = self._link = False
            else:
                return
        self._tree.rename(draft.base, subdirectory, draft.name)

    def _sync(self, drafts: list[Draft]) -> list[Draft]:
        durable = []
        for subdirectory in ("new", "cur"):
            changed = [draft for draft in drafts if _subdirectory(draft) == subdirectory]
            if not changed:
                continue
            try:
                self._tree.sync(subdirectory)
            except OSError as error:
                for draft in changed:
                    failure = explain(error, f"make the names in {subdirectory}/ durable", self._tree.path)
                    # The message is visible now, but may be gone after a crash. Remove it: the delivery is reported as
                    # failed, and the next one must not make a second copy.
                    self._remove(subdirectory, draft.name, failure)
                    self._fail(draft, failure)
            else:
                durable += changed
        return durable

    def _replace(self, drafts: list[Draft]) -> list[Draft]:
        """Remove the older files of the drafts that replace them; return the drafts for which all went well."""
        replacing = [draft for draft in drafts if draft.replaces]
        if not replacing:
            return drafts
        try:
            remove_older(self._tree, [draft.name for draft in replacing], sync=self._sync_directories)
        except OSError as error:
            # The new files stay: they are durable, and older ones may be gone already.
            advice = "the new file is there and durable; mend that and replace the message again"
            for draft in replacing:
                doing = "remove the older files of a message"
                draft.error = explain(error, doing, self._tree.path, advice)
            return [draft for draft in drafts if not draft.replaces]
        return drafts

    def _discard(self, draft: Draft, error: Exception | None) -> None:
        """Leave neither a descriptor nor a file in tmp/; if the file cannot be removed, add a note to `error`."""
        self._partial.discard(draft)
        draft.chunks = []
        if draft.fd >= 0:
            fd, draft.fd = draft.fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)
        if draft.base:
            self._remove("tmp", draft.base, error)

    def _remove(self, subdirectory: str, name: str, error: Exception | None) -> None:
        try:
            self._tree.unlink(subdirectory, name)
        except OSError as second:
            if error is not None:
                error.add_note(f"{subdirectory}/{name} could not be removed either: {second.strerror}")

    def _retry(self, call: Callable[..., _T], *args: object) -> _T:
        """Call again once if a directory has vanished; it is made anew."""
        try:
            return call(*args)
        except FileNotFoundError:
            self._tree.renew()
            return call(*args)

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            explained = explain(error, doing, self._tree.path)
            raise explained from explained.__cause__


def _clean_up(pid: int, tree: Tree, partial: set[Draft]) -> None:
    # In a forked child the files and the handles are still in use by the parent: leave them.
    if os.getpid() == pid:
        while partial:
            draft = partial.pop()
            fd, draft.fd = draft.fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)
            with contextlib.suppress(OSError):
                tree.unlink("tmp", draft.base)
        tree.close()


def _subdirectory(draft: Draft) -> str:
    """Return where the file goes: flags need cur/, since a name in new/ has none by the specification."""
    return "cur" if draft.flags else "new"
