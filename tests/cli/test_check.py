"""``pop3aio check``."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme

from pop3aio.testing import Server, Session

from .support import Cli, mails, secured, url


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
        "pipelining    yes; it was tried, and up to 256 commands may be in flight\n",
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
    assert "without unique-ids fetch knows messages by their content" in text.error
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


def lines_of(text: str, *labels: str) -> list[str]:
    """Return the lines that begin so, without the blanks."""
    return [" ".join(line.split()) for line in text.splitlines() if line.startswith(labels)]


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (
            ["SASL PLAIN SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER", "USER"],
            [
                "ways in PLAIN, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2, OAUTHBEARER, USER",
                "password SCRAM-SHA-256: proves the password without sending it",
                "token XOAUTH2: the first of them that the server lists",
            ],
        ),
        (
            ["SASL LOGIN PLAIN OAUTHBEARER EXTERNAL"],
            [
                "ways in LOGIN, PLAIN, OAUTHBEARER, EXTERNAL",
                "password PLAIN: sends the password under TLS; SCRAM is not offered",
                "token OAUTHBEARER: the only one of them that is offered",
                "certificate EXTERNAL: only when asked for by --auth EXTERNAL",
            ],
        ),
        (
            ["SASL LOGIN CRAM-MD5", "USER"],
            [
                "ways in LOGIN, CRAM-MD5, USER",
                "password USER: sends the password under TLS; what else is offered is only used when asked for",
                "token none: the server offers none of OAUTHBEARER, XOAUTH2; name one by --auth to try it",
            ],
        ),
        (
            ["UIDL"],
            [
                "ways in none that is listed",
                "password USER: sends the password under TLS; nothing better is offered",
                "token none: the server offers none of OAUTHBEARER, XOAUTH2; name one by --auth to try it",
            ],
        ),
    ],
)
async def test_which_way_in_and_why(
    cli: Cli, tmp_path: Path, offered: list[str], expected: list[str]
) -> None:
    async with Server(tls="implicit", capabilities=offered) as server:
        arguments = secured(server, tmp_path, None)
        text = await cli("check", *arguments)
        facts = (await cli("check", *arguments, "--json")).json["ways"]
    assert text.status == 0
    assert (
        lines_of(text.out, "ways in", "  password", "  token", "  certificate ")[-len(expected) :] == expected
    )
    way, _, why = expected[1].removeprefix("password ").partition(": ")
    assert facts["password"] == {"mechanism": way, "why": why}
    way, _, why = expected[2].removeprefix("token ").partition(": ")
    assert facts["token"] == {"mechanism": None if way == "none" else way, "why": why}
    assert facts["user"] is ("USER" in offered)


@pytest.mark.parametrize(
    ("sasl", "way", "why"),
    [
        ("SASL CRAM-MD5 PLAIN", "CRAM-MD5", "does not send the password, which counts without TLS"),
        ("SASL PLAIN", "PLAIN", "sends the password in clear, for anyone to read; SCRAM is not offered"),
        ("USER", "USER", "sends the password in clear, for anyone to read; nothing better is offered"),
        ("SASL LOGIN-", None, "this server takes the login by USER and PASS only"),
    ],
)
async def test_which_way_in_without_tls(cli: Cli, sasl: str, way: str | None, why: str) -> None:
    user = "two%20words" if way is None else "user"
    async with Server(greeting=b"+OK <1.2@example.com>\r\n", capabilities=[sasl]) as server:
        result = await cli("check", *url(server, user), "--json")
    facts = result.json["ways"]
    assert facts["password"]["mechanism"] == way
    assert facts["password"]["why"].startswith(why)
    assert facts["token"] == {"mechanism": None, "why": "a token is never sent without TLS"}
    assert facts["apop"] is True


async def test_scram_that_is_bound_and_not(cli: Cli, tmp_path: Path) -> None:
    offered = ["SASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    shown = {}
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        async with Server(tls="implicit", ssl_context=context, capabilities=offered) as server:
            arguments = [f"pop3s://localhost:{server.port}", "--ca-file", str(tmp_path / "ca.pem"), "--json"]
            facts = (await cli("check", *arguments)).json
            shown[facts["tls"]["version"]] = facts["ways"]["password"]
    assert shown["TLSv1.2"] == {
        "mechanism": "SCRAM-SHA-256-PLUS",
        "why": "proves the password without sending it, bound to this TLS connection by tls-unique",
    }
    if "tls-exporter" not in ssl.CHANNEL_BINDING_TYPES:
        assert shown["TLSv1.3"] == {
            "mechanism": "SCRAM-SHA-256",
            "why": "proves the password without sending it; this Python has no channel binding for TLSv1.3, as -PLUS "
            "needs",
        }


async def test_a_way_in_that_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    offered = ["SASL PLAIN XOAUTH2 EXTERNAL"]
    async with Server(tls="implicit", capabilities=offered) as server:
        assert server.certificates is not None
        (tmp_path / "mine.pem").write_bytes(server.certificates.server_pem)
        (tmp_path / "mine.pem").chmod(0o600)

        async def ways(*options: str) -> list[str]:
            result = await cli("check", *secured(server, tmp_path, None), *options)
            assert (result.status, result.err) == (0, "")
            return lines_of(result.out, "  password", "  token", "  certificate ")

        assert (await ways("--auth", "LOGIN"))[:2] == [
            "password LOGIN: asked for, though the server does not list it",
            "token none: LOGIN is asked for",
        ]
        assert (await ways("--auth", "USER"))[0] == "password USER: asked for"
        assert (await ways("--auth", "PLAIN"))[0] == "password PLAIN: asked for"
        assert (await ways("--auth", "XOAUTH2", "--token-command", "false"))[:2] == [
            "password none: XOAUTH2 is asked for",
            "token XOAUTH2: asked for",
        ]
        assert await ways("--auth", "EXTERNAL", "--client-cert", str(tmp_path / "mine.pem")) == [
            "password none: EXTERNAL is asked for",
            "token none: EXTERNAL is asked for",
            "certificate EXTERNAL: asked for",
        ]


async def test_a_way_in_when_nothing_is_known(cli: Cli) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "CAPA":
            session.write(b"-ERR unknown command\r\n")
        return keyword == "CAPA"

    async with Server(on_command=refuse) as server:
        free = await cli("check", *url(server, None))
        asked = await cli("check", *url(server, None), "--auth", "PLAIN")
    assert lines_of(free.out, "ways in", "  password") == [
        "ways in unknown",
        "password USER: sends the password in clear, for anyone to read; the server does not say what it offers",
    ]
    assert lines_of(asked.out, "  password") == [
        "password PLAIN: asked for; the server does not say what it offers"
    ]


# When TLS fails.


def certified(folder: Path, **options: Any) -> ssl.SSLContext:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(options.pop("name", "localhost"), **options).configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return context


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("trouble", ["name", "expired", "authority", "pin"])
async def test_a_certificate_that_is_not_accepted(
    cli: Cli, tmp_path: Path, tls: Literal["implicit", "starttls"], trouble: str
) -> None:
    options: dict[str, Any] = {}
    if trouble == "name":
        options["name"] = "mail.example.com"
    if trouble == "expired":
        options |= {
            "not_before": datetime.now(UTC) - timedelta(days=9),
            "not_after": datetime.now(UTC) - timedelta(days=2),
        }
    async with Server(tls=tls, ssl_context=certified(tmp_path, **options)) as server:
        scheme = "pop3s" if tls == "implicit" else "pop3"
        arguments = [f"{scheme}://user@localhost:{server.port}"]
        if trouble != "authority":
            arguments += ["--ca-file", str(tmp_path / "ca.pem")]
        if trouble == "pin":
            arguments += ["--pin", "00" * 32]
        text = await cli("check", *arguments)
        facts = (await cli("check", *arguments, "--json")).json
    assert text.status == facts["exit_status"] == 3
    assert "the certificate of localhost is" in text.error
    assert "TLS failed. What follows comes from a server that may be anyone" in text.out
    assert "; not verified\n" in text.out
    assert "greeting      pop3aio.testing ready\n" in text.out
    assert text.out.endswith("login         not tried: TLS failed\n")
    assert facts["certificate"]["verified"] is False
    assert len(facts["certificate"]["sha256"]) == len(facts["certificate"]["public_key_sha256"]) == 64
    assert facts["login"] is None
    assert "ways" not in facts
    if trouble == "authority":
        assert "certificate   (of an authority that is not trusted)" in text.out
    else:
        assert facts["certificate"]["names"] == [options.get("name", "localhost")]
    assert ("expired\n" in text.out) is (trouble == "expired")
    # Nothing but questions was sent.
    assert set(server.commands) <= {"CAPA", "STLS", "QUIT"}


async def test_there_is_no_tls(cli: Cli) -> None:
    async with Server() as server:
        without = await cli("check", f"pop3://user@localhost:{server.port}")
        implicit = await cli("check", f"pop3s://user@localhost:{server.port}")
    assert without.status == implicit.status == 3
    assert "does not offer STLS" in without.error
    assert "TLS           failed\n" in without.out
    assert "greeting      pop3aio.testing ready\n" in without.out
    assert implicit.out == f"server        pop3s://user@localhost:{server.port}\n"
    assert {command for command in server.commands if command.isascii() and command.isalpha()} <= {
        "CAPA",
        "QUIT",
    }


async def test_nobody_is_there_a_second_time(cli: Cli) -> None:
    """The look after the failure fails, too; what counts is the failure."""

    async def once(session: Session, keyword: str, argument: str) -> None:
        if len(session.server.sessions) > 1:
            session.abort()

    async with Server(on_command=once) as server:
        result = await cli("check", f"pop3://user@localhost:{server.port}")
    assert result.status == 3
    assert "does not offer STLS" in result.error
