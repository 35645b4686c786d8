"""Removing the older files of a key, after a new one is durable. Everything here blocks."""

# How it works: the new file is published and durable before this module is called. A pass lists new/ and cur/ and
# removes each other file with the same key. A mail reader may move a file between the listing and the removal, so
# passes repeat until one finds nothing to remove. At last the changed directories are synchronised.
#
# Invariants:
# - A file is removed only while the new file of its key stands in the same listing. So one of the two is always there.
# - Two processes that replace the same key must not remove each other's new file. The lock on tmp/ lets one list and
#   remove at a time, and the second one does not find its own file any more and removes nothing.
# - A crash at any point leaves the new file, and perhaps older ones, which the next replacement of the key removes.

from __future__ import annotations

import errno
from collections.abc import Iterable

from maildir._names import SEPARATOR, key_of
from maildir._tree import Tree

__all__ = ("remove_older",)

# A mail reader moves a file once or twice in a moment. More passes than this mean that something works against us.
_PASSES = 8


def remove_older(tree: Tree, names: Iterable[str], *, sync: bool) -> None:
    """Remove every file in new/ and cur/ that has the key of one of `names` and is not that file.

    Raises:
        OSError: a directory could not be listed, locked or synchronised, or a file not removed.
    """
    own = {key: _unique_part(name) for name in names if (key := key_of(name)) is not None}
    changed: set[str] = set()
    with tree.locked():
        for _ in range(_PASSES):
            others = _others(tree, own)
            if not others:
                break
            for subdirectory, name in others:
                tree.unlink(subdirectory, name)
                changed.add(subdirectory)
        else:
            raise OSError(errno.EBUSY, "another program renames the older files all the time")
        if sync:
            for subdirectory in sorted(changed):
                tree.sync(subdirectory)


def _others(tree: Tree, own: dict[str, str]) -> list[tuple[str, str]]:
    """Return the older files of the keys in `own`, each as subdirectory and name."""
    found: dict[str, list[tuple[str, str]]] = {}
    present: set[str] = set()
    # New mail moves from new/ to cur/: in this order a file that moves meanwhile is seen in one of them.
    for subdirectory in ("new", "cur"):
        for name in tree.names(subdirectory):
            key = key_of(name)
            if key is None or key not in own:
                continue
            if _unique_part(name) == own[key]:
                present.add(key)
            else:
                found.setdefault(key, []).append((subdirectory, name))
    return [other for key, others in found.items() if key in present for other in others]


def _unique_part(name: str) -> str:
    """Return `name` without the flags, which a mail reader changes."""
    return name.partition(SEPARATOR)[0]
