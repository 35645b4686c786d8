"""How to log in and to whom: `--auth`, `--client-cert` and `--pin`."""

from __future__ import annotations

import base64
import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
import trustme

import pop3aio
from pop3aio._cli._errors import describe
from pop3aio._cli._mechanisms import MECHANISMS
from pop3aio._cli._session import Target
from pop3aio._cli._url import ServerUrl
from pop3aio._errors import TlsError
from pop3aio.testing import Server, Session
from tests.kit.script import Peer, Script, capa

from .support import PASSWORD, Cli, mails, secured, url


@pytest.mark.parametrize(
    ("user", "password"), [("user", "r\u00e9ception"), ("first%20last", "pw"), ("j\u00fcrgen", "pw")]
)
async def test_what_user_and_pass_must_not_carry(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, user: str, password: str
) -> None:
    """Nothing is sent, and the line says how to send it knowingly."""
    monkeypatch.setenv("POP3AIO_PASSWORD", password)
    users = {unquote(user): password}
    async with Server(mails(1), users=users, capabilities=["USER", "UIDL", "TOP"]) as server:
        result = await cli("list", *url(server, user))
        assert result.status == 4
        assert "--auth USER" in result.error
        assert "mechanism=" not in result.error
        assert not any(command.startswith(("USER", "PASS", "AUTH")) for command in server.commands)
        assert (await cli("list", *url(server, user), "--auth", "USER")).status == 0


@pytest.mark.parametrize(("way", "command"), [("PLAIN", "AUTH PLAIN"), ("user", "USER user")])
async def test_a_way_that_is_named(cli: Cli, way: str, command: str) -> None:
    async with Server(mails(1)) as server:
        for arguments in (
            [*url(server), "--auth", way],
            [*url(server, f"user;AUTH={way}"), "--auth", way],
            [*url(server, "user;AUTH=*"), "--auth", way],
        ):
            assert (await cli("list", *arguments)).status == 0
            sent = server.commands[:]
            server.commands.clear()
            assert [line for line in sent if line.startswith(("AUTH", "USER"))] == [command]


async def test_the_url_says_otherwise(cli: Cli) -> None:
    result = await cli("list", "pop3s://user;AUTH=PLAIN@localhost", "--auth", "USER")
    assert result.status == 2
    assert "--auth USER contradicts the URL, which says PLAIN" in result.error


async def test_names_that_are_none(cli: Cli) -> None:
    result = await cli("list", "pop3s://user@localhost", "--auth", "KERBEROS_\x1b")
    assert result.status == 2
    assert result.error.startswith("pop3aio: argument --auth: one of these is expected: ")
    for name in MECHANISMS:
        assert name in result.error
    assert "KERBEROS" not in result.error


async def test_apop_in_the_url(cli: Cli) -> None:
    digest = hashlib.md5(f"<1.2@example.com>{PASSWORD}".encode()).hexdigest()

    async def play(peer: Peer) -> None:
        peer.send(b"+OK ready <1.2@example.com>\r\n")
        await peer.answer(b"CAPA", capa(["UIDL"]))
        await peer.answer(f"APOP user {digest}".encode(), b"-ERR [AUTH] no\r\n")

    async with Script(play) as script:
        arguments = ["--insecure-plaintext", f"pop3://user;AUTH=+APOP@127.0.0.1:{script.port}"]
        result = await cli("list", *arguments, "-v")
    assert result.status == 4
    assert digest not in result.err
    assert PASSWORD not in result.err.replace("check the user name and the password", "")


