"""Logging in: which way is taken, and what is never sent."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio.testing import Server
from tests.kit.script import Peer, Script, capa, welcome

PLAIN = base64.b64encode(b"\0user\0secret")


async def log_in(server: Script, user: str = "user", password: str = "secret", **options: str) -> None:
    """Connect, log in, and drop the connection."""
    client = await pop3aio.connect(server.host, server.port, tls="none")
    try:
        await client.login(user, password, allow_insecure=True, **options)  # type: ignore[arg-type]
        assert client.state is pop3aio.State.TRANSACTION
    finally:
        client.abort()
        await server.over.wait()


@pytest.mark.parametrize(
    ("capabilities", "lines"),
    [
        (["SASL PLAIN", "USER", "PIPELINING"], [b"AUTH PLAIN", PLAIN]),
        (["SASL GSSAPI LOGIN plain", "PIPELINING"], [b"AUTH PLAIN", PLAIN]),
        (["USER", "PIPELINING"], [b"USER user", b"PASS secret"]),
        (["SASL GSSAPI LOGIN", "USER", "PIPELINING"], [b"USER user", b"PASS secret"]),
        (["SASL", "PIPELINING"], [b"USER user", b"PASS secret"]),
        (["PIPELINING"], [b"USER user", b"PASS secret"]),
    ],
)
async def test_the_way_is_chosen_by_the_capabilities(capabilities: list[str], lines: list[bytes]) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, *capabilities)
        await peer.answer(lines[0], b"+ \r\n" if lines[1] == PLAIN else b"+OK\r\n")
        await peer.answer(lines[1], b"+OK\r\n")

    async with Script(play) as server:
        await log_in(server)
        assert server.received == [b"CAPA", *lines]


async def test_user_and_pass_where_capabilities_are_unknown() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", b"-ERR\r\n")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")
        await peer.answer(b"CAPA", b"-ERR\r\n")

    async with Script(play) as server:
        await log_in(server)
        assert server.received == [b"CAPA", b"USER user", b"PASS secret", b"CAPA"]


@pytest.mark.parametrize(
    ("mechanism", "lines"),
    [("plain", [b"AUTH PLAIN", PLAIN]), ("USER", [b"USER user", b"PASS secret"])],
)
async def test_the_way_may_be_given(mechanism: str, lines: list[bytes]) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "PIPELINING")
        await peer.answer(lines[0], b"+\r\n" if lines[1] == PLAIN else b"+OK\r\n")
        await peer.answer(lines[1], b"+OK\r\n")

    async with Script(play) as server:
        await log_in(server, mechanism=mechanism)


async def test_an_unknown_way() -> None:
    async with Server() as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        with pytest.raises(pop3aio.MechanismUnavailable, match="'NTLM' is no way"):
            await client.login("user", "password", mechanism="NTLM", allow_insecure=True)
        assert server.commands == ["CAPA"]


async def test_a_refusal_of_the_bare_auth_line_costs_nothing() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"-ERR not that one\r\n")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")

    async with Script(play) as server:
        await log_in(server)


async def test_a_refusal_of_the_bare_auth_line_without_another_way() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"-ERR not that one\r\n")

    async with Script(play) as server:
        with pytest.raises(pop3aio.MechanismUnavailable, match="before anything secret was sent"):
            await log_in(server)
        assert server.received == [b"CAPA", b"AUTH PLAIN"]


async def test_a_response_code_ends_the_attempt() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"-ERR [SYS/TEMP] later\r\n")

    async with Script(play) as server:
        with pytest.raises(pop3aio.ServerTemporaryError):
            await log_in(server)
        assert server.received == [b"CAPA", b"AUTH PLAIN"]


async def test_nothing_else_is_tried_once_the_password_was_sent() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"+ \r\n")
        await peer.answer(PLAIN, b"-ERR no\r\n")

    async with Script(play) as server:
        with pytest.raises(pop3aio.AuthenticationError):
            await log_in(server)
        assert server.received == [b"CAPA", b"AUTH PLAIN", PLAIN]


async def test_a_second_challenge_ends_the_attempt() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"+ \r\n")
        await peer.answer(PLAIN, b"+ \r\n")
        await peer.answer(b"*", b"-ERR cancelled\r\n")

    async with Script(play) as server:
        with pytest.raises(sasl.ChallengeRefused):
            await log_in(server)
        assert server.received == [b"CAPA", b"AUTH PLAIN", PLAIN, b"*"]


@pytest.mark.parametrize("challenge", [b"+ go ahead\r\n", b"+ QQ==\r\n"])
async def test_a_bad_challenge_is_cancelled_and_the_next_way_taken(challenge: bytes) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", challenge)
        await peer.answer(b"*", b"-ERR [AUTH] cancelled\r\n")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")

    async with Script(play) as server:
        await log_in(server)


async def test_a_bad_challenge_without_another_way() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"+ go ahead\r\n")
        await peer.answer(b"*", b"-ERR\r\n")

    async with Script(play) as server:
        with pytest.raises(sasl.ChallengeRefused, match="not valid base64"):
            await log_in(server)


async def test_success_after_the_exchange_was_cancelled_is_none() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"+ go ahead\r\n")
        await peer.answer(b"*", b"+OK\r\n")

    async with Script(play) as server:
        with pytest.raises(
            pop3aio.RemoteProtocolError, match="success after the AUTH exchange was cancelled"
        ):
            await log_in(server)
        assert server.received == [b"CAPA", b"AUTH PLAIN", b"*"]


async def test_success_before_the_mechanism_is_finished_is_none() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"+OK welcome\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        with pytest.raises(sasl.ChallengeRefused, match="before PLAIN was finished"):
            await client.login("user", "secret", allow_insecure=True)
        with pytest.raises(sasl.ChallengeRefused):
            await client.capa(refresh=True)
        await server.over.wait()
        assert server.received == [b"CAPA", b"AUTH PLAIN"]


async def test_a_mechanism_of_ones_own() -> None:
    class Echo:
        name = "X-ECHO"
        client_first = False
        done = False

        def respond(self, challenge: bytes) -> bytes:
            self.done = challenge == b"two"
            return challenge.upper()

    async def play(peer: Peer) -> None:
        await welcome(peer, "PIPELINING")
        await peer.answer(b"AUTH X-ECHO", b"+ b25l\r\n")
        await peer.answer(b"T05F", b"+ dHdv\r\n")
        await peer.answer(b"VFdP", b"+OK\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.authenticate(Echo(), allow_insecure=True)
        assert client.state is pop3aio.State.TRANSACTION
        client.abort()


async def test_a_mechanism_of_ones_own_is_refused() -> None:
    class Unheard(sasl.Plain):
        name = "X-NONE"

    async with (
        Server(users={"u": "p"}) as server,
        pop3aio.connect(server.host, server.port, tls="none") as client,
    ):
        with pytest.raises(pop3aio.MechanismUnavailable, match="AUTH X-NONE before anything secret"):
            await client.authenticate(Unheard("u", "p"), allow_insecure=True)
        await client.authenticate(sasl.Plain("u", "p"), allow_insecure=True)


async def test_a_mechanism_that_fails_cancels_the_exchange() -> None:
    class Broken(sasl.Plain):
        def respond(self, challenge: bytes) -> bytes:
            raise ZeroDivisionError

    class Textual(sasl.Plain):
        def respond(self, challenge: bytes) -> bytes:
            return "text"  # type: ignore[return-value]

    async with Server() as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        with pytest.raises(ZeroDivisionError):
            await client.authenticate(Broken("user", "password"), allow_insecure=True)
        await client.capa(refresh=True)
        with pytest.raises(TypeError):
            await client.authenticate(Textual("user", "password"), allow_insecure=True)
        await client.capa(refresh=True)
        assert server.commands[-3:] == ["AUTH PLAIN", "*", "CAPA"]
        await client.login("user", "password", allow_insecure=True)


async def test_nothing_secret_without_tls() -> None:
    async with Server() as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        with pytest.raises(pop3aio.TlsRequired, match="allow_insecure"):
            await client.login("user", "password")
        with pytest.raises(pop3aio.TlsRequired):
            await client.authenticate(sasl.Plain("user", "password"))
        with pytest.raises(pop3aio.TlsRequired):
            await client.pass_("password")
        with pytest.raises(pop3aio.TlsRequired):
            await client.apop("user", "password")
        assert server.commands == ["CAPA"]
        await client.user("user")
        await client.pass_("password", allow_insecure=True)
        assert await client.stat() == pop3aio.Stat(0, 0)


@pytest.mark.parametrize(
    ("user", "password"), [("jürgen", "secret"), ("user", "geheimß"), ("two words", "secret")]
)
async def test_credentials_that_user_and_pass_cannot_carry(user: str, password: str) -> None:
    async with (
        Server(capabilities=["USER"]) as server,
        pop3aio.connect(server.host, server.port, tls="none") as client,
    ):
        with pytest.raises(pop3aio.LocalProtocolError, match="USER and PASS only"):
            await client.login(user, password, allow_insecure=True)
        assert server.commands == ["CAPA"]
        await client.capa(refresh=True)


async def test_utf8_in_user_and_pass_where_the_server_takes_it() -> None:
    async with (
        Server(users={"jürgen": "geheimß"}, sasl=(), utf8=True) as server,
        pop3aio.connect(server.host, server.port, tls="none") as client,
    ):
        await client.login("jürgen", "geheimß", allow_insecure=True)
        assert server.commands[1:4] == ["UTF8", "USER jürgen", "PASS geheimß"]


async def test_utf8_in_plain() -> None:
    async with (
        Server(users={"jürgen weiß": "geheim ß"}) as server,
        pop3aio.connect(server.host, server.port, tls="none") as client,
    ):
        await client.login("jürgen weiß", "geheim ß", allow_insecure=True)
        assert server.commands[1] == "AUTH PLAIN"


@pytest.mark.parametrize(("user", "password"), [("", "p"), ("u", ""), ("u\0x", "p"), ("u", "p\ud800")])
async def test_credentials_that_nothing_can_carry(user: str, password: str) -> None:
    async with Server() as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        for mechanism in (None, "PLAIN", "USER"):
            with pytest.raises(pop3aio.LocalProtocolError):
                await client.login(user, password, mechanism=mechanism, allow_insecure=True)
        assert not any(line.startswith(("AUTH", "PASS")) for line in server.commands)


async def test_pass_without_user() -> None:
    async with Server() as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        with pytest.raises(pop3aio.LocalProtocolError, match="PASS is only allowed right after"):
            await client.pass_("password", allow_insecure=True)


async def test_apop() -> None:
    """The example of RFC 1939 section 7."""

    async def play(peer: Peer) -> None:
        peer.send(b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n")
        await peer.answer(b"CAPA", capa(["PIPELINING"]))
        await peer.answer(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb", b"+OK\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect("localhost", server.port, tls="none")
        await client.apop("mrose", "tanstaaf", allow_insecure=True)
        assert client.account == f"mrose@localhost:{server.port}"
        client.abort()
        await server.over.wait()


async def test_apop_is_refused_or_impossible() -> None:
    stamp = "<1.2@host>"
    digest = hashlib.md5(f"{stamp}ß".encode()).hexdigest().encode()

    async def play(peer: Peer) -> None:
        peer.send(f"+OK {stamp}\r\n".encode())
        await peer.answer(b"CAPA", capa(["USER"]))
        await peer.answer(b"APOP user " + digest, b"-ERR no\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect("localhost", server.port, tls="none")
        with pytest.raises(pop3aio.LocalProtocolError, match="lone surrogate") as caught:
            await client.apop("user", "se\ud800cret", allow_insecure=True)
        assert caught.value.__context__ is None
        with pytest.raises(pop3aio.LocalProtocolError, match="space"):
            await client.apop("two words", "ß", allow_insecure=True)
        with pytest.raises(pop3aio.AuthenticationError):
            await client.apop("user", "ß", allow_insecure=True)
        assert client.account is None
        client.abort()


async def test_capabilities_are_asked_again_after_the_login_without_pipelining() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")
        await peer.answer(b"CAPA", capa(["UIDL", "PIPELINING"]))

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none", window=5)
        await client.login("user", "secret", allow_insecure=True)
        assert client.window == 5
        assert client.capabilities is not None
        assert dict(client.capabilities) == {"UIDL": (), "PIPELINING": ()}
        client.abort()


@pytest.mark.parametrize("tag", ["LOGIN-DELAY 60 USER", "EXPIRE 30 USER"])
async def test_capabilities_are_asked_again_where_they_may_be_the_users_own(tag: str) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "PIPELINING", tag)
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")
        await peer.answer(b"CAPA", capa(["PIPELINING", "LOGIN-DELAY 900"]))

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.login("user", "secret", allow_insecure=True)
        assert client.capabilities is not None
        assert client.capabilities.login_delay == 900
        client.abort()


async def test_a_cancelled_exchange_is_cancelled_on_the_wire() -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "PIPELINING")
        await peer.expect(b"AUTH PLAIN")
        asked.set()
        await go_on.wait()
        peer.send(b"+ \r\n")
        await peer.answer(b"*", b"-ERR cancelled\r\n")
        await peer.answer(b"CAPA", capa(["SASL PLAIN"]))

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        task = asyncio.ensure_future(client.login("user", "secret", allow_insecure=True))
        await asked.wait()
        task.cancel()
        await asyncio.wait([task])
        go_on.set()
        with pytest.raises(pop3aio.LocalProtocolError, match="wait for that answer"):
            await client.login("user", "secret", allow_insecure=True)
        assert await client.capa(refresh=True) == {"SASL": ("PLAIN",)}
        assert client.state is pop3aio.State.AUTHORIZATION
        client.abort()


async def test_a_login_that_was_cancelled_too_late_has_happened() -> None:
    asked = asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", b"+ \r\n")
        await peer.expect(PLAIN)
        asked.set()
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", capa(["PIPELINING"]))
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        task = asyncio.ensure_future(client.login("user", "secret", allow_insecure=True))
        await asked.wait()
        task.cancel()
        await asyncio.wait([task])
        await client.capa(refresh=True)
        assert client.state is pop3aio.State.TRANSACTION
        await client.noop()
        client.abort()
