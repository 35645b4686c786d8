"""A secret that the server echoes: it is not shown, and what is shown does not depend on where it stood."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

import pop3aio
from pop3aio import sasl
from tests.kit.script import Peer, Play, welcome
from tests.login.doubles import GO_ON, PASSWORD, TOKEN, USER, challenge, in_clear


def refusing(mechanism: str, first: bytes, text: bytes) -> Play:
    async def play(peer: Peer) -> None:
        await welcome(peer, f"SASL {mechanism}")
        await peer.answer(f"AUTH {mechanism}".encode(), first)
        await peer.line()
        if mechanism == "LOGIN":
            peer.send(GO_ON)
            await peer.line()
        peer.send(b"-ERR " + text + b"\r\n")

    return play


MECHANISMS: dict[str, Callable[[], sasl.Mechanism]] = {
    "PLAIN": lambda: sasl.Plain(USER, PASSWORD),
    "LOGIN": lambda: sasl.Login(USER, PASSWORD),
    "CRAM-MD5": lambda: sasl.CramMd5(USER, PASSWORD),
    "SCRAM-SHA-256": lambda: sasl.Scram(USER, PASSWORD),
    "XOAUTH2": lambda: sasl.XOAuth2(USER, TOKEN),
    "OAUTHBEARER": lambda: sasl.OAuthBearer(USER, TOKEN),
}


@pytest.mark.parametrize("name", MECHANISMS)
async def test_a_mechanism_of_ones_own_choice(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = TOKEN if "OAUTH" in name else PASSWORD
    play = refusing(name, challenge(b"<1@example>" if name == "CRAM-MD5" else b""), b"no " + secret.encode())
    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.AuthenticationError) as caught:
            await client.authenticate(MECHANISMS[name](), allow_insecure=True)
    assert caught.value.text == "***"
    assert secret not in caplog.text + str(caught.value.reply)


class Silent:
    """A mechanism that does not say what is secret."""

    name = "X-OWN"
    client_first = False
    done = False

    def respond(self, _: bytes) -> bytes:
        self.done = True
        return b"digest"


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        (b"the word was xyzzy", None, pop3aio.AuthenticationError),
        (b"[XYZZY] no", None, pop3aio.AuthenticationError),
        (b"[SYS/TEMP/XYZZY] no", "SYS/TEMP", pop3aio.ServerTemporaryError),
        (b"[IN-USE] xyzzy", "IN-USE", pop3aio.MailboxInUse),
    ],
)
async def test_a_mechanism_that_does_not_say_what_is_secret(
    text: bytes, code: str | None, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with in_clear(refusing("X-OWN", GO_ON, text)) as (client, _):
        with pytest.raises(pop3aio.CommandError) as caught:
            await client.authenticate(Silent(), allow_insecure=True)
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert "xyzzy" not in (caplog.text + str(caught.value.reply)).lower()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"-ERR what is %b\r\n", pop3aio.CommandError),
        (b"what is %b\r\n", pop3aio.RemoteProtocolError),
        (b"." * 90 + b"%b\r\n", pop3aio.RemoteProtocolError),
        (b"+OK\r\n%b\r\n", pop3aio.UnsolicitedResponse),
    ],
)
async def test_an_echo_after_the_login(
    answer: bytes, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the words of the error are cut in the middle of the secret."""
    caplog.set_level(logging.DEBUG)

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "PIPELINING")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"+OK hello\r\n")
        await peer.answer(b"NOOP", b"+OK " + PASSWORD.encode() + b"\r\n")
        await peer.answer(b"NOOP", answer % PASSWORD.encode())

    async with in_clear(play) as (client, _):
        await client.login(USER, PASSWORD, allow_insecure=True)
        await client.noop()
        with pytest.raises(kind) as caught:
            for _ in range(2):
                await client.noop()
    shown = f"{caught.value} {vars(caught.value)} {caplog.text}"
    assert PASSWORD[:6] not in shown
    assert "hello" not in caplog.text


async def test_a_password_that_stands_in_data() -> None:
    """To mask it there would change the mail, and tell the password."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "PIPELINING")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS 4345", b"+OK\r\n")
        await peer.answer(b"STAT", b"+OK 2 4345\r\n")

    async with in_clear(play) as (client, _):
        await client.login(USER, "4345", allow_insecure=True)
        assert (await client.stat()).octets == 4345
