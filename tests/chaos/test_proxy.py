"""The proxy itself: each fault does what it says, where it says."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from pop3aio.testing import ChaosProxy, Injected, Server, WireFault, WireFaultKind
from tests.kit.pace import stretched
from tests.kit.script import Peer, Script

OCTETS = bytes(range(256)) * 40

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def speak(peer: Peer) -> None:
    peer.send(OCTETS)
    peer.close()


async def wait(peer: Peer) -> None:
    peer.send(OCTETS)


async def echo(peer: Peer) -> None:
    while data := await peer.reader.read(1 << 16):
        peer.send(data)
    peer.close()


@contextlib.asynccontextmanager
async def through(
    play: Callable[[Peer], Awaitable[None]], *faults: WireFault, **options: Any
) -> AsyncIterator[tuple[Streams, ChaosProxy, Script]]:
    """A connection through the proxy to a server that plays."""
    async with (
        asyncio.timeout(stretched(20)),
        Script(play) as server,
        ChaosProxy((server.host, server.port), faults, **options) as proxy,
    ):
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        try:
            yield (reader, writer), proxy, server
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def test_without_faults_octets_pass_as_they_are() -> None:
    async with through(echo) as ((reader, writer), proxy, _):
        writer.write(OCTETS * 50)
        writer.write_eof()
        assert await reader.read() == OCTETS * 50
        assert proxy.injected == []


@pytest.mark.parametrize("at", [0, 1, 5000])
async def test_cut(at: int) -> None:
    async with through(wait, WireFault("cut", at=at)) as ((reader, _), proxy, server):
        assert await reader.read() == OCTETS[:at]
        assert proxy.injected == [Injected(0, "client", at, "cut")]
        # The server is told, too.
        await server.over.wait()


async def test_cut_toward_the_server() -> None:
    async with through(echo, WireFault("cut", at=5, toward="server")) as ((reader, writer), proxy, server):
        writer.write(b"0123456789")
        assert await reader.read() in (b"", b"01234")
        await server.over.wait()
        assert proxy.injected == [Injected(0, "server", 5, "cut")]


async def test_reset() -> None:
    async with through(wait, WireFault("reset", at=5000)) as ((reader, _), _, server):
        with pytest.raises(ConnectionResetError):
            while await reader.read(100):
                pass
        await server.over.wait()


async def test_a_reset_by_the_server_is_passed_on() -> None:
    async def reset(peer: Peer) -> None:
        await peer.line()
        peer.reset()

    async with through(reset) as ((reader, writer), _, _):
        writer.write(b"now\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_half_close() -> None:
    async with through(wait, WireFault("half-close", at=10)) as ((reader, writer), _, server):
        assert await reader.read() == OCTETS[:10]
        # The other direction still works.
        writer.write(b"still there\r\n")
        writer.close()
        await server.over.wait()
        assert server.received == [b"still there"]


async def test_half_close_toward_the_server() -> None:
    async with through(echo, WireFault("half-close", at=3, toward="server")) as ((reader, writer), _, _):
        writer.write(b"0123456789")
        assert await reader.read() == b"012"


async def test_stall() -> None:
    async with through(speak, WireFault("stall", at=100)) as ((reader, _), _, _):
        assert await reader.readexactly(100) == OCTETS[:100]
        # Nothing more, not even the end.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(stretched(0.05)):
                await reader.read(1)


async def test_the_server_hears_that_a_client_has_gone_whose_octets_are_stalled() -> None:
    async with through(wait, WireFault("stall", at=0, toward="server")) as ((_, writer), _, server):
        writer.write(b"not to be seen\r\n")
        writer.close()
        await server.over.wait()
        assert server.received == []


async def test_what_follows_a_stall_does_not_end_the_silence() -> None:
    silence = [WireFault("stall", at=100), WireFault("half-close", at=200), WireFault("merge", at=300)]
    async with through(speak, *silence) as ((reader, _), proxy, _):
        assert await reader.readexactly(100) == OCTETS[:100]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(stretched(0.05)):
                await reader.read(1)
        assert [fault.kind for fault in proxy.injected] == ["stall", "half-close", "merge"]


async def test_delay() -> None:
    async with through(speak, WireFault("delay", at=100, seconds=0.01)) as ((reader, _), proxy, _):
        assert await reader.read() == OCTETS
        assert proxy.injected == [Injected(0, "client", 100, "delay")]
    async with through(speak, WireFault("delay", at=100, seconds=3600)) as ((reader, _), _, _):
        assert await reader.readexactly(100) == OCTETS[:100]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(stretched(0.05)):
                await reader.read(1)


async def test_split() -> None:
    async with through(speak, WireFault("split", at=100)) as ((reader, _), _, _):
        pieces = [piece async for piece in _pieces(reader)]
        assert len(pieces[0]) == 100
        assert b"".join(pieces) == OCTETS


async def test_merge() -> None:
    async def drip(peer: Peer) -> None:
        for octet in OCTETS[:100]:
            peer.send(bytes([octet]))
            await asyncio.sleep(0)
        peer.close()

    merge = WireFault("merge", at=0, octets=100, seconds=20)
    async with through(drip, merge) as ((reader, _), _, _):
        assert [piece async for piece in _pieces(reader)] == [OCTETS[:100]]


async def test_merge_holds_nothing_back_for_ever() -> None:
    async with through(wait, WireFault("merge", at=0, octets=1 << 20, seconds=0.01)) as ((reader, _), _, _):
        assert await reader.readexactly(len(OCTETS)) == OCTETS


async def test_corrupt() -> None:
    async with through(speak, WireFault("corrupt", at=5000)) as ((reader, _), _, _):
        octets = await reader.read()
        assert [n for n, octet in enumerate(octets) if octet != OCTETS[n]] == [5000]
        assert len(octets) == len(OCTETS)


async def test_duplicate() -> None:
    async with through(speak, WireFault("duplicate", at=5000, octets=30)) as ((reader, _), _, _):
        assert await reader.read() == OCTETS[:5000] + OCTETS[4970:5000] + OCTETS[5000:]


RANDOM: tuple[WireFaultKind, ...] = ("corrupt", "duplicate", "split", "merge")


async def outcome(seed: int, write: int = 1 << 16) -> tuple[bytes, list[Injected]]:
    """Return what comes of the octets, sent in writes of a size, when chance has its way."""

    async def cut_up(peer: Peer) -> None:
        for start in range(0, len(OCTETS), write):
            peer.send(OCTETS[start : start + write])
            await peer.writer.drain()
        peer.close()

    faults = [WireFault(kind, every=1000, seconds=0.001) for kind in RANDOM]
    async with through(cut_up, *faults, seed=seed) as ((reader, _), proxy, _):
        return await reader.read(), proxy.injected


async def test_the_same_seed_gives_the_same_faults_however_the_octets_come() -> None:
    octets, injected = await outcome(1)
    assert {fault.kind for fault in injected} == set(RANDOM)
    assert octets != OCTETS
    assert await outcome(1, write=77) == (octets, injected)
    assert (await outcome(2))[1] != injected


async def test_the_connections_differ() -> None:
    corrupt = [WireFault("corrupt", every=1000)]
    async with Script(speak) as server, ChaosProxy((server.host, server.port), corrupt) as proxy:
        received = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            received.append(await reader.read())
            writer.close()
            await writer.wait_closed()
        assert received[0] != received[1]
        assert {fault.connection for fault in proxy.injected} == {0, 1}


async def test_the_faults_can_be_set_anew() -> None:
    async with Server() as server, ChaosProxy(server, [WireFault("cut", at=0)]) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        assert await reader.read() == b""
        writer.close()
        proxy.faults = []
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        assert await reader.readline() == server.greeting
        writer.close()
        await writer.wait_closed()


async def test_a_server_that_is_not_there() -> None:
    async with Script(speak) as server:
        pass
    async with ChaosProxy((server.host, server.port)) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()


async def test_starting_twice() -> None:
    async with Server() as server, ChaosProxy(server, seed=7) as proxy:
        assert repr(proxy) == f"<ChaosProxy 127.0.0.1:{proxy.port} seed=7, 0 connections>"
        with pytest.raises(RuntimeError):
            await proxy.start()
        await proxy.aclose()


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "explode", "at": 1},
        {"kind": "cut"},
        {"kind": "cut", "at": 1, "every": 1},
        {"kind": "cut", "at": -1},
        {"kind": "cut", "every": 0.5},
        {"kind": "cut", "at": 1, "toward": "nobody"},
        {"kind": "delay", "at": 1, "seconds": -1},
        {"kind": "duplicate", "at": 1, "octets": 0},
    ],
)
def test_faults_that_are_none(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        WireFault(**arguments)


async def test_the_document_is_right() -> None:
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    (source,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)
    await names["test_a_message_that_is_cut_off"]()
    table = text.partition("| fault |")[2].partition("\n\n")[0]
    kinds = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert sorted(kinds) == sorted(get_args(WireFaultKind))


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(1 << 20):
        yield piece
