"""``pop3aio check``."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from pop3aio.testing import Server, Session

from .support import Cli, mails, url


async def test_all_there_is_to_see(cli: Cli, tmp_path: Path) -> None:
    async with Server(mails(2), tls="starttls") as server:
        assert server.certificates is not None
        (tmp_path / "ca.pem").write_bytes(server.certificates.ca_pem)
        place = f"pop3://user@localhost:{server.port}"
        text = await cli("check", place, "--ca-file", tmp_path / "ca.pem")
        result = await cli("check", place, "--ca-file", tmp_path / "ca.pem", "--json")
    assert (text.status, text.err) == (0, "")
    for words in (
        f"server        {place}\n",
        f"address       127.0.0.1 port {server.port}\n",
        "greeting      pop3aio.testing ready\n",
        "TLS           TLSv1.3, TLS_",
        "  names       localhost, 127.0.0.1, 0:0:0:0:0:0:0:1\n",
        "  issuer      ",
        "days left\n",
        "capabilities  before the login:\n              TOP\n",
        "              SASL PLAIN\n",
        "login         done, as user\n",
        "capabilities  after the login:\n",
        "mail          2 messages, 962 octets\n",
        "unique-ids    yes\n",
        "pipelining    yes; it was tried, and up to 64 commands may be in flight\n",
    ):
        assert words in text.out
    facts = result.json
    assert facts["tls"]["version"] == "TLSv1.3"
    assert facts["certificate"]["names"][0] == "localhost"
    assert facts["certificate"]["days_left"] > 300
    assert facts["capabilities_before_login"]["SASL"] == ["PLAIN"]
    assert facts["capabilities_after_login"]["PIPELINING"] == []
    assert facts["login"] is True
    assert (facts["messages"], facts["octets"]) == (2, 962)
    assert facts["unique_ids"] is True
    assert facts["pipelining"] is True
    assert facts["exit_status"] == 0


async def test_no_user_and_no_password(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server() as server:
        nobody = await cli("check", *url(server, None))
        monkeypatch.delenv("POP3AIO_PASSWORD")
        no_password = await cli("check", *url(server))
        facts = (await cli("check", *url(server), "--json")).json
    assert nobody.status == no_password.status == 0
    assert nobody.out.endswith("login         not tried: no user in the URL\n")
    assert no_password.out.endswith("login         not tried: no password\n")
    assert "TLS           none: anyone on the way" in nobody.out
    assert facts["login"] is None
    assert facts["tls"] is None


async def test_a_login_that_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POP3AIO_PASSWORD", "wrong-one")
    async with Server() as server:
        text = await cli("check", *url(server))
        result = await cli("check", *url(server), "--json")
    assert text.status == 4
    assert text.out.endswith("login         refused\n")
    assert "check the user name and the password" in text.error
    assert result.json["login"] is False
    assert result.json["greeting"] == "pop3aio.testing ready"
    assert "wrong name or password" in result.json["error"]


async def test_a_server_that_can_little(cli: Cli) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword in ("CAPA", "UIDL"):
            session.write(b"-ERR unknown command\r\n")
        if keyword == "STAT":
            session.write(b"+OK 1 -\r\n")
        return keyword in ("CAPA", "UIDL", "STAT")

    async with Server(mails(1), on_command=refuse) as server:
        text = await cli("check", *url(server))
        facts = (await cli("check", *url(server), "--json")).json
    assert text.status == 0
    assert "without unique-ids fetch does not work" in text.error
    assert text.out.count("unknown: the server does not answer CAPA\n") == 2
    assert "mail          1 message\n" in text.out
    assert "unique-ids    no\n" in text.out
    assert "pipelining    no: every command costs a round trip\n" in text.out
    assert facts["capabilities_after_login"] is None
    assert facts["octets"] is None


async def test_a_certificate_that_is_about_to_expire(cli: Cli, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=3, hours=1))
    leaf.configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(tls="implicit", ssl_context=context) as server:
        place = f"pop3s://localhost:{server.port}"
        result = await cli("check", place, "--ca-file", tmp_path / "ca.pem")
    assert result.status == 0
    assert "the certificate expires in 3 days" in result.error


async def test_what_the_server_says_is_made_safe(cli: Cli) -> None:
    async with Server(
        greeting=b"+OK \x1b]0;owned\x07\xe2\x80\xae\r\n", capabilities=["USER", "X-\x1b[2J"]
    ) as server:
        result = await cli("check", *url(server))
    assert result.status == 0
    assert "\x1b" not in result.out
    assert "\x07" not in result.out
    assert "\u202e" not in result.out
