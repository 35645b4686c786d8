"""Nothing that a session does holds up the loop for long."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pop3aio
from pop3aio._wire import _tls
from pop3aio.testing import Certificates, GeneratedMessage, Server

# Seconds of CPU for one callback of the loop. A TLS handshake takes two milliseconds; the system's authorities 50.
MOST = 0.03


class LongestCallback:
    """Measures the CPU that the loop's thread uses in one callback: what other processes do does not count."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.where = ""
        run = asyncio.Handle._run
        thread = threading.current_thread()

        def measured(handle: asyncio.Handle) -> None:
            if threading.current_thread() is not thread:
                # The server's loop.
                run(handle)
                return
            before = time.thread_time()
            run(handle)
            used = time.thread_time() - before
            if used > self.seconds:
                self.seconds, self.where = used, repr(handle)

        monkeypatch.setattr(asyncio.Handle, "_run", measured)


@pytest.fixture
async def longest(monkeypatch: pytest.MonkeyPatch) -> LongestCallback:
    monkeypatch.setattr(_tls, "_shared", {})
    asyncio.get_running_loop().set_debug(False)
    return LongestCallback(monkeypatch)


async def refused(server: Server) -> None:
    """Connect without a context: the server's certificate is by nobody whom the system trusts."""
    with pytest.raises(pop3aio.TlsError):
        await pop3aio.connect("localhost", server.port)


async def test_connecting_without_a_context(certificates: Certificates, longest: LongestCallback) -> None:
    with Server(tls="implicit", ssl_context=certificates.server_context()) as server:
        await asyncio.gather(*(refused(server) for _ in range(10)))
        await refused(server)
    assert longest.seconds < MOST, longest.where


async def test_a_session(certificates: Certificates, longest: LongestCallback) -> None:
    mail: list[Any] = [
        *[b"Subject: %d\r\n\r\nbody\r\n" % number for number in range(200)],
        GeneratedMessage(10 << 20),
    ]
    with Server(mail, tls="implicit", ssl_context=certificates.server_context()) as server:
        async with pop3aio.connect(
            "localhost", server.port, ssl_context=certificates.client_context()
        ) as client:
            await client.login("user", "password", mechanism="PLAIN")
            assert len(await client.uidl()) == len(await client.list()) == 201
            async for message in client.retrieve(range(1, 202)):
                async for _ in message:
                    pass
            await client.delete(range(1, 202))
    assert longest.seconds < MOST, longest.where


def test_it_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measure is worth something: the system's authorities, read in the loop, are above it."""

    async def read() -> None:
        ssl.create_default_context()
        while time.thread_time() < end:
            pass

    longest = LongestCallback(monkeypatch)
    end = time.thread_time() + MOST * 2
    asyncio.run(read())
    assert longest.seconds > MOST


# -- one context for all


async def test_one_context_for_each_file_until_it_changes(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tls, "_shared", {})
    threads = []
    make: Callable[..., ssl.SSLContext] = _tls.default_ssl_context

    def noting(*arguments: Any) -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return make(*arguments)

    monkeypatch.setattr(_tls, "default_ssl_context", noting)
    first, *others = await asyncio.gather(*(_tls.shared_ssl_context() for _ in range(8)))
    assert {first, *others} == {first}
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    file = tmp_path / "ca.pem"
    file.write_bytes(certificates.ca_pem)
    of_file = await _tls.shared_ssl_context(str(file))
    assert of_file is not first
    assert await _tls.shared_ssl_context(str(file)) is of_file
    file.write_bytes(certificates.ca_pem * 2)
    assert await _tls.shared_ssl_context(str(file)) is not of_file
    file.unlink()
    with pytest.raises(OSError, match="No such file"):
        await _tls.shared_ssl_context(str(file))
    with pytest.raises(FileNotFoundError):
        await _tls.shared_ssl_context("")
