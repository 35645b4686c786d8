"""`--record`: what is in the file, and what must never be."""

from __future__ import annotations

import asyncio
import base64
import stat
from pathlib import Path

import pytest

from pop3aio._record._format import Event, Mark, read_events
from pop3aio._record._redactor import Redactor
from pop3aio.testing import Answer, Server, Session, replay

from .support import PASSWORD, Cli, contents, mails, secured, url

USER = "canary.name@birds.example"
SECRET = "canary-Pa55, wörd"
TOKEN = "ya29.canary-token"


def forms(secret: str) -> list[bytes]:
    """Return what would give a secret away: all of it or half of it, as it is and in base64."""
    octets = secret.encode()
    parts = [octets, octets[: len(octets) // 2], octets[len(octets) // 2 :]]
    return [form for part in parts for form in (part, base64.b64encode(part).rstrip(b"="))]


def events(path: Path) -> list[Event]:
    with path.open(encoding="ascii", newline="\n") as file:
        return [event for _, event in read_events(file)]


def octets(path: Path) -> bytes:
    """Return all that is written, without the escapes."""
    return b"\n".join(event.data for event in events(path) if not isinstance(event, Mark))


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize(
    "mechanism",
    ["USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"],
)
async def test_no_secret_is_in_the_file(
    mechanism: str, refused: bool, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = mechanism in ("XOAUTH2", "OAUTHBEARER")
    secret = TOKEN if token else SECRET
    monkeypatch.setenv("POP3AIO_PASSWORD", secret)
    (tmp_path / "token").write_text(secret)
    way = ["--token-command", f"cat {tmp_path}/token"] if token else []
    server = Server(
        mails(2),
        users={USER: "another" if refused else secret},
        tls="implicit",
        sasl=[] if mechanism in ("USER", "APOP") else [mechanism],
        greeting=b"+OK <1896.697@example.com>\r\n",
    )
    async with server:
        place = secured(server, tmp_path, USER.replace("@", "%40"))
        result = await cli("list", *place, "--auth", mechanism, "--record", tmp_path / "session", *way)
    assert result.status == (4 if refused else 0), result.err
    written = octets(tmp_path / "session")
    assert b"***" in written
    for form in (*forms(secret), *forms(USER)):
        assert form not in written


async def test_what_the_server_repeats_is_masked_even_in_two_pieces(cli: Cli, tmp_path: Path) -> None:
    async def repeat(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "AUTH":
            return False
        session.write(b"+ \r\n")
        response = await session.read_line() or ""
        _, name, password = base64.b64decode(response).decode().split("\0")
        said = f"-ERR [AUTH] {name} {password} {response} {base64.b64encode(password.encode()).decode()}\r\n"
        for piece in (said[:25], said[25:28], said[28:]):
            session.write(piece.encode())
            await session.drain()
            for _ in range(4):
                await asyncio.sleep(0.001)
        return True

    async with Server(on_command=repeat) as server:
        result = await cli("list", *url(server, "canary"), "--record", tmp_path / "session")
    assert result.status == 4
    written = (tmp_path / "session").read_text()
    assert "-ERR [AUTH] ****** ***" in written.replace("\nS: ", "")
    for form in (*forms(PASSWORD), *forms("canary")):
        assert form not in octets(tmp_path / "session")


async def test_the_mail_is_blanked_unless_asked_for(cli: Cli, tmp_path: Path) -> None:
    message = "Subject: Grüße, 12 canaries\r\n\r\n.dot 1\r\n+OK canary\r\n\t(canary)\0\r\n".encode()
    async with Server([message]) as server:
        await cli("fetch", *url(server), tmp_path / "box", "--record", tmp_path / "blank")
        await cli("fetch", *url(server), tmp_path / "box2", "--record", tmp_path / "whole", "--record-mail")
    blank, whole = ((tmp_path / name).read_text() for name in ("blank", "whole"))
    assert "canar" not in blank
    assert (
        " | xxxxxxx: xx\\xff\\xff\\xff\\xffx, xx xxxxxxxx\\r\\n\n | \\r\\n\n | ..xxx x\\r\\n\n | +xx xxxxxx\\r\\n"
        in blank
    )
    assert " | \\t(xxxxxx)\\x00\\r\\n\n | .\\r\\n\n" in blank
    assert " | ..dot 1\\r\\n\n | +OK canary\\r\\n\n" in whole
    assert f"+OK 1 {len(message)}" in blank


async def test_the_rest_of_a_badly_framed_message_is_blanked(cli: Cli, tmp_path: Path) -> None:
    fault = Answer("RETR", b"+OK\r\nbegin\r\n.\r\ncanary\r\n-ERR end\r\n", times=None)
    async with Server(mails(1), faults=[fault]) as server:
        result = await cli("fetch", *url(server), tmp_path / "box", "--record", tmp_path / "session")
    assert result.status == 1
    assert " | .\\r\\n\n | xxxxxx\\r\\n\n | -ERR end\\r\\n\n" in (tmp_path / "session").read_text()


async def test_a_command_replays(cli: Cli, tmp_path: Path) -> None:
    """The same command, the same output, the same files."""
    async with Server(mails(5), tls="starttls") as server:
        record: tuple[str | Path, ...] = ("--record", tmp_path / "session", "--record-mail")
        place: list[str | Path] = [*secured(server, tmp_path)]
        before = await cli("fetch", *place, tmp_path / "first", "--delete", *record)
    async with replay(tmp_path / "session") as again:
        assert again.certificates is not None
        (tmp_path / "ca.pem").write_bytes(again.certificates.ca_pem)
        place = [f"pop3://nobody@localhost:{again.port}", "--ca-file", tmp_path / "ca.pem"]
        after = await cli("fetch", *place, tmp_path / "second", "--delete")
    assert after.status == before.status == 0
    assert after.out.replace("second", "first") == before.out
    assert contents(tmp_path / "second") == contents(tmp_path / "first") == mails(5)


async def test_connections_follow_each_other(cli: Cli, tmp_path: Path) -> None:
    """Where TLS fails, check looks again without it."""
    async with Server(tls="starttls", faults=[Answer("STLS", b"-ERR not today\r\n")]) as server:
        await cli("check", *secured(server, tmp_path), "--record", tmp_path / "session")
        connections = server.connections
    assert events(tmp_path / "session").count(Mark.CONNECTED) == connections == 2


async def test_the_file_is_for_its_owner_alone(cli: Cli, tmp_path: Path) -> None:
    async with Server() as server:
        await cli("list", *url(server), "--record", tmp_path / "session")
        before = (tmp_path / "session").read_bytes()
        # Another run begins anew.
        await cli("list", *url(server), "--record", tmp_path / "session")
    assert (tmp_path / "session").read_bytes() == before
    assert stat.S_IMODE((tmp_path / "session").stat().st_mode) == 0o600


async def test_a_file_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    async with Server() as server:
        result = await cli("list", *url(server), "--record", tmp_path / "nowhere" / "session")
    assert result.status == 2
    assert result.error.endswith("session: No such file or directory")
    assert server.connections == 0


def test_a_command_nobody_knows_is_hidden() -> None:
    redactor = Redactor(keep_mail=True)
    redactor.received(b"+OK\r\n")
    assert redactor.sent(b"XTOKEN canary\r\nNOOP\r\n") == b"***\r\nNOOP\r\n"


def test_an_initial_response_is_hidden() -> None:
    redactor = Redactor(keep_mail=True)
    redactor.received(b"+OK\r\n")
    response = base64.b64encode(b"\0canary\0secret")
    assert redactor.sent(b"AUTH PLAIN " + response + b"\r\n") == b"AUTH PLAIN ***\r\n"
    assert redactor.received(b"-ERR no secret for canary\r\n") == [b"-ERR no ****** for ******\r\n"]
    assert redactor.sent(b"AUTH EXTERNAL =\r\n") == b"AUTH EXTERNAL =\r\n"


def test_challenges_of_scram_are_hidden_however_they_come() -> None:
    redactor = Redactor(keep_mail=True)
    redactor.received(b"+OK\r\n")
    assert redactor.sent(b"AUTH SCRAM-SHA-256\r\n") == b"AUTH SCRAM-SHA-256\r\n"
    assert redactor.received(b"+ \r\n") == [b"+ \r\n"]
    assert redactor.sent(b"biwsbj11c2Vy\r\n") == b"***\r\n"
    assert redactor.received(b"+ cj1mc2F") == []
    assert redactor.received(b"0eHI=\r\n") == [b"+ ***\r\n"]
    assert redactor.sent(b"Yz1iaXdz\r\n") == b"***\r\n"
    assert redactor.received(b"+ dj1zaWc=\r\n") == [b"+ ***\r\n"]
    assert redactor.sent(b"\r\n") == b"\r\n"
    assert redactor.received(b"+OK\r\n") == [b"+OK\r\n"]
    assert redactor.sent(b"STAT\r\n") == b"STAT\r\n"


def test_a_challenge_may_be_a_bare_plus() -> None:
    redactor = Redactor(keep_mail=True)
    redactor.received(b"+OK\r\n")
    redactor.sent(b"AUTH PLAIN\r\n")
    redactor.received(b"+\r\n")
    assert redactor.sent(base64.b64encode(b"\0canary\0a, secret") + b"\r\n") == b"***\r\n"
    echo = base64.b64encode(b"a, secret")
    assert redactor.received(b"-ERR a, secret: " + echo + b"\r\n") == [b"-ERR *********: ************\r\n"]


@pytest.mark.parametrize("option", [False, True])
def test_mail_is_blanked_where_lines_end_in_lf(option: bool) -> None:
    redactor = Redactor(keep_mail=False, bare_lf=option)
    redactor.received(b"+OK\r\n" if option else b"+OK\n")
    redactor.sent(b"CAPA\r\nRETR 1\r\nNOOP\r\n")
    assert redactor.received(b"+OK list\nTOP\n.\n+OK 5\ncanary\n.\n+OK done\n") == [
        b"+OK list\nTOP\n.\n+OK 5\nxxxxxx\n.\n+OK done\n"
    ]


def test_mail_is_blanked_where_a_status_line_should_be() -> None:
    """So WildDuck mixes up the answers to two RETR."""
    redactor = Redactor(keep_mail=False)
    redactor.received(b"+OK\r\n")
    redactor.sent(b"RETR 1\r\nRETR 2\r\n")
    assert redactor.received(b"+OK\r\nfirst\r\n+OK\r\n.\r\n-canary\r\n-ERR\r\n") == [
        b"+OK\r\nxxxxx\r\n+xx\r\n.\r\n-xxxxxx\r\n-ERR\r\n"
    ]


def test_a_greeting_that_is_none_can_be_read() -> None:
    assert Redactor(keep_mail=False).received(b"220 mail.example.com\r\n") == [b"220 mail.example.com\r\n"]
