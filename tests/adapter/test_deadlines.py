"""Servers that send, but never enough: nothing may wait for them for ever, and nobody who is merely slow is dropped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio._session._deadline import PATIENCE
from pop3aio._wire._stream import open_stream
from pop3aio.testing import Certificates
from tests.kit.clock import Clock
from tests.kit.pace import stretched
from tests.kit.script import Peer, Script, abandon, admit, iterate, session, welcome

# Seconds: the drops come ten times as often, so that no time between two of them is ever too long.
SHORT = stretched(0.05)

# No real second may pass in the tests by the clock.
TIMEOUT = 60.0


@contextlib.asynccontextmanager
async def by_the_clock(**options: Any) -> AsyncIterator[tuple[pop3aio.Client, Peer, Clock]]:
    """A session whose server is the test itself, and whose time passes when the test says so."""
    peers = []

    async def play(peer: Peer) -> None:
        await admit(peer)
        peers.append(peer)
        await peer.rest()

    clock = Clock()
    async with Script(play) as server:
        client = await pop3aio.Client.begin(
            await open_stream(server.host, server.port),
            pop3aio.Options(timeout=TIMEOUT, **options),
            address="",
            secure=False,
            clock=clock,
        )
        try:
            await client.login("user", "secret", allow_insecure=True)
            yield client, peers[0], clock
        finally:
            await client.drop()


async def waiting(awaitable: Awaitable[Any]) -> asyncio.Future[Any]:
    """Start something, and return when it waits for the server."""
    task = asyncio.ensure_future(awaitable)
    await asyncio.sleep(0)
    return task


async def test_a_piece_may_take_as_long_as_an_answer() -> None:
    async with by_the_clock() as (client, peer, clock):
        message = client.retr(1)
        peer.send(b"+OK\r\n")
        async with message:
            first = await waiting(anext(message))
            clock.advance(TIMEOUT - 1)
            peer.send(b"x")
            assert await first == b"x"
            second = await waiting(anext(message))
            clock.advance(TIMEOUT + 1)
            with pytest.raises(pop3aio.ResponseTimeout, match="did not send the answer to RETR 1 in time"):
                await second


async def test_drops_do_not_add_up_to_a_message() -> None:
    async with by_the_clock() as (client, peer, clock):
        peer.send(b"+OK\r\n")
        async with client.retr(1) as message:
            pieces = 0
            with pytest.raises(
                pop3aio.ResponseTimeout, match="RETR 1 comes at less than 100 octets a second"
            ):
                while True:
                    piece = await waiting(anext(message))
                    clock.advance(TIMEOUT / 2)
                    peer.send(b"x")
                    await piece
                    pieces += 1
            # An octet earns ten milliseconds back, which is not worth mentioning.
            assert pieces == 2 * PATIENCE


async def test_what_comes_at_a_bearable_rate_may_take_as_long_as_it_likes() -> None:
    async with by_the_clock(limits=pop3aio.Limits(min_rate=10)) as (client, peer, clock):
        peer.send(b"+OK\r\n")
        async with client.retr(1) as message:
            for _ in range(100):
                piece = await waiting(anext(message))
                clock.advance(TIMEOUT - 1)
                peer.send(b"x" * 10 * int(TIMEOUT))
                await piece


async def test_a_fast_start_does_not_pay_for_a_stall() -> None:
    """However much came before, patience is not more than it was in the beginning."""
    async with by_the_clock() as (client, peer, clock):
        peer.send(b"+OK\r\n" + b"x" * 100_000)
        async with client.retr(1) as message:
            octets = 0
            while octets < 100_000:
                octets += len(await anext(message))
            with pytest.raises(pop3aio.ResponseTimeout, match="less than 100 octets a second"):
                for _ in range(2 * PATIENCE + 1):
                    piece = await waiting(anext(message))
                    clock.advance(TIMEOUT / 2)
                    peer.send(b"x")
                    await piece


async def test_the_time_between_two_reads_is_the_callers_own() -> None:
    async with by_the_clock() as (client, peer, clock):
        peer.send(b"+OK\r\n")
        async with client.retr(1) as message:
            for _ in range(20):
                piece = await waiting(anext(message))
                peer.send(b"x")
                await piece
                clock.advance(TIMEOUT)


async def test_a_short_wait_behind_a_long_one_is_ended_in_time() -> None:
    """The timer of the wait before is not what the next one is ended by."""
    async with by_the_clock() as (client, peer, clock):
        peer.send(b"+OK\r\n")
        async with client.retr(1) as message:
            piece = await waiting(anext(message))
            peer.send(b"x")
            await piece
            client.timeout = 1.0
            piece = await waiting(anext(message))
            clock.advance(1.5)
            with pytest.raises(pop3aio.ResponseTimeout):
                await piece


async def test_the_answer_of_one_who_has_gone_must_not_drip_either() -> None:
    async with by_the_clock() as (client, peer, clock):
        peer.send(b"+OK\r\nx")
        async with client.retr(1) as message:
            await anext(message)
        noop = await waiting(client.noop())
        for _ in range(2 * PATIENCE + 1):
            clock.advance(TIMEOUT / 2)
            peer.send(b"x")
            for _ in range(5):
                await asyncio.sleep(0)
        with pytest.raises(pop3aio.ResponseTimeout, match="RETR 1 comes at less than 100 octets a second"):
            await noop


async def test_the_time_is_over_as_the_reader_is_cancelled() -> None:
    async with by_the_clock() as (client, _, clock):
        first = await waiting(client.noop())
        second = await waiting(client.stat())
        clock.advance(TIMEOUT + 1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(pop3aio.ResponseTimeout):
            await second


async def test_the_timer_finds_nobody_waiting() -> None:
    async with by_the_clock() as (client, peer, clock):
        for _ in range(2):
            noop = await waiting(client.noop())
            peer.send(b"+OK\r\n")
            await noop
            clock.advance(TIMEOUT * 2)


# -- on the wire


async def drip(peer: Peer, octets: bytes = b"x") -> None:
    """Send an octet now and then, for ever."""
    while True:
        await asyncio.sleep(SHORT / 10)
        peer.send(octets)
        await peer.writer.drain()


LIMITS = pop3aio.Limits(min_rate=100_000)


def hurry(client: pop3aio.Client) -> None:
    """Lose patience from here on: what was said before may have taken its time on a slow machine."""
    client.timeout = SHORT


@pytest.mark.parametrize(
    ("use", "answer"),
    [
        (lambda client: client.noop(), b"+OK "),
        (lambda client: client.noop(), b"-ERR "),
        (lambda client: client.list(), b"+OK\r\n1 "),
        (lambda client: client.uidl(), b"+OK\r\n1 "),
        (lambda client: client.capa(refresh=True), b"+OK\r\n"),
        (lambda client: client.retr(1).read(), b"+OK\r\nx"),
        (lambda client: client.top(1).read(), b"+OK\r\nx"),
        (iterate, b"+OK\r\nx"),
        (abandon, b"+OK\r\nx"),
        (lambda client: client.command("XYZ", multiline=True), b"+OK\r\n"),
    ],
    ids=["status", "refusal", "list", "uidl", "capa", "retr", "top", "iterate", "abandon", "command"],
)
async def test_an_answer_that_drips(use: Callable[[pop3aio.Client], Awaitable[Any]], answer: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.line()
        peer.send(answer)
        await drip(peer)

    async with session(play, limits=LIMITS) as (client, server):
        hurry(client)
        with pytest.raises(pop3aio.ResponseTimeout):
            await use(client)
        await server.over.wait()


async def test_a_listing_that_drips_line_by_line() -> None:
    async def play(peer: Peer) -> None:
        await peer.line()
        peer.send(b"+OK\r\n")
        await drip(peer, b"1 1\r\n")

    async with session(play, limits=LIMITS) as (client, _):
        hurry(client)
        with pytest.raises(pop3aio.ResponseTimeout, match="LIST"):
            await client.list()


async def test_a_greeting_that_drips() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK ")
        await drip(peer)

    async with Script(play) as server:
        with pytest.raises(pop3aio.ResponseTimeout, match="the greeting"):
            await pop3aio.connect(server.host, server.port, tls="none", timeout=SHORT)


async def test_capabilities_that_drip_while_connecting() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", b"+OK\r\n")
        await drip(peer)

    async with Script(play) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        with pytest.raises(pop3aio.ResponseTimeout):
            await pop3aio.Client.from_streams(reader, writer, timeout=SHORT, limits=LIMITS)


# A TLS record of the greatest length begins: the client waits for the rest of it.
RECORD = bytes.fromhex("16 03 03 40 00 02 00 3f fc 03 03")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_handshake_that_drips(certificates: Certificates, tls: Any) -> None:
    async def play(peer: Peer) -> None:
        if tls == "starttls":
            await welcome(peer, "STLS")
            await peer.answer(b"STLS", b"+OK\r\n")
        await peer.reader.read(1)
        peer.send(RECORD)
        await drip(peer)

    context = certificates.client_context()
    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsError, match="handshake"):
            await pop3aio.connect(
                server.host, server.port, tls=tls, ssl_context=context, connect_timeout=SHORT, timeout=20
            )


async def test_an_answer_to_quit_that_drips() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"DELE 1", b"+OK\r\n")
        await peer.answer(b"QUIT", b"+OK ")
        await drip(peer)

    async with session(play) as (client, _):
        await client.dele(1)
        hurry(client)
        with pytest.raises(pop3aio.CommitUncertain):
            await client.quit()


class Endless:
    """A mechanism that has always something more to say."""

    name = "ENDLESS"
    client_first = True
    done = False

    def respond(self, challenge: bytes) -> bytes:
        return b"more"


async def test_challenges_that_drip() -> None:
    """However many challenges are allowed, they share the time of one answer."""

    async def play(peer: Peer) -> None:
        await welcome(peer)
        await peer.line()
        while True:
            peer.send(b"+ \r\n")
            await asyncio.sleep(SHORT / 10)
            await peer.line()

    limits = pop3aio.Limits(sasl_rounds=1_000_000, min_rate=100_000)
    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none", limits=limits)
        hurry(client)
        mechanism: sasl.Mechanism = Endless()
        with pytest.raises(pop3aio.ResponseTimeout, match="AUTH ENDLESS"):
            await client.authenticate(mechanism, allow_insecure=True)


async def test_a_login_whose_answer_drips() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"-ERR ")
        await drip(peer)

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.user("user")
        hurry(client)
        with pytest.raises(pop3aio.ResponseTimeout, match="PASS"):
            await client.pass_("secret", allow_insecure=True)


async def test_a_connection_that_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    with pytest.raises(pop3aio.ConnectionLost, match=r"within [0-9.]+ s"):
        await pop3aio.connect("127.0.0.1", 1, tls="none", connect_timeout=SHORT)
