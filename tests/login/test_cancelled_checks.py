"""Checks of an answer are made where the answer is read, so that a cancelled caller does not skip them."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable

import pytest

import pop3aio
import pop3core.sasl
from pop3aio import sasl
from pop3aio.sasl import Scram
from tests.kit.script import Peer, welcome
from tests.login.doubles import GO_ON, PASSWORD, USER, ScramServer, challenge, in_clear


async def cancelled_when(asked: asyncio.Event, call: Awaitable[object]) -> None:
    """Begin a call, and cancel it when the server has its last line."""
    task = asyncio.ensure_future(call)
    await asked.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_success_without_the_servers_proof_after_a_cancel() -> None:
    """The session would be in TRANSACTION, with a server that has proved nothing."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL SCRAM-SHA-256")
        await peer.answer(b"AUTH SCRAM-SHA-256", GO_ON)
        peer.send(challenge(ScramServer().first(b64decode(await peer.line()))))
        await peer.line()
        asked.set()
        await go_on.wait()
        peer.send(b"+OK logged in\r\n")

    async with in_clear(play) as (client, server):
        await cancelled_when(asked, client.login(USER, PASSWORD, allow_insecure=True))
        go_on.set()
        for _ in range(2):
            with pytest.raises(sasl.ServerNotAuthenticated, match="before SCRAM-SHA-256 was finished"):
                await client.capa(refresh=True)
        assert client.account is None
        await server.over.wait()


async def test_a_mechanism_that_cannot_say_whether_it_is_done() -> None:
    class Odd(sasl.External):
        @property
        def done(self) -> bool:
            raise ZeroDivisionError

        @done.setter
        def done(self, _: bool) -> None:
            pass

        def respond(self, challenge: bytes) -> bytes:
            return b""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL EXTERNAL")
        await peer.answer(b"AUTH EXTERNAL", GO_ON)
        await peer.answer(b"", b"+OK\r\n")

    async with in_clear(play) as (client, _):
        with pytest.raises(sasl.ServerNotAuthenticated):
            await client.authenticate(Odd(), allow_insecure=True)


LOGINS: dict[str, tuple[bytes, bytes]] = {
    "USER": (b"", b"PASS secret"),
    "PLAIN": (b"AUTH PLAIN", b64encode(b"\0me\0secret")),
}


@pytest.mark.parametrize("way", LOGINS)
async def test_the_account_of_a_cancelled_login(way: str) -> None:
    """The server may take a login whose caller was cancelled; the account is the name that was sent."""
    asked, go_on = asyncio.Event(), asyncio.Event()
    line, last = LOGINS[way]

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "SASL PLAIN")
        await peer.answer(b"USER other", b"+OK\r\n")
        if line:
            await peer.answer(line, GO_ON)
        else:
            await peer.answer(b"USER me", b"+OK\r\n")
        await peer.expect(last)
        asked.set()
        await go_on.wait()
        peer.send(b"+OK\r\n")
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with in_clear(play) as (client, server):
        await client.user("other")
        await cancelled_when(asked, client.login("me", "secret", mechanism=way, allow_insecure=True))
        go_on.set()
        while client.state is not pop3aio.State.TRANSACTION:
            try:
                await client.noop()
            except pop3aio.LocalProtocolError:
                await asyncio.sleep(0)
        assert client.account == f"me@{server.host}:{server.port}"


ODD: dict[str, tuple[Callable[[pop3aio.Client], Awaitable[object]], bytes, bytes]] = {
    "LIST": (lambda client: client.list(2), b"LIST 2", b"+OK 1 10\r\n"),
    "UIDL": (lambda client: client.uidl(2), b"UIDL 2", b"+OK 1 a\r\n"),
    "STAT": (lambda client: client.stat(), b"STAT", b"+OK what\r\n"),
}


