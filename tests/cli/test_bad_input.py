"""Whatever goes wrong: one line that says what to do, the right status, no half message, and a second run that ends
the work."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from pop3aio._cli import _fetch
from pop3aio.testing import Server, Session

from .support import JOURNAL, Cli, contents, finish, mails, start, url

MESSAGES = mails(5)


async def completes(cli: Cli, server: Server, box: Path, status: int = 0) -> None:
    """Run it again: whatever was left undone is done, and nothing twice."""
    server.on_command = None
    result = await cli("fetch", *url(server), box)
    assert (result.status, result.err) == (status, "")
    assert sorted(contents(box)) == sorted(MESSAGES)


def at(keyword: str, argument: str, act: Callable[[Session], Awaitable[None]]) -> Any:
    """Return a hook that acts in place of one command."""

    async def hook(session: Session, came: str, what: str) -> bool:
        if (came, what) != (keyword, argument):
            return False
        await act(session)
        return True

    return hook


def half(session: Session) -> None:
    """Send the first half of a message."""
    session.write(b"+OK\r\n" + MESSAGES[2][: len(MESSAGES[2]) // 2])


# No connection, or no TLS.


async def test_a_wrong_host(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    result = await cli("list", "pop3s://user@no.such.host")
    assert result.status == 3
    assert "there is no host no.such.host" in result.error
    assert "check the host in the URL" in result.error


async def test_a_refused_port(cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        result = await cli("fetch", f"pop3s://user@127.0.0.1:{port}", tmp_path / "Mail")
    assert result.status == 3
    assert f"no connection to 127.0.0.1 port {port}: Connection refused; check host and port" in result.error
    # Nothing was made for a server that is not there.
    assert not (tmp_path / "Mail").exists()


async def test_an_unknown_authority(cli: Cli, tmp_path: Path) -> None:
    async with Server(tls="implicit") as server:
        result = await cli("list", f"pop3s://user@127.0.0.1:{server.port}", "--json")
    assert result.status == 3
    assert "the certificate of 127.0.0.1 is not accepted" in result.error
    assert "--ca-file" in result.error
    assert result.json == {"error": result.error.removeprefix("pop3aio: "), "exit_status": 3}


async def test_a_private_authority(cli: Cli, tmp_path: Path) -> None:
    for tls, scheme in (("implicit", "pop3s"), ("starttls", "pop3")):
        async with Server(MESSAGES, tls=tls) as server:  # type: ignore[arg-type]
            assert server.certificates is not None
            (tmp_path / "ca.pem").write_bytes(server.certificates.ca_pem)
            place = f"{scheme}://user@localhost:{server.port}"
            result = await cli("list", place, "--ca-file", tmp_path / "ca.pem")
            assert (result.status, result.err) == (0, "")


def served(**options: Any) -> tuple[trustme.CA, ssl.SSLContext]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", **options).configure_cert(context)
    return authority, context


async def test_a_certificate_for_another_name(cli: Cli, tmp_path: Path) -> None:
    authority, context = served()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(tls="implicit", ssl_context=context) as server:
        result = await cli("list", f"pop3s://user@127.0.0.1:{server.port}", "--ca-file", tmp_path / "ca.pem")
    assert result.status == 3
    assert "write the host as the certificate names it" in result.error


async def test_a_certificate_that_expired(cli: Cli, tmp_path: Path) -> None:
    authority, context = served(not_after=datetime.now(UTC) - timedelta(days=1))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(tls="implicit", ssl_context=context) as server:
        result = await cli("list", f"pop3s://user@localhost:{server.port}", "--ca-file", tmp_path / "ca.pem")
    assert result.status == 3
    assert "must renew it" in result.error


async def test_files_that_hold_no_authority(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing\n")
    result = await cli("list", "pop3s://user@localhost", "--ca-file", tmp_path / "ca.pem")
    assert result.status == 2
    assert "no certificates in PEM form" in result.error
    result = await cli("list", "pop3s://user@localhost", "--ca-file", tmp_path / "none")
    assert result.status == 2
    assert "cannot read the certificates" in result.error


async def test_a_port_without_tls(cli: Cli) -> None:
    async with Server() as server:
        result = await cli("list", f"pop3s://user@127.0.0.1:{server.port}")
        assert result.status == 3
        assert "pop3://" in result.error
        result = await cli("list", f"pop3://user@127.0.0.1:{server.port}")
        assert result.status == 3
        assert "does not offer STLS" in result.error
    assert not any("PASS" in command or "AUTH" in command for command in server.commands)


async def test_a_port_for_tls_from_the_start(cli: Cli) -> None:
    async with Server(tls="implicit") as server:
        result = await cli("list", f"pop3://user@127.0.0.1:{server.port}", "--timeout", "0.2")
    assert result.status == 3
    assert "pop3s://" in result.error
    assert "--timeout" in result.error


async def test_a_server_that_hangs_up(cli: Cli) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        for place in (f"pop3s://user@127.0.0.1:{port}", f"pop3://user@127.0.0.1:{port}"):
            result = await cli("list", place)
            assert result.status == 3
            assert "try again" in result.error


@pytest.mark.parametrize(
    ("greeting", "message"),
    [
        (b"", "check the port"),
        (b"HTTP/1.1 400 Bad Request\r\n", "run with -v"),
        (b"-ERR [SYS/PERM] closed\r\n", "its operator must mend"),
    ],
)
async def test_a_greeting_that_is_none(cli: Cli, greeting: bytes, message: str) -> None:
    async with Server(greeting=greeting) as server:
        result = await cli("list", *url(server), "--timeout", "0.2")
    assert result.status == 3
    assert message in result.error


async def test_a_server_that_is_closed_for_a_while(cli: Cli) -> None:
    async with Server(greeting=b"-ERR [SYS/TEMP] closed for the night\r\n") as server:
        result = await cli("list", *url(server))
    assert result.status == 75
    assert "try again later" in result.error


# The login.


async def test_a_wrong_password(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = tmp_path / "Mail"
    async with Server(MESSAGES) as server:
        with monkeypatch.context() as patched:
            patched.setenv("POP3AIO_PASSWORD", "wrong-one")
            result = await cli("fetch", *url(server), box)
        assert result.status == 4
        assert "check the user name and the password" in result.error
        assert not box.exists()
        await completes(cli, server, box)


async def test_a_mailbox_in_use(cli: Cli, tmp_path: Path) -> None:
    async with Server(MESSAGES) as server:
        server.mailbox.open()
        result = await cli("fetch", *url(server), tmp_path / "Mail", "--patience", "0")
        assert result.status == 75
        assert "try again later" in result.error
        server.mailbox.close()
        await completes(cli, server, tmp_path / "Mail")


@pytest.mark.parametrize(("capability", "wait"), [("LOGIN-DELAY 90", "wait 90 s"), ("TOP", "wait a while")])
async def test_a_login_too_soon(cli: Cli, capability: str, wait: str) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "PASS":
            session.write(b"-ERR [LOGIN-DELAY] too soon\r\n")
        return keyword == "PASS"

    async with Server(capabilities=["USER", "RESP-CODES", capability], on_command=refuse) as server:
        result = await cli("list", *url(server))
    assert result.status == 75
    assert wait in result.error


async def test_a_way_to_log_in_that_is_refused(cli: Cli) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "AUTH":
            session.write(b"-ERR unknown command\r\n")
        return keyword == "AUTH"

    async with Server(on_command=refuse) as server:
        result = await cli("list", *url(server, "user;AUTH=PLAIN"))
    assert result.status == 4
    assert "refused AUTH PLAIN" in result.error


async def test_a_server_that_dies_in_the_login(cli: Cli) -> None:
    async def die(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "AUTH":
            session.abort()
        return keyword == "AUTH"

    async with Server(on_command=die) as server:
        result = await cli("list", *url(server))
    assert result.status == 3
    assert "try again" in result.error


# In the middle.


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_a_server_that_closes_in_mid_message(cli: Cli, tmp_path: Path, way: str) -> None:
    async def break_off(session: Session) -> None:
        half(session)
        getattr(session, way)()

    box = tmp_path / "Mail"
    async with Server(MESSAGES, on_command=at("RETR", "3", break_off)) as server:
        result = await cli("fetch", *url(server), box, "--delete")
        # Other sessions went on: all but the one message are fetched and deleted, and the next run takes that.
        assert result.status == 75
        assert "another session went on" in result.err
        assert "message 3" in result.err or "message 1" in result.err
        assert len(server.mailbox) == 1
        assert sorted(contents(box)) == sorted([*MESSAGES[:2], *MESSAGES[3:]])


async def test_a_server_that_falls_silent(cli: Cli, tmp_path: Path) -> None:
    release = asyncio.Event()

    async def fall_silent(session: Session) -> None:
        half(session)
        await session.drain()
        await release.wait()

    box = tmp_path / "Mail"
    async with Server(MESSAGES, on_command=at("RETR", "3", fall_silent)) as server:
        result = await cli("fetch", *url(server), box, "--timeout", "0.5", "--json")
        release.set()
        assert result.status == 75
        assert "allow more by --timeout" in result.err
        assert result.json["maildir"] == str(box)
        assert result.json["exit_status"] == 75
        assert [failure["kind"] for failure in result.json["failed"]] == ["broke"]
        assert sorted(contents(box)) == sorted([*MESSAGES[:2], *MESSAGES[3:]])


@pytest.mark.parametrize("listing", [b"+OK\n1 100\n.\n", b"+OK\r\n1 100\n.\r\n"])
async def test_a_server_with_bare_line_feeds(cli: Cli, listing: bytes) -> None:
    async def answer(session: Session) -> None:
        session.write(listing)

    async with Server(MESSAGES[:1], on_command=at("LIST", "", answer)) as server:
        result = await cli("list", *url(server), "--timeout", "0.2")
        assert result.status == 1
        assert "say --bare-lf" in result.error
        assert (await cli("list", *url(server), "--bare-lf")).status == 0


async def test_a_server_that_talks_nonsense(cli: Cli, tmp_path: Path) -> None:
    async def answer(session: Session) -> None:
        session.write(b"* BYE\x1b[2J\r\n")

    box = tmp_path / "Mail"
    async with Server(MESSAGES, on_command=at("RETR", "3", answer)) as server:
        result = await cli("fetch", *url(server), box, "--window", "1")
        assert result.status == 1
        assert "\x1b" not in result.err
        assert "another session went on" in result.err
        assert sorted(contents(box)) == sorted([*MESSAGES[:2], *MESSAGES[3:]])


async def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def hold(session: Session, keyword: str, argument: str) -> None:
        if keyword == "LIST":
            reached.set()
            await release.wait()

    async with Server(MESSAGES, on_command=hold) as server:
        process = await start(["list", *url(server)], tmp_path)
        await reached.wait()
        # The reading end of its standard output.
        assert process.stdout is not None
        process.stdout._transport.close()  # type: ignore[attr-defined]
        release.set()
        assert process.stderr is not None
        assert await process.stderr.read() == b""
        assert await process.wait() == 1


# The Maildir and the journal.


async def test_a_path_that_is_no_maildir(cli: Cli, tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("precious")
    folder.mkdir()
    (folder / "precious").touch()
    async with Server(MESSAGES) as server:
        for path in (file, folder):
            result = await cli("fetch", *url(server), path)
            assert result.status == 1
            assert str(path) in result.error
            assert "Maildir" in result.error
        await completes(cli, server, tmp_path / "Mail")
    assert file.read_text() == "precious"
    assert [path.name for path in folder.iterdir()] == ["precious"]


@pytest.fixture
def unprivileged() -> list[str]:
    """What to put before a command so that permissions hold for it."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv to be less")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]


