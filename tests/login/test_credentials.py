"""Each error of a login says whether the credentials were judged, in whichever way the server ended it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

import pop3aio
from pop3aio import sasl
from pop3core import Credentials
from tests.kit.script import Peer, welcome
from tests.login.doubles import GO_ON, PASSWORD, USER, ScramServer, challenge, in_clear

Ending: TypeAlias = Callable[[Peer], Awaitable[None]]


def saying(line: bytes) -> Ending:
    async def end(peer: Peer) -> None:
        peer.send(line + b"\r\n")

    return end


async def hang_up(peer: Peer) -> None:
    peer.close()


async def reset(peer: Peer) -> None:
    peer.reset()


async def fall_silent(_: Peer) -> None:
    pass


# The step at which the server ends the login: what was answered before it, and whether something secret was sent.
STEPS: dict[str, tuple[str, tuple[bytes, ...], bool]] = {
    "USER": ("USER", (), False),
    "PASS": ("USER", (b"+OK",), True),
    "AUTH": ("PLAIN", (), False),
    "PLAIN": ("PLAIN", (b"+ ",), True),
    "LOGIN's name": ("LOGIN", (b"+ ",), False),
    "LOGIN's password": ("LOGIN", (b"+ ", b"+ "), True),
    "CRAM-MD5": ("CRAM-MD5", (b"+ PDFAeD4=",), True),
    "SCRAM's name": ("SCRAM-SHA-256", (b"+ ",), False),
    "APOP": ("APOP", (), True),
}

# How the server ends it: the kind of the error, and what it says if something secret was sent.
ENDINGS: dict[str, tuple[Ending, type[pop3aio.POP3Error], Credentials]] = {
    "-ERR": (saying(b"-ERR no"), pop3aio.POP3Error, "refused"),
    "[AUTH]": (saying(b"-ERR [AUTH] no"), pop3aio.AuthenticationError, "refused"),
    "[SYS/TEMP]": (saying(b"-ERR [SYS/TEMP] no"), pop3aio.ServerTemporaryError, "unjudged"),
    "[SYS/PERM]": (saying(b"-ERR [SYS/PERM] no"), pop3aio.ServerPermanentError, "unjudged"),
    "[LOGIN-DELAY]": (saying(b"-ERR [LOGIN-DELAY] no"), pop3aio.LoginDelay, "unjudged"),
    "[IN-USE]": (saying(b"-ERR [IN-USE] no"), pop3aio.MailboxInUse, "accepted"),
    "nonsense": (saying(b"what?"), pop3aio.RemoteProtocolError, "unjudged"),
    "closed": (hang_up, pop3aio.ConnectionLost, "unjudged"),
    "reset": (reset, pop3aio.ConnectionLost, "unjudged"),
    "silence": (fall_silent, pop3aio.ResponseTimeout, "unjudged"),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("step", STEPS)
async def test_a_login_that_the_server_ends(step: str, ending: str) -> None:
    mechanism, answers, secret_sent = STEPS[step]
    end, kind, judged = ENDINGS[ending]

    async def play(peer: Peer) -> None:
        peer.send(b"+OK <1@example.org>\r\n")
        await peer.answer(b"CAPA", b"+OK\r\nUSER\r\n.\r\n")
        for answer in answers:
            await peer.line()
            peer.send(answer + b"\r\n")
        await peer.line()
        await end(peer)

    timeout = 0.1 if end is fall_silent else 60.0
    async with in_clear(play, timeout=timeout) as (client, _):
        with pytest.raises(kind) as caught:
            await client.login(USER, PASSWORD, mechanism=mechanism, allow_insecure=True)
        error = caught.value
        assert error.credentials == (judged if secret_sent else "unsent")
        if not secret_sent and isinstance(error, pop3aio.AuthenticationError):
            assert str(error).endswith("; nothing secret was sent")
        else:
            assert "secret" not in str(error) or isinstance(error, pop3aio.MechanismUnavailable)


async def test_a_refusal_where_the_server_promised_to_mark_wrong_credentials() -> None:
    """RFC 3206 section 6: without the code AUTH it says nothing about them."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "AUTH-RESP-CODE")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"-ERR no\r\n")

    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.CommandError) as caught:
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert type(caught.value) is pop3aio.CommandError
        assert caught.value.credentials == "unjudged"


