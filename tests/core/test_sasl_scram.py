"""SCRAM, against the examples of its RFCs, a server of our own arithmetic, scramp's, and servers that lie."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from pop3core import LocalProtocolError, sasl

from .test_sasl import ACCEPT, CANCEL, Outcome, assert_secret_free, login, plus, scripted

PASSWORD = "pencil"

# RFC 5802 section 5.
SHA1_NONCE = "fyko+d2lbbFgONRv9qkxdawL"
SHA1_SERVER_FIRST = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
SHA1_FINAL = b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
SHA1_SERVER_FINAL = b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="

# RFC 7677 section 3.
SHA256_NONCE = "rOprNGfwEbeRWgbNEkqO"
SHA256_SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
SHA256_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SHA256_SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

Binding = tuple[str, bytes] | None
Fixed = Callable[[str], None]


@pytest.fixture
def fixed_nonce(monkeypatch: pytest.MonkeyPatch) -> Fixed:
    """Let the client choose this nonce."""

    def fix(nonce: str) -> None:
        monkeypatch.setattr(secrets, "token_urlsafe", lambda _: nonce)

    return fix


@pytest.fixture
def no_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> NoReturn:
        pytest.fail("PBKDF2 was run")

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", forbidden)


class ScramServer:
    """The other side, written from RFC 5802 section 3 with a PBKDF2 of its own; `final` may change its last word."""

    def __init__(
        self,
        algorithm: str = "sha256",
        *,
        password: bytes = PASSWORD.encode(),
        binding: bytes = b"",
        iterations: int = 4096,
        final: Callable[[bytes], bytes] = lambda message: message,
    ) -> None:
        self.algorithm = algorithm
        self.binding = binding
        self.iterations = iterations
        self.final = final
        self.salt = b"\x01" * 16
        block = total = self.mac(password, self.salt + b"\0\0\0\1")
        for _ in range(iterations - 1):
            block = self.mac(password, block)
            total = self.xor(total, block)
        self.salted = total
        self.client_first = b""
        self.server_first = b""
        self.heard: list[bytes] = []

    def mac(self, key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, self.algorithm).digest()

    def xor(self, one: bytes, other: bytes) -> bytes:
        return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")

    def __call__(self, line: bytes) -> bytes:
        if line.startswith(b"AUTH "):
            return b"+ \r\n"
        if line == CANCEL:
            return b"-ERR cancelled\r\n"
        message = b64decode(line)
        self.heard.append(message)
        return (self.say_first, self.say_final, lambda _: ACCEPT)[len(self.heard) - 1](message)

    def say_first(self, message: bytes) -> bytes:
        self.client_first = message
        nonce = message.rpartition(b",r=")[2]
        self.server_first = b"r=%b%b,s=%b,i=%d" % (
            nonce,
            b"3rfcNHYJY1ZV",
            b64encode(self.salt),
            self.iterations,
        )
        return plus(self.server_first)

    def say_final(self, message: bytes) -> bytes:
        without_proof, _, proof = message.rpartition(b",p=")
        flag, identity, bare = self.client_first.split(b",", 2)
        header = flag + b"," + identity + b","
        channel, nonce = without_proof.split(b",")
        assert channel == b"c=" + b64encode(header + self.binding)
        assert nonce == self.server_first.split(b",")[0]
        whole = bare + b"," + self.server_first + b"," + without_proof
        stored_key = hashlib.new(self.algorithm, self.mac(self.salted, b"Client Key")).digest()
        client_key = self.xor(b64decode(proof), self.mac(stored_key, whole))
        if hashlib.new(self.algorithm, client_key).digest() != stored_key:
            return b"-ERR [AUTH] wrong password\r\n"
        signature = self.mac(self.mac(self.salted, b"Server Key"), whole)
        return plus(self.final(b"v=" + b64encode(signature)))


def test_rfc_5802(fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA1_NONCE)
    mechanism = sasl.Scram("user", PASSWORD, "SCRAM-SHA-1")
    outcome = login(mechanism, scripted(b"+ \r\n", plus(SHA1_SERVER_FIRST), plus(SHA1_SERVER_FINAL), ACCEPT))
    assert outcome.ok
    assert outcome.messages == [b"n,,n=user,r=" + SHA1_NONCE.encode(), SHA1_FINAL, b""]
    assert outcome.lines[2] == b"\r\n"


def test_rfc_7677(fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    outcome = login(
        mechanism, scripted(b"+ \r\n", plus(SHA256_SERVER_FIRST), plus(SHA256_SERVER_FINAL), ACCEPT)
    )
    assert outcome.ok
    assert outcome.messages == [b"n,,n=user,r=" + SHA256_NONCE.encode(), SHA256_FINAL, b""]


@pytest.mark.parametrize(
    ("name", "algorithm", "binding", "flag"),
    [
        ("SCRAM-SHA-1", "sha1", None, b"n"),
        ("SCRAM-SHA-256", "sha256", None, b"n"),
        ("SCRAM-SHA-512", "sha512", None, b"n"),
        ("SCRAM-SHA-1", "sha1", ("tls-unique", b"\x14\x00\xff"), b"y"),
        ("SCRAM-SHA-256", "sha256", ("tls-exporter", b"\xff" * 32), b"y"),
        ("SCRAM-SHA-1-PLUS", "sha1", ("tls-unique", b"\x14\x00\xff"), b"p=tls-unique"),
        ("SCRAM-SHA-256-PLUS", "sha256", ("tls-exporter", b"\xff" * 32), b"p=tls-exporter"),
        ("SCRAM-SHA-256-PLUS", "sha256", ("tls-server-end-point", b"\x00"), b"p=tls-server-end-point"),
        ("SCRAM-SHA-512-PLUS", "sha512", ("tls-exporter", b"\xff" * 32), b"p=tls-exporter"),
    ],
)
def test_a_whole_run(name: str, algorithm: str, binding: Binding, flag: bytes) -> None:
    mechanism = sasl.Scram("user", PASSWORD, name, channel_binding=binding)
    assert mechanism.name == name
    server = ScramServer(algorithm, binding=binding[1] if binding and name.endswith("-PLUS") else b"")
    outcome = login(mechanism, server)
    assert outcome.ok
    assert server.client_first.startswith(flag + b",,n=user,r=")
    assert len(outcome.lines) == 3
    for message in outcome.messages:
        assert PASSWORD.encode() not in message


def test_a_bound_channel_that_ends_elsewhere() -> None:
    # The man in the middle has another channel to the server than to us, and so another binding.
    mechanism = sasl.Scram("user", PASSWORD, "SCRAM-SHA-256-PLUS", channel_binding=("tls-exporter", b"ours"))
    with pytest.raises(AssertionError):
        login(mechanism, ScramServer(binding=b"theirs"))
    assert not mechanism.done


def test_as_somebody_else_and_escaping() -> None:
    server = ScramServer()
    assert login(sasl.Scram("a,b=c", PASSWORD, authzid="d=e,f"), server).ok
    assert server.client_first.startswith(b"n,a=d=3De=2Cf,n=a=2Cb=3Dc,r=")


def test_names_and_passwords_are_prepared() -> None:
    server = ScramServer(password=b"IX \xf0\x9f\x98\x80")
    assert login(sasl.Scram("\u2168", "I\xadX\xa0\U0001f600"), server).ok
    assert server.client_first.startswith(b"n,,n=IX,r=")


def test_a_wrong_password() -> None:
    mechanism = sasl.Scram("user", "penci1")
    outcome = login(mechanism, ScramServer())
    assert not outcome.ok
    assert outcome.refused is None
    assert len(outcome.lines) == 2


def test_nonces() -> None:
    nonces = {sasl.Scram("user", PASSWORD).respond(b"").rpartition(b",r=")[2] for _ in range(100)}
    assert len(nonces) == 100
    for nonce in nonces:
        # 24 octets in base64's alphabet for URLs.
        assert len(nonce) == 32
        assert b"," not in nonce
        assert nonce.isascii()


def test_where_the_nonce_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def token_urlsafe(octets: int) -> str:
        asked.append(octets)
        return "x" * 32

    monkeypatch.setattr(secrets, "token_urlsafe", token_urlsafe)
    sasl.Scram("user", PASSWORD)
    assert len(asked) == 1
    assert asked[0] >= 18


def test_when_it_is_slow(fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    assert mechanism.slow is False
    mechanism.respond(b"")
    assert mechanism.slow is True
    assert PASSWORD in repr(vars(mechanism))
    mechanism.respond(SHA256_SERVER_FIRST)
    assert mechanism.slow is False
    assert PASSWORD not in repr(vars(mechanism))
    mechanism.respond(SHA256_SERVER_FINAL)
    assert mechanism.slow is False
    assert mechanism.done


def attack(server_first: bytes, fixed_nonce: Fixed, **options: Any) -> tuple[sasl.Scram, Outcome]:
    """Answer the client's first message by this one, and then by what would be right."""
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD, **options)
    outcome = login(mechanism, scripted(b"+ \r\n", plus(server_first), plus(SHA256_SERVER_FINAL), ACCEPT))
    assert outcome.messages[0] == b"n,,n=user,r=" + SHA256_NONCE.encode()
    return mechanism, outcome


