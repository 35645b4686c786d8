"""What of TLS can be given up, only knowingly, and what a server is told that has old TLS."""

from __future__ import annotations

import hashlib
import re
import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

import pop3aio
from pop3aio.testing import Server

from .support import PASSWORD, Cli, contents, finish, mails, start

OLD = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1}


def certified(*names: str, **options: Any) -> tuple[trustme.CA, ssl.SSLContext, str]:
    """Return an authority, the context of a server with a certificate of it, and the certificate's SHA-256."""
    authority = trustme.CA()
    leaf = authority.issue_cert(*(names or ("localhost",)), **options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    octets = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    return authority, context, hashlib.sha256(octets).hexdigest()


def limited(context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    """Let a server speak one old version alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version


def place(server: Server, scheme: str = "pop3s") -> str:
    return f"{scheme}://user@localhost:{server.port}"


@pytest.mark.parametrize(("tls", "scheme"), [("implicit", "pop3s"), ("starttls", "pop3")])
@pytest.mark.parametrize("version", OLD)
async def test_a_server_with_old_tls(cli: Cli, tmp_path: Path, version: str, tls: Any, scheme: str) -> None:
    authority, context, _ = certified()
    limited(context, OLD[version])
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(mails(1), tls=tls, ssl_context=context) as server:
        target = [place(server, scheme), "--ca-file", str(tmp_path / "ca.pem")]
        for command in (["list", *target], ["fetch", *target, str(tmp_path / "Mail")], ["check", *target]):
            result = await cli(*command)
            assert result.status == 3
            assert f"localhost offers TLS {version} only" in result.error
            assert f"--tls-min {version} takes it" in result.error
            assert "port" not in result.error
        assert not any("PASS" in command or "AUTH" in command for command in server.commands)
        result = await cli("check", *target, "--tls-min", version)
        assert result.status == 0
        assert result.error.startswith(f"pop3aio: --tls-min: TLS {version} is broken")
        assert f"TLS           TLSv1{'.1' if version == '1.1' else ''}, " in result.out
        result = await cli("list", *target, "--tls-min", version, "--ciphers", "AES128-SHA:ECDHE+AES")
        assert (result.status, result.err.count("\n")) == (0, 2)
        result = await cli("list", *target, "--tls-min", version, "--ciphers", "ECDHE+AES:@SECLEVEL=0")
        assert (result.status, result.err.count("\n")) == (0, 2)


async def test_it_is_no_python_warning(tmp_path: Path) -> None:
    authority, context, _ = certified()
    limited(context, OLD["1.0"])
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(mails(1), tls="implicit", ssl_context=context) as server:
        for options in ([], ["--tls-min", "1.0", "--quiet"]):
            arguments = [
                "fetch",
                place(server),
                str(tmp_path / "Mail"),
                "--ca-file",
                str(tmp_path / "ca.pem"),
                *options,
            ]
            result = await finish(await start(arguments, tmp_path))
            assert "Warning" not in result.err
    # What was asked for knowingly is not said again and again in a run from cron.
    assert (result.status, result.err) == (0, "")


async def test_a_server_with_weak_ciphers(cli: Cli, tmp_path: Path) -> None:
    authority, context, _ = certified()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(mails(1), tls="implicit", ssl_context=context) as server:
        target = [place(server), "--ca-file", str(tmp_path / "ca.pem")]
        result = await cli("list", *target, "--ciphers", "ECDHE+AESGCM")
        assert result.status == 3
        assert "offers only ciphers or keys that are weak" in result.err
        assert "--ciphers ALL:@SECLEVEL=0 takes them" in result.err
        result = await cli("list", *target, "--ciphers", "ALL:@SECLEVEL=0")
        assert result.status == 0
        assert (
            result.error
            == "pop3aio: --ciphers: with weak ciphers anyone on the way may read mail and password"
        )


async def test_a_minimum_above_the_default(cli: Cli, tmp_path: Path) -> None:
    authority, context, _ = certified()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(mails(1), tls="implicit", ssl_context=context) as server:
        target = [place(server), "--ca-file", str(tmp_path / "ca.pem")]
        result = await cli("list", *target, "--tls-min", "1.2")
        assert (result.status, result.err) == (0, "")
        result = await cli("list", *target, "--tls-min", "1.3")
        assert result.status == 3


async def test_a_certificate_for_another_name(cli: Cli, tmp_path: Path) -> None:
    authority, context, _ = certified("mail.internal")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(mails(1), tls="implicit", ssl_context=context) as server:
        target = [place(server), "--ca-file", str(tmp_path / "ca.pem")]
        result = await cli("list", *target)
        assert result.status == 3
        assert "give the name in it by --tls-name" in result.error
        result = await cli("list", *target, "--tls-name", "mail.internal")
        assert result.status == 0
        assert result.error == (
            "pop3aio: --tls-name: the certificate is checked for mail.internal, not for the host of the URL"
        )
        result = await cli("list", *target, "--tls-name", "other.internal")
        assert result.status == 3


@pytest.mark.parametrize(("tls", "scheme"), [("implicit", "pop3s"), ("starttls", "pop3")])
@pytest.mark.parametrize("days", [-1, 1])
async def test_a_pin_in_place_of_the_authorities(
    cli: Cli, tmp_path: Path, tls: Any, scheme: str, days: int
) -> None:
    """Nothing else of the certificate counts: it is of no known authority, for another name, and perhaps expired."""
    _, context, pin = certified("other.internal", not_after=datetime.now(UTC) + timedelta(days=days))
    async with Server(mails(1), tls=tls, ssl_context=context) as server:
        target = [place(server, scheme), "--pin", pin]
        result = await cli("list", *target)
        assert result.status == 3
        assert "--pin-only" in result.error or "must renew it" in result.error
        result = await cli("fetch", *target, tmp_path / "Mail", "--pin-only")
        assert result.status == 0
        assert result.error == (
            "pop3aio: --pin-only: authorities, name and dates of the certificate are not checked, the pin alone is"
        )
        checked = await cli("check", *target, "--pin-only")
        assert checked.status == 0
        assert pin in checked.out
        logins = sum("AUTH" in command for command in server.commands)
        result = await cli("list", place(server, scheme), "--pin", "00" * 32, "--pin-only")
        assert result.status == 3
        assert "is not the pinned one" in result.err.splitlines()[-1]
        # The password was not sent.
        assert sum("AUTH" in command for command in server.commands) == logins
    assert contents(tmp_path / "Mail") == mails(1)


async def test_a_pin_alone_in_the_library() -> None:
    _, context, pin = certified("other.internal")
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    async with Server(mails(1), tls="implicit", ssl_context=context) as server:
        for given in (None, lenient):
            async with pop3aio.connect(
                "localhost", server.port, pin=pin, pin_only=True, ssl_context=given
            ) as client:
                await client.login("user", PASSWORD)
        with pytest.raises(pop3aio.TlsError, match="is not the pinned one") as caught:
            await pop3aio.connect("localhost", server.port, pin="00" * 32, pin_only=True)
        assert caught.value.reason == "pin"
    with pytest.raises(ValueError, match="pin_only needs a pin"):
        pop3aio.connect("localhost", pin_only=True)
    with pytest.raises(ValueError, match="does not verify"):
        pop3aio.connect("localhost", pin=pin, pin_only=True, ssl_context=ssl.create_default_context())


@pytest.mark.parametrize(
    "edit", [lambda pin: f"\ufeff{pin}\r\n", lambda pin: re.sub("..(?=.)", r"\g<0>:", pin.upper())]
)
async def test_a_pin_as_editors_and_openssl_write_it(cli: Cli, edit: Callable[[str], str]) -> None:
    _, context, pin = certified()
    async with Server(mails(1), tls="implicit", ssl_context=context) as server:
        result = await cli("list", place(server), "--pin", edit(pin), "--pin-only")
    assert result.status == 0


async def test_authorities_with_a_byte_order_mark(cli: Cli, tmp_path: Path) -> None:
    authority, context, _ = certified()
    file = tmp_path / "ca.pem"
    file.write_bytes(b"\xef\xbb\xbf" + authority.cert_pem.bytes().replace(b"\n", b"\r\n"))
    async with Server(mails(1), tls="implicit", ssl_context=context) as server:
        result = await cli("list", place(server), "--ca-file", file)
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pin-only"], "--pin-only needs --pin"),
        (["--pin-only", "--pin", "00" * 32, "--ca-file", "x"], "authorities are not asked"),
        (["--tls-min", "1.4"], "one of these is expected: 1.0, 1.1, 1.2, 1.3"),
        (["--tls-name", ""], "no name that a host can have"),
        (["--tls-name", "a b"], "no name that a host can have"),
        (["--ciphers", "no-such-cipher"], "OpenSSL knows no cipher in 'no-such-cipher'"),
        (["--ciphers", ""], "OpenSSL knows no cipher"),
    ],
)
async def test_what_does_not_fit(cli: Cli, options: list[str], message: str) -> None:
    result = await cli("list", "pop3s://user@localhost", *options)
    assert result.status == 2
    assert message in result.error


@pytest.mark.parametrize("option", [["--tls-name", "x"], ["--tls-min", "1.2"], ["--ciphers", "x"]])
async def test_none_of_it_goes_without_tls(cli: Cli, option: list[str]) -> None:
    result = await cli("list", "pop3://user@localhost", "--insecure-plaintext", *option)
    assert result.status == 2
    assert f"{option[0]} makes no sense with --insecure-plaintext" in result.error
