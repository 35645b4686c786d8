"""How to test your own mail code: give it a real POP3 server, in the test's own process."""

from __future__ import annotations

import pop3aio
from pop3aio.testing import Server


async def unread_subjects(client: pop3aio.Client) -> list[bytes]:
    """The code under test: the subjects of all messages on the server."""
    subjects = []
    async for message in client.retrieve(range(1, (await client.stat()).count + 1), lines=0):
        header = await message.read()
        subjects += [line[9:] for line in header.splitlines() if line.startswith(b"Subject: ")]
    return subjects


async def test_subjects() -> None:
    mail = [b"Subject: one\r\n\r\nHello.\r\n", b"Subject: two\r\n\r\n.dots are no problem\r\n"]
    async with Server(mail) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        assert await unread_subjects(client) == [b"one", b"two"]


async def test_nothing_is_deleted_when_the_code_fails() -> None:
    async with Server([b"Subject: one\r\n\r\n"]) as server:
        try:
            async with pop3aio.connect(server.host, server.port, tls="none") as client:
                await client.login("user", "password", allow_insecure=True)
                await client.dele(1)
                raise RuntimeError("something went wrong")
        except RuntimeError:
            pass
        assert len(server.mailbox) == 1