async def test_a_name_with_plus_wants_the_best_binding(cli: Cli, tmp_path: Path) -> None:
    """Under TLS 1.3 that is the certificate, on every Python without the exporter."""
    heads: list[str] = []

    async def answer(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "AUTH":
            return False
        session.write(b"+ \r\n")
        heads.append(base64.b64decode(await session.read_line() or "").decode())
        session.write(b"-ERR [AUTH] no\r\n")
        return True

    async with Server(tls="implicit", on_command=answer) as server:
        result = await cli("list", *secured(server, tmp_path), "--auth", "scram-sha-256-plus")
    assert result.status == 4
    assert heads[0].startswith(("p=tls-server-end-point,,n=user,", "p=tls-exporter,,n=user,"))


async def test_plus_in_clear(cli: Cli) -> None:
    async with Server() as server:
        result = await cli("list", *url(server), "--auth", "SCRAM-SHA-1-PLUS")
    assert result.status == 2
    assert "it binds the login to TLS" in result.error


# Client certificates.


class Certified:
    """A server that wants a certificate of its clients, and files to show to it."""

    def __init__(self, folder: Path, demand: ssl.VerifyMode = ssl.CERT_REQUIRED) -> None:
        authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.context)
        authority.configure_trust(self.context)
        self.context.verify_mode = demand
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        leaf = authority.issue_cert("user@example.com")
        self.certificate = leaf.cert_chain_pems[0].bytes()
        self.key = leaf.private_key_pem.bytes()
        self.other_key = authority.issue_cert("other@example.com").private_key_pem.bytes()
        self.file = folder / "mine.pem"
        self.write(self.key + self.certificate)
        self.names: list[str] = []

    def write(self, octets: bytes) -> Path:
        self.file.write_bytes(octets)
        self.file.chmod(0o600)
        return self.file

    def server(self) -> Server:
        return Server(
            mails(1),
            tls="implicit",
            ssl_context=self.context,
            capabilities=["TOP", "UIDL", "USER", "SASL PLAIN EXTERNAL"],
            on_command=self.external,
        )

    async def external(self, session: Session, keyword: str, argument: str) -> bool:
        if (keyword, argument) != ("AUTH", "EXTERNAL"):
            return False
        session.write(b"+ \r\n")
        self.names.append(base64.b64decode(await session.read_line() or "").decode())
        if self.names[-1] == "user":
            session._login("user", PASSWORD)
        else:
            session.write(b"-ERR [AUTH] the certificate is another's\r\n")
        return True

    def arguments(self, server: Server, user: str = "user") -> list[str]:
        ca_file = self.file.with_name("ca.pem")
        return [
            f"pop3s://{user}@localhost:{server.port}",
            f"--ca-file={ca_file}",
            f"--client-cert={self.file}",
        ]


async def test_external(cli: Cli, tmp_path: Path) -> None:
    certified = Certified(tmp_path)
    box = tmp_path / "Mail"
    async with certified.server() as server:
        arguments = [*certified.arguments(server), "--auth", "EXTERNAL", "-v"]
        result = await cli("fetch", *arguments, box)
        again = await cli("fetch", *certified.arguments(server, "user;AUTH=EXTERNAL"), box, "--json")
        assert not any("PASS" in line or "PLAIN" in line for line in server.commands)
        by_password = await cli("fetch", *certified.arguments(server), box, "--json")
    assert result.status == 0
    assert certified.names == ["user", "user"]
    assert "fetched:  1 message" in result.out
    # Whoever changes the way to log in does not get all mail anew.
    assert again.json["account"] == by_password.json["account"] == f"user@localhost:{server.port}"
    assert again.json["known"] == by_password.json["known"] == 1


async def test_external_that_is_refused(cli: Cli, tmp_path: Path) -> None:
    certified = Certified(tmp_path)
    async with certified.server() as server:
        result = await cli("list", *certified.arguments(server, "other"), "--auth", "EXTERNAL")
    assert result.status == 4
    assert "check that the client certificate is this user's" in result.error


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_and_a_password(cli: Cli, tmp_path: Path, version: ssl.TLSVersion) -> None:
    certified = Certified(tmp_path)
    certified.context.maximum_version = version
    async with certified.server() as server:
        result = await cli("list", *certified.arguments(server))
        assert (result.status, result.err) == (0, "")
        assert "AUTH PLAIN" in server.commands
        without = await cli("list", *certified.arguments(server)[:2])
    assert without.status == 3
    assert "if the server wants a certificate of its clients, give one by --client-cert" in without.error


async def test_a_certificate_that_others_can_read(cli: Cli, tmp_path: Path) -> None:
    certified = Certified(tmp_path)
    certified.file.chmod(0o640)
    async with certified.server() as server:
        result = await cli("list", *certified.arguments(server))
    assert result.status == 0
    assert f"others may be able to read the client certificate {certified.file}: chmod 600" in result.error


def test_the_account_is_the_librarys_name() -> None:
    assert ServerUrl("Mail.Example.COM", 995, "implicit", "me").account == "me@mail.example.com"
    assert ServerUrl("h", 110, "starttls", "me").account == "me@h"
    target = Target(ServerUrl("h", 995, "implicit", "me"), None)
    assert target.account is None
    assert repr(target) == "Target('pop3s://me@h')"


