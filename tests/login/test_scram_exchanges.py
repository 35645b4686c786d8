"""SCRAM on the wire: whole runs, bindings, and servers that do not know the password."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import threading
from base64 import b64decode
from typing import Any

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio.testing import Certificates
from tests.kit.pace import stretched
from tests.kit.script import Peer, capa, welcome
from tests.login.doubles import GO_ON, PASSWORD, USER, ScramServer, challenge, in_clear, scram_play, under_tls

TLS12 = ssl.TLSVersion.TLSv1_2
TLS13 = ssl.TLSVersion.TLSv1_3

# What an attacker would like us to go on with, when SCRAM did not work out.
TEMPTING = ("SASL SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5", "USER", "PIPELINING")


def tls_unique(tls: ssl.SSLObject) -> bytes | None:
    return tls.get_channel_binding("tls-unique")


@pytest.fixture
def end_point(certificates: Certificates) -> bytes:
    """The binding to the server's certificate, which is signed with SHA-256."""
    pem = certificates.server_pem.decode()
    leaf = pem[pem.index("-----BEGIN CERTIFICATE") :].split("-----END CERTIFICATE-----")[0]
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf + "-----END CERTIFICATE-----\n")).digest()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
async def test_in_clear(mechanism: str) -> None:
    double = ScramServer(mechanism)
    play = scram_play(mechanism, double, f"SASL {mechanism} PLAIN", "USER", "PIPELINING")
    async with in_clear(play) as (client, server):
        await client.login(USER, PASSWORD, allow_insecure=True)
        assert client.state is pop3aio.State.TRANSACTION
        assert client.account == f"{USER}@{server.host}:{server.port}"
        assert double.accepted
        assert double.flag == b"n"
        assert len(server.received) == 5


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
async def test_tls_unique(certificates: Certificates, mechanism: str) -> None:
    """Both ends of a real TLS 1.2 channel have the same binding."""
    double = ScramServer(mechanism)
    listed = f"SASL {mechanism}-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"
    play = scram_play(f"{mechanism}-PLUS", double, listed, "PIPELINING", binding=tls_unique)
    async with under_tls(certificates, play, version=TLS12) as (client, _):
        assert client.tls_version == "TLSv1.2"
        await client.login(USER, PASSWORD)
        assert double.accepted
        assert double.flag == b"p=tls-unique"
        assert len(double.binding or b"") >= 12


async def test_somebody_between(certificates: Certificates) -> None:
    """Who ends the channel elsewhere sees another binding, and the login fails there."""
    double = ScramServer()
    play = scram_play(
        "SCRAM-SHA-256-PLUS",
        double,
        "SASL SCRAM-SHA-256-PLUS PLAIN",
        "USER",
        binding=lambda _: b"another one!",
    )
    async with under_tls(certificates, play, version=TLS12) as (client, server):
        with pytest.raises(pop3aio.AuthenticationError, match=r"AUTH SCRAM-SHA-256-PLUS: .*no"):
            await client.login(USER, PASSWORD)
        assert not double.accepted
        assert server.received[-1] == b""
        assert len(server.received) == 5


async def test_tls_1_3_has_no_tls_unique(certificates: Certificates) -> None:
    """Python returns one there, which does not bind: it is not used, and -PLUS is passed over."""
    assert "tls-exporter" not in ssl.CHANNEL_BINDING_TYPES, "this Python has what RFC 9266 asks for: test it"
    double = ScramServer()
    play = scram_play("SCRAM-SHA-256", double, "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256", "PIPELINING")
    async with under_tls(certificates, play, version=TLS13) as (client, _):
        with pytest.raises(pop3aio.MechanismUnavailable, match="needs a channel binding"):
            await client.login(USER, PASSWORD, mechanism="SCRAM-SHA-256-PLUS")
        await client.login(USER, PASSWORD)
        assert double.flag == b"n"


