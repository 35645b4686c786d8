"""AUTH on the wire: the older mechanisms, refusals, challenges that must not be answered, words that cannot be sent."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio.testing import Certificates
from tests.kit.script import Peer, capa, welcome
from tests.login.doubles import GO_ON, PASSWORD, TOKEN, USER, Doorman, challenge, in_clear, under_tls

PLAIN = b64encode(f"\0{USER}\0{PASSWORD}".encode())
EVERYTHING = ("SASL SCRAM-SHA-256 CRAM-MD5 LOGIN PLAIN XOAUTH2 OAUTHBEARER EXTERNAL", "USER", "PIPELINING")


async def test_login() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN", "PIPELINING")
        await peer.answer(b"AUTH LOGIN", challenge(b"User Name\0"))
        await peer.answer(b64encode(USER.encode()), challenge(b"Password\0"))
        await peer.answer(b64encode(PASSWORD.encode()), b"+OK\r\n")

    async with in_clear(play) as (client, _):
        await client.login(USER, PASSWORD, mechanism="login", allow_insecure=True)
        assert client.state is pop3aio.State.TRANSACTION


async def test_login_is_refused_after_the_name() -> None:
    """The password is not sent, and it is the login that is refused."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN", "USER")
        await peer.answer(b"AUTH LOGIN", challenge(b"Username:"))
        await peer.answer(b64encode(USER.encode()), b"-ERR who?\r\n")

    async with in_clear(play) as (client, server):
        with pytest.raises(pop3aio.AuthenticationError, match=r"refused AUTH LOGIN: who\?"):
            await client.login(USER, PASSWORD, mechanism="LOGIN", allow_insecure=True)
        assert server.received == [b"CAPA", b"AUTH LOGIN", b64encode(USER.encode())]


async def test_success_between_name_and_password() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN", "USER")
        await peer.answer(b"AUTH LOGIN", challenge(b"Username:"))
        await peer.answer(b64encode(USER.encode()), b"+OK\r\n")

    async with in_clear(play) as (client, server):
        with pytest.raises(sasl.ServerNotAuthenticated, match="before LOGIN was finished"):
            await client.login(USER, PASSWORD, mechanism="LOGIN", allow_insecure=True)
        await server.over.wait()
        assert server.received == [b"CAPA", b"AUTH LOGIN", b64encode(USER.encode())]