async def test_files_that_are_no_certificate(cli: Cli, tmp_path: Path) -> None:
    certified = Certified(tmp_path)
    list_it = ["list", "pop3s://user@localhost", "--client-cert", str(certified.file)]
    for octets, message in (
        (b"nothing", "must hold a certificate and its private key"),
        (certified.certificate, "must hold a certificate and its private key"),
        (certified.key, "must hold a certificate and its private key"),
        (certified.certificate + certified.other_key, "belongs to another certificate"),
    ):
        certified.write(octets)
        result = await cli(*list_it)
        assert result.status == 2
        assert message in result.error
        assert str(certified.file) in result.error
    certified.file.unlink()
    result = await cli(*list_it)
    assert result.status == 2
    assert f"cannot read the client certificate {certified.file}: No such file" in result.error


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command to encrypt a key")
async def test_a_key_that_is_encrypted(cli: Cli, tmp_path: Path) -> None:
    certified = Certified(tmp_path)
    plain = tmp_path / "plain.pem"
    plain.write_bytes(certified.key)
    command = ["openssl", "pkey", "-in", str(plain), "-aes256", "-passout", "pass:canary-pass"]
    key = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    certified.write(key + certified.certificate)
    result = await cli("list", "pop3s://user@localhost", "--client-cert", certified.file)
    assert result.status == 2
    assert f"the private key in the client certificate {certified.file} is encrypted" in result.error


# Pins.


async def test_the_pins_that_check_shows(cli: Cli, tmp_path: Path) -> None:
    async with Server(mails(1), tls="starttls") as server:
        arguments = secured(server, tmp_path)
        shown = (await cli("check", *arguments, "--json")).json["certificate"]
        assert shown["verified"] is True
        for pin in (shown["sha256"], shown["public_key_sha256"].upper()):
            assert (await cli("list", *arguments, "--pin", pin)).status == 0
        octets = bytes.fromhex(shown["sha256"])
        assert (await cli("list", *arguments, "--pin", octets.hex(":"))).status == 0


async def test_another_certificate_than_the_pinned_one(cli: Cli, tmp_path: Path) -> None:
    async with Server(tls="implicit") as server:
        result = await cli("list", *secured(server, tmp_path), "--pin", "00" * 32)
    assert result.status == 3
    assert "valid but not the pinned one" in result.error
    assert "give that by --pin" in result.error
    assert server.commands == []


async def test_a_pin_does_not_replace_verification(cli: Cli, tmp_path: Path) -> None:
    async with Server(tls="implicit") as server:
        shown = (await cli("check", *secured(server, tmp_path), "--json")).json["certificate"]
        place = f"pop3s://user@localhost:{server.port}"
        result = await cli("list", place, "--pin", shown["sha256"])
    assert result.status == 3
    assert "is not accepted" in result.error


def test_what_to_do_about_other_troubles() -> None:
    assert describe(TlsError("late", reason="timeout")).endswith("check the port, and try again")
    assert describe(pop3aio.MechanismUnavailable("none")) == "none"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--auth", "EXTERNAL"], "EXTERNAL needs --client-cert"),
        (["--auth", "EXTERNAL", "--client-cert", "x", "--password-file", "x"], "EXTERNAL takes no password"),
        (["--pin", "12"], "argument --pin: a pin is a SHA-256 in hex"),
        (["--pin", "secret" * 20], "argument --pin: a pin is a SHA-256 in hex"),
        (["--auth"], "expected one argument"),
    ],
)
async def test_arguments_that_do_not_fit(cli: Cli, arguments: list[str], message: str) -> None:
    result = await cli("list", "pop3s://user@localhost", *arguments)
    assert result.status == 2
    assert message in result.error
    assert "secret" not in result.error


@pytest.mark.parametrize("option", ["--pin=" + "00" * 32, "--client-cert=x", "--ca-file=x"])
async def test_there_is_nothing_to_check_in_clear(cli: Cli, option: str) -> None:
    result = await cli("list", "pop3://user@localhost", "--insecure-plaintext", option)
    assert result.status == 2
    assert f"{option.partition('=')[0]} makes no sense with --insecure-plaintext" in result.error


async def test_serve_has_none_of_them(cli: Cli, tmp_path: Path) -> None:
    for option in ("--auth=PLAIN", "--token-command=x", "--client-cert=x", "--pin=x"):
        result = await cli("serve", tmp_path, option)
        assert result.status == 2
    helped = await cli("list", "--help")
    for option in ("--auth MECHANISM", "--token-command COMMAND", "--client-cert FILE", "--pin SHA256"):
        assert option in helped.out