async def test_tls_server_end_point(certificates: Certificates, end_point: bytes) -> None:
    double = ScramServer()
    play = scram_play(
        "SCRAM-SHA-256-PLUS",
        double,
        "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256",
        "PIPELINING",
        binding=lambda _: end_point,
    )
    async with under_tls(certificates, play, version=TLS13) as (client, _):
        await client.login(USER, PASSWORD, channel_binding="tls-server-end-point")
        assert double.accepted
        assert double.flag == b"p=tls-server-end-point"


async def test_tls_unique_is_better_than_the_end_point(certificates: Certificates) -> None:
    double = ScramServer()
    play = scram_play(
        "SCRAM-SHA-256-PLUS", double, "SASL SCRAM-SHA-256-PLUS", "PIPELINING", binding=tls_unique
    )
    async with under_tls(certificates, play, version=TLS12) as (client, _):
        await client.login(USER, PASSWORD, channel_binding="tls-server-end-point")
        assert double.flag == b"p=tls-unique"


@pytest.mark.parametrize(
    ("version", "listed", "options", "flag"),
    [
        # We could, and the server does not offer it: should its list be forged, it finds out by this.
        (TLS12, "SCRAM-SHA-256", {}, b"y"),
        (TLS13, "SCRAM-SHA-256", {"channel_binding": "tls-server-end-point"}, b"y"),
        # We cannot.
        (TLS13, "SCRAM-SHA-256", {}, b"n"),
        # The server offers it, and the caller wants it without; or it offers one that we do not know.
        (TLS12, "SCRAM-SHA-256 SCRAM-SHA-256-PLUS", {"mechanism": "SCRAM-SHA-256"}, b"n"),
        (TLS12, "SCRAM-SHA-256 SCRAM-SHA3-512-PLUS", {}, b"n"),
    ],
)
async def test_the_flag(
    certificates: Certificates, version: ssl.TLSVersion, listed: str, options: dict[str, Any], flag: bytes
) -> None:
    double = ScramServer()
    play = scram_play("SCRAM-SHA-256", double, f"SASL {listed}", "PIPELINING")
    async with under_tls(certificates, play, version=version) as (client, _):
        await client.login(USER, PASSWORD, **options)
        assert double.accepted
        assert double.flag == flag


async def test_the_loop_goes_on_while_the_hash_is_iterated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash waits for something that only the loop can do; in the loop's thread it would wait for ever."""
    real = hashlib.pbkdf2_hmac
    begun, progressed = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    threads = []

    def pbkdf2_hmac(algorithm: str, password: bytes, salt: bytes, count: int) -> bytes:
        # The double uses the same function, and waits for nothing.
        if threading.current_thread() is not threading.main_thread():
            threads.append(threading.current_thread())
            loop.call_soon_threadsafe(begun.set)
            assert progressed.wait(stretched(20))
        return real(algorithm, password, salt, count)

    async def meanwhile() -> None:
        await begun.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        progressed.set()

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", pbkdf2_hmac)
    double = ScramServer()
    play = scram_play("SCRAM-SHA-256", double, "SASL SCRAM-SHA-256", "PIPELINING")
    async with in_clear(play) as (client, _):
        other = asyncio.create_task(meanwhile())
        await client.login(USER, PASSWORD, allow_insecure=True)
        await other
        assert len(threads) == 1
        assert double.accepted


