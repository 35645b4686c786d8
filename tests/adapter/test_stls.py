"""STLS, and those who put octets behind its +OK."""

from __future__ import annotations

import asyncio

import pytest

import pop3aio
from pop3aio.testing import Certificates, Server
from tests.kit.script import Peer, Script, capa, welcome


@pytest.mark.parametrize("extra", [b"+OK injected\r\n", b"+OK inj", b"\x16", b"\r\n"])
async def test_octets_behind_the_answer_in_one_segment(extra: bytes) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK begin\r\n" + extra)

    async with Script(play) as server:
        with pytest.raises(pop3aio.StartTlsInjection):
            await pop3aio.connect(server.host, server.port, tls="starttls")
        await server.over.wait()
        assert server.received == [b"CAPA", b"STLS"]


async def test_octets_that_come_before_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next segment is here before the handshake begins."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK begin\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        original = client._stream.poll

        def poll() -> bytes | None:
            reader = client._stream.reader
            if client.state is pop3aio.State.TLS_HANDSHAKE:
                reader.feed_data(b"+OK inj")
            return original()

        monkeypatch.setattr(client._stream, "poll", poll)
        with pytest.raises(pop3aio.StartTlsInjection):
            await client.start_tls()
        with pytest.raises(pop3aio.StartTlsInjection):
            await client.capa(refresh=True)
        await server.over.wait()
        assert server.received == [b"CAPA", b"STLS"]


async def test_octets_that_come_in_the_handshake() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK begin\r\n")
        await peer.reader.read(1)
        peer.send(b"+OK injected\r\n")

    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsError, match=r"no TLS with 127\.0\.0\.1"):
            await pop3aio.connect(server.host, server.port, tls="starttls")
        await server.over.wait()
        assert not any(b"USER" in line or b"AUTH" in line or b"QUIT" in line for line in server.received)


async def test_the_end_comes_behind_the_answer() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK begin\r\n")
        peer.close()

    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsError, match="closed the connection"):
            await pop3aio.connect(server.host, server.port, tls="starttls")


async def test_a_reset_comes_behind_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK begin\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")

        def poll() -> bytes | None:
            if client.state is pop3aio.State.TLS_HANDSHAKE:
                raise ConnectionResetError
            return None

        monkeypatch.setattr(client._stream, "poll", poll)
        with pytest.raises(pop3aio.TlsError, match="closed the connection before the TLS handshake"):
            await client.start_tls()
        with pytest.raises(pop3aio.TlsError):
            await client.capa(refresh=True)


async def test_the_end_comes_with_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK begin\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        monkeypatch.setattr(
            client._stream, "poll", lambda: b"" if client.state is pop3aio.State.TLS_HANDSHAKE else None
        )
        with pytest.raises(pop3aio.TlsError, match="closed the connection in the TLS handshake"):
            await client.start_tls()


async def test_what_was_learnt_in_clear_is_forgotten(certificates: Certificates) -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK ready <1@forged>\r\n")
        await peer.answer(b"CAPA", capa(["STLS", "SASL PLAIN", "FORGED"]))
        await peer.answer(b"STLS", b"+OK\r\n")
        await peer.start_tls(certificates.server_context())
        await peer.answer(b"CAPA", capa(["USER"]))

    async with Script(play) as server:
        client = await pop3aio.connect(
            "localhost", server.port, tls="starttls", ssl_context=certificates.client_context()
        )
        assert client.capabilities is not None
        assert dict(client.capabilities) == {"USER": ()}
        assert client.greeting.apop_timestamp is None
        with pytest.raises(pop3aio.MechanismUnavailable, match="time stamp"):
            await client.apop("user", "secret")
        client.abort()


async def test_stls_by_hand_gives_the_capabilities(certificates: Certificates) -> None:
    async with (
        Server(tls="starttls", ssl_context=certificates.server_context()) as server,
        pop3aio.connect("localhost", server.port, tls="none") as client,
    ):
        assert client.capabilities is not None
        assert client.capabilities.sasl == ()
        capabilities = await client.start_tls(certificates.client_context())
        assert capabilities.sasl == ("PLAIN",)
        with pytest.raises(pop3aio.LocalProtocolError, match="TLS is active"):
            await client.start_tls(certificates.client_context())
        await client.login("user", "password")


async def test_a_refusal_leaves_the_session_as_it_was() -> None:
    async with Server() as server, pop3aio.connect("localhost", server.port, tls="none") as client:
        with pytest.raises(pop3aio.CommandError, match="refused STLS"):
            await client.start_tls()
        assert await client.capa(refresh=True)


async def test_a_cancel_in_the_handshake_closes_the_connection() -> None:
    shaking = asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK\r\n")
        await peer.reader.read(1)
        shaking.set()

    async with Script(play) as server:
        client = await pop3aio.connect("localhost", server.port, tls="none")
        task = asyncio.ensure_future(client.start_tls())
        other = asyncio.ensure_future(client.capa(refresh=True))
        await shaking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(pop3aio.ConnectionLost, match="the TLS handshake was broken off"):
            await other
        await client.quit()


async def test_what_is_asked_in_the_handshake_waits_for_its_end(certificates: Certificates) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK\r\n")
        await peer.start_tls(certificates.server_context())
        await peer.answer(b"CAPA", capa(["ONE"]))
        await peer.answer(b"CAPA", capa(["TWO"]))

    async with Script(play) as server:
        client = await pop3aio.connect("localhost", server.port, tls="none")
        task = asyncio.ensure_future(client.start_tls(certificates.client_context()))
        await asyncio.sleep(0)
        other = asyncio.ensure_future(client.capa(refresh=True))
        assert {*await task, *await other} == {"ONE", "TWO"}
        client.abort()


async def test_the_connection_is_dropped_in_the_handshake() -> None:
    shaking = asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK\r\n")
        await peer.reader.read(1)
        shaking.set()

    async with Script(play) as server:
        client = await pop3aio.connect("localhost", server.port, tls="none")
        task = asyncio.ensure_future(client.start_tls())
        await shaking.wait()
        client.abort()
        with pytest.raises(pop3aio.POP3Error):
            await task


async def test_stls_that_was_cancelled_costs_the_connection() -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.expect(b"STLS")
        asked.set()
        await go_on.wait()
        peer.send(b"+OK\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect("localhost", server.port, tls="none")
        task = asyncio.ensure_future(client.start_tls())
        await asked.wait()
        task.cancel()
        await asyncio.wait([task])
        go_on.set()
        with pytest.raises(pop3aio.ConnectionLost, match="STLS was cancelled"):
            await client.capa(refresh=True)
        await server.over.wait()
        assert server.received == [b"CAPA", b"STLS"]


async def test_stls_that_was_cancelled_and_refused_costs_nothing() -> None:
    asked = asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.expect(b"STLS")
        asked.set()
        peer.send(b"-ERR no\r\n")
        await peer.answer(b"CAPA", capa(["TWO"]))

    async with Script(play) as server:
        client = await pop3aio.connect("localhost", server.port, tls="none")
        task = asyncio.ensure_future(client.start_tls())
        await asyncio.sleep(0)
        task.cancel()
        await asked.wait()
        assert await client.capa(refresh=True) == {"TWO": ()}
        client.abort()
