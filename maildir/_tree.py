"""The directories of one Maildir, held open, and the calls for the files in them. Everything here blocks."""

# How it works: `prepare` makes the directories if need be, synchronises them, and opens a handle for each. All later
# calls name files relative to a handle, so the Maildir cannot be exchanged under a delivery. Where the system has no
# such calls, or a directory may not be read, the same calls use paths: `_prefixes` holds the paths then, and
# `_handles` is empty.
#
# Invariants:
# - Only the writer thread uses a Tree (and the finalizer, when the thread has no call any more).
# - Either `_handles` has all three directories and `_prefixes` is empty texts, or `_handles` is empty and `_prefixes`
#   are paths that end in a separator. So every call joins prefix and name, and passes the handle or None.
# - While `_ready` is True the directories were there once, and were durable then if `sync` is set.
# - While the handles are open, tmp/ is locked (shared): cleaners see by that that a live process delivers here.

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

from maildir._errors import NotAMaildir

__all__ = ("Tree", "write_all")

# The order of making: tmp/ last. So a Maildir that a crash left half made lacks tmp/, and is not taken for whole.
_SUBDIRECTORIES = ("cur", "new", "tmp")

_BY_HANDLE = {os.open, os.rename, os.unlink, os.stat, os.utime} <= os.supports_dir_fd
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_HOLD = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOEXEC
_CREATE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | _CLOEXEC
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)

# These errors say that directories cannot be synchronised here: CIFS, some old systems, Windows. There is no other way
# to make a name durable there, so they are ignored.
_NO_DIRECTORY_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})


# Octets that are compared at a time.
_PIECE = 1 << 18


