"""Mail into something that is no Maildir: a coroutine function that puts each message into a database.

POP3AIO_PASSWORD=... python into_sqlite.py pop.example.org me mail.sqlite
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterable
from email import message_from_bytes
from email.policy import default
from typing import Any

import pop3aio


class MailTable:
    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS mail (key TEXT PRIMARY KEY, subject TEXT, octets BLOB)"
        )

    async def deliver(self, message: AsyncIterable[bytes], key: str) -> None:
        """Store one message; `fetch` takes it for safe as soon as this returns."""
        octets = b"".join([chunk async for chunk in message])
        await asyncio.to_thread(self._insert, key, octets)

    def _insert(self, key: str, octets: bytes) -> None:
        subject = str(message_from_bytes(octets, policy=default)["Subject"])
        with self._database:
            # A message may come a second time, when it is not certain that its first copy is whole.
            self._database.execute("INSERT OR REPLACE INTO mail VALUES (?, ?, ?)", (key, subject, octets))

    def subjects(self) -> list[str]:
        return [subject for (subject,) in self._database.execute("SELECT subject FROM mail")]

    def close(self) -> None:
        self._database.close()


async def fetch_into(
    table: MailTable, host: str, user: str, password: str, journal: str, **options: Any
) -> int:
    async with pop3aio.connect(host, **options) as client:
        await client.login(user, password)
        report = await pop3aio.fetch(client, table.deliver, journal=journal)
    return report.fetched


if __name__ == "__main__":
    _, host, user, path = sys.argv
    table = MailTable(path)
    password = os.environ["POP3AIO_PASSWORD"]
    print(asyncio.run(fetch_into(table, host, user, password, f"{path}.journal")), "new messages")
    table.close()