async def test_cram_md5() -> None:
    """The example of RFC 2195 section 2, octet by octet."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL CRAM-MD5", "PIPELINING")
        await peer.answer(b"AUTH CRAM-MD5", b"+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n")
        await peer.answer(b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw", b"+OK\r\n")

    async with in_clear(play) as (client, _):
        await client.login("tim", "tanstaaftanstaaf", mechanism="CRAM-MD5", allow_insecure=True)
        assert client.state is pop3aio.State.TRANSACTION


async def test_cram_md5_is_chosen_in_clear_and_not_under_tls(certificates: Certificates) -> None:
    stamp = b"<1896.697170952@postoffice.example>"
    digest = hmac.new(PASSWORD.encode(), stamp, "md5").hexdigest()

    async def in_the_open(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN LOGIN CRAM-MD5", "USER", "PIPELINING")
        await peer.answer(b"AUTH CRAM-MD5", challenge(stamp))
        await peer.answer(b64encode(f"{USER} {digest}".encode()), b"+OK\r\n")

    async def covered(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN LOGIN CRAM-MD5", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", GO_ON)
        await peer.answer(PLAIN, b"+OK\r\n")

    async with in_clear(in_the_open) as (client, _):
        await client.login(USER, PASSWORD, allow_insecure=True)
    async with under_tls(certificates, covered) as (client, _):
        await client.login(USER, PASSWORD)


@pytest.mark.parametrize("stamp", [b"", b"no msg-id", b"<a@b>\r\n", b"<\xff@b>", b"<a@b> <c@d>", b"x" * 300])
async def test_a_challenge_of_cram_md5_that_is_no_msg_id(stamp: bytes) -> None:
    """What the server may choose freely it does not get hashed."""

    async def play(peer: Peer) -> None:
        await welcome(peer, *EVERYTHING)
        await peer.answer(b"AUTH CRAM-MD5", challenge(stamp))
        await peer.answer(b"*", b"-ERR cancelled\r\n")

    async with in_clear(play) as (client, server):
        with pytest.raises(sasl.ChallengeRefused, match="no msg-id"):
            await client.login(USER, PASSWORD, mechanism="CRAM-MD5", allow_insecure=True)
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA", b"AUTH CRAM-MD5", b"*"]


async def test_apop_when_asked_for(certificates: Certificates) -> None:
    stamp = "<1896.697170952@dbc.mtview.example>"
    digest = hashlib.md5(f"{stamp}{PASSWORD}".encode()).hexdigest()

    async def play(peer: Peer) -> None:
        peer.send(f"+OK ready {stamp}\r\n".encode())
        await peer.answer(b"CAPA", capa(["PIPELINING"]))
        await peer.answer(f"APOP {USER} {digest}".encode(), b"+OK\r\n")

    for connected in (in_clear(play), under_tls(certificates, play)):
        async with connected as (client, _):
            await client.login(USER, PASSWORD, mechanism="apop", allow_insecure=True)
            assert client.account is not None
            assert client.state is pop3aio.State.TRANSACTION


async def test_apop_is_not_chosen(certificates: Certificates) -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK <1@example>\r\n")
        await peer.answer(b"CAPA", capa(["PIPELINING"]))
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"+OK\r\n")

    async with under_tls(certificates, play) as (client, _):
        await client.login(USER, PASSWORD)


@pytest.mark.parametrize(
    "greeting",
    [
        b"<no-at>",
        b"<a@b\x00>",
        b"<a@b\x80>",
        b"<a b@c>",
        b"<a@b",
        b"a@b>",
        b"<@b>",
        b"<a@>",
        b"SESSIONID=x",
        b"",
    ],
)
async def test_apop_with_a_stamp_that_is_no_msg_id(greeting: bytes) -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK " + greeting + b"\r\n")
        await peer.answer(b"CAPA", capa(["PIPELINING"]))

    async with in_clear(play) as (client, server):
        with pytest.raises(pop3aio.MechanismUnavailable, match="no time stamp"):
            await client.login(USER, PASSWORD, mechanism="APOP", allow_insecure=True)
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA"]


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "APOP"])
async def test_without_md5(mechanism: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In FIPS mode there is none: the way cannot be had, and nothing is sent."""

    def forbidden(*_: object, **__: object) -> None:
        raise ValueError("disabled for FIPS")

    monkeypatch.setattr(hashlib, "md5", forbidden)
    monkeypatch.setattr(hmac, "new", forbidden)
    async with in_clear(Doorman("SASL CRAM-MD5")) as (client, server):
        with pytest.raises(pop3aio.MechanismUnavailable, match=f"{mechanism} needs MD5"):
            await client.login(USER, PASSWORD, mechanism=mechanism, allow_insecure=True)
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA"]


async def test_without_md5_the_next_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise ValueError("disabled for FIPS")

    monkeypatch.setattr(hmac, "new", forbidden)
    async with in_clear(Doorman("SASL CRAM-MD5 PLAIN")) as (client, server):
        await client.login(USER, PASSWORD, allow_insecure=True)
        assert server.received == [b"CAPA", b"AUTH PLAIN", PLAIN, b"CAPA"]


REFUSALS = [
    (b"-ERR [IN-USE] locked\r\n", pop3aio.MailboxInUse),
    (b"-ERR [LOGIN-DELAY] wait\r\n", pop3aio.LoginDelay),
    (b"-ERR [SYS/TEMP] later\r\n", pop3aio.ServerTemporaryError),
    (b"-ERR [SYS/PERM] broken\r\n", pop3aio.ServerPermanentError),
    (b"-ERR [AUTH] no\r\n", pop3aio.AuthenticationError),
    (b"-ERR no\r\n", pop3aio.AuthenticationError),
]


