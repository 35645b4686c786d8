"""A process that delivers a message, replaces it, and notes each step: ``FOLDER RECORD [--unsynced]``."""

from __future__ import annotations

import asyncio
import os
import sys

from maildir import Maildir
from tests.crash.victim import Files, Tracer

__all__ = ("KEY", "NEW", "OLD")

KEY = "ab" * 16
OLD = b"old\n" * 5000
NEW = b"new\n" * 6000


async def _replace(tracer: Tracer, folder: str, *, synced: bool) -> None:
    async with Maildir(folder, durability="full" if synced else "none") as box:
        await box.deliver(OLD, key=KEY)
        for name in ("new", "cur"):
            handle = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        tracer.note("answered")
        await (await box.replace(NEW, key=KEY))
        tracer.note("answered")


def main() -> None:
    """Deliver, and replace."""
    folder, record, *unsynced = sys.argv[1:]
    os.environ["CRASH_RECORD"] = record
    tracer = Tracer()
    Files(tracer)
    asyncio.run(_replace(tracer, folder, synced=not unsynced))


if __name__ == "__main__":
    main()
