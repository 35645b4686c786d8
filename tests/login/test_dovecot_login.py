"""Every mechanism against Dovecot, under TLS from the first octet and by STLS."""

from __future__ import annotations

import asyncio
import datetime
import hmac
import json
import logging
import secrets
import ssl
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal, TypeAlias

import pytest
import trustme

import pop3aio
from pop3aio import sasl
from tests.kit.dovecot import Dovecot, require_dovecot

USER = "user"
PASSWORD = "two words, ünd ß"
ASCII_USER = "plain"
ASCII_PASSWORD = "pencil-4711"
KEY = secrets.token_bytes(32)

Tls: TypeAlias = Literal["implicit", "starttls"]
BOTH: tuple[Tls, Tls] = ("implicit", "starttls")

_CONFIG = """\
auth_mechanisms = plain login cram-md5 apop scram-sha-1 scram-sha-256 xoauth2 oauthbearer external
ssl_ca = <%FOLDER%/people.pem
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = %FOLDER%/oauth2.conf
}
passdb {
  driver = static
  mechanisms = external
  args = nopassword=y
}
"""

_OAUTH2 = b"""\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=%FOLDER%/keys/
username_attribute = sub
"""

# The name that the client asks for chooses the certificate.
_NAMED = """\
local_name {name} {{
  ssl_cert = <%FOLDER%/{name}.pem
  ssl_key = <%FOLDER%/{name}.pem
}}
"""


def token(user: str, lifetime: float = 3600, key: bytes = KEY) -> str:
    """Return a JWT signed by HS256 (RFC 7515), which expires after so many seconds."""

    def encode(octets: bytes) -> str:
        return urlsafe_b64encode(octets).rstrip(b"=").decode()

    now = int(time.time())
    claims = {"sub": user, "iat": now - 7200, "nbf": now - 7200, "exp": int(now + lifetime)}
    signed = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{encode(hmac.digest(key, signed.encode(), 'sha256'))}"


@pytest.fixture(scope="module")
def people() -> trustme.CA:
    """The authority of the clients' certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def dovecot(people: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    require_dovecot()
    old = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    expired = people.issue_cert("expired.example", not_before=old, not_after=old.replace(year=2021))
    foreign = trustme.CA().issue_cert("foreign.example")
    files = {
        "people.pem": people.cert_pem.bytes(),
        "oauth2.conf": _OAUTH2,
        "keys/default/HS256/default": b64encode(KEY),
        "expired.example.pem": expired.private_key_and_cert_chain_pem.bytes(),
        "foreign.example.pem": foreign.private_key_and_cert_chain_pem.bytes(),
        "self.example.pem": self_signed("self.example"),
    }
    named = "".join(_NAMED.format(name=f"{name}.example") for name in ("expired", "foreign", "self"))
    with Dovecot(
        tmp_path_factory.mktemp("dovecot"),
        {USER: PASSWORD, ASCII_USER: ASCII_PASSWORD},
        {USER: [b"Subject: one\n\none\n"], ASCII_USER: [b"Subject: two\n\ntwo\n"] * 2},
        extra_config=_CONFIG + named,
        files=files,
    ) as running:
        yield running


def self_signed(name: str) -> bytes:
    """Return key and certificate, PEM, of a server that vouches for itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + certificate.public_bytes(pem)


def reach(
    dovecot: Dovecot, tls: Tls, context: ssl.SSLContext | None = None, **options: Any
) -> pop3aio.Connect:
    return pop3aio.connect(
        dovecot.host,
        dovecot.tls_port if tls == "implicit" else dovecot.port,
        tls=tls,
        ssl_context=context or dovecot.client_context(),
        **options,
    )


Use = Callable[[pop3aio.Client], Awaitable[None]]


def by_password(mechanism: str | None) -> Use:
    return lambda client: client.login(USER, PASSWORD, mechanism=mechanism)


def by_ascii(mechanism: str) -> Use:
    return lambda client: client.login(ASCII_USER, ASCII_PASSWORD, mechanism=mechanism)


def by_token(mechanism: str | None) -> Use:
    return lambda client: client.login_oauth(USER, token(USER), mechanism=mechanism)


WAYS: dict[str, Use] = {
    "PLAIN": by_password("PLAIN"),
    "LOGIN": by_password("LOGIN"),
    "CRAM-MD5": by_password("CRAM-MD5"),
    "SCRAM-SHA-1": by_password("SCRAM-SHA-1"),
    "SCRAM-SHA-256": by_password("SCRAM-SHA-256"),
    "USER": by_ascii("USER"),
    "XOAUTH2": by_token("XOAUTH2"),
    "OAUTHBEARER": by_token("OAUTHBEARER"),
}


