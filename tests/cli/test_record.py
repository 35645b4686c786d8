"""`--record`: what is in the file, and what must never be."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from pop3aio._record._format import Event, Mark, read_events
from pop3aio.testing import Answer, Mailbox, Server, replay

from .support import Cli, contents, mails, secured, url

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


@pytest.mark.parametrize("password", ["Dovecot", "4290", "password required", "ready"])
async def test_the_file_does_not_point_at_the_password(password: str, cli: Cli, tmp_path: Path) -> None:
    """Whatever the password is, the file is the same: nothing in it was looked for."""
    written = []
    for secret in (password, "nothing like it"):
        mailbox = Mailbox()
        for number in range(40):
            mailbox.add(b"Subject: x\r\n\r\n", uid=f"{1764290000 + 7 * number}.{number}")
        server = Server(
            mailbox,
            users={"user": secret},
            sasl=[],
            greeting=b"+OK Dovecot ready.\r\n",
            capabilities=["TOP", "UIDL", "USER", "IMPLEMENTATION Dovecot"],
        )
        async with server:
            (tmp_path / "secret").write_text(secret)
            (tmp_path / "secret").chmod(0o600)
            arguments: list[str | Path] = [
                "--record",
                tmp_path / "session",
                "--password-file",
                tmp_path / "secret",
            ]
            result = await cli("list", *url(server), *arguments)
        assert result.status == 0, result.err
        written.append((tmp_path / "session").read_text())
    assert written[0] == written[1]
    assert "IMPLEMENTATION Dovecot" in written[0]
    assert "S: +OK Dovecot ready." in written[0]
    assert "1764290000.0" in written[0]


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
    # Also one that was there before, for everybody to read.
    (tmp_path / "session").chmod(0o644)
    await cli("list", *url(server), "--record", tmp_path / "session")
    assert stat.S_IMODE((tmp_path / "session").stat().st_mode) == 0o600


async def test_a_file_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    async with Server() as server:
        result = await cli("list", *url(server), "--record", tmp_path / "nowhere" / "session")
    assert result.status == 2
    assert result.error.endswith("session: No such file or directory")
    assert server.connections == 0
