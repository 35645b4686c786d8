"""Mechanisms that are not ours: what is read of them, what a new row of the table needs, and what would be tried."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio._login import _order
from pop3aio._login._order import POLICY, Given, Rule
from pop3aio.testing import Certificates
from tests.kit.script import Peer, Play, capa, welcome
from tests.login.doubles import (
    GO_ON,
    PASSWORD,
    TOKEN,
    USER,
    ScramServer,
    challenge,
    in_clear,
    scram_play,
    under_tls,
)


class Echo:
    """A whole mechanism of ten lines: a hash of the challenge and a key."""

    name = "X-ECHO"

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self.done = False

    @property
    def secrets(self) -> tuple[bytes, ...]:
        return (self._key,)

    def respond(self, challenge: bytes) -> bytes:
        self.done = True
        return hashlib.sha256(self._key + challenge).hexdigest().encode()


def expecting(answer: bytes, *capabilities: str) -> Play:
    async def play(peer: Peer) -> None:
        await welcome(peer, *capabilities)
        await peer.answer(b"AUTH X-ECHO", challenge(b"nonce"))
        digest = hashlib.sha256(PASSWORD.encode() + b"nonce").hexdigest().encode()
        await peer.answer(b64encode(digest), answer)

    return play


async def test_a_mechanism_of_ones_own() -> None:
    async with in_clear(expecting(b"+OK\r\n", "SASL X-ECHO", "PIPELINING")) as (client, _):
        await client.authenticate(Echo(PASSWORD), allow_insecure=True)
        assert client.state is pop3aio.State.TRANSACTION


async def test_the_mechanism_in_the_documents() -> None:
    """The class in docs/login.md logs in, refuses a challenge that it does not know, and hides its secret."""
    text = (Path(__file__).parents[2] / "docs" / "login.md").read_text()
    [example] = re.findall("```python\n(class Ticket.*?)\n\nawait", text, re.DOTALL)
    names: dict[str, Any] = {"sasl": sasl}
    exec(example, names)

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL X-TICKET", "PIPELINING")
        await peer.answer(b"AUTH X-TICKET", challenge(b"what?"))
        await peer.answer(b"*", b"-ERR\r\n")
        await peer.answer(b"AUTH X-TICKET", GO_ON)
        await peer.answer(b64encode(b"ticket-4711"), b"-ERR ticket-4711 is used up\r\n")
        await peer.answer(b"AUTH X-TICKET", GO_ON)
        await peer.answer(b64encode(b"ticket-4712"), b"+OK\r\n")

    async with in_clear(play) as (client, _):
        with pytest.raises(sasl.ChallengeRefused, match="empty challenge"):
            await client.authenticate(names["Ticket"]("ticket-4710"), allow_insecure=True)
        with pytest.raises(pop3aio.AuthenticationError, match=r"X-TICKET: \*\*\*$"):
            await client.authenticate(names["Ticket"]("ticket-4711"), allow_insecure=True)
        await client.authenticate(names["Ticket"]("ticket-4712"), allow_insecure=True)
        assert client.state is pop3aio.State.TRANSACTION


async def test_a_new_mechanism_is_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """`login` takes it where it is listed and where it is named; nothing else has to know of it."""

    def make(given: Given, _: str) -> sasl.Mechanism:
        return Echo(given.secret)

    row = Rule("X-ECHO", "password", "always", make)
    monkeypatch.setattr(_order, "POLICY", (row, *POLICY))
    for mechanism in (None, "x-echo"):
        play = expecting(b"+OK\r\n", "SASL PLAIN X-ECHO", "PIPELINING")
        async with in_clear(play) as (client, _):
            assert client.login_ways() == ["X-ECHO", "PLAIN"]
            await client.login(USER, PASSWORD, mechanism=mechanism, allow_insecure=True)
            assert client.account is not None


async def test_what_is_read_of_a_mechanism() -> None:
    """It is what the protocol has, and what its docstring lists."""
    asked: set[str] = set()

    class Watched:
        def __init__(self) -> None:
            self._inner = sasl.XOAuth2(USER, TOKEN)

        def __getattr__(self, name: str) -> object:
            asked.add(name)
            return getattr(self._inner, name)

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL XOAUTH2", "PIPELINING")
        await peer.answer(b"AUTH XOAUTH2", GO_ON)
        await peer.line()
        peer.send(challenge(b'{"status": "401"}'))
        await peer.answer(b"", b"-ERR no\r\n")
        await peer.answer(b"AUTH XOAUTH2", GO_ON)
        await peer.line()
        peer.send(b"+OK\r\n")

    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.AuthenticationError):
            await client.authenticate(Watched(), allow_insecure=True)  # type: ignore[arg-type]
        await client.authenticate(Watched(), allow_insecure=True)  # type: ignore[arg-type]
    required = {name for name in vars(sasl.Mechanism) if not name.startswith("_")}
    optional = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"- (`.*?):", sasl.Mechanism.__doc__ or ""))))
    assert required == {"name", "done", "respond"}
    assert asked - {"__class__"} == required | optional


@dataclass
class Least:
    """Only what the protocol demands."""

    name: str = "X-LEAST"
    done: bool = False

    def respond(self, _: bytes) -> bytes:
        self.done = True
        return b"\0me\0open-sesame"


async def test_a_mechanism_with_the_least(caplog: pytest.LogCaptureFixture) -> None:
    """What it sent is masked for the rest of the session, each part of it, and its first response counts as secret."""
    caplog.set_level("DEBUG")

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL X-LEAST", "PIPELINING")
        for answer in (b"-ERR no\r\n", b"+OK\r\n"):
            await peer.answer(b"AUTH X-LEAST", GO_ON)
            await peer.line()
            peer.send(answer)
        await peer.answer(b"NOOP", b"-ERR what is open-sesame\r\n")
        await peer.answer(b"NOOP", b"-ERR " + b64encode(b"so: open-sesame!") + b"\r\n")

    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.AuthenticationError) as caught:
            await client.authenticate(Least(), allow_insecure=True)
        assert caught.value.credentials == "refused"
        await client.authenticate(Least(), allow_insecure=True)
        for _ in range(2):
            with pytest.raises(pop3aio.CommandError, match=r"NOOP: \*\*\*$"):
                await client.noop()
    assert "sesame" not in caplog.text


async def test_the_ways_that_would_be_tried(certificates: Certificates) -> None:
    offer = ("SASL PLAIN XOAUTH2 SCRAM-SHA-512 SCRAM-SHA-256-PLUS LOGIN OAUTHBEARER", "USER")

    async def play(peer: Peer) -> None:
        await welcome(peer, *offer)

    async with under_tls(certificates, play) as (client, server):
        assert client.login_ways() == ["SCRAM-SHA-512", "PLAIN", "USER"]
        bound = client.login_ways(channel_binding="tls-server-end-point")
        assert bound == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "PLAIN", "USER"]
        assert client.login_ways("token") == ["XOAUTH2", "OAUTHBEARER"]
        for wrong in ("", "certificate"):
            with pytest.raises(ValueError, match="secret is 'password' or 'token'"):
                client.login_ways(wrong)  # type: ignore[arg-type]
        assert server.received == [b"CAPA"]
    async with in_clear(play) as (client, _):
        assert client.login_ways("token") == []


async def test_no_way_that_would_be_tried() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN")

    async with in_clear(play) as (client, _):
        assert client.login_ways() == []


async def test_login_alone_under_tls(certificates: Certificates) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN", "UIDL", "PIPELINING")
        await peer.answer(b"AUTH LOGIN", challenge(b"Username:"))
        await peer.answer(b64encode(USER.encode()), challenge(b"Password:"))
        await peer.answer(b64encode(PASSWORD.encode()), b"+OK\r\n")

    async with under_tls(certificates, play) as (client, _):
        assert client.login_ways() == ["LOGIN"]
        await client.login(USER, PASSWORD)
    async with in_clear(play) as (client, server):
        with pytest.raises(pop3aio.MechanismUnavailable, match="offers LOGIN alone") as caught:
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert caught.value.credentials == "unsent"
        assert server.received == [b"CAPA"]


async def test_scram_sha_512() -> None:
    double = ScramServer("SCRAM-SHA-512")
    play = scram_play("SCRAM-SHA-512", double, "SASL SCRAM-SHA-256 SCRAM-SHA-512 PLAIN", "PIPELINING")
    async with in_clear(play) as (client, _):
        await client.login(USER, PASSWORD, allow_insecure=True)
        assert double.accepted


async def test_a_refused_auth_line_shows_what_the_server_said() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", capa(["SASL PLAIN"]))
        await peer.answer(b"AUTH PLAIN", b"-ERR not enabled for you\r\n")
        await peer.answer(b"AUTH PLAIN", b"-ERR\r\n")

    async with in_clear(play) as (client, _):
        for words in ("not enabled for you", "-ERR"):
            with pytest.raises(pop3aio.MechanismUnavailable, match=f"secret was sent: {words}$"):
                await client.login(USER, PASSWORD, allow_insecure=True)


def test_all_names_stand_in_one_list() -> None:
    namespace: dict[str, object] = {}
    exec("from pop3aio.sasl import *", namespace)
    assert set(sasl.__all__) <= namespace.keys()
