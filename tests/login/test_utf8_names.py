"""Names and passwords that USER, PASS and APOP must not carry: UTF-8 without UTF8 USER, and spaces (RFC 6856, 1939)."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Awaitable, Callable

import pytest

import pop3aio
from pop3aio.testing import Certificates
from tests.kit.script import Peer, Play, capa
from tests.login.doubles import GO_ON, in_clear, under_tls

NAME = "j\u00f6rg"
WORD = "geheim\u00df"
STAMP = "<1@example.org>"


def saying(*capabilities: str, utf8: bytes = b"+OK\r\n") -> Play:
    """Play a server that takes everything but, perhaps, UTF8."""

    async def play(peer: Peer) -> None:
        peer.send(f"+OK {STAMP}\r\n".encode())
        while True:
            line = await peer.line()
            if line == b"CAPA":
                peer.send(capa(capabilities))
            elif line == b"UTF8":
                peer.send(utf8)
            elif line.startswith(b"AUTH"):
                peer.send(GO_ON)
            else:
                peer.send(b"+OK\r\n")

    return play


CALLS: dict[str, Callable[[pop3aio.Client], Awaitable[None]]] = {
    "login by name": lambda client: client.login(NAME, "secret", allow_insecure=True),
    "login by password": lambda client: client.login("user", WORD, allow_insecure=True),
    "login by APOP": lambda client: client.login(NAME, "secret", mechanism="APOP", allow_insecure=True),
    "user": lambda client: client.user(NAME),
    "pass": lambda client: client.pass_(WORD, allow_insecure=True),
    "apop": lambda client: client.apop(NAME, "secret", allow_insecure=True),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("tags", ["USER", "USER UTF8"])
async def test_utf8_that_the_server_does_not_announce(call: str, tags: str) -> None:
    """Nothing goes out, the error names the mechanism that carries it, and the session stays usable."""
    async with in_clear(saying(*tags.split(), "PIPELINING")) as (client, server):
        with pytest.raises(pop3aio.LocalProtocolError, match=r"UTF8 USER.* AUTH PLAIN") as caught:
            await CALLS[call](client)
        assert caught.value.credentials == "unsent"
        assert NAME not in str(caught.value)
        await client.login("user", "secret", allow_insecure=True)
        assert server.received == [b"CAPA", b"USER user", b"PASS secret"]


async def test_utf8_is_asked_for_first() -> None:
    async with in_clear(saying("USER", "UTF8 USER", "PIPELINING")) as (client, server):
        await client.login(NAME, WORD, allow_insecure=True)
        assert server.received[1:] == [b"UTF8", f"USER {NAME}".encode(), f"PASS {WORD}".encode()]


async def test_utf8_is_not_asked_for_twice_nor_for_ascii() -> None:
    async with in_clear(saying("USER", "UTF8 USER", "PIPELINING")) as (client, server):
        await client.utf8()
        await client.login(NAME, WORD, allow_insecure=True)
        assert server.received.count(b"UTF8") == 1
    async with in_clear(saying("USER", "UTF8 USER", "PIPELINING")) as (client, server):
        await client.login("user", "secret", allow_insecure=True)
        assert b"UTF8" not in server.received


async def test_utf8_before_apop() -> None:
    async with in_clear(saying("UTF8 USER", "PIPELINING")) as (client, server):
        await client.login(NAME, "secret", mechanism="APOP", allow_insecure=True)
        digest = hashlib.md5(f"{STAMP}secret".encode()).hexdigest()
        assert server.received[1:] == [b"UTF8", f"APOP {NAME} {digest}".encode()]


async def test_the_digest_of_a_password_is_ascii() -> None:
    async with in_clear(saying("PIPELINING")) as (client, _):
        await client.login("user", WORD, mechanism="APOP", allow_insecure=True)


async def test_the_steps_where_the_server_announces_it() -> None:
    """RFC 6856 section 2.2: the UTF8 command itself is not needed."""
    async with in_clear(saying("USER", "UTF8 USER", "PIPELINING")) as (client, server):
        await client.user(NAME)
        await client.pass_(WORD, allow_insecure=True)
        assert server.received[1:] == [f"USER {NAME}".encode(), f"PASS {WORD}".encode()]


async def test_a_server_that_announces_utf8_and_refuses_it() -> None:
    async with in_clear(saying("USER", "UTF8 USER", utf8=b"-ERR no\r\n")) as (client, server):
        with pytest.raises(pop3aio.CommandError, match="refused UTF8") as caught:
            await client.login(NAME, WORD, allow_insecure=True)
        assert caught.value.credentials == "unsent"
        assert server.received == [b"CAPA", b"UTF8"]


@pytest.mark.parametrize("tags", ["USER", "USER UTF8", "USER UTF8+USER"])
@pytest.mark.parametrize("utf8", [b"+OK\r\n", b"-ERR\r\n"])
async def test_user_by_name_sends_it_even_so(tags: str, utf8: bytes) -> None:
    capabilities = [tag.replace("+", " ") for tag in tags.split()]
    async with in_clear(saying(*capabilities, "PIPELINING", utf8=utf8)) as (client, server):
        await client.login(NAME, WORD, mechanism="USER", allow_insecure=True)
        first = [b"UTF8"] if "UTF8" in tags else []
        assert server.received[1:] == [*first, f"USER {NAME}".encode(), f"PASS {WORD}".encode()]


async def test_user_by_name_sends_a_space() -> None:
    async with in_clear(saying("USER", "PIPELINING")) as (client, server):
        with pytest.raises(pop3aio.LocalProtocolError, match=r"USER and PASS only.* mechanism='USER' sends"):
            await client.login("two words", "secret", allow_insecure=True)
        with pytest.raises(pop3aio.LocalProtocolError, match="space"):
            await client.user("two words")
        await client.login("two words", "secret", mechanism="user", allow_insecure=True)
        assert server.received[1:] == [b"USER two words", b"PASS secret"]
        assert client.account == f"two words@{server.host}:{server.port}"


async def test_plain_carries_it(certificates: Certificates) -> None:
    async with under_tls(certificates, saying("SASL PLAIN", "USER", "PIPELINING")) as (client, server):
        await client.login("two w\u00f6rds", WORD)
        assert server.received[1:] == [b"AUTH PLAIN", b64encode(f"\0two w\u00f6rds\0{WORD}".encode())]
