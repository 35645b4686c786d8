"""How often a session waits for the server: what counts on a long line, and does not depend on the machine."""

from __future__ import annotations

import asyncio
import math
import poplib

import pop3aio
from pop3aio.testing import Server

MAIL = [b"Subject: %d\r\n\r\n" % number + (b"x" * 70 + b"\r\n") * 56 for number in range(300)]


class Turns:
    """A relay that counts how often the talk turns from the server back to the client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._last = ""
        self._relays: list[asyncio.Task[None]] = []
        self.turns = 0

    async def __aenter__(self) -> int:
        self._listener = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await self._listener.wait_closed()
        # Before Python 3.12 the listener does not wait for these.
        await asyncio.gather(*self._relays)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relays.append(task)
        there = await asyncio.open_connection(self._server.host, self._server.port)
        await asyncio.gather(self._pass(reader, there[1], "client"), self._pass(there[0], writer, "server"))
        for end in (writer, there[1]):
            end.close()
            await end.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, side: str) -> None:
        while data := await reader.read(1 << 20):
            self.turns += side == "client" and self._last == "server"
            self._last = side
            writer.write(data)
        if writer.can_write_eof():
            writer.write_eof()


async def turns_of_pop3aio(window: int) -> int:
    async with Server(MAIL) as server:
        relay = Turns(server)
        async with relay as port, pop3aio.connect("127.0.0.1", port, tls="none", window=window) as client:
            await client.login("user", "password", allow_insecure=True)
            await asyncio.gather(client.stat(), client.list(), client.uidl())
            octets = 0
            async for message in client.retrieve(range(1, len(MAIL) + 1)):
                octets += len(await message)
            assert octets == sum(map(len, MAIL))
        return relay.turns


async def turns_of_poplib(count: int) -> int:
    def run(port: int) -> None:
        client = poplib.POP3("127.0.0.1", port)
        client.user("user")
        client.pass_("password")
        for number in range(1, count + 1):
            client.retr(number)
        client.quit()

    async with Server(MAIL) as server:
        relay = Turns(server)
        async with relay as port:
            await asyncio.to_thread(run, port)
        return relay.turns


async def test_the_window_saves_round_trips() -> None:
    # Greeting, CAPA, two for the login, STAT with LIST and UIDL, QUIT; and half windows, of which one is on its way
    # while the other is read. The relay sees a long answer in several pieces, between which a refill may pass.
    slack = 10
    assert await turns_of_pop3aio(64) <= slack + 2 * math.ceil(len(MAIL) / 64)
    # One after the other, for comparison, and for the counter's sake.
    assert await turns_of_pop3aio(1) >= len(MAIL)
    assert await turns_of_poplib(50) >= 50