class Stalled:
    """PBKDF2 that waits to be told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        self.go_on = threading.Event()
        loop = asyncio.get_running_loop()
        real = hashlib.pbkdf2_hmac

        def pbkdf2_hmac(*arguments: Any) -> bytes:
            loop.call_soon_threadsafe(self.begun.set)
            assert self.go_on.wait(stretched(20))
            loop.call_soon_threadsafe(self.over.set)
            return real(*arguments)

        monkeypatch.setattr(hashlib, "pbkdf2_hmac", pbkdf2_hmac)


async def test_a_cancel_while_the_hash_is_iterated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange is cancelled on the wire, the proof is not sent, and the session goes on."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL SCRAM-SHA-256", "PIPELINING")
        await peer.answer(b"AUTH SCRAM-SHA-256", GO_ON)
        peer.send(challenge(ScramServer().first(b64decode(await peer.line()))))
        await peer.answer(b"*", b"-ERR cancelled\r\n")
        await peer.answer(b"CAPA", capa(["ONE"]))
        await peer.answer(b"USER user", b"+OK\r\n")

    stalled = Stalled(monkeypatch)
    async with in_clear(play) as (client, server):
        login = asyncio.create_task(client.login(USER, PASSWORD, allow_insecure=True))
        await stalled.begun.wait()
        login.cancel()
        await asyncio.wait([login])
        assert login.cancelled()
        assert await client.capa(refresh=True) == {"ONE": ()}
        stalled.go_on.set()
        await stalled.over.wait()
        await client.user(USER)
        assert server.received[3:] == [b"*", b"CAPA", b"USER user"]


async def test_an_abort_while_the_hash_is_iterated(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL SCRAM-SHA-256", "PIPELINING")
        await peer.answer(b"AUTH SCRAM-SHA-256", GO_ON)
        peer.send(challenge(ScramServer().first(b64decode(await peer.line()))))

    stalled = Stalled(monkeypatch)
    async with in_clear(play) as (client, server):
        login = asyncio.create_task(client.login(USER, PASSWORD, allow_insecure=True))
        await stalled.begun.wait()
        client.abort()
        stalled.go_on.set()
        with pytest.raises(pop3aio.ConnectionLost, match=r"dropped by abort\(\)"):
            await login
        await server.over.wait()
        assert len(server.received) == 3


@pytest.mark.parametrize(
    ("lies", "why"),
    [
        ({"count": b"1"}, "iteration count .* is not from 4096 to 1000000"),
        ({"count": b"4095"}, "iteration count"),
        ({"count": b"1000000000"}, "iteration count"),
        ({"count": b"9" * 5000}, "iteration count"),
        ({"nonce": lambda nonce: nonce}, "nonce .* does not continue ours"),
        ({"nonce": lambda nonce: b"!" + nonce[1:] + b"server"}, "nonce"),
        ({"nonce": lambda nonce: nonce[:-1]}, "nonce"),
        ({"nonce": lambda nonce: b"foreign"}, "nonce"),
    ],
)
async def test_a_first_message_that_must_not_be_answered(
    lies: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proof goes out, no hash is iterated, and no weaker way is taken; the session stays usable."""
    computed = []
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", lambda *arguments: computed.append(arguments))
    double = ScramServer(**lies)

    async def play(peer: Peer) -> None:
        await welcome(peer, *TEMPTING)
        await peer.answer(b"AUTH SCRAM-SHA-256", GO_ON)
        peer.send(challenge(double.first(b64decode(await peer.line()))))
        await peer.answer(b"*", b"-ERR cancelled\r\n")
        await peer.answer(b"CAPA", capa(["ONE"]))

    async with in_clear(play) as (client, server):
        with pytest.raises(sasl.ChallengeRefused, match=why):
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert await client.capa(refresh=True) == {"ONE": ()}
        assert not computed
        assert len(server.received) == 5
        assert b64decode(server.received[2]).startswith(b"n,,n=user,r=")
        assert server.received[3:] == [b"*", b"CAPA"]


async def closed(client: pop3aio.Client) -> None:
    """Check that the connection is closed, and that every call says so."""
    for call in (client.capa(refresh=True), client.login(USER, PASSWORD, allow_insecure=True)):
        with pytest.raises(sasl.ServerNotAuthenticated):
            await call


