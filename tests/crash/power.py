"""Power cuts, simulated: from what a run did to its files, every state that POSIX lets a disk be in afterwards.

What a file holds is certain only as far as it was synchronised: the rest may be there, or lost, or zeros, or cut off
anywhere. A name is certain only when its directory was synchronised after it: of the names that were made, moved and
removed since, any may have reached the disk and any not, a rename by halves, too. SQLite's commits are trusted: what
was committed is there, what was being committed is there or is not.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ("Cut", "cuts", "load")

Operation: TypeAlias = tuple[Any, ...]


def load(path: Path) -> list[Operation]:
    """Return the operations that `tests.crash.victim` has noted."""
    operations = []
    with path.open("rb") as file:
        while file.peek(1):
            operations.append(pickle.load(file))
    return operations


@dataclass
class Cut:
    """What is there after one power cut.

    Attributes:
        after: how many operations had been noted by then.
        directories: paths of directories.
        files: what each file holds, by its path.
        journal: the journal's octets, or None if there is none.
        deleted: the message numbers that the server has deleted.
    """

    after: int
    directories: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    journal: bytes | None = None
    deleted: list[int] = field(default_factory=list)

    def build(self, root: str, folder: Path, journal: Path) -> None:
        """Make it real below `folder`, which stands for what was `root`."""
        for path in self.directories:
            (folder / os.path.relpath(path, root)).mkdir(parents=True, exist_ok=True)
        for path, octets in self.files.items():
            (folder / os.path.relpath(path, root)).write_bytes(octets)
        if self.journal is not None and journal.parent.exists():
            journal.write_bytes(self.journal)


class _Disk:
    """What is certain, and what is pending, after some operations below a directory that was there before them."""

    def __init__(self, root: str) -> None:
        self.root = root
        # By the path of a directory: names that are certain, and changes since, in their order.
        self.names: dict[str, dict[str, str]] = {root: {}}
        self.changes: dict[str, list[tuple[str, str | None]]] = {root: []}
        # By the number of a file: its octets, and how many of them are certain.
        self.octets: dict[str, bytes] = {}
        self.certain: dict[str, int] = {}
        # As a process sees it: what each path is, a directory's path standing for itself.
        self._seen: dict[str, str] = {}
        self.journals: list[bytes] = []
        self.committing = False
        self.sent = b""
        self.answered = False
        # Messages that earlier sessions have deleted.
        self.gone: list[int] = []

    def apply(self, operation: Operation) -> None:
        kind, *rest = operation
        getattr(self, f"_{kind.replace('-', '_')}")(*rest)

    def _change(self, path: str, target: str | None) -> None:
        directory, name = os.path.split(path)
        if directory in self.changes:
            self.changes[directory].append((name, target))
            if target is None:
                self._seen.pop(path, None)
            else:
                self._seen[path] = target

    def _mkdir(self, path: str) -> None:
        self.names.setdefault(path, {})
        self.changes.setdefault(path, [])
        self._change(path, path)

    def _create(self, number: str, path: str) -> None:
        self.octets[number], self.certain[number] = b"", 0
        self._change(path, number)

    def _write(self, number: str, data: bytes) -> None:
        self.octets[number] += data

    def _sync(self, number: str) -> None:
        self.certain[number] = len(self.octets[number])

    def _rename(self, source: str, target: str) -> None:
        number = self._seen[source]
        self._change(target, number)
        self._change(source, None)

    def _unlink(self, path: str) -> None:
        self._change(path, None)

    def _sync_directory(self, path: str) -> None:
        if path in self.changes:
            self.names[path] = _names(self.names[path], self.changes[path])
            self.changes[path] = []

    def _commit(self) -> None:
        self.committing = True

    def _committed(self, octets: bytes) -> None:
        self.committing = False
        self.journals.append(octets)

    def _sent(self, data: bytes) -> None:
        # The octets of a new session begin with its first command.
        if data.startswith(b"CAPA"):
            if self.answered:
                self.gone = self.deleted()
            self.sent, self.answered = b"", False
        self.sent += data

    def deleted(self) -> list[int]:
        """Return what is deleted once QUIT is carried out, by the numbers that the first session had."""
        left = [number for number in range(1, 1000) if number not in self.gone]
        lines = self.sent.split(b"\r\n")
        marked = [int(line.split()[1]) for line in lines if line.startswith(b"DELE ")]
        return self.gone + [left[number - 1] for number in marked if b"QUIT" in lines]

    def _answered(self) -> None:
        self.answered = True


def _names(names: dict[str, str], changes: Sequence[tuple[str, str | None]]) -> dict[str, str]:
    changed: dict[str, str | None] = {**names, **dict(changes)}
    return {name: target for name, target in changed.items() if target is not None}


def cuts(
    operations: Sequence[Operation], root: str, seed: int, samples: int, first: int = 0
) -> Iterator[Cut]:
    """Yield states after a power cut at each moment from operation `first` on.

    At each: what is certain alone, all that is pending with it, and `samples` that chance chooses. What is the same
    as an earlier one is left out.
    """
    chance = random.Random(seed)
    disk = _Disk(root)
    journals = [octets for kind, *rest in operations if kind == "committed" for octets in rest]
    before: set[str] = set()
    for after, operation in enumerate(operations, start=1):
        disk.apply(operation)
        if after <= first:
            continue
        for likely in (0.0, 1.0, *(chance.choice((0.2, 0.5, 0.8)) for _ in range(samples))):
            cut = _choose(disk, journals, chance, likely)
            same = repr((cut.directories, cut.files, hash(cut.journal), cut.deleted))
            if same not in before:
                before.add(same)
                cut.after = after
                yield cut


def _choose(disk: _Disk, journals: Sequence[bytes], chance: random.Random, likely: float) -> Cut:
    """Choose what of the pending things has reached the disk, each with a probability."""
    cut = Cut(0)
    octets = {number: _octets(disk, number, chance, likely) for number in disk.octets}
    waiting = [disk.root]
    while waiting:
        directory = waiting.pop()
        cut.directories.append(directory)
        arrived = [change for change in disk.changes[directory] if chance.random() < likely]
        for name, target in _names(disk.names[directory], arrived).items():
            path = os.path.join(directory, name)
            if target in octets:
                cut.files[path] = octets[target]
            else:
                waiting.append(path)
    count = len(disk.journals)
    if disk.committing and chance.random() < likely:
        count += 1
    cut.journal = journals[count - 1] if count else None
    cut.deleted = disk.deleted() if disk.answered or chance.random() < likely else disk.gone
    return cut


def _octets(disk: _Disk, number: str, chance: random.Random, likely: float) -> bytes:
    octets, certain = disk.octets[number], disk.certain[number]
    if likely in (0.0, 1.0):
        return octets if likely else octets[:certain]
    end = chance.choice((certain, len(octets), chance.randint(certain, len(octets))))
    # The size may be known to the disk before the octets are.
    zeros = bytes(len(octets) - end) if chance.random() < 0.5 else b""
    return octets[:end] + zeros