@pytest.mark.parametrize("command", ODD)
async def test_an_answer_out_of_step_after_a_cancel(command: str) -> None:
    """The answer shows that answers and commands are out of step; the next caller must not go on."""
    call, line, answer = ODD[command]
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        await peer.answer(b"USER me", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")
        await peer.answer(b"CAPA", b"-ERR\r\n")
        await peer.expect(line)
        asked.set()
        await go_on.wait()
        peer.send(answer)

    async with in_clear(play) as (client, _):
        await client.login("me", "secret", allow_insecure=True)
        await cancelled_when(asked, call(client))
        go_on.set()
        with pytest.raises(pop3aio.RemoteProtocolError):
            await client.noop()


def test_the_mechanisms_stand_where_users_look_for_them() -> None:
    assert Scram is pop3core.sasl.Scram
    assert sasl.__all__ == pop3core.sasl.__all__
    assert all(getattr(sasl, name) is getattr(pop3core.sasl, name) for name in sasl.__all__)


FAILURE = challenge(b'{"status": "401"}')

# The mechanism; what the server answers to the AUTH line and to each response before the caller is cancelled; what it
# says then, and what it says to the cancel of the exchange that answers a challenge.
EARLY: dict[str, tuple[Callable[[], sasl.Mechanism], tuple[bytes, ...], bytes]] = {
    "EXTERNAL, without a challenge": (sasl.External, (), b"+OK\r\n"),
    "PLAIN, without a challenge": (lambda: sasl.Plain(USER, PASSWORD), (), b"+OK\r\n"),
    "CRAM-MD5, without a challenge": (lambda: sasl.CramMd5(USER, PASSWORD), (), b"+OK\r\n"),
    "LOGIN, before the password": (lambda: sasl.Login(USER, PASSWORD), (GO_ON,), b"+OK\r\n"),
    "SCRAM, before the proof": (lambda: sasl.Scram(USER, PASSWORD), (GO_ON,), b"+OK\r\n"),
    "XOAUTH2, behind a failure": (lambda: sasl.XOAuth2(USER, "t"), (GO_ON, FAILURE), b"+OK\r\n"),
    "XOAUTH2, with a failure": (lambda: sasl.XOAuth2(USER, "t"), (GO_ON,), FAILURE),
    "OAUTHBEARER, behind a failure": (lambda: sasl.OAuthBearer(USER, "t"), (GO_ON, FAILURE), b"+OK\r\n"),
    "OAUTHBEARER, with a failure": (lambda: sasl.OAuthBearer(USER, "t"), (GO_ON,), FAILURE),
    "EXTERNAL, with a second challenge": (sasl.External, (GO_ON,), GO_ON),
    "SCRAM, with a wrong signature": (lambda: sasl.Scram(USER, PASSWORD), (GO_ON,), challenge(b"v=AAAA")),
}


@pytest.mark.parametrize("name", EARLY)
async def test_a_success_that_is_none_after_a_cancel(name: str) -> None:
    """The connection is closed, as it is where the caller waits."""
    make, answers, last = EARLY[name]
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def play(peer: Peer) -> None:
        mechanism = make().name
        await welcome(peer, f"SASL {mechanism}")
        await peer.expect(f"AUTH {mechanism}".encode())
        for answer in answers:
            peer.send(answer)
            await peer.line()
        asked.set()
        await go_on.wait()
        peer.send(last)
        if last.startswith(b"+ "):
            await peer.answer(b"*", b"+OK\r\n")

    async with in_clear(play) as (client, server):
        await cancelled_when(asked, client.authenticate(make(), allow_insecure=True))
        go_on.set()
        for _ in range(2):
            with pytest.raises((sasl.ServerNotAuthenticated, pop3aio.RemoteProtocolError)):
                await client.capa(refresh=True)
        assert client.state is not pop3aio.State.TRANSACTION
        assert client.account is None
        await server.over.wait()


async def test_utf8_whose_caller_was_cancelled() -> None:
    """The session is in UTF-8 mode, and knows it: UTF8 is not asked for again."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "UTF8 USER", "PIPELINING")
        await peer.expect(b"UTF8")
        asked.set()
        await go_on.wait()
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", b"+OK\r\nUSER\r\nUTF8 USER\r\nPIPELINING\r\n.\r\n")
        await peer.answer("USER j\u00f6rg".encode(), b"+OK\r\n")
        await peer.answer(b"PASS secret", b"+OK\r\n")

    async with in_clear(play) as (client, _):
        await cancelled_when(asked, client.login("j\u00f6rg", "secret", allow_insecure=True))
        go_on.set()
        await client.capa(refresh=True)
        await client.login("j\u00f6rg", "secret", allow_insecure=True)
