"""A service that looks for new mail every few minutes, and stops cleanly when it is told to.

POP3AIO_PASSWORD=... python polling_service.py pop.example.org me ~/Maildir
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pop3aio
from maildir import Maildir

log = logging.getLogger("mail")


class MailPoller:
    """Fetches from one maildrop, again and again, in a task of its own."""

    def __init__(
        self,
        connect: Callable[[], pop3aio.Connect],
        login: tuple[str, str],
        folder: Path,
        interval: float = 300.0,
    ) -> None:
        self._connect = connect
        self._login = login
        self._folder = folder
        self._interval = interval
        self.rounds = 0
        self.fetched = 0
        self.round_done = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Poll while the block runs; on leaving it, a fetch that is under way is broken off and nothing is lost."""
        task = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _poll(self) -> None:
        async with (
            Maildir(self._folder) as box,
            pop3aio.SQLiteJournal(self._folder / ".journal.sqlite") as journal,
        ):
            while True:
                delay = self._interval
                try:
                    await self._round(box, journal)
                except pop3aio.AuthenticationError as error:
                    log.error("giving up, for a wrong password must not be repeated: %s", error)
                    return
                except pop3aio.LoginDelay as error:
                    delay = max(delay, error.seconds or 0)
                except (pop3aio.POP3Error, OSError) as error:
                    log.warning("trying again in %g s: %s", delay, error)
                self.rounds += 1
                self.round_done.set()
                await asyncio.sleep(delay)

    async def _round(self, box: Maildir, journal: pop3aio.SQLiteJournal) -> None:
        async with self._connect() as client:
            await client.login(*self._login)
            report = await pop3aio.fetch(client, box, journal=journal)
            self.fetched += report.fetched
            log.info("%d new messages", report.fetched)


async def main(host: str, user: str, folder: str) -> None:
    logging.basicConfig(level=logging.INFO)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    poller = MailPoller(lambda: pop3aio.connect(host), (user, os.environ["POP3AIO_PASSWORD"]), Path(folder))
    async with poller.running():
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