class Tree:
    """tmp/, new/ and cur/ under one path.

    Where the system can, files are reached through handles of their directories: a swapped directory is not followed,
    and no path is looked up from the root each time. Otherwise files are reached by path, through the same calls.
    """

    __slots__ = ("_create", "_dirmode", "_handles", "_paths", "_prefixes", "_ready", "_sync", "path")

    def __init__(self, path: str, *, create: bool, dirmode: int, sync: bool) -> None:
        self.path: str = path
        self._create = create
        self._dirmode = dirmode
        self._sync = sync
        self._ready = False
        self._handles: dict[str, int] = {}
        self._paths = {name: os.path.join(path, name) for name in _SUBDIRECTORIES}
        self._prefixes = self._by_path()

    def prepare(self) -> None:
        """Make and open the directories, unless that is done.

        Raises:
            NotAMaildir: the path leads to something else, or to nothing and it is not to be made.
        """
        if not self._ready:
            self._build()
            self._hold()
            self._ready = True

    def renew(self) -> None:
        """Look at the path again, after a directory has vanished from it."""
        self.close()
        self.prepare()

    def close(self) -> None:
        """Give the handles back; `prepare` takes them again."""
        self._ready = False
        self._prefixes = self._by_path()
        while self._handles:
            # Nothing was written through a handle, so an error of its close loses nothing.
            with contextlib.suppress(OSError):
                os.close(self._handles.popitem()[1])

    def path_of(self, subdirectory: str, name: str) -> str:
        """Return the absolute path of ``subdirectory/name``."""
        return f"{self._paths[subdirectory]}{os.sep}{name}"

    def create(self, name: str, mode: int) -> int:
        """Create ``tmp/name``, which must not exist, and return a descriptor for writing."""
        return os.open(self._prefixes["tmp"] + name, _CREATE, mode, dir_fd=self._handles.get("tmp"))

    def rename(self, name: str, subdirectory: str, target: str) -> None:
        """Move ``tmp/name`` to ``subdirectory/target``."""
        os.rename(
            self._prefixes["tmp"] + name,
            self._prefixes[subdirectory] + target,
            src_dir_fd=self._handles.get("tmp"),
            dst_dir_fd=self._handles.get(subdirectory),
        )

    def link(self, name: str, subdirectory: str, target: str) -> None:
        """Give ``tmp/name`` the second name ``subdirectory/target``, which must not exist."""
        os.link(
            self._prefixes["tmp"] + name,
            self._prefixes[subdirectory] + target,
            src_dir_fd=self._handles.get("tmp"),
            dst_dir_fd=self._handles.get(subdirectory),
        )

    def unlink(self, subdirectory: str, name: str) -> None:
        """Remove ``subdirectory/name``; that it is gone already is no error."""
        with contextlib.suppress(FileNotFoundError):
            self.remove(subdirectory, name)

    def remove(self, subdirectory: str, name: str) -> None:
        """Remove ``subdirectory/name``, which must be there."""
        os.unlink(self._prefixes[subdirectory] + name, dir_fd=self._handles.get(subdirectory))

    def has_moved(self, name: str, subdirectory: str, target: str) -> bool:
        """Return whether what was ``tmp/name`` is ``subdirectory/target`` now, linked or renamed.

        Names are unique: a file that stands at the target while ``tmp/name`` is gone must be the moved one.
        """
        there = self._identity(subdirectory, target)
        here = self._identity("tmp", name)
        return there is not None and here in (there, None)

    def _identity(self, subdirectory: str, name: str) -> tuple[int, int] | None:
        """Return device and inode of ``subdirectory/name``, None if it cannot be seen."""
        try:
            found = os.stat(
                self._prefixes[subdirectory] + name,
                dir_fd=self._handles.get(subdirectory),
                follow_symlinks=False,
            )
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def set_mtime(self, name: str, mtime: int) -> None:
        """Set the modification time of ``tmp/name`` to `mtime`, in nanoseconds."""
        # Keep the access time young: some cleaners of tmp/ judge by it, and the file still is in tmp/.
        times = (time.time_ns(), mtime)
        os.utime(self._prefixes["tmp"] + name, ns=times, dir_fd=self._handles.get("tmp"))

    def names(self, subdirectory: str) -> list[str]:
        """Return the names in `subdirectory`."""
        return os.listdir(self._where(subdirectory))

    def scan(self, subdirectory: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        """Return the entries of `subdirectory`."""
        return os.scandir(self._where(subdirectory))

    def is_equal(self, subdirectory: str, name: str, other_subdirectory: str, other: str) -> bool:
        """Return whether two files hold the same octets; one that is gone is equal to none."""
        try:
            with (
                open(self.path_of(subdirectory, name), "rb") as one,
                open(self.path_of(other_subdirectory, other), "rb") as two,
            ):
                if os.fstat(one.fileno()).st_size != os.fstat(two.fileno()).st_size:
                    return False
                while octets := one.read(_PIECE):
                    if octets != two.read(_PIECE):
                        return False
                return True
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock on new/, by which processes take turns at removing, where the system has such locks."""
        # Some network file systems have no locks. There two processes may remove at the same time.
        self._lock("new", "exclusive")
        try:
            yield
        finally:
            self._lock("new", "none")

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Give True if it is sure that no other Maildir is open here, and keep others from opening it meanwhile."""
        # The change from shared to exclusive is not atomic. Only a holder of the lock on new/ may try it, so that no
        # other cleaner slips in while this Maildir holds neither.
        with self.locked():
            try:
                yield self._lock("tmp", "exclusive at once")
            finally:
                self._lock("tmp", "shared")

    def _lock(self, subdirectory: str, how: str) -> bool:
        """Lock or unlock the handle of `subdirectory`; return whether that was possible."""
        handle = self._handles.get(subdirectory)
        try:
            import fcntl
        except ImportError:
            return False
        if handle is None:
            return False
        operations = {
            "shared": fcntl.LOCK_SH,
            "exclusive": fcntl.LOCK_EX,
            "exclusive at once": fcntl.LOCK_EX | fcntl.LOCK_NB,
            "none": fcntl.LOCK_UN,
        }
        try:
            fcntl.flock(handle, operations[how])
        except OSError:
            return False
        return True

    def sync(self, subdirectory: str) -> None:
        """Make the names in `subdirectory` durable, as far as the file system can."""
        handle = self._handles.get(subdirectory)
        if handle is None:
            _sync_path(self._paths[subdirectory])
        else:
            _sync_handle(handle)

    def _where(self, subdirectory: str) -> str | int:
        return self._handles.get(subdirectory, self._paths[subdirectory])

    def _by_path(self) -> dict[str, str]:
        return {name: os.path.join(path, "") for name, path in self._paths.items()}

    def _build(self) -> None:
        paths = self._paths
        if all(map(os.path.isdir, paths.values())):
            self._make_durable()
            return
        try:
            entries = set(os.listdir(self.path))
        except FileNotFoundError as error:
            if not self._create:
                raise NotAMaildir(
                    error.errno, f"There is no Maildir at {self.path!r}; create=True makes one"
                ) from error
            entries = set()
        except NotADirectoryError as error:
            raise NotAMaildir(error.errno, f"{self.path!r} is no directory; a Maildir is one") from error
        present = entries & paths.keys()
        # One of the three names among other files proves nothing: many home directories have a tmp/.
        if not self._create or (len(present) < 2 and entries - present):
            raise NotAMaildir(
                errno.EINVAL,
                f"{self.path!r} is no Maildir: it lacks cur/, new/ or tmp/; give an empty or a new directory",
            )
        for name in sorted(present):
            if not os.path.isdir(paths[name]):
                raise NotAMaildir(errno.ENOTDIR, f"{self.path!r} is no Maildir: {name} in it is no directory")
        for name in _SUBDIRECTORIES:
            if name not in present:
                self._make(paths[name])
        self._make_durable()

    def _make_durable(self) -> None:
        # The process that made these directories may have been killed before it synchronised them.
        if self._sync:
            _sync_path(self.path)
            _sync_path(os.path.dirname(self.path))

    def _make(self, path: str) -> None:
        parent = os.path.dirname(path)
        try:
            os.mkdir(path, self._dirmode)
        except FileExistsError:
            return  # another process makes the same Maildir
        except FileNotFoundError:
            self._make(parent)
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, self._dirmode)
        if self._sync:
            _sync_path(path)
            _sync_path(parent)

    def _hold(self) -> None:
        paths = self._paths
        if len({os.stat(path).st_dev for path in paths.values()}) > 1:
            raise NotAMaildir(
                errno.EXDEV,
                f"cur/, new/ and tmp/ of {self.path!r} must be on one file system: a message is renamed in it",
            )
        if not _BY_HANDLE:
            return
        try:
            for name, path in paths.items():
                self._handles[name] = os.open(path, _HOLD)
        except PermissionError:
            self.close()  # a drop box that may be written but not read: use paths
        except BaseException:
            self.close()
            raise
        else:
            self._prefixes = dict.fromkeys(paths, "")
            # Says to cleaners that this Maildir is open, until the handle is closed or the process dies.
            self._lock("tmp", "shared")


def _sync_handle(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise


def _sync_path(path: str) -> None:
    try:
        handle = os.open(path, _HOLD)
    except PermissionError:
        return
    try:
        _sync_handle(handle)
    finally:
        os.close(handle)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`: one call may take less, at a full disk, after a signal, or beyond 2 GiB."""
    while data:
        written = os.write(fd, data)
        if not written:
            raise OSError(errno.EIO, "the system took no octet of a write")
        data = data[written:]