R = b"r=" + SHA256_NONCE.encode()
S = b"s=W22ZaJ0SNY7soEsUEjb6gQ=="

REFUSED_FIRST: dict[str, bytes] = {
    "nothing": b"",
    "no attributes": b"hello",
    "not UTF-8": R + b"\xff," + S + b",i=4096",
    "an empty attribute": R + b"x," + S + b",i=4096,",
    "no equals sign": R + b"x," + S + b",i4096",
    "a long letter": R + b"x," + S + b",ii=4096",
    "a digit for a letter": b"1=x," + R + b"x," + S + b",i=4096",
    "an empty value": R + b"x,s=,i=4096",
    "no salt": R + b"x,i=4096",
    "no count": R + b"x," + S,
    "no nonce": S + b",i=4096",
    "another order": S + b"," + R + b"x,i=4096",
    "an extension in front": b"x=y," + R + b"x," + S + b",i=4096",
    "an extension between": R + b"x,x=y," + S + b",i=4096",
    "a mandatory extension": b"m=ext," + R + b"x," + S + b",i=4096",
    "a mandatory extension behind": R + b"x," + S + b",i=4096,m=ext",
    "the final message": SHA256_SERVER_FINAL,
    "a nonce not ours": b"r=AAAAAAAAAAAAAAAAAAAAAAAA," + S + b",i=4096",
    "the nonce equal to ours": R + b"," + S + b",i=4096",
    "the nonce cut": R[:-1] + b"," + S + b",i=4096",
    "the nonce behind another": b"r=x" + R[2:] + b"," + S + b",i=4096",
    "the nonce in other letters": R.lower() + b"x," + S + b",i=4096",
    "a space in the nonce": R + b"x y," + S + b",i=4096",
    "a control in the nonce": R + b"x\x01," + S + b",i=4096",
    "a NUL in the nonce": R + b"\0," + S + b",i=4096",
    "8 bits in the nonce": R + b"\xc3\xa9," + S + b",i=4096",
    "a salt with junk": R + b"x,s=W22Z!!!!,i=4096",
    "a salt for URLs": R + b"x,s=W22Z_-aJ,i=4096",
    "a salt without padding": R + b"x,s=W22ZaJ0,i=4096",
    "a salt that is padding": R + b"x,s=====,i=4096",
    "a salt with octets behind": R + b"x,s=W22ZaA==W22Z,i=4096",
    "a salt with a line break": R + b"x,s=W22Z\n,i=4096",
    "a salt in another script": R + b"x,s=W22\xc3\xa9,i=4096",
}

