"""Fetch what is new from a POP3 server into a Maildir, and delete from the server what is older than 30 days.

POP3AIO_PASSWORD=... python fetch_to_maildir.py pop.example.org me ~/Maildir
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pop3aio
from maildir import Maildir


async def fetch_mail(
    host: str, user: str, password: str, folder: Path, **options: Any
) -> pop3aio.FetchReport:
    async with Maildir(folder) as box, pop3aio.connect(host, **options) as client:
        await client.login(user, password)
        return await pop3aio.fetch(
            client, box, journal=folder / ".journal.sqlite", delete=pop3aio.After(days=30)
        )


if __name__ == "__main__":
    _, host, user, folder = sys.argv
    try:
        report = asyncio.run(
            fetch_mail(host, user, os.environ["POP3AIO_PASSWORD"], Path(folder).expanduser())
        )
    except (pop3aio.POP3Error, OSError) as error:
        sys.exit(f"{host}: {error}")
    print(f"{report.fetched} new messages, {report.known} known, {report.deleted} deleted from the server")