async def test_an_unwritable_maildir(cli: Cli, tmp_path: Path, unprivileged: list[str]) -> None:
    box = tmp_path / "Mail"
    for name in ("tmp", "new", "cur"):
        (box / name).mkdir(parents=True)
    for folder in (box / "tmp", box / "new", box):
        folder.chmod(0o500)
        try:
            async with Server(MESSAGES) as server:
                result = await finish(
                    await start(["fetch", *url(server), box], tmp_path, prefix=unprivileged)
                )
        finally:
            folder.chmod(0o700)
        assert result.status == 1
        assert str(box) in result.error
        assert contents(box) == []
    async with Server(MESSAGES) as server:
        await completes(cli, server, box)


async def test_a_folder_in_which_no_maildir_can_be_made(tmp_path: Path, unprivileged: list[str]) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o500)
    async with Server(MESSAGES) as server:
        result = await finish(
            await start(["fetch", *url(server), parent / "Mail"], tmp_path, prefix=unprivileged)
        )
    assert result.status == 1
    assert "Permission denied" in result.error


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 384 KiB."""
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root can mount a file system that is full soon")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=384k", "tmpfs", place], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("beside", [True, False])
async def test_a_full_maildir(cli: Cli, tmp_path: Path, small: Path, beside: bool) -> None:
    messages = mails(8, 20_000)
    ballast = small / "ballast"
    box = small / "Mail"
    options = ["--delete"] if beside else ["--delete", "--journal", str(tmp_path / "journal")]
    async with Server(messages) as server:
        ballast.write_bytes(bytes(288 * 1024))
        result = await cli("fetch", *url(server), box, *options)
        assert result.status == 1
        # A journal on the same file system may be the first to notice.
        assert beside or "No room" in result.error
        assert "make room" in result.error
        assert len(contents(box)) < 8
        assert len(server.mailbox) == 8
        ballast.unlink()
        again = await cli("fetch", *url(server), box, *options)
        assert (again.status, again.err) == (0, "")
        assert sorted(contents(box)) == sorted(messages)
        assert len(server.mailbox) == 0


async def test_no_room_for_the_journal(cli: Cli, tmp_path: Path, small: Path) -> None:
    (small / "ballast").write_bytes(bytes(384 * 1024))
    async with Server(MESSAGES) as server:
        result = await cli("fetch", *url(server), tmp_path / "Mail", "--journal", small / "journal")
        assert result.status == 1
        assert "make room and run again" in result.error
        (small / "ballast").unlink()
        result = await cli("fetch", *url(server), tmp_path / "Mail", "--journal", small / "journal")
        assert result.status == 0
        assert contents(tmp_path / "Mail") == MESSAGES


async def test_a_corrupt_journal(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    async with Server(MESSAGES) as server:
        assert (await cli("fetch", *url(server), box, "--limit", "2")).status == 0
        (box / JOURNAL).write_bytes(b"this is no data base" * 100)
        result = await cli("fetch", *url(server), box)
        assert result.status == 1
        assert "is damaged" in result.error
        assert "move it away and run again" in result.error
        (box / JOURNAL).rename(tmp_path / "away")
        await completes(cli, server, box)


async def test_journals_that_cannot_be_opened(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    newer = tmp_path / "newer"
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    async with Server(MESSAGES) as server:
        for journal, message in (
            (tmp_path / "none" / "journal", "No such file or directory; check that its folder is there"),
            (tmp_path, "Is a directory; check that its folder is there"),
            (newer, "written by a newer pop3aio"),
        ):
            result = await cli("fetch", *url(server), box, "--journal", journal)
            assert result.status == 1
            assert message in result.error
            assert contents(box) == []


async def test_a_journal_without_rights(cli: Cli, tmp_path: Path, unprivileged: list[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    file = tmp_path / "journal"
    file.touch(mode=0o400)
    async with Server(MESSAGES) as server:
        for journal in (folder / "journal", file):
            arguments = ["fetch", *url(server), str(tmp_path / "Mail"), "--journal", str(journal)]
            result = await finish(await start(arguments, tmp_path, prefix=unprivileged))
            assert result.status == 1
            assert f"the journal {journal} cannot be opened: Permission denied; check" in result.error


async def test_a_journal_on_a_read_only_file_system(cli: Cli, tmp_path: Path, small: Path) -> None:
    journal = small / "journal"
    async with Server(MESSAGES) as server:
        assert (await cli("fetch", *url(server), tmp_path / "Mail", "--journal", journal)).status == 0
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        for path in (journal, small / "new"):
            result = await cli("fetch", *url(server), tmp_path / "Mail", "--journal", path)
            assert result.status == 1
            assert f"the journal {path} cannot be " in result.error
            assert "ead-only" in result.error
            assert "choose another file by --journal" in result.error


# What nobody thought of.


async def test_the_unexpected(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    async with Server(MESSAGES) as server:
        with monkeypatch.context() as patched:
            patched.setattr(_fetch, "collect", fail)
            result = await cli("fetch", *url(server), tmp_path / "Mail")
            assert result.status == 1
            assert "unexpected RuntimeError: two\ufffdlines; run it again with -v" in result.error
            verbose = await cli("fetch", *url(server), tmp_path / "Mail", "-v")
            assert "Traceback" in verbose.err
            patched.setattr(_fetch, "collect", _system_error)
            result = await cli("fetch", *url(server), tmp_path / "Mail")
            assert result.error == "pop3aio: /somewhere: No such file or directory"
        await completes(cli, server, tmp_path / "Mail")


async def _system_error(*_: object, **__: object) -> None:
    raise FileNotFoundError(2, "No such file or directory", "/somewhere")


# The arguments.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "arguments are required: COMMAND"),
        (["fetch"], "arguments are required: URL, MAILDIR"),
        (["frobnicate"], "say what to do"),
        (["list", "pop3s://localhost"], "names no user"),
        (["list", "pop3s://u@h", "--frobnicate=1", "-x1"], "unknown option --frobnicate, -x"),
        (["list", "pop3s://u@h", "more"], "more arguments than it takes"),
        (["fetch", "pop3s://u@h", "m", "--keep", "--delete"], "not allowed with"),
        (["fetch", "pop3s://u@h", "m", "--limit", "0"], "a whole number from 1 is expected"),
        (["fetch", "pop3s://u@h", "m", "--keep-days", "-1"], "--keep-days"),
        (["list", "pop3s://u@h", "--timeout", "0"], "above 0"),
        (["list", "pop3s://u@h", "--timeout", "inf"], "above 0"),
        (["list", "pop3s://u@h", "--json=x"], "it takes no value"),
        (["serve", ".", "--port", "65536"], "from 0 to 65535"),
        (["list", "pop3://u@h", "--insecure-plaintext", "--ca-file", "x"], "makes no sense"),
        (["list", "pop3s://u@h", "--insecure-plaintext"], "goes with pop3:// only"),
        (["fetch", "pop3s://u@h", "m", "--max-size", "0"], "a number of octets is needed"),
        (["fetch", "pop3s://u@h", "m", "--max-size", "5X"], "a number of octets is needed"),
        (["fetch", "pop3s://u@h", "m", "--since", "yesterday"], "a date is needed, such as 2026-01-31"),
        (["fetch", "pop3s://u@h", "m", "--patience", "-1"], "a number of seconds from 0 is needed"),
        (["fetch", "pop3s://u@h", "m", "--patience", "x"], "a number of seconds from 0 is needed"),
        (["serve", ".", "--idle", "nan"], "a number of seconds from 0 is needed"),
        # An empty value would mean the current folder, or no check at all.
        (["fetch", "pop3s://u@h", ""], "a path is expected, and this one is empty"),
        (["fetch", "pop3s://u@h", "m", "--journal", ""], "a path is expected"),
        (["fetch", "pop3s://u@h", "m", "--account-name", ""], "a name of printable characters"),
        (["list", "pop3s://u@h", "--password-file", ""], "a path is expected"),
        (["list", "pop3s://u@h", "--ca-file", ""], "a path is expected"),
        (["list", "pop3s://u@h", "--client-cert", ""], "a path is expected"),
        (["list", "pop3s://u@h", "--record", ""], "a path is expected"),
        (["list", "pop3s://u@h", "--pin", ""], "a pin is"),
        (["list", ""], "must begin with pop3s://"),
        (["demo", ""], "a path is expected"),
        (["serve", ""], "a path is expected"),
        (["serve", ".", "--host", ""], "no name that a host can have"),
        (["serve", ".", "--user", ""], "a name of printable characters"),
    ],
)
async def test_arguments_that_are_not_understood(cli: Cli, arguments: list[str], message: str) -> None:
    result = await cli(*arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.error


async def test_help(cli: Cli) -> None:
    assert "Exit status" in (await cli("--help")).out
    assert JOURNAL in (await cli("fetch", "--help")).out
    assert (await cli("--version")).out.startswith("pop3aio ")
