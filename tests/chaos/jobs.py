"""What callers do in a session; each checks what it is told against the world."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pop3aio

from .world import MESSAGES, World

__all__ = ("JOBS", "Job")

Job: TypeAlias = Callable[[pop3aio.Client, World, random.Random], Awaitable[None]]


def _number(chance: random.Random) -> int:
    return chance.randint(1, len(MESSAGES))


def _numbers(chance: random.Random) -> list[int]:
    return chance.sample(range(1, len(MESSAGES) + 1), chance.randint(1, len(MESSAGES)))


async def stat(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    world.check_stat(await client.stat())


async def scan(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    world.check_list(await client.list())


async def uidl(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    world.check_uidl(await client.uidl())


async def uidl_of_one(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    number = _number(chance)
    try:
        entry = await client.uidl(number)
    except pop3aio.CommandError:
        world.check_refusal(number)
    else:
        if world.exact:
            assert entry == (number, world.uids[number - 1])


async def retr(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    number = _number(chance)
    try:
        world.check_message(number, await client.retr(number))
    except pop3aio.CommandError:
        world.check_refusal(number)


async def iterate(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    """Take a message piece by piece, and perhaps not to its end."""
    number = _number(chance)
    octets = b""
    try:
        async with client.retr(number) as message:
            async for chunk in message:
                octets += chunk
                if not chance.randrange(4):
                    world.check_message(number, octets, whole=False)
                    return
        world.check_message(number, octets)
    except pop3aio.CommandError:
        world.check_refusal(number)


async def top(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    number, lines = _number(chance), chance.randrange(5)
    try:
        world.check_top(number, lines, await client.top(number, lines))
    except pop3aio.CommandError:
        world.check_refusal(number)


async def retrieve(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    """Take a run of messages: all of each, or none; in order, and perhaps not to its end."""
    numbers = _numbers(chance)

    async def feed() -> AsyncIterator[int]:
        for number in numbers:
            yield number

    came = []
    async with client.retrieve(feed() if chance.randrange(2) else numbers) as messages:
        async for message in messages:
            came.append(message.number)
            if message.error is not None:
                world.check_refusal(message.number)
            elif chance.randrange(4):
                world.check_message(message.number, await message)
            if not chance.randrange(10):
                break
    assert came == numbers[: len(came)]


async def dele(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    number = _number(chance)
    world.asked.add(number)
    try:
        await client.dele(number)
    except pop3aio.CommandError:
        world.check_refusal(number)
    else:
        world.marked.add(number)


async def delete(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    numbers = _numbers(chance)[:4]
    world.asked.update(numbers)
    refused = await client.delete(numbers)
    world.marked.update(set(numbers) - set(refused))


async def capa(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    capabilities = await client.capa(refresh=True)
    if world.exact:
        assert capabilities.pipelining


async def noop(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    await client.noop()


JOBS: tuple[Job, ...] = (
    stat, scan, uidl, uidl_of_one, retr, iterate, top, retrieve, retrieve, dele, delete, capa, noop,
)  # fmt: skip