@pytest.mark.parametrize(("answer", "kind"), REFUSALS)
@pytest.mark.parametrize("closes", [False, True])
async def test_a_refusal_after_the_secret(
    answer: bytes, kind: type[pop3aio.CommandError], closes: bool
) -> None:
    """It is final, whatever its code, and no less when the server hangs up behind it."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN LOGIN", "USER", "LOGIN-DELAY 300")
        await peer.answer(b"AUTH PLAIN", GO_ON)
        await peer.answer(PLAIN, answer)
        if closes:
            peer.close()

    async with in_clear(play) as (client, server):
        with pytest.raises(pop3aio.CommandError) as caught:
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert type(caught.value) is kind
        assert caught.value.command == "AUTH PLAIN"
        assert caught.value.text == answer[5:-2].decode()
        if isinstance(caught.value, pop3aio.LoginDelay):
            assert caught.value.seconds == 300
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA", b"AUTH PLAIN", PLAIN]


@pytest.mark.parametrize(("answer", "kind"), REFUSALS[:-1])
async def test_a_refusal_with_a_code_before_the_secret(
    answer: bytes, kind: type[pop3aio.CommandError]
) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, *EVERYTHING)
        await peer.answer(b"AUTH SCRAM-SHA-256", answer)

    async with in_clear(play) as (client, server):
        with pytest.raises(pop3aio.CommandError) as caught:
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert type(caught.value) is kind
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA", b"AUTH SCRAM-SHA-256"]


async def test_one_way_after_the_other_while_nothing_was_used() -> None:
    """Each refusal of a bare AUTH line costs nothing, down to USER and PASS."""

    async def play(peer: Peer) -> None:
        await welcome(peer, *EVERYTHING)
        await peer.answer(b"AUTH SCRAM-SHA-256", b"-ERR unknown\r\n")
        await peer.answer(b"AUTH CRAM-MD5", b"+ not base64!\r\n")
        await peer.answer(b"*", b"-ERR\r\n")
        await peer.answer(b"AUTH PLAIN", b"-ERR\r\n")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"+OK\r\n")

    async with in_clear(play) as (client, _):
        await client.login(USER, PASSWORD, allow_insecure=True)
        assert client.state is pop3aio.State.TRANSACTION


@pytest.mark.parametrize(
    "bad",
    [
        b"+ go ahead",
        b"+ =",
        b"+ QQ",
        b"+ QQ=",
        b"+ Q=Q=",
        b"+ QQ==QQ==",
        b"+ QUJD!",
        b"+ Q\tQ=",
        b"+ \xff\xff\xff\xff",
    ],
)
async def test_a_challenge_that_is_not_base64(bad: bytes) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", bad + b"\r\n")
        await peer.answer(b"*", b"-ERR\r\n")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"+OK\r\n")

    async with in_clear(play) as (client, server):
        await client.login(USER, PASSWORD, allow_insecure=True)
        assert not any(PLAIN in line for line in server.received)


@pytest.mark.parametrize("bad", [b"+ go ahead", b"+ QUJD"])
async def test_a_bad_challenge_after_something_was_answered(bad: bytes) -> None:
    """No other way is tried then, for the name and the password are out."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN PLAIN", "USER")
        await peer.answer(b"AUTH LOGIN", challenge(b"Username:"))
        await peer.answer(b64encode(USER.encode()), challenge(b"Password:"))
        await peer.answer(b64encode(PASSWORD.encode()), bad + b"\r\n")
        await peer.answer(b"*", b"-ERR\r\n")

    async with in_clear(play) as (client, server):
        with pytest.raises(sasl.ChallengeRefused):
            await client.login(USER, PASSWORD, mechanism="LOGIN", allow_insecure=True)
        client.abort()
        await server.over.wait()
        assert server.received[-1] == b"*"


async def test_a_long_challenge_within_the_limit() -> None:
    """64 KiB with `+ ` and CRLF are read, found wrong for PLAIN and cancelled."""
    long = b"+ " + b"QUJD" * 16383 + b"\r\n"
    assert len(long) == 65536

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", long)
        await peer.answer(b"*", b"-ERR\r\n")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"+OK\r\n")

    async with in_clear(play) as (client, _):
        await client.login(USER, PASSWORD, allow_insecure=True)