@pytest.mark.parametrize("bad", [b"+ !", b"+ QUJD"])
async def test_a_challenge_that_cannot_be_read(bad: bytes) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN PLAIN")
        await peer.answer(b"AUTH PLAIN", bad + b"\r\n")
        await peer.answer(b"*", b"-ERR cancelled\r\n")
        await peer.answer(b"AUTH LOGIN", GO_ON)
        await peer.line()
        peer.send(GO_ON)
        await peer.line()
        peer.send(bad + b"\r\n")
        await peer.answer(b"*", b"-ERR cancelled\r\n")

    async with in_clear(play) as (client, _):
        for mechanism, expected in (("PLAIN", "unsent"), ("LOGIN", "unjudged")):
            with pytest.raises(sasl.ChallengeRefused) as caught:
                await client.login(USER, PASSWORD, mechanism=mechanism, allow_insecure=True)
            assert caught.value.credentials == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [(b"v=AAAA", "unjudged"), (b"e=invalid-proof", "refused"), (None, "unjudged")],
)
async def test_scram_behind_the_proof(last: bytes | None, expected: Credentials) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL SCRAM-SHA-256")
        await peer.answer(b"AUTH SCRAM-SHA-256", GO_ON)
        peer.send(challenge(ScramServer().first(b64decode(await peer.line()))))
        await peer.line()
        if last is None:
            peer.send(b"+OK\r\n")
        else:
            peer.send(challenge(last))
            await peer.line()
            peer.send(b"-ERR no\r\n")

    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.POP3Error) as caught:
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert caught.value.credentials == expected


async def test_what_fails_behind_the_login() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"+OK\r\n")
        await peer.expect(b"CAPA")
        peer.close()

    async with in_clear(play) as (client, _):
        with pytest.raises(pop3aio.ConnectionLost) as caught:
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert caught.value.credentials == "accepted"


async def test_what_is_wrong_before_anything_is_sent() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")

    calls: list[Callable[[pop3aio.Client], Awaitable[None]]] = [
        lambda client: client.login(USER, PASSWORD),
        lambda client: client.login(USER, PASSWORD, mechanism="NTLM", allow_insecure=True),
        lambda client: client.login(USER, PASSWORD, mechanism="SCRAM-SHA-256-PLUS", allow_insecure=True),
        lambda client: client.login(USER, "\r\n", allow_insecure=True),
        lambda client: client.login_oauth(USER, "token"),
        lambda client: client.authenticate(sasl.External()),
        lambda client: client.pass_(PASSWORD),
        lambda client: client.pass_(PASSWORD, allow_insecure=True),
        lambda client: client.apop(USER, PASSWORD),
        lambda client: client.apop(USER, PASSWORD, allow_insecure=True),
        lambda client: client.user("\r\n"),
    ]
    async with in_clear(play) as (client, server):
        for call in calls:
            with pytest.raises(pop3aio.POP3Error) as caught:
                await call(client)
            assert caught.value.credentials == "unsent"
        assert server.received == [b"CAPA"]
        with pytest.raises(pop3aio.LocalProtocolError) as other:
            await client.stat()
        assert other.value.credentials is None


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda client: client.login(None, "x"), TypeError, "user is a str, not NoneType"),
        (lambda client: client.login("u", b"secret"), TypeError, "password is a str, not bytes"),
        (lambda client: client.login("u", "p", mechanism=5), TypeError, "mechanism is a str, not int"),
        (
            lambda client: client.login("u", "p", allow_insecure="no"),
            TypeError,
            "allow_insecure is True or False",
        ),
        (
            lambda client: client.login("u", "p", channel_binding="x", allow_insecure=True),
            ValueError,
            "channel_bin",
        ),
        (lambda client: client.login_oauth(5, "x"), TypeError, "user is a str"),
        (
            lambda client: client.login_oauth("u", b"token"),
            TypeError,
            "token is a str, or a coroutine function",
        ),
        (
            lambda client: client.authenticate(sasl.External),
            TypeError,
            r"as in sasl.External\(\), not External",
        ),
        (lambda client: client.authenticate("PLAIN"), TypeError, "mechanism is an object .* not str"),
    ],
)
async def test_arguments_of_a_wrong_kind(
    call: Callable[[pop3aio.Client], Awaitable[None]], kind: type[Exception], message: str
) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")

    async with in_clear(play) as (client, server):
        with pytest.raises(kind, match=message) as caught:
            await call(client)
        assert "secret" not in str(caught.value)
        assert server.received == [b"CAPA"]
