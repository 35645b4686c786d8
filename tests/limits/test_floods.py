"""Servers that never stop: each limit ends it, through a real socket, and what is held meanwhile is little."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

import pytest

import pop3aio
from pop3aio import Limits
from pop3aio._wire._reader import CHUNK, ChunkProtocol, ChunkReader
from pop3aio.testing import Certificates
from tests.kit.script import Peer, Script, abandon, admit, iterate, welcome

Use: TypeAlias = Callable[[pop3aio.Client], Awaitable[Any]]

# What one connection may hold of what nobody has looked at: what is being read, what waits in the reader, and the same
# once more while it is put together; and what the server of the test holds itself.
SLACK = 8 * CHUNK

# Only a net: who meets it has found a hang.
NET = 30.0


class Endless:
    """A mechanism that has always something more to say."""

    name = "ENDLESS"
    client_first = True
    done = False

    def respond(self, challenge: bytes) -> bytes:
        return b"more"


async def authenticate(client: pop3aio.Client) -> None:
    await client.authenticate(Endless(), allow_insecure=True)


@dataclass
class Flood:
    """What a server begins to say, and says again and again for ever; and what the client did to deserve it."""

    use: Use
    start: bytes
    unit: bytes
    match: str
    limits: Limits = field(default_factory=Limits)
    kept: int = 0
    """Octets that the limit lets the client hold."""
    logged_in: bool = True
    kind: type[pop3aio.POP3Error] = pop3aio.LimitExceeded


MIB = 1 << 20

FLOODS: dict[str, Flood] = {
    "status line": Flood(lambda client: client.noop(), b"+OK ", b"x", "NOOP is longer than 8192 octets"),
    "refusal": Flood(lambda client: client.noop(), b"-ERR ", b"x", "NOOP is longer than 8192 octets"),
    "status line of a message": Flood(
        lambda client: client.retr(1).read(), b"+OK ", b"x", "longer than 8192"
    ),
    "status line, limit set": Flood(
        lambda client: client.noop(), b"+OK ", b"x", "longer than 20 octets", Limits(status_line=20)
    ),
    "challenge": Flood(authenticate, b"+ ", b"AAAA", "longer than 65536 octets", kept=65536, logged_in=False),
    "challenge, limit set": Flood(
        authenticate, b"+ ", b"AAAA", "longer than 99 octets", Limits(challenge=99), logged_in=False
    ),
    "capabilities": Flood(
        lambda client: client.capa(refresh=True), b"+OK\r\n", b"TAG\r\n", "more than 1000 lines", kept=5000
    ),
    "line of a capability": Flood(
        lambda client: client.capa(refresh=True), b"+OK\r\n", b"x", "a line of more than 2048 octets"
    ),
    "languages": Flood(
        lambda client: client.lang(), b"+OK\r\n", b"en English\r\n", "more than 1000 lines", kept=12000
    ),
    "scan listing": Flood(
        lambda client: client.list(),
        b"+OK\r\n",
        b"1 1\r\n",
        "LIST has more than 100000 lines",
        Limits(listing_entries=100_000),
        # The pieces, and all of them put together.
        kept=2 * 500_000,
    ),
    "unique-ids": Flood(
        lambda client: client.uidl(),
        b"+OK\r\n",
        b"1 x\r\n",
        "UIDL has more than 100000 lines",
        Limits(listing_entries=100_000),
        kept=2 * 500_000,
    ),
    "line of a listing": Flood(
        lambda client: client.list(), b"+OK\r\n", b"x", "LIST has a line of more than 2048 octets"
    ),
    "listing in memory": Flood(
        lambda client: client.list(),
        b"+OK\r\n",
        b"1 1\r\n",
        "LIST is longer than 1048576 octets",
        Limits(message_in_memory=MIB),
        kept=2 * MIB,
    ),
    "message": Flood(
        iterate,
        b"+OK\r\n",
        b"x" * 70 + b"\r\n",
        "RETR 1 is longer than 9437184 octets",
        # Nothing of it is kept.
        Limits(message=9 * MIB),
    ),
    "message in memory": Flood(
        lambda client: client.retr(1).read(),
        b"+OK\r\n",
        b"x" * 70 + b"\r\n",
        "message 1 is longer than 2097152 octets",
        Limits(message_in_memory=2 * MIB),
        kept=4 * MIB,
    ),
    "top in memory": Flood(
        lambda client: client.top(1).read(),
        b"+OK\r\n",
        b"x",
        "message 1 is longer than 2097152 octets",
        Limits(message_in_memory=2 * MIB),
        kept=4 * MIB,
    ),
    "answer to a command": Flood(
        lambda client: client.command("XYZ", multiline=True),
        b"+OK\r\n",
        b"x",
        "XYZ is longer than 2097152 octets",
        Limits(message_in_memory=2 * MIB),
        kept=4 * MIB,
    ),
    "abandoned message": Flood(
        abandon,
        b"+OK\r\n",
        b"x",
        "a cancelled RETR 1 is longer than 1048576 octets",
        kind=pop3aio.ConnectionLost,
    ),
    "abandoned message, limit set": Flood(
        abandon,
        b"+OK\r\n",
        b"x",
        "longer than 9437184 octets",
        Limits(abandoned=9 * MIB),
        kind=pop3aio.ConnectionLost,
    ),
    "answers": Flood(
        # Those behind the first answer nobody has asked for.
        lambda client: _twice(client.noop),
        b"",
        b"+OK\r\n",
        "octets that answer no command",
        kind=pop3aio.UnsolicitedResponse,
    ),
}


async def _twice(use: Callable[[], Awaitable[None]]) -> None:
    await use()
    # So that more has come.
    await asyncio.sleep(0.01)
    await use()


async def flood(peer: Peer, unit: bytes) -> int:
    """Send without end, until nothing more is taken; return how many octets were sent when the client had gone."""
    piece = unit * (65536 // len(unit))
    for count in itertools.count(1):
        peer.send(piece)
        try:
            await peer.writer.drain()
        except OSError:
            return count * len(piece)
    raise AssertionError


@contextmanager
def little_memory(octets: int) -> Iterator[None]:
    """Check that what is allocated at once within the block is not more than so many octets, and a little."""
    # What a loop allocates with its first connection is not the server's doing.
    loop = asyncio.get_running_loop()
    ChunkProtocol(ChunkReader(loop), loop)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < octets + SLACK


@pytest.mark.parametrize("name", FLOODS)
async def test_floods(name: str) -> None:
    attack = FLOODS[name]

    async def play(peer: Peer) -> None:
        await (admit(peer) if attack.logged_in else welcome(peer))
        await peer.line()
        peer.send(attack.start)
        await flood(peer, attack.unit)

    async with asyncio.timeout(NET), Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none", limits=attack.limits)
        if attack.logged_in:
            await client.login("user", "secret", allow_insecure=True)
        with little_memory(attack.kept), pytest.raises(attack.kind, match=attack.match):
            await attack.use(client)
        # It is over, and said so.
        with pytest.raises(attack.kind, match=attack.match):
            await client.capa(refresh=True)
        await server.over.wait()


@pytest.mark.parametrize("tls", ["none", "implicit"])
@pytest.mark.parametrize("start", [b"", b"+OK "])
async def test_a_greeting_without_end(certificates: Certificates, tls: Any, start: bytes) -> None:
    async def play(peer: Peer) -> None:
        peer.send(start)
        await flood(peer, b"x")

    context = certificates.server_context() if tls == "implicit" else None
    async with asyncio.timeout(NET), Script(play, tls=context) as server:
        with (
            little_memory(0),
            pytest.raises(pop3aio.LimitExceeded, match="the greeting is longer than 8192 octets"),
        ):
            await pop3aio.connect(
                server.host, server.port, tls=tls, ssl_context=certificates.client_context()
            )
        await server.over.wait()


async def test_a_line_without_end_on_streams_of_asyncio() -> None:
    async def play(peer: Peer) -> None:
        await flood(peer, b"x")

    async with asyncio.timeout(NET), Script(play) as server:
        with little_memory(0), pytest.raises(pop3aio.LimitExceeded, match="the greeting"):
            await pop3aio.Client.from_streams(*await asyncio.open_connection(server.host, server.port))
        await server.over.wait()


@pytest.mark.parametrize("limits", [Limits(), Limits(sasl_rounds=99)])
async def test_a_million_challenges(limits: Limits) -> None:
    rounds = 0

    async def play(peer: Peer) -> None:
        nonlocal rounds
        await welcome(peer)
        await peer.line()
        for _ in range(1_000_000):
            peer.send(b"+ \r\n")
            await peer.line()
            rounds += 1

    async with asyncio.timeout(NET), Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none", limits=limits)
        match = f"more than {limits.sasl_rounds} challenges"
        with little_memory(0), pytest.raises(pop3aio.LimitExceeded, match=match):
            await authenticate(client)
        await server.over.wait()
        assert rounds == limits.sasl_rounds


async def test_what_comes_to_an_idle_client_stays_with_the_server() -> None:
    """Nobody reads what nobody asked for, so that the server cannot send on; then the client sees what it is."""

    async def play(peer: Peer) -> None:
        await admit(peer)
        await peer.answer(b"NOOP", b"+OK\r\n")
        await flood(peer, b"x")

    async with asyncio.timeout(NET), Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.login("user", "secret", allow_insecure=True)
        with little_memory(0):
            await client.noop()
            reader: Any = client._stream.reader
            while not reader._held:
                await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert reader._size <= 2 * CHUNK
            with pytest.raises(pop3aio.UnsolicitedResponse):
                await client.noop()
        await server.over.wait()


async def test_what_comes_behind_the_answer_to_quit_concerns_nobody() -> None:
    async def play(peer: Peer) -> None:
        await admit(peer)
        await peer.answer(b"QUIT", b"+OK\r\n")
        await flood(peer, b"x")

    async with asyncio.timeout(NET), Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.login("user", "secret", allow_insecure=True)
        with little_memory(0):
            await client.quit()
        await server.over.wait()


async def test_a_server_that_does_not_read_is_not_written_to_without_end() -> None:
    waiting = asyncio.Event()
    received = b""

    async def play(peer: Peer) -> None:
        nonlocal received
        await admit(peer)
        await waiting.wait()
        received = await peer.reader.read()

    async with asyncio.timeout(NET), Script(play) as server:
        client = await pop3aio.connect(
            server.host, server.port, tls="none", window=10_000, limits=Limits(unanswered=100)
        )
        await client.login("user", "secret", allow_insecure=True)
        client.timeout = 0.05
        with pytest.raises(pop3aio.ResponseTimeout):
            await client.delete(range(1, 1000))
        waiting.set()
        await server.over.wait()
        assert 0 < len(received) <= 100


BROKEN_BY = {
    "status_line": "status line, limit set",
    "challenge": "challenge, limit set",
    "sasl_rounds": test_a_million_challenges,
    "capability_lines": "capabilities",
    "listing_entries": "scan listing",
    "listing_line": "line of a listing",
    "message": "message",
    "message_in_memory": "message in memory",
    "abandoned": "abandoned message, limit set",
    "min_rate": "tests/adapter/test_deadlines.py",
    "unanswered": test_a_server_that_does_not_read_is_not_written_to_without_end,
}


def test_every_limit_is_broken_here() -> None:
    assert set(BROKEN_BY) == {limit.name for limit in fields(Limits)}