@pytest.mark.parametrize("ends", [b"\r\n", b""])
async def test_a_challenge_that_is_too_long(ends: bytes) -> None:
    """It is not waited for to its end; the connection is closed and nothing else is tried."""

    async def play(peer: Peer) -> None:
        await welcome(peer, *EVERYTHING)
        await peer.answer(b"AUTH SCRAM-SHA-256", b"+ " + b"QUJD" * 16384 + ends)

    async with in_clear(play) as (client, server):
        for _ in range(2):
            with pytest.raises(pop3aio.LimitExceeded):
                await client.login(USER, PASSWORD, allow_insecure=True)
        await server.over.wait()
        assert server.received == [b"CAPA", b"AUTH SCRAM-SHA-256"]


class Endless:
    """A mechanism that answers whatever it is asked."""

    name = "X-ENDLESS"
    client_first = False
    done = False

    def __init__(self) -> None:
        self.rounds = 0

    def respond(self, challenge: bytes) -> bytes:
        self.rounds += 1
        return b"round"


async def test_a_thousand_rounds() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL X-ENDLESS")
        await peer.expect(b"AUTH X-ENDLESS")
        for _ in range(1000):
            peer.send(challenge(b"again"))
            await peer.expect(b64encode(b"round"))

    mechanism = Endless()
    async with in_clear(play) as (client, server):
        with pytest.raises(pop3aio.LimitExceeded, match="more than 16 challenges"):
            await client.authenticate(mechanism, allow_insecure=True)
        with pytest.raises(pop3aio.LimitExceeded):
            await client.capa(refresh=True)
        await server.over.wait()
        assert mechanism.rounds == 16
        assert server.received == [b"CAPA", b"AUTH X-ENDLESS"] + [b64encode(b"round")] * 16


async def test_a_challenge_after_the_exchange_was_cancelled() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "USER")
        await peer.answer(b"AUTH PLAIN", b"+ !\r\n")
        await peer.answer(b"*", GO_ON)

    async with in_clear(play) as (client, server):
        with pytest.raises(
            pop3aio.RemoteProtocolError, match="a challenge after the AUTH exchange was cancelled"
        ):
            await client.login(USER, PASSWORD, allow_insecure=True)
        await server.over.wait()
        assert server.received == [b"CAPA", b"AUTH PLAIN", b"*"]


