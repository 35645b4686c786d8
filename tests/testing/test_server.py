"""The server against clients that are not ours: poplib and curl."""

from __future__ import annotations

import asyncio
import poplib
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from pop3aio.testing import (
    Account,
    FileMessage,
    GeneratedMessage,
    Mailbox,
    Server,
    awkward_messages,
    sample_messages,
)

MAIL = [
    b"Subject: one\r\n\r\n.first\r\nsecond\r\nthird\r\n",
    b"Subject: two\r\n\r\nno end",
    b"Subject: three\r\n",
]


def dial(server: Server) -> poplib.POP3:
    """Connect as the server wants it and log in."""
    context = server.certificates.client_context() if server.certificates else None
    client: poplib.POP3
    if server.tls == "implicit":
        client = poplib.POP3_SSL("localhost", server.port, timeout=60, context=context)
    else:
        client = poplib.POP3(server.host, server.port, timeout=60)
        if server.tls == "starttls":
            client.stls(context)
    client.user("user")
    client.pass_("password")
    return client


TLS = Literal["none", "starttls", "implicit"]


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_poplib_does_everything_it_can(tls: TLS) -> None:
    def session(server: Server) -> None:
        client = dial(server)
        assert client.getwelcome() == b"+OK pop3aio.testing ready"
        capabilities = client.capa()
        assert capabilities["IMPLEMENTATION"] == ["pop3aio-testing"]
        assert capabilities["EXPIRE"] == ["NEVER"]
        assert {
            "TOP",
            "UIDL",
            "USER",
            "SASL",
            "RESP-CODES",
            "AUTH-RESP-CODE",
            "PIPELINING",
        } <= capabilities.keys()
        assert "STLS" not in capabilities
        sizes = [len(MAIL[0]), len(MAIL[1]) + 2, len(MAIL[2])]
        assert client.stat() == (3, sum(sizes))
        assert client.list()[1] == [b"%d %d" % entry for entry in enumerate(sizes, 1)]
        scan_listing: object = client.list(2)
        assert scan_listing == b"+OK 2 %d" % sizes[1]
        uids = server.mailbox.uids
        assert client.uidl()[1] == [f"{number} {uid}".encode() for number, uid in enumerate(uids, 1)]
        assert client.uidl(3) == f"+OK 3 {uids[2]}".encode()
        assert client.retr(1)[1] == MAIL[0].splitlines()
        assert client.top(1, 2)[1] == MAIL[0].splitlines()[:4]
        assert client.top(3, 0)[1] == [b"Subject: three"]
        client.dele(1)
        client.rset()
        client.dele(2)
        assert client.stat() == (2, sizes[0] + sizes[2])
        assert client.list()[1] == [b"1 %d" % sizes[0], b"3 %d" % sizes[2]]
        client.noop()
        assert len(server.mailbox) == 3
        assert client.quit().startswith(b"+OK")
        assert server.mailbox.uids == [uids[0], uids[2]]

    async with Server(MAIL, tls=tls) as server:
        await asyncio.to_thread(session, server)
        assert server.connections == 1
        assert server.commands == server.sessions[0].commands
        assert server.commands[-1] == "QUIT"
        assert "PASS password" in server.commands
        assert server.sessions[0].user == "user"
        assert not server.mailbox.locked


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl: apt-get install -y curl")
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_curl_gets_every_octet(tls: TLS, tmp_path: Path) -> None:
    messages = [message for _, message in awkward_messages(huge=3 << 20) if message] + sample_messages(14)
    (tmp_path / "stored").write_bytes(messages[-1].replace(b"\r\n", b"\n"))
    async with Server([*messages, FileMessage(tmp_path / "stored")], tls=tls) as server:
        scheme = "pop3s" if tls == "implicit" else "pop3"
        arguments = ["curl", "-sS", "--max-time", "60", "--user", "user:password"]
        if server.certificates:
            (tmp_path / "ca.pem").write_bytes(server.certificates.ca_pem)
            arguments += ["--cacert", str(tmp_path / "ca.pem"), "--ssl-reqd"]
        for number in range(1, len(messages) + 2):
            url = f"{scheme}://localhost:{server.port}/{number}"
            arguments += ["--output", str(tmp_path / str(number)), url]
        done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    for number, message in enumerate([*messages, messages[-1]], 1):
        expected = message if message.endswith(b"\r\n") else message + b"\r\n"
        assert (tmp_path / str(number)).read_bytes() == expected, number


async def test_each_user_may_have_a_mailbox() -> None:
    own = Mailbox([b"mine\r\n"])
    users: dict[str, Account] = {"user": "password", "Zoë": "päss wörd", "other": ("secret", own)}

    def session(server: Server, user: str, password: str) -> int:
        client = poplib.POP3(server.host, server.port, timeout=60)
        client.encoding = "utf-8"
        try:
            client.user(user)
            client.pass_(password)
            return client.stat()[0]
        finally:
            client.quit()

    async with Server(MAIL, users=users) as server:
        assert await asyncio.to_thread(session, server, "user", "password") == 3
        assert await asyncio.to_thread(session, server, "Zoë", "päss wörd") == 3
        assert await asyncio.to_thread(session, server, "other", "secret") == 1
        with pytest.raises(poplib.error_proto, match="AUTH"):
            await asyncio.to_thread(session, server, "other", "password")
        assert server.connections == 4


async def test_a_wrong_client_certificate_check_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    def connect(server: Server) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            poplib.POP3_SSL("localhost", server.port, timeout=60, context=ssl.create_default_context())

    async with Server(tls="implicit") as server:
        await asyncio.to_thread(connect, server)
        await server.sessions[0].wait_closed()
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")]


def read_all(server: Server, number: int) -> int:
    client = dial(server)
    octets = 0
    client.sock.sendall(b"RETR %d\r\n" % number)
    assert client.file.readline().startswith(b"+OK")
    while (line := client.file.readline()) != b".\r\n":
        octets += len(line)
    client.quit()
    return octets


async def test_a_large_message_takes_no_memory() -> None:
    import tracemalloc

    size = 64 << 20
    async with Server([GeneratedMessage(size)]) as server:
        tracemalloc.start()
        try:
            assert await asyncio.to_thread(read_all, server, 1) == size
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Server(tls="ssl"), "tls is"),  # type: ignore[arg-type]
        (lambda: Server(ssl_context=ssl.create_default_context()), "ssl_context needs"),
    ],
)
def test_contradictions_are_refused(make: Callable[[], Server], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


async def test_a_server_starts_once_and_closes_as_often_as_one_likes() -> None:
    server = Server()
    await server.aclose()
    async with server:
        assert repr(server) == f"<Server 127.0.0.1:{server.port} tls=none, 0 connections>"
        with pytest.raises(RuntimeError, match="running"):
            await server.start()
    await server.aclose()
    await server.start()
    await server.aclose()
