"""Canary secrets, and a search for them in everything that a program could log or show."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import re
import traceback
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterable, Iterator

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio.testing import Certificates
from tests.kit.script import Peer, Script, capa, welcome
from tests.login import doubles
from tests.login.doubles import USER, Doorman

PASSWORD = "Canary-Passw0rd-71"
TOKEN = "Canary.T0ken-92"
WRONG = "Canary-Wr0ng-Passw0rd"
EXPIRED = "Canary.Exp1red-T0ken"

# Lines that hold nothing.
PLAIN_LINES = (b"*", b"", b"AQ==", b"CAPA", b"QUIT")


def renewing(mechanism: str) -> Callable[[pop3aio.Client], Awaitable[None]]:
    async def use(client: pop3aio.Client) -> None:
        tokens = [EXPIRED, TOKEN]

        async def fresh() -> str:
            return tokens.pop(0)

        await client.login_oauth(USER, fresh, mechanism=mechanism)

    return use


def by(mechanism: str | None, password: str = PASSWORD) -> Callable[[pop3aio.Client], Awaitable[None]]:
    return lambda client: client.login(USER, password, mechanism=mechanism)


WAYS: dict[str, Callable[[pop3aio.Client], Awaitable[None]]] = {
    **{
        str(name): by(name)
        for name in (
            None,
            "PLAIN",
            "LOGIN",
            "CRAM-MD5",
            "SCRAM-SHA-1",
            "SCRAM-SHA-256",
            "APOP",
            "USER",
        )
    },
    **{f"wrong {name}": by(name, WRONG) for name in ("PLAIN", "SCRAM-SHA-256", "APOP", "USER")},
    "XOAUTH2": lambda client: client.login_oauth(USER, TOKEN, mechanism="XOAUTH2"),
    "OAUTHBEARER": lambda client: client.login_oauth(USER, TOKEN, mechanism="OAUTHBEARER"),
    "XOAUTH2 renewed": renewing("XOAUTH2"),
    "OAUTHBEARER renewed": renewing("OAUTHBEARER"),
    "not to be sent by PLAIN": by("PLAIN", PASSWORD + "\r\n"),
    "not to be sent by USER": by("USER", PASSWORD + "\0"),
    "not to be sent by APOP": by("APOP", PASSWORD + "\ud800"),
    "not to be prepared": by("SCRAM-SHA-256", PASSWORD + "\U000e0001"),
    "not a token": lambda client: client.login_oauth(USER, "Bearer " + TOKEN),
}


def shapes(sent: Iterable[bytes]) -> set[str]:
    """Return in what form a secret may show: as it is, in base64, and the digests and proofs that were sent."""
    found = {PASSWORD.encode(), TOKEN.encode(), WRONG.encode(), EXPIRED.encode()}
    for line in sent:
        if line.startswith((b"PASS ", b"APOP ")):
            found.add(line.rpartition(b" ")[2])
        if line.startswith((b"PASS ", b"APOP ", b"USER ", b"AUTH ")) or line in PLAIN_LINES:
            continue
        message = b64decode(line)
        if message not in (USER.encode(), b""):
            # The whole response, the digest of CRAM-MD5, the proof of SCRAM, the token of the OAuth mechanisms.
            found |= {message, re.split(rb" |,p=|\0|\x01", message.rstrip(b"\x01"))[-1]}
    for secret in [*found]:
        if not secret.startswith((b"n,,", b"c=")) or b"p=" in secret:
            encoded = b64encode(secret)
            found |= {encoded, encoded.rstrip(b"=")}
    return {secret.decode("latin-1") for secret in found if len(secret) > 3}


def shown_by(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """Return all that may be shown of an exception, of those behind it, and of what they hold."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    yield from getattr(error, "__notes__", ())
    yield "".join(traceback.format_exception(error))
    for value in (*error.args, *vars(error).values()):
        yield repr(value)
        yield str(getattr(value, "raw", b""))
        yield str(getattr(value, "text", ""))
    for name in ("raw", "text", "command", "status", "scope", "reply"):
        yield str(getattr(error, name, ""))
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from shown_by(inner, seen)
    yield from shown_by(error.__cause__, seen)
    yield from shown_by(error.__context__, seen)


def shown_by_record(record: logging.LogRecord) -> Iterator[str]:
    yield record.getMessage()
    yield repr(vars(record))
    yield repr(record.args)
    if record.exc_info:
        yield from shown_by(record.exc_info[1], set())


def mechanisms() -> Iterator[str]:
    """Return how the mechanism objects that are still there show themselves, and what they still hold."""
    kinds = (sasl.Plain, sasl.Login, sasl.CramMd5, sasl.XOAuth2, sasl.OAuthBearer, sasl.Scram)
    for thing in gc.get_objects():
        if isinstance(thing, kinds):
            yield repr(thing)


def plain(_: list[bytes], ok: bool) -> bytes:
    return b"+OK\r\n" if ok else b"-ERR [AUTH] no\r\n"


