"""CAPA that is refused, broken, not answered, or ends the connection: such servers can be used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

import pop3aio
from pop3aio.testing import Certificates
from tests.kit.pace import stretched
from tests.kit.script import Peer, Play, Script, capa, welcome

End: TypeAlias = Callable[[Peer], Awaitable[None]]


async def greeted(peer: Peer) -> None:
    """Play a server without CAPA."""
    peer.send(b"+OK ready\r\n")
    await peer.answer(b"USER user", b"+OK\r\n")
    await peer.answer(b"PASS secret", b"+OK\r\n")
    await peer.answer(b"NOOP", b"+OK\r\n")


def at_capa(answer: bytes, *, closes: bool = False, resets: bool = False) -> Play:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK ready\r\n")
        await peer.answer(b"CAPA", answer)
        if resets:
            peer.reset()
        elif closes:
            peer.close()

    return play


DEADLY: dict[str, tuple[Play, type[pop3aio.POP3Error]]] = {
    "closes": (at_capa(b"", closes=True), pop3aio.ConnectionLost),
    "resets": (at_capa(b"", resets=True), pop3aio.ConnectionLost),
    "closes in the list": (at_capa(b"+OK\r\nUSER\r\n", closes=True), pop3aio.ConnectionLost),
    "hangs": (at_capa(b""), pop3aio.ResponseTimeout),
    "hangs in the list": (at_capa(b"+OK\r\nUSER\r\n"), pop3aio.ResponseTimeout),
    "has no list": (at_capa(b"+OK\r\n"), pop3aio.ResponseTimeout),
    "talks nonsense": (at_capa(b"500 what?\r\n"), pop3aio.RemoteProtocolError),
}


@pytest.mark.parametrize("name", DEADLY)
async def test_a_second_connection_without_it(name: str) -> None:
    play, _ = DEADLY[name]
    async with Script(play, greeted) as server:
        async with asyncio.timeout(stretched(10)):
            client = await pop3aio.connect(server.host, server.port, tls="none", timeout=stretched(0.2))
            await client.login("user", "secret", allow_insecure=True)
            await client.noop()
        assert server.connections == 2
        assert client.window == 1
        client.abort()
        assert server.received == [b"CAPA", b"USER user", b"PASS secret", b"NOOP"]


@pytest.mark.parametrize("name", DEADLY)
async def test_an_error_that_says_what_to_do(name: str) -> None:
    """A socket that was given cannot be opened again."""
    play, kind = DEADLY[name]
    async with Script(play) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        with pytest.raises(kind, match="if the server cannot answer CAPA, connect with capa=False") as caught:
            await pop3aio.Client.from_streams(reader, writer, timeout=stretched(0.2))
        assert isinstance(
            caught.value, pop3aio.ConnectionLost | pop3aio.ResponseTimeout | pop3aio.RemoteProtocolError
        )
        assert caught.value.hint == "capa"
        assert "capa=False" not in caught.value.what


async def test_only_one_more() -> None:
    async def play(peer: Peer) -> None:
        peer.close()

    async with Script(at_capa(b"", closes=True), play) as server:
        with pytest.raises(pop3aio.ConnectionLost) as caught:
            await pop3aio.connect(server.host, server.port, tls="none")
        assert caught.value.stage == "greeting"
        assert server.connections == 2


async def test_no_second_one_where_a_limit_was_broken() -> None:
    async with Script(at_capa(b"+OK\r\n" + b"X\r\n" * 2000)) as server:
        with pytest.raises(pop3aio.LimitExceeded):
            await pop3aio.connect(server.host, server.port, tls="none")
        assert server.connections == 1


async def test_it_can_be_left_out() -> None:
    async with Script(greeted) as server:
        async with pop3aio.connect(server.host, server.port, tls="none", capa=False) as client:
            assert await client.capa(refresh=True) == {}
            assert client.capabilities is None
            await client.login("user", "secret", allow_insecure=True)
            await client.noop()
            client.abort()
        assert b"CAPA" not in server.received


async def test_it_is_left_out_behind_stls(certificates: Certificates) -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK ready\r\n")
        await peer.answer(b"STLS", b"+OK\r\n")
        await peer.start_tls(certificates.server_context())
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")

    context = certificates.client_context()
    for plays, asked in (((at_capa(b"", closes=True), play), True), ((play,), False)):
        async with Script(*plays) as server:
            client = await pop3aio.connect(
                server.host, server.port, tls="starttls", ssl_context=context, capa=asked
            )
            assert client.secure
            await client.login("user", "secret")
            client.abort()


async def test_refused_before_the_login_and_asked_again_after_it() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK ready\r\n")
        await peer.answer(b"CAPA", b"-ERR log in first\r\n")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")
        await peer.answer(b"CAPA", capa(["PIPELINING", "UIDL"]))

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        assert client.capabilities is None
        await client.login("user", "secret", allow_insecure=True)
        assert client.capabilities == {"PIPELINING": (), "UIDL": ()}
        assert client.window == 256
        client.abort()


async def test_a_server_that_hangs_up_behind_the_refusal_of_capa() -> None:
    """That shows only when the next command is due."""
    async with Script(at_capa(b"-ERR unknown command\r\n", closes=True)) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await server.over.wait()
        for mechanism in (None, "PLAIN"):
            with pytest.raises(pop3aio.ConnectionLost, match="capa=False") as caught:
                await client.login("user", "secret", mechanism=mechanism, allow_insecure=True)
            assert caught.value.credentials == "unsent"
            assert caught.value.hint == "capa"


async def test_a_session_that_ends_elsewhere_does_not_blame_capa() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        await peer.expect(b"USER user")
        peer.close()

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        with pytest.raises(pop3aio.ConnectionLost) as caught:
            await client.login("user", "secret", allow_insecure=True)
        assert caught.value.hint is None
        client.abort()
        with pytest.raises(pop3aio.ConnectionLost) as caught:
            await client.capa(refresh=True)
        assert caught.value.hint is None
