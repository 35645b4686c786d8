"""Removing from tmp/ the files that no program will deliver any more. Everything here blocks.

Two kinds of files go: those that nothing has touched for `max_age` seconds (36 hours by custom), and at once those of
killed processes that delivered by this package. What makes sure that such a process is dead:

- Every open Maildir holds a shared lock on tmp/ (flock). The system gives the lock up when the process dies, however it
  dies. A cleaner that gets the lock alone knows that no other Maildir object of this package is open there: not in this
  process, not in another container on this machine (the lock belongs to the inode, not to a pid namespace), and not on
  another machine where the network file system has such locks. If the lock cannot be had, only the age counts.
- The name must say this host. On a network file system that keeps locks to one machine, the files of other machines are
  under the custom of 36 hours. A host named "localhost" has no name that tells it apart, so there only the age counts.
- The process id in the name must not be alive. Another program, getmail, makes names of the same form without a lock.
  A pid that was used again by another process is alive, so the file waits for its 36 hours. The id of this process says
  nothing against the file: its own messages are spared by name, and a container gives the same id at each start.

If all three err, a file is taken from a live delivery. That delivery fails with an error, and reports no success.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Set as AbstractSet

from maildir._names import maker_of
from maildir._tree import Tree

__all__ = ("clean",)


def clean(tree: Tree, max_age: float, host: str, spare: AbstractSet[str]) -> list[str]:
    """Remove old and abandoned files from tmp/, except `spare`; return their names.

    Raises:
        OSError: tmp/ could not be read, or a file not removed.
    """
    with tree.alone() as alone:
        limit = time.time() - max_age
        removed = []
        with tree.scan("tmp") as entries:
            for entry in entries:
                # Another cleaner may be at work.
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    if not stat.S_ISREG(found.st_mode) or entry.name in spare:
                        continue
                    youngest = max(found.st_atime, found.st_mtime, found.st_ctime)
                    if youngest <= limit or (alone and _is_abandoned(entry.name, host)):
                        tree.remove("tmp", entry.name)
                        removed.append(entry.name)
    return sorted(removed)


def _is_abandoned(name: str, host: str) -> bool:
    """Return whether `name` is of a process on `host` that is not alive, when no other Maildir is open there."""
    maker = maker_of(name)
    if maker is None or host == "localhost":
        return False
    pid, maker_host = maker
    return maker_host == host and (pid == os.getpid() or not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    """Return whether there is a process `pid`; True if that cannot be known."""
    if pid <= 0:
        return True  # os.kill would ask about a group of processes
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
