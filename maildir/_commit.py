"""What the writer thread does with a group of messages. Nothing here knows of an event loop."""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Callable, Iterator
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

# Names hold 64 random bits or the caller's hash, so even a second try means that something is wrong.
_TRIES = 8

# Hard links do not exist on FAT, SMB, AFS, Android and many a FUSE file system.
_NO_LINK = frozenset(
    {errno.EPERM, errno.EXDEV, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK},
)


class Committer:
    """Brings groups of drafts into one Maildir, one call at a time and always from the same thread.

    The order of a group: write every message to tmp/ and start its write-back; then for each set the modification time,
    fsync, close; then for each rename into new/ or cur/; then fsync every directory that was changed, once. Only then
    is a draft delivered. A draft that fails on the way leaves nothing and does not disturb the others.
    """

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
        # Messages which came in part, between two groups: whoever closes must know them.
        self._partial: set[Draft] = set()

    def guard(self) -> None:
        """Clean up when the collector finds us: somebody forgot to close.

        It may find us at any moment, inside a lock of this very thread too, so no lock may be taken then. A call in the
        thread keeps us alive; the thread itself ends when its pool is collected.
        """
        weakref.finalize(self, _clean_up, os.getpid(), self._tree, self._partial).atexit = False

    def commit(self, group: list[Draft]) -> None:
        """Do for each draft its step, and note in it what came of it."""
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
            # New mail moves from new/ to cur/, so in this order none slips through between the two.
            names = self._retry(self._tree.names, "new")
            names += self._tree.names("cur")
            if self._sync_directories:
                # Whoever was killed between a rename and this left names that a power cut could take away.
                self._tree.sync("new")
                self._tree.sync("cur")
        found = {key for name in names if (key := key_of(name))}
        return found, set(found)

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
        """Do `act` with each draft; return those with which it went well, and leave nothing of the others."""
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
            # Starts the write-back of this file alone, so that the fsyncs to come find most of it done.
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
                draft.base = name  # not before it is ours: what fails is removed by this name
                return

    def _seal(self, draft: Draft) -> None:
        if draft.date is not None:
            self._tree.set_mtime(draft.base, draft.date)
        if self._sync_files:
            # Never a second time: after an error Linux takes the pages for clean, and success would be a lie.
            os.fsync(draft.fd)
        # Even a failed close gives the descriptor up; closing it again could hit another file.
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
            # Over NFS the answer to a call that was carried out can get lost, and its repetition fails.
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
                    # Visible, but nobody can say whether after a crash: taken back, so that fetching it again does
                    # not make two of it.
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
        """Leave neither a descriptor nor a file in tmp/; what cannot be removed is said in a note on `error`."""
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
    if os.getpid() == pid:  # in a forked process they are still the files of the other one
        while partial:
            draft = partial.pop()
            fd, draft.fd = draft.fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)
            with contextlib.suppress(OSError):
                tree.unlink("tmp", draft.base)
        tree.close()


def _subdirectory(draft: Draft) -> str:
    """Return where it goes: a message with flags has been seen by somebody, and new/ knows no flags."""
    return "cur" if draft.flags else "new"