def said(sent: list[bytes], ok: bool) -> bytes:
    """Return all that a spiteful server can say of what it was sent, and of what it knows."""
    words = []
    secrets = [(PASSWORD if ok else WRONG).encode()]
    for line in sent:
        words += [line, line.rpartition(b" ")[2], line.rstrip(b"=")]
        if line not in PLAIN_LINES and not line.startswith((b"PASS ", b"APOP ", b"USER ", b"AUTH ")):
            message = b64decode(line)
            words += [message, message.rpartition(b" ")[2], message.rpartition(b",p=")[2]]
            tokens = [token.encode() for token in (TOKEN, EXPIRED) if token.encode() in message]
            secrets = tokens or secrets
    for secret in secrets:
        words += [secret, b64encode(secret), b64encode(secret).rstrip(b"=")]
    return b" ".join(words)


ECHOES: dict[str, Callable[[list[bytes], bool], bytes]] = {
    "quiet": plain,
    "in the refusal": lambda sent, ok: b"-ERR [AUTH] not " + said(sent, ok) + b"\r\n",
    "in the refusal, without a code": lambda sent, ok: b"-ERR " + said(sent, ok) + b"\r\n",
    "in the success": lambda sent, ok: b"+OK " + said(sent, ok) + b"\r\n",
    "in a line that is no answer": lambda sent, ok: said(sent, ok) + b"\r\n",
    "with an odd status": lambda sent, ok: b"-NO " + said(sent, ok) + b"\r\n",
    "in half a line": lambda sent, ok: b"-ERR " + said(sent, ok),
    "in a challenge": lambda sent, ok: b"+ " + b64encode(said(sent, ok)) + b"\r\n",
    "in a challenge that is not base64": lambda sent, ok: b"+ " + said(sent, ok) + b"\r\n",
    "in a second answer": lambda sent, ok: b"-ERR no\r\n-ERR " + said(sent, ok) + b"\r\n",
    "in a line without end": lambda sent, ok: b"-ERR " + said(sent, ok) * 100,
}


@pytest.fixture(autouse=True)
def secrets_of_the_double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubles, "PASSWORD", PASSWORD)
    monkeypatch.setattr(doubles, "TOKEN", TOKEN)
    monkeypatch.setattr(
        doubles.ScramServer.__init__, "__kwdefaults__", {**_SCRAM_DEFAULTS, "password": PASSWORD}
    )


_SCRAM_DEFAULTS = dict(doubles.ScramServer.__init__.__kwdefaults__ or {})


# Where nothing is sent, nothing comes back.
@pytest.mark.parametrize(
    ("way", "echo"), [(way, echo) for way in WAYS for echo in ECHOES if echo == "quiet" or "not " not in way]
)
async def test_no_secret_is_shown(
    certificates: Certificates,
    way: str,
    echo: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    closing = echo in ("in half a line", "in a line that is no answer", "with an odd status")
    answers = []

    def answer(sent: list[bytes], ok: bool) -> bytes:
        octets = ECHOES[echo](sent, ok)
        answers.append(octets)
        return octets

    class Closing(Doorman):
        """Hangs up behind its answer, lest the client waits for the rest of a line."""

        async def __call__(self, peer: Peer) -> None:
            send = peer.send

            def send_and_close(data: bytes) -> None:
                send(data)
                if closing and answers and data is answers[-1]:
                    peer.close()

            monkeypatch.setattr(peer, "send", send_and_close)
            await super().__call__(peer)

    doorman = Closing(echo=answer)
    async with Script(doorman, tls=certificates.server_context()) as server:
        client = await pop3aio.connect(server.host, server.port, ssl_context=certificates.client_context())
        caught: list[BaseException] = []
        try:
            await WAYS[way](client)
        except pop3aio.POP3Error as error:
            caught.append(error)
        try:
            await client.capa(refresh=True)
        except pop3aio.POP3Error as error:
            caught.append(error)
        shown += [repr(client), repr(client._queue), repr(client._core), repr(client._stream)]
        shown += [repr(vars(client)), *mechanisms()]
        for thing in (client._queue, client._core):
            for name in getattr(thing, "__dict__", {}):
                # What is masked must be known, as long as it may come; what came is kept by the core alone.
                if name not in ("_secrets", "_error"):
                    shown.append(repr(getattr(thing, name)))
        client.abort()
        for one in caught:
            shown += shown_by(one, set())
        await server.over.wait()
        received = server.received[:]
    assert any(record.name == "pop3aio" for record in caplog.records)
    for record in caplog.records:
        shown += shown_by_record(record)
    if way == "APOP":
        assert hashlib.md5(Doorman.STAMP + PASSWORD.encode()).hexdigest() in shapes(received)
    for secret in shapes(received):
        for text in shown:
            assert secret not in text, (secret, text[:2000])


async def test_a_cancelled_login_shows_nothing(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer comes when nobody waits for it any more, and still holds what was sent."""
    caplog.set_level(logging.DEBUG)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL PLAIN", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", doubles.GO_ON)
        line = await peer.line()
        asked.set()
        await go_on.wait()
        peer.send(b"-ERR " + said([line], True) + b"\r\n")
        await peer.answer(b"CAPA", capa(["USER"]))

    async with doubles.under_tls(certificates, play) as (client, server):
        task = asyncio.create_task(client.login(USER, PASSWORD))
        await asked.wait()
        task.cancel()
        await asyncio.wait([task])
        go_on.set()
        await client.capa(refresh=True)
        received = server.received[:]
    texts = [text for record in caplog.records for text in shown_by_record(record)]
    assert any("***" in text for text in texts)
    for secret in shapes(received):
        assert not any(secret in text for text in texts)