async def test_two_challenges_at_once() -> None:
    """The second one cannot be an answer to ours."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN", "USER")
        await peer.answer(b"AUTH LOGIN", challenge(b"Username:") + challenge(b"Password:"))

    async with in_clear(play) as (client, server):
        with pytest.raises(pop3aio.RemoteProtocolError):
            await client.login(USER, PASSWORD, mechanism="LOGIN", allow_insecure=True)
        await server.over.wait()
        assert not any(b64encode(PASSWORD.encode()) in line for line in server.received)


Use = Callable[[pop3aio.Client, str, str], Coroutine[Any, Any, None]]


def by(mechanism: str | None) -> Use:
    return lambda client, user, secret: client.login(user, secret, mechanism=mechanism)


USES: dict[str, Use] = {
    **{
        str(name): by(name)
        for name in (None, "PLAIN", "LOGIN", "USER", "APOP", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
    },
    "XOAUTH2": lambda client, user, secret: client.login_oauth(user, secret, mechanism="XOAUTH2"),
    "OAUTHBEARER": lambda client, user, secret: client.login_oauth(user, secret, mechanism="OAUTHBEARER"),
}


@pytest.mark.parametrize("bad", ["{}\r\nDELE 1", "{}\n", "\r{}", "{}\0", "{}\0x\0y", "{}\x7f", "{}\ud800"])
@pytest.mark.parametrize("which", ["user", "secret"])
@pytest.mark.parametrize("way", USES)
async def test_words_that_cannot_be_sent(certificates: Certificates, bad: str, which: str, way: str) -> None:
    """Nothing is sent at all, not even the half that could be, and the session stays usable."""
    user = bad.format(USER) if which == "user" else USER
    secret = bad.format(PASSWORD) if which == "secret" else PASSWORD

    async def play(peer: Peer) -> None:
        peer.send(b"+OK <1@example>\r\n")
        await peer.answer(b"CAPA", capa(EVERYTHING))
        await peer.answer(b"CAPA", capa(EVERYTHING))

    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(pop3aio.LocalProtocolError) as caught:
            await USES[way](client, user, secret)
        assert PASSWORD not in str(caught.value)
        await client.capa(refresh=True)
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA", b"CAPA"]


@pytest.mark.parametrize("way", ["None", "USER"])
async def test_a_password_that_is_too_long_for_pass(certificates: Certificates, way: str) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")

    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(pop3aio.LocalProtocolError):
            await USES[way](client, USER, "x" * 300)
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA"]


@pytest.mark.parametrize("token", ["Bearer x", "", "tökén", "a\x01b"])
async def test_a_token_that_cannot_be_sent(certificates: Certificates, token: str) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, *EVERYTHING)

    async def fresh() -> str:
        return token

    async with under_tls(certificates, play) as (client, server):
        for source in (token, fresh):
            with pytest.raises(pop3aio.LocalProtocolError):
                await client.login_oauth(USER, source)
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA"]


async def test_a_token_is_not_sent_in_clear() -> None:
    asked = []

    async def fresh() -> str:
        asked.append(1)
        return TOKEN

    async with in_clear(Doorman()) as (client, server):
        for source in (TOKEN, fresh):
            with pytest.raises(pop3aio.TlsRequired, match="token without TLS"):
                await client.login_oauth(USER, source)
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA"]
        assert not asked


CANCELLED = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"]


@pytest.mark.parametrize("way", CANCELLED)
async def test_a_login_that_is_cancelled_in_mid_exchange(certificates: Certificates, way: str) -> None:
    """The exchange is cancelled on the wire as soon as the next challenge comes, and the next command works."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, *EVERYTHING)
        await peer.expect(f"AUTH {way}".encode())
        peer.send(challenge(b"<1@example>" if way == "CRAM-MD5" else b""))
        await peer.line()
        asked.set()
        await go_on.wait()
        peer.send(challenge(b"and now?"))
        await peer.answer(b"*", b"-ERR cancelled\r\n")
        await peer.answer(b"CAPA", capa(["USER", "PIPELINING"]))
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"+OK\r\n")

    async with under_tls(certificates, play) as (client, _):
        task = asyncio.create_task(USES[way](client, USER, PASSWORD))
        await asked.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        go_on.set()
        assert await client.capa(refresh=True) == {"USER": (), "PIPELINING": ()}
        await client.login(USER, PASSWORD)
        assert client.state is pop3aio.State.TRANSACTION


async def test_another_task_waits_for_the_end_of_the_exchange() -> None:
    """What it asks for is not sent into the exchange."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "PIPELINING")
        await peer.expect(b"AUTH PLAIN")
        asked.set()
        await go_on.wait()
        peer.send(GO_ON)
        await peer.answer(PLAIN, b"+OK\r\n")
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with in_clear(play) as (client, _):
        login = asyncio.create_task(client.login(USER, PASSWORD, allow_insecure=True))
        await asked.wait()
        with pytest.raises(pop3aio.LocalProtocolError):
            await client.noop()
        go_on.set()
        await login
        await client.noop()


async def test_a_message_in_the_exchange_is_answered_once() -> None:
    """A server that takes the name for granted and closes in mid-exchange has not refused anything."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL LOGIN", "USER")
        await peer.answer(b"AUTH LOGIN", challenge(b"Username:"))
        await peer.line()
        peer.close()

    async with in_clear(play) as (client, server):
        with pytest.raises(pop3aio.ConnectionLost, match="where the answer to AUTH LOGIN was due"):
            await client.login(USER, PASSWORD, mechanism="LOGIN", allow_insecure=True)
        assert b64decode(server.received[-1]) == USER.encode()


async def test_a_mechanism_that_fails_on_a_connection_that_is_gone() -> None:
    """Its error comes through, and nothing is written to nowhere."""

    class Aborting(Endless):
        def respond(self, challenge: bytes) -> bytes:
            client.abort()
            raise ZeroDivisionError

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL X-ENDLESS")
        await peer.answer(b"AUTH X-ENDLESS", GO_ON)

    async with in_clear(play) as (client, server):
        with pytest.raises(ZeroDivisionError):
            await client.authenticate(Aborting(), allow_insecure=True)
        await server.over.wait()
        assert server.received == [b"CAPA", b"AUTH X-ENDLESS"]
