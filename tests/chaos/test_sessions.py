"""Sessions by the thousand through a bad network, and what holds in every one of them.

What is returned is exact, unless octets were changed in clear, which POP3 cannot notice; under TLS it is exact
whatever happens. Nothing is deleted that was not asked for, and nothing without QUIT. Every caller gets one outcome, an
answer or a `POP3Error`, in bounded time; nothing is left.
"""

from __future__ import annotations

import asyncio
import gc
import random

import pytest

import pop3aio
from pop3aio.testing import Certificates, ChaosProxy, Mailbox, Server, WireFaultKind
from tests.kit.leaks import Leaks

from .jobs import JOBS
from .world import CORRUPTING, HARMLESS, MESSAGES, SEVERING, World, faults

# Only a net: who meets it has found a hang.
NET = 30.0

PROFILES: dict[str, tuple[WireFaultKind, ...]] = {
    "harmless": HARMLESS,
    "severing": HARMLESS + SEVERING,
    "corrupting": HARMLESS + CORRUPTING,
    "everything": HARMLESS + SEVERING + CORRUPTING,
}

SEEDS = range(10)
SESSIONS = 3


async def one_session(
    certificates: Certificates, kinds: tuple[WireFaultKind, ...], secure: bool, chance: random.Random
) -> None:
    mailbox = Mailbox(MESSAGES)
    context = certificates.server_context() if secure else None
    # Of a fault that does not end the session there must be nothing to be seen.
    harmless = kinds == HARMLESS
    async with (
        Server(mailbox, tls="implicit" if secure else "none", ssl_context=context) as server,
        ChaosProxy(server, faults(chance, kinds), seed=chance.randrange(1 << 30)) as proxy,
    ):
        world = World(server, proxy, mailbox, secure)
        confirmed = quit_was_called = False
        try:
            client = await pop3aio.connect(
                proxy.host,
                proxy.port,
                tls="implicit" if secure else "none",
                ssl_context=certificates.client_context() if secure else None,
                timeout=NET if harmless else 0.1,
                connect_timeout=NET if harmless else 0.2,
                window=chance.choice((1, 2, 16)),
            )
        except pop3aio.POP3Error:
            if harmless:
                raise
        else:
            try:
                await client.login("user", "password", allow_insecure=True)
                await callers(client, world, chance)
                if harmless:
                    # Whatever was cancelled: the session goes on, and in step.
                    await client.rset()
                    world.marked.clear()
                    assert await client.retr(12) == MESSAGES[11]
                if chance.randrange(4):
                    quit_was_called = True
                    await client.quit()
                    confirmed = True
            except pop3aio.POP3Error:
                if harmless:
                    raise
            finally:
                client.abort()
        for session in server.sessions:
            await session.wait_closed()
        world.check_maildrop(quit_was_called, confirmed)


async def callers(client: pop3aio.Client, world: World, chance: random.Random) -> None:
    """Let several callers use the client at once, and cancel some of them."""

    async def caller(seed: int) -> None:
        own = random.Random(seed)
        for _ in range(own.randint(1, 4)):
            await own.choice(JOBS)(client, world, own)

    tasks = [asyncio.ensure_future(caller(chance.randrange(1 << 30))) for _ in range(chance.randint(1, 4))]
    for task in tasks:
        if not chance.randrange(3):
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
            task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, pop3aio.POP3Error):
            raise outcome
        if outcome is not None and not isinstance(outcome, asyncio.CancelledError):
            raise outcome


async def many_sessions(
    certificates: Certificates, profile: str, secure: bool, seed: int, count: int
) -> None:
    for number in range(count):
        chance = random.Random(f"{profile} {secure} {seed} {number}")
        leaks = Leaks()
        where = f"profile {profile}, secure {secure}, seed {seed}, session {number}"
        try:
            async with asyncio.timeout(NET):
                await one_session(certificates, PROFILES[profile], secure, chance)
        except Exception as error:
            error.add_note(where)
            raise
        assert not await leaks.settled(), where
    gc.collect()
    assert not await leaks.settled(), (profile, secure, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("secure", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("profile", PROFILES)
async def test_sessions(certificates: Certificates, profile: str, secure: bool, seed: int) -> None:
    await many_sessions(certificates, profile, secure, seed, 1 if secure else SESSIONS)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1010))
@pytest.mark.parametrize("secure", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("profile", PROFILES)
async def test_thousands_of_sessions(
    certificates: Certificates, profile: str, secure: bool, seed: int
) -> None:
    await many_sessions(certificates, profile, secure, seed, 200)
