"""Many tasks at many connections, a third of them cancelled at random moments: no answer goes astray."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

import pop3aio
from pop3aio.testing import GeneratedMessage, Mailbox, Server, Session

CONNECTIONS = 20
OPERATIONS = 100
MESSAGES = 12
BIG = 2 << 20


def text(owner: int, number: int) -> bytes:
    return b"Subject: %d/%d\r\n\r\n" % (owner, number) + b"%d of %d\r\n" % (number, owner) * (number * 60)


class Owner:
    """One connection, and the tasks that share it."""

    def __init__(self, index: int, seed: int, port: int, outcomes: Counter[str]) -> None:
        self.index = index
        self.chance = random.Random(seed * 1000 + index)
        self.port = port
        self.outcomes = outcomes
        self.confirmed: set[int] = set()
        self.tried: set[int] = set()

    async def run(self, server: Server) -> None:
        window = self.chance.choice([1, 4, 64])
        client = await pop3aio.connect("127.0.0.1", self.port, tls="none", window=window)
        await client.login(f"user{self.index}", "password", allow_insecure=True)
        session = next(s for s in server.sessions if s.user == f"user{self.index}")
        await asyncio.gather(*(self.work(client, OPERATIONS // 10) for _ in range(10)))
        try:
            await client.noop()
        except pop3aio.POP3Error as error:
            # Lost, then; but it says so, and goes on saying so.
            self.check_lost(error)
            with pytest.raises(pop3aio.ConnectionLost, match="longer than"):
                await client.stat()
            self.outcomes["lost"] += 1
            client.abort()
            return
        marked = set(session.deleted)
        assert self.confirmed <= marked <= self.tried
        assert client._queue.marked == len(marked)
        assert {scan.number for scan in await client.list()} == set(range(1, MESSAGES + 2)) - marked
        await client.quit()
        self.outcomes["usable"] += 1

    async def work(self, client: pop3aio.Client, operations: int) -> None:
        for _ in range(operations):
            task = asyncio.ensure_future(self.operate(client))
            if self.chance.random() < 0.55:
                for _ in range(self.chance.choice([0, 1, 2, 3, 5, 8, 13, 21, 34])):
                    await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
            if task.cancelled():
                self.outcomes["cancelled"] += 1
                continue
            error = task.exception()
            if isinstance(error, pop3aio.ConnectionLost):
                self.outcomes["failed"] += 1
            elif error is not None:
                raise error
            else:
                self.outcomes["answered"] += 1

    async def operate(self, client: pop3aio.Client) -> None:
        number = self.chance.randint(1, MESSAGES)
        kind = self.chance.choice(["RETR", "RETR", "TOP", "UIDL", "LIST", "NOOP", "DELE", "BIG"])
        try:
            match kind:
                case "RETR":
                    assert await client.retr(number) == self.text(number)
                case "TOP":
                    assert (
                        await client.top(number) == self.text(number).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                    )
                case "UIDL":
                    assert await client.uidl(number) == (number, f"{self.index}-{number}")
                case "LIST":
                    assert (await client.list(number)) == (number, len(self.text(number)))
                case "NOOP":
                    await client.noop()
                case "BIG" if self.index % 5 == 0 and self.chance.random() < 0.1:
                    async with client.retr(MESSAGES + 1) as message:
                        await anext(message)
                case "DELE" if self.chance.random() < 0.3:
                    self.tried.add(number)
                    await client.dele(number)
                    self.confirmed.add(number)
        except pop3aio.CommandError as error:
            self.check_refusal(error, number)

    def check_lost(self, error: pop3aio.POP3Error) -> None:
        assert isinstance(error, pop3aio.ConnectionLost), error
        assert "longer than" in str(error)

    def check_refusal(self, error: pop3aio.CommandError, number: int) -> None:
        assert number in self.tried, error
        assert error.command.split()[1] == str(number)

    def text(self, number: int) -> bytes:
        return text(self.index, number)


@pytest.mark.parametrize("seed", range(6))
async def test_no_answer_goes_astray(seed: int) -> None:
    users: dict[str, tuple[str, Mailbox]] = {}
    for index in range(CONNECTIONS):
        mailbox = Mailbox()
        for number in range(1, MESSAGES + 1):
            mailbox.add(text(index, number), uid=f"{index}-{number}")
        mailbox.add(GeneratedMessage(BIG), uid="big")
        users[f"user{index}"] = ("password", mailbox)
    chance = random.Random(seed)

    async def dawdle(session: Session, keyword: str, argument: str) -> None:
        for _ in range(chance.choice([0, 0, 1, 5])):
            await asyncio.sleep(0)

    outcomes: Counter[str] = Counter()
    async with Server(users=users, on_command=dawdle) as server:
        owners = [Owner(index, seed, server.port, outcomes) for index in range(CONNECTIONS)]
        await asyncio.gather(*(owner.run(server) for owner in owners))
    assert outcomes["answered"] + outcomes["cancelled"] + outcomes["failed"] == CONNECTIONS * OPERATIONS
    assert outcomes["cancelled"] > CONNECTIONS * OPERATIONS / 4
    assert outcomes["usable"] >= CONNECTIONS * 4 // 5
    assert outcomes["usable"] + outcomes["lost"] == CONNECTIONS