@pytest.mark.parametrize(
    ("final", "why"),
    [
        (b"v=" + b"A" * 43 + b"=", "signature in SCRAM-SHA-256 is wrong"),
        (b"v=AAAA", "signature .* is wrong"),
        (b"v=", "holds no signature"),
        (b"v=!!!!", "holds no signature"),
        (b"", "holds no signature"),
        (b"x=1", "holds no signature"),
        (b"m=ext,v=AAAA", "holds no signature"),
    ],
)
async def test_a_server_that_does_not_know_the_password(final: bytes, why: str) -> None:
    """It gets nothing after the proof, not even the end of the exchange; the connection is closed."""

    async def play(peer: Peer) -> None:
        await welcome(peer, *TEMPTING)
        await peer.answer(b"AUTH SCRAM-SHA-256", GO_ON)
        peer.send(challenge(ScramServer().first(b64decode(await peer.line()))))
        await peer.line()
        peer.send(challenge(final))

    async with in_clear(play) as (client, server):
        with pytest.raises(sasl.ServerNotAuthenticated, match=why):
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert client.account is None
        await closed(client)
        await server.over.wait()
        assert len(server.received) == 4


@pytest.mark.parametrize("rounds", [0, 1, 2])
async def test_success_before_the_signature(rounds: int) -> None:
    """Whoever says +OK without v= has proved nothing: not at once, not for the name, not for the proof."""

    async def play(peer: Peer) -> None:
        await welcome(peer, *TEMPTING)
        await peer.expect(b"AUTH SCRAM-SHA-256")
        if rounds:
            peer.send(GO_ON)
            first = ScramServer().first(b64decode(await peer.line()))
            if rounds == 2:
                peer.send(challenge(first))
                await peer.line()
        peer.send(b"+OK welcome\r\n")

    async with in_clear(play) as (client, server):
        with pytest.raises(sasl.ServerNotAuthenticated, match="success before SCRAM-SHA-256 was finished"):
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert client.account is None
        await closed(client)
        await server.over.wait()
        assert len(server.received) == 2 + rounds


async def test_a_wrong_password() -> None:
    double = ScramServer(password="another")
    async with in_clear(scram_play("SCRAM-SHA-256", double, *TEMPTING)) as (client, server):
        with pytest.raises(pop3aio.AuthenticationError) as caught:
            await client.login(USER, PASSWORD, allow_insecure=True)
        assert caught.value.code == "AUTH"
        assert server.received[-1] == b""
        assert len(server.received) == 5


async def test_success_after_an_error() -> None:
    """`e=` is no signature, and +OK does not make it one."""

    async def play(peer: Peer) -> None:
        await welcome(peer, *TEMPTING)
        await peer.answer(b"AUTH SCRAM-SHA-256", GO_ON)
        peer.send(challenge(ScramServer().first(b64decode(await peer.line()))))
        await peer.line()
        peer.send(challenge(b"e=other-error"))
        await peer.answer(b"", b"+OK\r\n")

    async with in_clear(play) as (client, _):
        with pytest.raises(sasl.ServerNotAuthenticated, match="before SCRAM-SHA-256 was finished"):
            await client.login(USER, PASSWORD, allow_insecure=True)
        await closed(client)


async def test_a_password_that_scram_cannot_prepare_goes_by_plain(certificates: Certificates) -> None:
    """SASLprep prohibits such characters; PLAIN sends them as they are."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL SCRAM-SHA-256 PLAIN", "PIPELINING")
        await peer.answer(b"AUTH PLAIN", GO_ON)
        assert b64decode(await peer.line()) == "\0user\0\ufffdx\U000e0001".encode()
        peer.send(b"+OK\r\n")

    async with under_tls(certificates, play) as (client, _):
        await client.login(USER, "\ufffdx\U000e0001")
        assert client.state is pop3aio.State.TRANSACTION


async def test_a_password_that_scram_cannot_prepare_where_there_is_nothing_else(
    certificates: Certificates,
) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL SCRAM-SHA-256", "PIPELINING")

    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(pop3aio.LocalProtocolError, match=r"SASLprep|RFC 4013|prohibit"):
            await client.login(USER, "\ufffdx\U000e0001")
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA"]