REFUSED_COUNTS = (
    b"0", b"1", b"1000", b"4095", b"1000001", b"1000000000", b"9" * 30, b"9" * 5000, b"-1", b"-4096", b"+4096",
    b"04096", b" 4096", b"4096 ", b"4_096", b"4096.0", b"4e3", b"0x1000", b"\xd9\xa4\xd9\xa0\xd9\xa9\xd9\xa6",
    b"\xc2\xb9\xc2\xb9\xc2\xb9\xc2\xb9", b"4096\n",
)  # fmt: skip


@pytest.mark.usefixtures("no_arithmetic")
@pytest.mark.parametrize("server_first", REFUSED_FIRST.values(), ids=REFUSED_FIRST)
def test_attacks_on_the_first_message(server_first: bytes, fixed_nonce: Fixed) -> None:
    mechanism, outcome = attack(server_first, fixed_nonce)
    # No proof was sent, by which the password could be guessed.
    assert outcome.lines[1:] == [CANCEL]
    assert not outcome.ok
    assert not mechanism.done
    assert not mechanism.slow
    assert outcome.refused is not None
    assert_secret_free(outcome.refused, [PASSWORD, "user", SHA256_NONCE])
    with pytest.raises(sasl.ChallengeRefused):
        mechanism.respond(SHA256_SERVER_FIRST)


@pytest.mark.usefixtures("no_arithmetic")
@pytest.mark.parametrize("count", REFUSED_COUNTS, ids=lambda count: repr(count[:12]))
def test_attacks_on_the_count(count: bytes, fixed_nonce: Fixed) -> None:
    mechanism, outcome = attack(R + b"x," + S + b",i=" + count, fixed_nonce)
    assert outcome.lines[1:] == [CANCEL]
    assert not mechanism.done
    assert outcome.refused is not None
    assert "4096 to 1000000" in str(outcome.refused)
    assert_secret_free(outcome.refused, [PASSWORD])


