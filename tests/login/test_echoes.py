"""A secret that the server echoes: it is not shown, and what is shown does not depend on where it stood."""

from __future__ import annotations

import logging
import traceback
from base64 import b64encode
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


SECRET = "hunter2-x7"


def shapes(secret: str) -> dict[str, bytes]:
    """Return how a server may echo a secret."""
    octets = secret.encode()
    return {
        "plain": octets,
        "upper case": octets.upper(),
        "base64": b64encode(octets),
        "base64 without padding": b64encode(octets).rstrip(b"="),
        "the response": b64encode(b"\0user\0" + octets),
        **{f"base64 of a text, {n}": b64encode(b"x" * n + octets + b" is wrong") for n in range(4)},
        "in quotes": b"'" + octets + b"'",
    }


@pytest.mark.parametrize("shape", shapes(SECRET))
@pytest.mark.parametrize("when", ["at once", "later"])
async def test_each_way_to_echo(shape: str, when: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = b"-ERR wrong: " + shapes(SECRET)[shape] + b"\r\n"

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", GO_ON)
        await peer.line()
        if when == "at once":
            peer.send(echo)
        else:
            peer.send(b"+OK\r\n")
            await peer.answer(b"NOOP", echo)

    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.CommandError, match=r": \*\*\*$") as caught:
            await client.authenticate(sasl.Plain(USER, SECRET), allow_insecure=True)
            await client.noop()
    written = "".join(traceback.format_exception(caught.value)) + caplog.text
    # Quoted source lines of this file are in a traceback; what the server said is not.
    assert f"wrong: {shapes(SECRET)[shape].decode()}" not in written


@pytest.mark.parametrize("glued", [b"", b":", b"\t"])
@pytest.mark.parametrize("own", [False, True])
async def test_a_text_without_a_space_in_front(
    glued: bytes, own: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def play(peer: Peer) -> None:
        mechanism = "X-OWN" if own else "PLAIN"
        await welcome(peer, f"SASL {mechanism}")
        await peer.answer(f"AUTH {mechanism}".encode(), GO_ON)
        await peer.line()
        peer.send(b"-ERR" + glued + PASSWORD.encode() + b" is wrong\r\n")

    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.AuthenticationError) as caught:
            await client.authenticate(
                Silent() if own else sasl.Plain(USER, PASSWORD),
                allow_insecure=True,
            )
    assert (caught.value.reply.raw, caught.value.text) == (b"-ERR ***", "***")
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("secret", ["abc", "a", "x!", "42"])
@pytest.mark.parametrize("mechanism", ["USER", "PLAIN", "CRAM-MD5"])
async def test_a_short_secret_in_the_answer_to_a_login(
    secret: str, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        await peer.line()
        peer.send(b"+OK\r\n" if mechanism == "USER" else challenge(b"<1@x>" if mechanism != "PLAIN" else b""))
        await peer.line()
        peer.send(f"-ERR no, [{secret}] is the word\r\n".encode())

    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.AuthenticationError, match=r": \*\*\*$"):
            await client.login(USER, secret, mechanism=mechanism, allow_insecure=True)
    assert f"[{secret}]" not in caplog.text


async def test_a_short_secret_that_is_a_part_of_other_words() -> None:
    """To mask every text with an "a" in it would hide why the login failed."""
    async with in_clear(refusing("PLAIN", GO_ON, b"your account has expired")) as (client, _):
        with pytest.raises(pop3aio.AuthenticationError, match="your account has expired"):
            await client.login(USER, "a", allow_insecure=True)


async def test_an_echo_in_a_challenge(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a challenge that breaks the protocol nor one that must not be answered is shown."""
    caplog.set_level(logging.DEBUG)
    secret = PASSWORD.encode()

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN")
        for bad in (challenge(secret), b"+ " + secret + b"\r\n", b"+ " + b64encode(secret) + b"\n"):
            await peer.answer(b"AUTH PLAIN", GO_ON)
            await peer.line()
            peer.send(bad)
            if bad.endswith(b"\r\n"):
                await peer.answer(b"*", b"-ERR " + secret + b"\r\n")

    async with in_clear(play) as (client, _):
        for kind in (sasl.ChallengeRefused, sasl.ChallengeRefused, pop3aio.RemoteProtocolError):
            with pytest.raises(kind) as caught:
                await client.authenticate(sasl.Plain(USER, PASSWORD), allow_insecure=True)
            shown = f"{caught.value} {vars(caught.value)} {caplog.text}"
            assert PASSWORD not in shown
            assert b64encode(secret).decode() not in shown