@pytest.mark.parametrize("tls", BOTH)
@pytest.mark.parametrize("way", WAYS)
async def test_every_way(dovecot: Dovecot, way: str, tls: Tls) -> None:
    async with reach(dovecot, tls) as client:
        assert client.secure
        await WAYS[way](client)
        assert client.state is pop3aio.State.TRANSACTION
        assert (await client.stat()).count == (2 if way == "USER" else 1)


@pytest.mark.parametrize("tls", BOTH)
async def test_the_policy_chooses_the_best(
    dovecot: Dovecot, tls: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pop3aio")
    async with reach(dovecot, tls) as client:
        assert client.capabilities is not None
        assert {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"} < set(client.capabilities.sasl)
        await client.login(USER, PASSWORD)
        assert (await client.stat()).count == 1
    sent = [record.getMessage() for record in caplog.records if record.getMessage().startswith("> ")]
    assert [line for line in sent if line.startswith(("> AUTH", "> USER", "> PASS"))] == [
        "> AUTH SCRAM-SHA-256"
    ]
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("tls", BOTH)
async def test_a_token_goes_the_first_way_listed(
    dovecot: Dovecot, tls: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pop3aio")
    async with reach(dovecot, tls) as client:
        await by_token(None)(client)
        assert client.capabilities is not None
        first = next(name for name in client.capabilities.sasl if name in ("XOAUTH2", "OAUTHBEARER"))
        assert (await client.stat()).count == 1
    assert f"> AUTH {first}" in caplog.messages


@pytest.mark.parametrize("user", [USER, ""])
@pytest.mark.parametrize("tls", BOTH)
async def test_a_client_certificate(dovecot: Dovecot, people: trustme.CA, tls: Tls, user: str) -> None:
    """EXTERNAL: the certificate says who it is, or the client does and the certificate agrees."""
    context = dovecot.client_context()
    people.issue_cert("user@people.example", common_name=USER).configure_cert(context)
    async with reach(dovecot, tls, context) as client:
        await client.authenticate(sasl.External(user))
        assert client.state is pop3aio.State.TRANSACTION
        assert (await client.stat()).count == 1


@pytest.mark.parametrize("tls", BOTH)
async def test_external_without_a_certificate(dovecot: Dovecot, tls: Tls) -> None:
    async with reach(dovecot, tls) as client:
        with pytest.raises(pop3aio.POP3Error) as caught:
            await client.authenticate(sasl.External(USER))
        assert isinstance(caught.value, pop3aio.AuthenticationError | pop3aio.MechanismUnavailable)
        assert client.state is pop3aio.State.AUTHORIZATION


async def test_external_with_a_foreign_certificate(dovecot: Dovecot) -> None:
    context = dovecot.client_context()
    trustme.CA().issue_cert("user@people.example", common_name=USER).configure_cert(context)
    async with reach(dovecot, "implicit", context) as client:
        with pytest.raises(pop3aio.POP3Error) as caught:
            await client.authenticate(sasl.External(USER))
        assert isinstance(caught.value, pop3aio.AuthenticationError | pop3aio.MechanismUnavailable)


async def test_apop_under_tls(dovecot: Dovecot) -> None:
    async with reach(dovecot, "implicit") as client:
        await client.login(ASCII_USER, ASCII_PASSWORD, mechanism="APOP")
        assert (await client.stat()).count == 2


async def test_apop_is_impossible_after_stls(dovecot: Dovecot, caplog: pytest.LogCaptureFixture) -> None:
    """The greeting came in clear: its time stamp may be anyone's."""
    caplog.set_level(logging.DEBUG, "pop3aio")
    async with reach(dovecot, "starttls") as client:
        assert client.greeting.apop_timestamp is None
        with pytest.raises(pop3aio.MechanismUnavailable, match="no time stamp"):
            await client.login(ASCII_USER, ASCII_PASSWORD, mechanism="APOP")
        # The connection is as good as before.
        await client.login(ASCII_USER, ASCII_PASSWORD)
    assert not any("APOP" in message for message in caplog.messages if message.startswith("> "))


@pytest.mark.parametrize("tls", BOTH)
async def test_a_wrong_password(dovecot: Dovecot, tls: Tls) -> None:
    """All ways at once, since Dovecot takes its time over each."""

    async def attempt(mechanism: str | None) -> None:
        async with reach(dovecot, tls) as client:
            with pytest.raises(pop3aio.AuthenticationError) as caught:
                await client.login(ASCII_USER, "pencil-4712", mechanism=mechanism)
            assert caught.value.code == "AUTH"
            assert client.state is pop3aio.State.AUTHORIZATION
            await client.login(ASCII_USER, ASCII_PASSWORD)

    ways = [None, "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "USER"]
    async with asyncio.TaskGroup() as group:
        for way in ways + ["APOP"] * (tls == "implicit"):
            group.create_task(attempt(way))


@pytest.mark.parametrize("tls", BOTH)
async def test_a_token_that_is_not_taken(dovecot: Dovecot, tls: Tls) -> None:
    """It has expired, or somebody else has signed it."""

    async def attempt(mechanism: str, status: str, bad: str) -> None:
        async with reach(dovecot, tls) as client:
            with pytest.raises(pop3aio.AuthenticationError) as caught:
                await client.login_oauth(USER, bad, mechanism=mechanism)
            assert caught.value.code == "AUTH"
            assert caught.value.status == status
            assert bad not in str(caught.value)

    async with asyncio.TaskGroup() as group:
        for bad in (token(USER, -60), token(USER, key=b"another key of as many octets...")):
            group.create_task(attempt("XOAUTH2", "401", bad))
            group.create_task(attempt("OAUTHBEARER", "invalid_token", bad))


@pytest.mark.parametrize("tls", BOTH)
async def test_an_expired_token_is_renewed(dovecot: Dovecot, tls: Tls) -> None:
    async def attempt(mechanism: str) -> None:
        tokens = [token(USER, -60), token(USER)]

        async def fresh() -> str:
            return tokens.pop(0)

        async with reach(dovecot, tls) as client:
            await client.login_oauth(USER, fresh, mechanism=mechanism)
            assert (await client.stat()).count == 1
        assert not tokens

    async with asyncio.TaskGroup() as group:
        for mechanism in ("XOAUTH2", "OAUTHBEARER"):
            group.create_task(attempt(mechanism))


async def test_a_token_for_somebody_else(dovecot: Dovecot) -> None:
    async with reach(dovecot, "implicit") as client:
        with pytest.raises(pop3aio.AuthenticationError):
            await client.login_oauth(ASCII_USER, token(USER))


@pytest.mark.parametrize("tls", BOTH)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("expired.example", "certificate has expired"),
        ("foreign.example", "unable to get local issuer"),
        ("self.example", "self.signed"),
        ("wrong.example", "Hostname mismatch"),
    ],
)
async def test_a_certificate_that_is_not_accepted(
    dovecot: Dovecot, people: trustme.CA, name: str, why: str, tls: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it help that its authority is trusted, if it has expired or is for somebody else."""
    caplog.set_level(logging.DEBUG, "pop3aio")
    context = dovecot.client_context()
    people.configure_trust(context)
    with pytest.raises(pop3aio.TlsError, match=f"the certificate of {name} is not accepted: .*{why}"):
        await reach(dovecot, tls, context, server_hostname=name)
    sent = [message for message in caplog.messages if message.startswith("> ")]
    assert sent == (["> CAPA", "> STLS"] if tls == "starttls" else [])


async def test_tls_is_required(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """Dovecot takes no password in clear, and our client does not offer one."""
    require_dovecot()
    caplog.set_level(logging.DEBUG, "pop3aio")
    # To Dovecot, a connection from the address it listens at is as good as TLS.
    away = ("127.0.0.2", 0)
    with Dovecot(
        tmp_path_factory.mktemp("required"),
        {ASCII_USER: ASCII_PASSWORD},
        extra_config="ssl = required\nauth_mechanisms = plain login scram-sha-256\nauth_verbose = yes",
    ) as running:
        async with pop3aio.connect(running.host, running.port, tls="none", local_addr=away) as client:
            assert client.capabilities is not None
            assert not client.capabilities.user
            with pytest.raises(pop3aio.TlsRequired, match="without TLS"):
                await client.login(ASCII_USER, ASCII_PASSWORD)
            with pytest.raises(pop3aio.TlsRequired):
                await client.login_oauth(ASCII_USER, "token")
            with pytest.raises(pop3aio.TlsRequired):
                await client.authenticate(sasl.Plain(ASCII_USER, ASCII_PASSWORD))
        assert [message for message in caplog.messages if message.startswith("> ")] == ["> CAPA", "> QUIT"]
        # Even if the caller insists, it is the server that refuses.
        async with pop3aio.connect(running.host, running.port, tls="none", local_addr=away) as client:
            with pytest.raises(pop3aio.CommandError, match=r"Plaintext authentication disallowed|TLS|SSL"):
                await client.login(ASCII_USER, ASCII_PASSWORD, allow_insecure=True)
        async with reach(running, "starttls", local_addr=away) as client:
            await client.login(ASCII_USER, ASCII_PASSWORD)
