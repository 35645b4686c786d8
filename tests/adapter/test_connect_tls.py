"""TLS that must not come about, and STLS that is not to be had."""

from __future__ import annotations

import asyncio
import datetime
import ssl

import pytest
import trustme

import pop3aio
from pop3aio._wire._reader import ChunkReader
from pop3aio._wire._stream import open_stream
from pop3aio.testing import Certificates, Server, make_certificates
from tests.kit.pace import stretched
from tests.kit.script import Peer, Script, capa, welcome


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_certificate_of_an_unknown_authority(certificates: Certificates, tls: str) -> None:
    strangers = make_certificates().client_context()
    async with Server(tls=tls, ssl_context=certificates.server_context()) as server:  # type: ignore[arg-type]
        with pytest.raises(pop3aio.TlsError, match="the certificate of localhost is not accepted: unable to"):
            await pop3aio.connect("localhost", server.port, tls=tls, ssl_context=strangers)  # type: ignore[arg-type]


async def test_no_certificate_is_accepted_without_a_context(certificates: Certificates) -> None:
    async with Server(tls="implicit", ssl_context=certificates.server_context()) as server:
        with pytest.raises(pop3aio.TlsError, match="is not accepted"):
            await pop3aio.connect("localhost", server.port)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_certificate_for_another_name(certificates: Certificates, tls: str) -> None:
    async with Server(tls=tls, ssl_context=certificates.server_context()) as server:  # type: ignore[arg-type]
        with pytest.raises(pop3aio.TlsError, match=r"of mail\.example is not accepted: Hostname mismatch"):
            await pop3aio.connect(
                "localhost",
                server.port,
                tls=tls,  # type: ignore[arg-type]
                ssl_context=certificates.client_context(),
                server_hostname="mail.example",
            )
        assert not any(line.startswith(("USER", "AUTH")) for line in server.commands)


async def test_an_expired_certificate() -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    async with Server(tls="implicit", ssl_context=context) as server:
        with pytest.raises(pop3aio.TlsError, match="not accepted: certificate has expired"):
            await pop3aio.connect("localhost", server.port, ssl_context=trusting)


async def test_a_server_that_has_no_tls_version_of_ours() -> None:
    async def play(peer: Peer) -> None:
        await peer.reader.read(1)
        # A fatal alert, protocol_version.
        peer.send(b"\x15\x03\x03\x00\x02\x02\x46")

    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsError, match="TLSV1_ALERT_PROTOCOL_VERSION") as caught:
            await pop3aio.connect(server.host, server.port)
    assert caught.value.reason == "version"


async def test_a_plain_server_on_the_port_for_tls() -> None:
    async with Server() as server:
        with pytest.raises(pop3aio.TlsError, match=r"is this a port for TLS\?|STLS"):
            await pop3aio.connect("127.0.0.1", server.port)
        assert not any("PASS" in line for line in server.commands)


async def test_a_plain_server_that_greets_before_the_handshake() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK ready\r\n")

    async with Script(play) as server:
        stream = await open_stream(host=server.host, port=server.port)
        reader = stream.reader
        assert isinstance(reader, ChunkReader)
        while not reader._chunks:
            await asyncio.sleep(0)
        with pytest.raises(pop3aio.TlsError, match=r"speaks before the TLS handshake \(b'.OK ready.*STLS"):
            await stream.start_tls(ssl.create_default_context(), "localhost", 5)
        stream.abort()
        await stream.close()
        await server.over.wait()
        assert server.received == []


async def test_the_connection_broke_before_the_handshake() -> None:
    async def play(peer: Peer) -> None:
        peer.reset()

    async with Script(play) as server:
        stream = await open_stream(host=server.host, port=server.port)
        while stream.reader.exception() is None:
            await asyncio.sleep(0)
        with pytest.raises(
            pop3aio.TlsError, match="localhost closed the connection before the TLS handshake"
        ):
            await stream.start_tls(ssl.create_default_context(), "localhost", 5)
        stream.abort()
        await stream.close()


async def test_a_server_for_tls_asked_for_stls(certificates: Certificates) -> None:
    async with Server(tls="implicit", ssl_context=certificates.server_context()) as server:
        # It waits for a ClientHello, and we for a greeting.
        with pytest.raises(pop3aio.ResponseTimeout, match="greeting"):
            await pop3aio.connect("localhost", server.port, tls="starttls", timeout=stretched(0.05))


async def test_a_handshake_that_does_not_go_on() -> None:
    async def play(peer: Peer) -> None:
        await peer.rest()

    async with Script(play) as server:
        with pytest.raises(
            pop3aio.TlsError, match=r"the TLS handshake with 127.0.0.1 took more than [0-9.]+ s"
        ):
            await pop3aio.connect(server.host, server.port, connect_timeout=stretched(0.05))


async def test_the_end_comes_in_the_handshake() -> None:
    async def play(peer: Peer) -> None:
        await peer.reader.read(100)
        peer.close()

    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsError, match="closed the connection in the TLS handshake"):
            await pop3aio.connect(server.host, server.port)


async def test_a_reset_in_the_handshake() -> None:
    async def play(peer: Peer) -> None:
        await peer.reader.read(100)
        peer.reset()

    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsError, match="closed the connection in the TLS handshake"):
            await pop3aio.connect(server.host, server.port)


async def test_stls_is_not_offered() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "SASL PLAIN")

    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsRequired, match="does not offer STLS"):
            await pop3aio.connect(server.host, server.port, tls="starttls")
        await server.over.wait()
        assert server.received == [b"CAPA"]


async def test_stls_is_refused() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"-ERR not today\r\n")

    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsRequired, match=r"refuses STLS .'not today'.; nothing was sent"):
            await pop3aio.connect(server.host, server.port, tls="starttls")
        await server.over.wait()
        assert server.received == [b"CAPA", b"STLS"]


async def test_stls_is_tried_where_capabilities_are_unknown(certificates: Certificates) -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", b"-ERR what?\r\n")
        await peer.answer(b"STLS", b"+OK\r\n")
        await peer.start_tls(certificates.server_context())
        await peer.answer(b"CAPA", capa(["USER"]))
        await peer.answer(b"QUIT", b"+OK\r\n")

    async with (
        Script(play) as server,
        pop3aio.connect(
            "localhost", server.port, tls="starttls", ssl_context=certificates.client_context()
        ) as client,
    ):
        assert client.secure
