"""Runs through a bad network, again and again until one comes through: every message in the Maildir, and once.

Octets are changed under TLS only, where that is noticed. In clear a changed octet is a changed message, or a changed
unique-id, and nobody can tell.
"""

from __future__ import annotations

import asyncio
import random
import time
import unittest.mock
from pathlib import Path

import pytest

import maildir
import pop3aio
from pop3aio.testing import Certificates, ChaosProxy, Mailbox, Server
from tests.kit.leaks import Leaks

from .world import CORRUPTING, HARMLESS, MESSAGES, SEVERING, faults

# Only a net: who meets it has found a hang.
NET = 60.0

RUNS = 5


async def run(
    proxy: ChaosProxy, path: Path, certificates: Certificates | None, policy: pop3aio.Policy, timeout: float
) -> pop3aio.FetchReport:
    async with (
        maildir.Maildir(path / "Mail", durability="none") as box,
        pop3aio.connect(
            proxy.host,
            proxy.port,
            tls="implicit" if certificates else "none",
            ssl_context=certificates.client_context() if certificates else None,
            timeout=timeout,
            connect_timeout=max(0.2, timeout),
        ) as client,
    ):
        await client.login("user", "password", allow_insecure=True)
        # The port of the proxy changes; the maildrop does not.
        return await pop3aio.fetch(
            client, box, journal=path / "journal", delete=policy, account="user@maildrop"
        )


def contents(path: Path) -> list[bytes]:
    """The messages of the Maildir, as they came over the wire; nothing may lie about in tmp."""
    box = path / "Mail"
    if not box.exists():
        return []
    assert list((box / "tmp").iterdir()) == []
    return sorted(path.read_bytes().replace(b"\n", b"\r\n") for path in (box / "new").iterdir())


async def runs(certificates: Certificates, path: Path, secure: bool, chance: random.Random) -> None:
    """Run while the network is bad, now and then cancelled, and once more when it is good."""
    policy: pop3aio.Policy = pop3aio.Delete() if chance.randrange(3) else pop3aio.Keep()
    kinds = HARMLESS + SEVERING + (CORRUPTING if secure else ())
    mailbox = Mailbox(MESSAGES)
    context = certificates.server_context() if secure else None
    trust = certificates if secure else None
    async with Server(mailbox, tls="implicit" if secure else "none", ssl_context=context) as server:
        for _ in range(RUNS):
            leaks = Leaks()
            async with ChaosProxy(server, faults(chance, kinds), seed=chance.randrange(1 << 30)) as proxy:
                task = asyncio.ensure_future(run(proxy, path, trust, policy, 0.1))
                if not chance.randrange(3):
                    for _ in range(chance.randrange(300)):
                        await asyncio.sleep(0)
                    task.cancel()
                await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                assert isinstance(error, pop3aio.POP3Error), error
            for session in server.sessions:
                await session.wait_closed()
            gone = [message for message in MESSAGES if message not in mailbox.messages]
            stored = contents(path)
            # Deleted only what is here; here only what was there, and once.
            assert set(gone) <= set(stored) <= set(MESSAGES)
            assert len(stored) == len(set(stored))
            assert not gone or isinstance(policy, pop3aio.Delete)
            assert not await leaks.settled()
        # What broke its session more than once rests for a while, at most for a day; and waits for one run's deletions.
        for days in (2, 4, 6):
            with unittest.mock.patch("time.time", return_value=time.time() + days * 86400):
                async with ChaosProxy(server) as proxy:
                    await run(proxy, path, trust, policy, NET)
        assert contents(path) == sorted(MESSAGES)
        assert mailbox.messages == ([] if isinstance(policy, pop3aio.Delete) else MESSAGES)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("secure", [False, True], ids=["clear", "tls"])
async def test_runs(certificates: Certificates, tmp_path: Path, secure: bool, seed: int) -> None:
    async with asyncio.timeout(NET):
        await runs(certificates, tmp_path, secure, random.Random(f"{secure} {seed}"))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1200))
@pytest.mark.parametrize("secure", [False, True], ids=["clear", "tls"])
async def test_hundreds_of_runs(certificates: Certificates, tmp_path: Path, secure: bool, seed: int) -> None:
    async with asyncio.timeout(NET):
        await runs(certificates, tmp_path, secure, random.Random(f"{secure} {seed}"))