@pytest.mark.usefixtures("no_arithmetic")
@pytest.mark.parametrize("count", [b"9999", b"20001"])
def test_bounds_can_be_set(count: bytes, fixed_nonce: Fixed) -> None:
    bounds = {"min_iterations": 10_000, "max_iterations": 20_000}
    assert attack(R + b"x," + S + b",i=" + count, fixed_nonce, **bounds)[1].lines[1:] == [CANCEL]


@pytest.mark.parametrize("count", [4096, 1_000_000])
def test_counts_within_bounds(count: int, fixed_nonce: Fixed, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def pbkdf2_hmac(*arguments: Any) -> bytes:
        asked.append(arguments)
        return b"\0" * 32

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", pbkdf2_hmac)
    attack(R + b"x," + S + b",i=%d" % count, fixed_nonce)
    assert asked == [("sha256", PASSWORD.encode(), b64decode(S[2:]), count)]


def test_one_iteration_if_somebody_wants_it() -> None:
    assert login(sasl.Scram("user", PASSWORD, min_iterations=1), ScramServer(iterations=1)).ok


def test_unknown_extensions_are_ignored(fixed_nonce: Fixed) -> None:
    # The signature covers them, so the one of the RFC is no longer right; the proof is sent.
    _, outcome = attack(SHA256_SERVER_FIRST + b",x=y,Z=a=b", fixed_nonce)
    assert outcome.messages[1].startswith(SHA256_FINAL.partition(b",p=")[0] + b",p=")
    assert login(sasl.Scram("user", PASSWORD), ScramServer(final=lambda final: final + b",x=y")).ok


@pytest.mark.usefixtures("no_arithmetic")
def test_an_error_in_place_of_the_first_message(fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    outcome = login(mechanism, scripted(b"+ \r\n", plus(b"e=unknown-user"), b"-ERR [AUTH] no\r\n"))
    assert not outcome.ok
    assert outcome.lines[1:] == [b"\r\n"]
    assert mechanism.error == "unknown-user"


@pytest.mark.parametrize("end", [b"-ERR [AUTH] no\r\n", ACCEPT, plus(SHA256_SERVER_FINAL)])
def test_an_error_in_place_of_the_signature(end: bytes, fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    server = scripted(b"+ \r\n", plus(SHA256_SERVER_FIRST), plus(b"e=invalid-proof"), end)
    outcome = login(mechanism, server)
    assert not outcome.ok
    assert not mechanism.done
    assert outcome.lines[2] == b"\r\n"
    assert outcome.lines[3:] == ([CANCEL] if end.startswith(b"+ ") else [])
    assert mechanism.error == "invalid-proof"


@pytest.mark.parametrize(
    "final",
    [
        b"",
        b"hello",
        b"v=",
        b"v=====",
        b"v=AAAA",
        b"v=" + b64encode(b"\0" * 32),
        b"v=" + b64encode(b"\0" * 20),
        SHA256_SERVER_FINAL.replace(b"6rri", b"7rri"),
        SHA256_SERVER_FINAL[:-1],
        SHA256_SERVER_FINAL + b"=",
        SHA256_SERVER_FINAL + b" ",
        SHA256_SERVER_FINAL + b",",
        SHA256_SERVER_FINAL + b",m=ext",
        b"x=y," + SHA256_SERVER_FINAL,
        b"V" + SHA256_SERVER_FINAL[1:],
        b"p" + SHA256_SERVER_FINAL[1:],
        b"p=" + SHA256_FINAL.partition(b",p=")[2],
        SHA256_SERVER_FIRST,
        b"\xff",
    ],
)
def test_a_server_that_does_not_know_the_password(final: bytes, fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    outcome = login(mechanism, scripted(b"+ \r\n", plus(SHA256_SERVER_FIRST), plus(final), ACCEPT))
    assert not outcome.ok
    assert not mechanism.done
    assert outcome.lines[2:] == [CANCEL]
    assert isinstance(outcome.refused, sasl.ServerNotAuthenticated)
    assert_secret_free(outcome.refused, [PASSWORD, "6rri", SHA256_NONCE])
    with pytest.raises(sasl.ChallengeRefused):
        mechanism.respond(SHA256_SERVER_FINAL)
    assert not mechanism.done


def test_signatures_are_compared_in_constant_time(
    fixed_nonce: Fixed, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    for challenge in (b"", SHA256_SERVER_FIRST, SHA256_SERVER_FINAL):
        mechanism.respond(challenge)
    assert mechanism.done
    signature = b64decode(SHA256_SERVER_FINAL[2:])
    assert compared == [(signature, signature)]


@pytest.mark.parametrize("challenges", [0, 1, 2])
def test_a_success_before_the_signature_is_none(challenges: int, fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    lines = [b"+ \r\n", plus(SHA256_SERVER_FIRST), plus(SHA256_SERVER_FINAL)][:challenges]
    outcome = login(mechanism, scripted(*lines, ACCEPT))
    assert not outcome.ok
    assert not mechanism.done
    assert len(outcome.lines) == challenges


def test_challenges_after_the_end(fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    good = [b"+ \r\n", plus(SHA256_SERVER_FIRST), plus(SHA256_SERVER_FINAL)]
    outcome = login(mechanism, scripted(*good, plus(SHA256_SERVER_FINAL)))
    assert not outcome.ok
    assert outcome.lines[3:] == [CANCEL]
    assert mechanism.done


@pytest.mark.parametrize("error", [ValueError, OverflowError])
def test_a_build_that_refuses(
    error: type[Exception], fixed_nonce: Fixed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pbkdf2_hmac(*_: Any) -> NoReturn:
        raise error(PASSWORD)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", pbkdf2_hmac)
    _, outcome = attack(SHA256_SERVER_FIRST, fixed_nonce)
    assert outcome.lines[1:] == [CANCEL]
    assert outcome.refused is not None
    assert_secret_free(outcome.refused, [PASSWORD])


@pytest.mark.parametrize(
    ("user", "password"),
    [("\xad", PASSWORD), ("user", "\xad"), ("user\ue000", PASSWORD), ("user", "pencil\u0627")],
)
def test_what_cannot_be_prepared(user: str, password: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        sasl.Scram(user, password)
    assert_secret_free(caught.value, [PASSWORD])


@pytest.mark.parametrize(
    ("mechanism", "options"),
    [
        ("SCRAM-MD5", {}),
        ("SCRAM-SHA-256-PLUS-PLUS", {}),
        ("scram-sha-256", {}),
        ("", {}),
        ("SCRAM-SHA-256-PLUS", {}),
        ("SCRAM-SHA-256-PLUS", {"channel_binding": ("tls-unique", b"")}),
        ("SCRAM-SHA-256-PLUS", {"channel_binding": ("", b"x")}),
        ("SCRAM-SHA-256-PLUS", {"channel_binding": ("tls,unique", b"x")}),
        ("SCRAM-SHA-256", {"channel_binding": ("tls-unique\n", b"x")}),
        ("SCRAM-SHA-256", {"min_iterations": 0}),
        ("SCRAM-SHA-256", {"max_iterations": 4095}),
    ],
)
def test_what_cannot_be_built(mechanism: str, options: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        sasl.Scram("user", PASSWORD, mechanism, **options)
    assert_secret_free(caught.value, [PASSWORD])


def test_what_is_shown_while_it_runs(fixed_nonce: Fixed) -> None:
    fixed_nonce(SHA256_NONCE)
    mechanism = sasl.Scram("user", PASSWORD)
    for challenge in (b"", SHA256_SERVER_FIRST, SHA256_SERVER_FINAL):
        mechanism.respond(challenge)
        assert repr(mechanism) == "Scram(***, 'SCRAM-SHA-256')"


@pytest.mark.parametrize(
    ("name", "binding"),
    [
        ("SCRAM-SHA-1", None),
        ("SCRAM-SHA-256", None),
        ("SCRAM-SHA-512", None),
        ("SCRAM-SHA-256", ("tls-unique", b"finished")),
        ("SCRAM-SHA-1-PLUS", ("tls-unique", b"finished")),
        ("SCRAM-SHA-256-PLUS", ("tls-server-end-point", b"digest")),
        ("SCRAM-SHA-512-PLUS", ("tls-unique", b"finished")),
    ],
)
def test_scramp(name: str, binding: Binding) -> None:
    scramp = pytest.importorskip("scramp", minversion="1.5")
    kind = scramp.ScramMechanism(name)
    info = kind.make_auth_info(PASSWORD)
    users = {"m=ller": info}
    server = kind.make_server(users.get, channel_binding=binding if name.endswith("-PLUS") else None)

    def talk(line: bytes) -> bytes:
        if line.startswith(b"AUTH "):
            return b"+ \r\n"
        message = b64decode(line).decode()
        if server.stage is None:
            server.set_client_first(message)
            return plus(server.get_server_first().encode())
        if message:
            server.set_client_final(message)
            return plus(server.get_server_final().encode())
        return ACCEPT

    assert login(sasl.Scram("m=ller", PASSWORD, name, channel_binding=binding), talk).ok
