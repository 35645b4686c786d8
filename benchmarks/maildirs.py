"""Maildirs before and after a measurement: filled in advance, counted and emptied behind."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.jobs import Job

__all__ = ("fill", "stored", "sweep")

_HELD = "held"


def fill(folder: Path, held: int) -> None:
    """Make the Maildir ``mail`` in `folder`, holding `held` messages of a few octets."""
    for name in ("tmp", "new", "cur"):
        (folder / "mail" / name).mkdir(parents=True, exist_ok=True)
    new = os.open(folder / "mail" / "new", os.O_RDONLY)
    try:
        for number in range(held):
            name = f"{_HELD}{number}.1_0.host"
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=new)
            os.write(descriptor, b"From: a@example.org\n\n")
            os.close(descriptor)
    finally:
        os.close(new)


def stored(job: Job) -> int:
    """Return the octets of all messages in the Maildir that were not there before, as CRLF would make them."""
    total = count = 0
    with os.scandir(Path(job.folder, "mail", "new")) as entries:
        for entry in entries:
            if not entry.name.startswith(_HELD):
                total += entry.stat().st_size
                count += 1
    if total != job.stored * job.count or count != job.count:
        raise RuntimeError(f"the Maildir holds {count} messages of {total} octets")
    return job.octets * job.count


def sweep(folder: Path) -> None:
    """Remove the messages that a measurement has added."""
    for name in os.listdir(folder / "mail" / "new"):
        if not name.startswith(_HELD):
            os.unlink(folder / "mail" / "new" / name)
