"""The same on uvloop, where that is installed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pop3aio
from pop3aio.testing import Certificates, GeneratedMessage, Server
from tests.kit.pace import stretched

uvloop = pytest.importorskip("uvloop")

MESSAGES = [b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(1, 30)]


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(stretched(20)):
            await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        complaints: list[dict[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        runner.run(limited())
    assert complaints == []


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
def test_a_session(certificates: Certificates, tls: Any) -> None:
    async def main() -> None:
        context = None if tls == "none" else certificates.server_context()
        async with Server([*MESSAGES, GeneratedMessage(5 << 20)], tls=tls, ssl_context=context) as server:
            async with pop3aio.connect(
                "127.0.0.1", server.port, tls=tls, ssl_context=certificates.client_context()
            ) as client:
                await client.login("user", "password", allow_insecure=True)
                assert [await m async for m in client.retrieve(range(1, 30))] == MESSAGES
                assert sum([len(chunk) async for chunk in client.retr(30)]) == 5 << 20
                await client.delete(range(1, 31))
            assert len(server.mailbox) == 0

    run(main)


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
def test_cancelled_callers(certificates: Certificates, tls: Any) -> None:
    async def main() -> None:
        context = None if tls == "none" else certificates.server_context()
        async with (
            Server(MESSAGES, tls=tls, ssl_context=context) as server,
            pop3aio.connect(
                "127.0.0.1", server.port, tls=tls, ssl_context=certificates.client_context()
            ) as client,
        ):
            await client.login("user", "password", allow_insecure=True)
            for rounds in range(10):
                task = asyncio.ensure_future(client.list())
                for _ in range(rounds):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                assert (await client.list(rounds + 1)).number == rounds + 1

    run(main)


def test_what_cannot_be(certificates: Certificates) -> None:
    async def main() -> None:
        async with Server(tls="implicit", ssl_context=certificates.server_context()) as server:
            with pytest.raises(pop3aio.TlsError, match="is not accepted"):
                await pop3aio.connect("127.0.0.1", server.port)
            with pytest.raises(pop3aio.ResponseTimeout):
                await pop3aio.connect("127.0.0.1", server.port, tls="none", timeout=stretched(0.05))
        async with Server(greeting=b"-ERR no\r\n") as server:
            with pytest.raises(pop3aio.CommandError):
                await pop3aio.connect("127.0.0.1", server.port, tls="none")
        with pytest.raises(pop3aio.ConnectionLost, match="refused"):
            await pop3aio.connect("127.0.0.1", server.port, tls="none")

    run(main)
