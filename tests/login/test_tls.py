"""Who the server is: pins, names, versions, client certificates, and what is read from a certificate."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import hashlib
import importlib.util
import socket
import ssl
import warnings
from typing import Any, Literal, TypeAlias

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from hypothesis import example, given
from hypothesis import strategies as st

import pop3aio
from pop3aio import sasl
from pop3aio._wire._certificate import public_key, server_end_point
from pop3aio._wire._host import host_name
from pop3aio._wire._pin import parse_pin
from pop3aio._wire._tls import default_ssl_context
from pop3aio.testing import Certificates
from tests.kit.script import Peer, Play, Script, capa, welcome
from tests.login.doubles import GO_ON, PASSWORD, USER, Doorman, under_tls

Key: TypeAlias = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)
Hash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None


@functools.cache
def key_of(kind: str) -> Key:
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "ed448":
            return ed448.Ed448PrivateKey.generate()
        case "dsa":
            return dsa.generate_private_key(1024)
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return ec.generate_private_key(ec.SECP256R1())


def certificate_of(
    kind: str,
    algorithm: Hash,
    *,
    names: tuple[str, ...] = (),
    common_name: str = "localhost",
    pss: bool = False,
) -> x509.Certificate:
    """Make a certificate that vouches for itself."""
    key = key_of(kind)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    if pss:
        length = padding.PSS.DIGEST_LENGTH
        return builder.sign(
            key, algorithm, rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=length)
        )
    return builder.sign(key, algorithm)


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def spki_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


# -- what is read from a certificate

KINDS: list[tuple[str, Hash, dict[str, Any]]] = [
    ("rsa", hashes.SHA256(), {}),
    ("rsa", hashes.SHA384(), {}),
    ("rsa", hashes.SHA512(), {}),
    ("rsa", hashes.SHA256(), {"names": tuple(f"{n}.example" for n in range(200))}),
    ("ec", hashes.SHA256(), {}),
    ("p384", hashes.SHA384(), {}),
    ("ec", hashes.SHA512(), {}),
    ("ed25519", None, {}),
    ("ed448", None, {}),
    ("rsa", hashes.SHA256(), {"pss": True}),
    ("dsa", hashes.SHA256(), {}),
]


@pytest.mark.parametrize(("kind", "algorithm", "options"), KINDS)
def test_the_public_key(kind: str, algorithm: Hash, options: dict[str, Any]) -> None:
    certificate = certificate_of(kind, algorithm, **options)
    assert public_key(der_of(certificate)) == spki_of(certificate)


@pytest.mark.parametrize(("kind", "algorithm", "options"), KINDS)
def test_the_binding_to_the_end_point(kind: str, algorithm: Hash, options: dict[str, Any]) -> None:
    """Where the signature names no hash, or one of an algorithm not known here, there is none."""
    certificate = certificate_of(kind, algorithm, **options)
    binding = server_end_point(der_of(certificate))
    if options.get("pss") or kind in ("ed25519", "ed448", "dsa"):
        assert binding is None
    else:
        assert algorithm is not None
        assert certificate.signature_hash_algorithm is not None
        assert certificate.signature_hash_algorithm.name == algorithm.name
        assert binding == certificate.fingerprint(algorithm)


@pytest.mark.parametrize(
    ("kind", "oid", "weak"),
    [
        ("rsa", "2a864886f70d01010b", "2a864886f70d010105"),
        ("rsa", "2a864886f70d01010b", "2a864886f70d010104"),
    ],
)
def test_weak_hashes_are_replaced(kind: str, oid: str, weak: str) -> None:
    """RFC 5929 section 4.1: MD5 and SHA-1 give way to SHA-256."""
    octets = der_of(certificate_of(kind, hashes.SHA256())).replace(bytes.fromhex(oid), bytes.fromhex(weak))
    algorithm = x509.load_der_x509_certificate(octets).signature_hash_algorithm
    assert algorithm is not None
    assert algorithm.name in ("sha1", "md5")
    assert server_end_point(octets) == hashlib.sha256(octets).digest()


def test_a_certificate_of_version_1() -> None:
    """It has no version field; X.509 v1 certificates are accepted by nobody, but nothing breaks on one."""
    certificate = certificate_of("rsa", hashes.SHA256())
    octets = der_of(certificate)
    version = bytes.fromhex("a003020102")
    assert octets.count(version) == 1
    start = octets.index(version)
    # Both lengths around it are of two octets, and shrink with it.
    assert (octets[1], octets[5]) == (0x82, 0x82)
    outer, inner = (int.from_bytes(octets[at : at + 2]) - 5 for at in (2, 6))
    without = octets[:2] + outer.to_bytes(2) + octets[4:6] + inner.to_bytes(2) + octets[8:start]
    assert public_key(without + octets[start + 5 :]) == spki_of(certificate)


SAMPLE = der_of(certificate_of("ec", hashes.SHA256()))


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x30")
@example(b"\x30\x80")
@example(b"\x30\xff")
@example(b"\x30\x82\x01")
@example(b"\x30\x84\xff\xff\xff\xff")
@example(b"\x30\x00")
def test_junk_is_no_certificate(octets: bytes) -> None:
    for read in (public_key, server_end_point):
        with contextlib.suppress(ValueError):
            read(octets)


@given(st.integers(0, len(SAMPLE)))
def test_half_a_certificate_is_none(length: int) -> None:
    for read in (public_key, server_end_point):
        if length < len(SAMPLE):
            with pytest.raises(ValueError, match="no certificate"):
                read(SAMPLE[:length])
        else:
            read(SAMPLE)


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255))
def test_a_damaged_certificate(position: int, octet: int) -> None:
    damaged = SAMPLE[:position] + bytes([octet]) + SAMPLE[position + 1 :]
    for read in (public_key, server_end_point):
        with contextlib.suppress(ValueError):
            read(damaged)


def test_a_certificate_without_a_key() -> None:
    """Something else stands where the key belongs."""
    certificate = certificate_of("ec", hashes.SHA256())
    octets, spki = der_of(certificate), spki_of(certificate)
    assert octets.count(spki) == 1
    with pytest.raises(ValueError, match="no certificate"):
        public_key(octets.replace(spki, b"\x04" + spki[1:]))


# -- pins


class Pinned:
    """A server with a certificate of its own, and its digests as `cryptography` has them."""

    def __init__(self, authority: trustme.CA, kind: trustme.KeyType) -> None:
        leaf = authority.issue_cert("localhost", "127.0.0.1", key_type=kind)
        certificate = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
        self.certificate = certificate.fingerprint(hashes.SHA256()).hex()
        self.key = hashlib.sha256(spki_of(certificate)).hexdigest()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(self.context)
        self.trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(self.trusting)


@pytest.fixture(scope="module", params=[trustme.KeyType.RSA, trustme.KeyType.ECDSA], ids=["rsa", "ec"])
def pinned(request: pytest.FixtureRequest) -> Pinned:
    return Pinned(trustme.CA(key_type=request.param), request.param)


async def by_stls(peer: Peer, context: ssl.SSLContext, then: Play) -> None:
    await welcome(peer, "STLS")
    await peer.answer(b"STLS", b"+OK\r\n")
    await peer.start_tls(context)
    await then(peer)


async def silent(peer: Peer) -> None:
    """Say nothing, and hear what the client has to say all the same."""


async def greets(peer: Peer) -> None:
    peer.send(b"+OK ready\r\n")


Tls: TypeAlias = Literal["implicit", "starttls"]
BOTH: tuple[Tls, Tls] = ("implicit", "starttls")


def script(tls: Tls, context: ssl.SSLContext, play: Play) -> Script:
    if tls == "implicit":
        return Script(play, tls=context)
    return Script(lambda peer: by_stls(peer, context, play))


@pytest.mark.parametrize("tls", BOTH)
@pytest.mark.parametrize("what", ["certificate", "key"])
async def test_the_right_pin(pinned: Pinned, what: str, tls: Tls) -> None:
    async def play(peer: Peer) -> None:
        if tls == "implicit":
            peer.send(b"+OK ready\r\n")
        await peer.answer(b"CAPA", capa(["USER"]))

    digest: str = getattr(pinned, what)
    colons = ":".join(digest[at : at + 2] for at in range(0, 64, 2)).upper()
    for pin in (digest, colons):
        async with script(tls, pinned.context, play) as server:
            client = await pop3aio.connect(
                server.host, server.port, tls=tls, ssl_context=pinned.trusting, pin=pin
            )
            assert client.secure
            client.abort()
            await server.over.wait()


@pytest.mark.parametrize("tls", BOTH)
@pytest.mark.parametrize("play", [silent, greets])
@pytest.mark.parametrize("pin", ["00" * 32, hashlib.sha256(b"").hexdigest()])
async def test_the_wrong_pin(pinned: Pinned, tls: Tls, play: Play, pin: str) -> None:
    """The error names what would have been right; after the handshake nothing was sent."""
    async with script(tls, pinned.context, play) as server:
        with pytest.raises(pop3aio.TlsError, match="valid but not the pinned one") as caught:
            await pop3aio.connect(server.host, server.port, tls=tls, ssl_context=pinned.trusting, pin=pin)
        assert f"its SHA-256 is {pinned.certificate}" in str(caught.value)
        assert f"its public key's {pinned.key}" in str(caught.value)
        await server.over.wait()
        assert server.received == ([] if tls == "implicit" else [b"CAPA", b"STLS"])


@pytest.mark.parametrize("tls", BOTH)
async def test_a_pin_does_not_replace_verification(pinned: Pinned, tls: Tls) -> None:
    async with script(tls, pinned.context, greets) as server:
        for context, name, why in (
            (ssl.create_default_context(), None, "local issuer|self.signed"),
            (pinned.trusting, "mail.example", "Hostname mismatch"),
        ):
            with pytest.raises(pop3aio.TlsError, match=f"is not accepted: .*({why})"):
                await pop3aio.connect(
                    server.host,
                    server.port,
                    tls=tls,
                    ssl_context=context,
                    server_hostname=name,
                    pin=pinned.certificate,
                )


@pytest.mark.parametrize("tls", BOTH)
async def test_the_pin_of_the_authority_is_not_the_servers(tls: Tls) -> None:
    authority = trustme.CA()
    server_side = Pinned(authority, trustme.KeyType.ECDSA)
    certificate = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    pin = certificate.fingerprint(hashes.SHA256()).hex()
    async with script(tls, server_side.context, greets) as server:
        with pytest.raises(pop3aio.TlsError, match="not the pinned one"):
            await pop3aio.connect(
                server.host, server.port, tls=tls, ssl_context=server_side.trusting, pin=pin
            )


@pytest.mark.parametrize(
    "pin",
    [
        "",
        "00",
        "zz" * 32,
        "00" * 31,
        "00" * 33,
        "0" * 63,
        "sha256/" + "A" * 43 + "=",
        "sha256:" + "00" * 32,
        "é" * 64,
    ],
)
def test_a_pin_that_is_none(pin: str) -> None:
    with pytest.raises(ValueError, match="a pin is a SHA-256 in hex"):
        parse_pin(pin)
    with pytest.raises(ValueError, match="a pin is"):
        pop3aio.connect("localhost", pin=pin)


# -- versions and names


def server_context(certificate: x509.Certificate, kind: str, tmp_path: Any) -> ssl.SSLContext:
    path = tmp_path / "server.pem"
    private = key_of(kind).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + pem_of(certificate).encode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """Do a handshake in memory, and return the version agreed upon."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=name),
        server.wrap_bio(there, back, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ends[0].version()


@pytest.mark.parametrize("tls", BOTH)
async def test_a_server_for_tls_1_1(certificates: Certificates, tls: Tls) -> None:
    context = certificates.server_context()
    # OpenSSL 3 has TLS 1.1 at this level only.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        older = certificates.client_context()
        older.set_ciphers("DEFAULT:@SECLEVEL=0")
        older.minimum_version = ssl.TLSVersion.TLSv1
    assert shake_hands(context, older, "localhost") == "TLSv1.1"
    trusting = default_ssl_context()
    trusting.load_verify_locations(cadata=certificates.ca_pem.decode())
    assert trusting.minimum_version is ssl.TLSVersion.TLSv1_2

    async def play(peer: Peer) -> None:
        await welcome(peer, "STLS")
        await peer.answer(b"STLS", b"+OK\r\n")
        with pytest.raises(ssl.SSLError):
            await peer.start_tls(context)

    async with Script(play, tls=None) if tls == "starttls" else Script(silent, tls=context) as server:
        # asyncio's server hangs up without an alert.
        with pytest.raises(pop3aio.TlsError, match=r"no TLS with|closed the connection in the TLS handshake"):
            await pop3aio.connect(server.host, server.port, tls=tls, ssl_context=trusting)
        if tls == "starttls":
            await server.over.wait()
        assert server.received == ([] if tls == "implicit" else [b"CAPA", b"STLS"])


@pytest.mark.parametrize(
    ("names", "accepted"), [((), False), (("mail.example",), True), (("other.example",), False)]
)
async def test_the_common_name_does_not_count(names: tuple[str, ...], accepted: bool, tmp_path: Any) -> None:
    certificate = certificate_of("ec", hashes.SHA256(), names=names, common_name="mail.example")
    trusting = default_ssl_context()
    trusting.load_verify_locations(cadata=pem_of(certificate))
    async with Script(Doorman(), tls=server_context(certificate, "ec", tmp_path)) as server:
        attempt = pop3aio.connect(
            server.host, server.port, ssl_context=trusting, server_hostname="mail.example"
        )
        if accepted:
            async with attempt as client:
                await client.login(USER, PASSWORD)
        else:
            with pytest.raises(
                pop3aio.TlsError, match=r"of mail\.example is not accepted: Hostname mismatch"
            ):
                await attempt
            await asyncio.sleep(0)
            assert not server.received


IDN = "bücher.example"
A_LABELS = "xn--bcher-kva.example"


@pytest.fixture(params=["idna", "stdlib"])
def idna(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to encode a name: the package, and the standard library where that is missing."""
    if request.param == "stdlib":
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    return str(request.param)


@pytest.mark.parametrize("tls", BOTH)
@pytest.mark.parametrize("by_sock", [False, True])
@pytest.mark.parametrize("host", [IDN, "BÜCHER.example", A_LABELS])
async def test_an_international_name(
    idna: str, tls: Tls, by_sock: bool, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS, SNI and the certificate have A-labels, whatever the user wrote."""
    authority = trustme.CA()
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert(A_LABELS).configure_cert(context)
    authority.configure_trust(trusting)
    asked: list[object] = []
    named: list[str | None] = []
    context.sni_callback = lambda _tls, name, _context: named.append(name)
    loop = asyncio.get_running_loop()

    async def getaddrinfo(name: object, port: int, **options: Any) -> list[tuple[Any, ...]]:
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def play(peer: Peer) -> None:
        if tls == "implicit":
            peer.send(b"+OK ready\r\n")
        await peer.answer(b"CAPA", capa(["USER"]))

    async with script(tls, context, play) as server:
        options: dict[str, Any] = {}
        if by_sock:
            options["sock"] = socket.create_connection((server.host, server.port))
            options["sock"].setblocking(False)
        else:
            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        client = await pop3aio.connect(host, server.port, tls=tls, ssl_context=trusting, **options)
        client.abort()
        await server.over.wait()
        assert asked == ([] if by_sock else [A_LABELS])
        assert named == [A_LABELS]


async def test_an_international_name_that_is_another(certificates: Certificates) -> None:
    async with Script(silent, tls=certificates.server_context()) as server:
        with pytest.raises(pop3aio.TlsError, match=rf"certificate of {A_LABELS} is not accepted: Hostname"):
            await pop3aio.connect(
                server.host,
                server.port,
                ssl_context=certificates.client_context(),
                server_hostname=IDN,
            )


def test_names_as_dns_has_them(idna: str) -> None:
    assert host_name(IDN) == A_LABELS
    assert host_name("Mail.Example") == "Mail.Example"
    assert host_name("127.0.0.1") == "127.0.0.1"
    assert host_name("::1") == "::1"
    # IDNA 2003 has another name for it, which somebody else may own.
    assert host_name("straße.example") == ("xn--strae-oqa.example" if idna == "idna" else "strasse.example")


@pytest.mark.parametrize("host", ["ü..example", "ü" * 64 + ".example", "ü\ud800.example"])
def test_names_that_no_host_can_have(idna: str, host: str) -> None:
    with pytest.raises(ValueError, match="is no name that a host can have"):
        pop3aio.connect(host)
    with pytest.raises(ValueError, match="server_hostname"):
        pop3aio.connect("localhost", server_hostname=host)


# -- client certificates


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("authzid", ["", "somebody"])
async def test_external(certificates: Certificates, version: ssl.TLSVersion, authzid: str) -> None:
    people = trustme.CA()
    shown: list[Any] = []
    context = certificates.server_context()
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    people.configure_trust(context)
    mine = certificates.client_context()
    people.issue_cert("user@people.example", common_name=USER).configure_cert(mine)

    async def play(peer: Peer) -> None:
        shown.append(peer.writer.get_extra_info("peercert"))
        await welcome(peer, "SASL EXTERNAL PLAIN", "USER", "PIPELINING")
        await peer.answer(b"AUTH EXTERNAL", GO_ON)
        await peer.answer(b"c29tZWJvZHk=" if authzid else b"", b"+OK\r\n")

    async with Script(play, tls=context) as server:
        client = await pop3aio.connect(server.host, server.port, ssl_context=mine)
        await client.authenticate(sasl.External(authzid))
        assert client.state is pop3aio.State.TRANSACTION
        client.abort()
        await server.over.wait()
    assert (("commonName", USER),) in shown[0]["subject"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_a_client_certificate(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    """Without one there is no session; under TLS 1.3 that shows only after the handshake."""
    context = certificates.server_context()
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    trustme.CA().configure_trust(context)
    async with Script(silent, tls=context) as server:
        with pytest.raises(
            (pop3aio.TlsError, pop3aio.ConnectionLost),
            match=r"CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|handshake|certificate required|closed",
        ):
            await pop3aio.connect(server.host, server.port, ssl_context=certificates.client_context())
        assert not server.received


async def test_external_is_not_chosen(certificates: Certificates) -> None:
    """It is for who has configured a certificate, and asks for it."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL EXTERNAL", "PIPELINING")
        await peer.answer(b"USER user", b"-ERR no\r\n")

    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(pop3aio.AuthenticationError):
            await client.login(USER, PASSWORD)
        assert server.received == [b"CAPA", b"USER user"]


@pytest.mark.parametrize(
    ("tls", "version", "end_point", "kind"),
    [
        (False, ssl.TLSVersion.TLSv1_3, True, None),
        (True, ssl.TLSVersion.TLSv1_2, False, "tls-unique"),
        (True, ssl.TLSVersion.TLSv1_3, False, None),
        (True, ssl.TLSVersion.TLSv1_3, True, "tls-server-end-point"),
    ],
)
async def test_the_channels_binding(
    certificates: Certificates, tls: bool, version: ssl.TLSVersion, end_point: bool, kind: str | None
) -> None:
    context = certificates.server_context() if tls else None
    if context is not None:
        context.maximum_version = version
    async with Script(Doorman(), tls=context) as server:
        client = await pop3aio.connect(
            server.host,
            server.port,
            tls="implicit" if tls else "none",
            ssl_context=certificates.client_context(),
        )
        binding = client.channel_binding(end_point=end_point)
        assert (binding[0] if binding else None) == kind
        client.abort()
        await server.over.wait()


async def test_an_end_point_without_a_hash_binds_nothing(tmp_path: Any) -> None:
    certificate = certificate_of("ed25519", None, names=("localhost",))
    trusting = default_ssl_context()
    trusting.load_verify_locations(cadata=pem_of(certificate))
    async with (
        Script(Doorman(), tls=server_context(certificate, "ed25519", tmp_path)) as server,
        pop3aio.connect(
            server.host, server.port, ssl_context=trusting, server_hostname="localhost"
        ) as client,
    ):
        assert client.channel_binding(end_point=True) is None
        with pytest.raises(pop3aio.MechanismUnavailable, match="needs a channel binding"):
            await client.login(
                USER, PASSWORD, mechanism="SCRAM-SHA-256-PLUS", channel_binding="tls-server-end-point"
            )
