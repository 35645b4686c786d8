"""How a session begins, where all goes well."""

from __future__ import annotations

import asyncio
import socket

import pytest

import pop3aio
from pop3aio.testing import Certificates, Server
from tests.kit.script import Peer, Script, capa, welcome


async def test_implicit_tls(certificates: Certificates) -> None:
    async with Server([b"a"], tls="implicit", ssl_context=certificates.server_context()) as server:
        connecting = pop3aio.connect("127.0.0.1", server.port, ssl_context=certificates.client_context())
        async with connecting as client:
            assert client.secure
            assert client.tls_version == "TLSv1.3"
            assert client.greeting.text == "pop3aio.testing ready"
            assert client.state is pop3aio.State.AUTHORIZATION
            assert client.capabilities is not None
            assert client.capabilities.user
            await client.login("user", "password")
            assert await client.retr(1) == b"a\r\n"
    assert server.commands[-1] == "QUIT"


async def test_stls(certificates: Certificates) -> None:
    async with Server([b"a"], tls="starttls", ssl_context=certificates.server_context()) as server:
        client = await pop3aio.connect(
            "localhost", server.port, tls="starttls", ssl_context=certificates.client_context()
        )
        async with client:
            assert client.secure
            assert client.tls_version == "TLSv1.3"
            assert server.commands == ["CAPA", "STLS", "CAPA"]
            assert client.capabilities is not None
            assert not client.capabilities.stls
            await client.login("user", "password")
            assert await client.retr(1) == b"a\r\n"


async def test_plain() -> None:
    async with Server() as server:
        async with pop3aio.connect("127.0.0.1", server.port, tls="none") as client:
            assert not client.secure
            assert client.tls_version is None
            assert client.get_extra_info("peername") == ("127.0.0.1", server.port)
            assert client.account is None
        assert server.commands == ["CAPA", "QUIT"]


async def test_the_name_to_verify_may_be_another_than_the_host(certificates: Certificates) -> None:
    async with Server(tls="implicit", ssl_context=certificates.server_context()) as server:
        context = certificates.client_context()
        async with pop3aio.connect(
            "127.0.0.1", server.port, ssl_context=context, server_hostname="localhost"
        ) as client:
            assert client.secure


async def test_a_socket_that_is_connected() -> None:
    async with Server() as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        async with pop3aio.connect("tunnel.example", tls="none", sock=sock) as client:
            assert client.state is pop3aio.State.AUTHORIZATION


async def test_the_local_address() -> None:
    async with (
        Server() as server,
        pop3aio.connect("127.0.0.1", server.port, tls="none", local_addr=("127.0.0.2", 0)) as client,
    ):
        name = client.get_extra_info("sockname")
        assert isinstance(name, tuple)
        assert name[0] == "127.0.0.2"


async def test_the_account_is_named_by_user_and_host() -> None:
    async with Server() as server, pop3aio.connect("LOCALHOST", server.port, tls="none") as client:
        with pytest.raises(pop3aio.AuthenticationError):
            await client.login("user", "wrong", allow_insecure=True)
        assert client.account is None
        await client.login("user", "password", allow_insecure=True)
        assert client.account == f"user@localhost:{server.port}"
        assert repr(client) == f"<pop3aio.Client localhost:{server.port} TRANSACTION>"


async def test_the_account_does_not_depend_on_which_standard_port() -> None:
    async with Server() as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        async with pop3aio.connect("Mail.Example", tls="none", sock=sock) as client:
            await client.login("user", "password", allow_insecure=True)
            assert client.account == "user@mail.example"


async def test_a_server_without_capabilities() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", b"-ERR what?\r\n")
        await peer.answer(b"CAPA", b"-ERR what?\r\n")
        await peer.answer(b"QUIT", b"+OK\r\n")

    async with Script(play) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        assert client.capabilities is None
        assert await client.capa() == {}


async def test_the_window_is_one_until_pipelining_is_announced_after_the_login() -> None:
    async with Server() as server, pop3aio.connect("127.0.0.1", server.port, tls="none", window=7) as client:
        assert client.capabilities is not None
        assert client.capabilities.pipelining
        assert client.window == 1
        await client.login("user", "password", allow_insecure=True)
        assert client.window == 7


async def test_a_window_that_is_set_stays() -> None:
    async with Server() as server, pop3aio.connect("127.0.0.1", server.port, tls="none") as client:
        with pytest.raises(ValueError, match="window"):
            client.window = 0
        client.window = 3
        await client.login("user", "password", allow_insecure=True)
        await client.capa(refresh=True)
        assert client.window == 3


async def test_a_bare_line_feed_in_the_greeting_is_accepted() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK old server\n")
        await peer.answer(b"CAPA", b"+OK\nUSER\n.\n")
        await peer.answer(b"QUIT", b"+OK\n")

    async with Script(play) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        assert client.capabilities is not None
        assert dict(client.capabilities) == {"USER": ()}


@pytest.mark.parametrize("octets", [1, 3])
async def test_the_greeting_may_come_in_pieces(octets: int) -> None:
    async def play(peer: Peer) -> None:
        greeting = b"+OK ready\r\n"
        for start in range(0, len(greeting), octets):
            peer.send(greeting[start : start + octets])
            await asyncio.sleep(0)
        await peer.answer(b"CAPA", capa(["USER"]))
        await peer.answer(b"QUIT", b"+OK\r\n")

    async with Script(play) as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        assert client.greeting.text == "ready"


async def test_an_exception_in_the_block_closes_without_quit() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer)

    async with Script(play) as server:
        with pytest.raises(ZeroDivisionError):
            async with pop3aio.connect(server.host, server.port, tls="none"):
                raise ZeroDivisionError
        await server.over.wait()
        assert server.received == [b"CAPA"]


def test_arguments_are_checked_before_anything_is_opened() -> None:
    with pytest.raises(ValueError, match="tls is"):
        pop3aio.connect("host", tls="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="window"):
        pop3aio.connect("host", window=0)
    with pytest.raises(ValueError, match="window"):
        pop3aio.connect("host", window=True)
