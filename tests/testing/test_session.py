"""The server octet by octet: framing, pipelining, STLS, AUTH, deletion, locks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl

import pytest

from pop3aio.testing import FileMessage, GeneratedMessage, Mailbox, Server, make_certificates
from tests.testing.client import RawClient

MAIL = [b"Subject: one\r\n\r\none\r\n", b".two\r\n.\r\n..\r\nno end", b""]
CAPABILITIES = (
    b"TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
    b"IMPLEMENTATION pop3aio-testing\r\n"
)


def plain(text: str) -> bytes:
    return base64.b64encode(text.encode())


async def test_a_pipelined_burst_is_answered_in_order() -> None:
    async with Server(MAIL) as server, RawClient(server) as client:
        client.send(
            b"user user\r\nPass password\r\nstat\r\nLIST\r\nRETR 2\r\nrEtR 3\r\n"
            b"LIST 9\r\nTOP 1 0\r\nNOOP\nDELE 1\r\nLIST\r\nRSET\r\nQUIT\r\n"
        )
        answer = await client.rest()
    assert answer == (
        b"+OK pop3aio.testing ready\r\n"
        b"+OK send PASS\r\n"
        b"+OK 3 messages\r\n"
        b"+OK 3 42\r\n"
        b"+OK listing follows\r\n1 21\r\n2 21\r\n3 0\r\n.\r\n"
        b"+OK 21 octets\r\n..two\r\n..\r\n...\r\nno end\r\n.\r\n"
        b"+OK 0 octets\r\n.\r\n"
        b"-ERR no such message\r\n"
        b"+OK the top follows\r\nSubject: one\r\n\r\n.\r\n"
        b"+OK nothing done\r\n"
        b"+OK message 1 marked\r\n"
        b"+OK listing follows\r\n2 21\r\n3 0\r\n.\r\n"
        b"+OK 3 messages\r\n"
        b"+OK bye\r\n"
    )


async def test_a_command_may_come_octet_by_octet() -> None:
    async with Server(MAIL) as server, RawClient(server) as client:
        await client.line()
        for octet in b"USER user\r\nCAPA\r\n":
            client.send(bytes([octet]))
            await client.writer.drain()
        assert await client.line() == b"+OK send PASS\r\n"
        assert await client.multi() == CAPABILITIES + b"USER\r\nSASL PLAIN\r\n"


@pytest.mark.parametrize(
    "command",
    [
        b"LIST 0", b"LIST 4", b"LIST -1", b"LIST +1", b"LIST x", b"LIST 1 1", b"LIST 4294967297", b"LIST \xc2\xb2",
        b"LIST " + b"1" * 30, b"UIDL 0", b"RETR", b"RETR 4", b"RETR 1 ", b"TOP 1", b"TOP 1 x", b"TOP 1 -1", b"TOP 4 0",
        b"DELE 0", b"DELE 2", b"RETR 2", b"LIST 2", b"UIDL 2", b"TOP 2 0",
        b"UTF8", b"LANG", b"APOP user digest", b"LAST", b"", b" NOOP", b"\xff\0", b"USER user", b"PASS x",
        b"AUTH PLAIN", b"STLS",
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_and_nothing_else(command: bytes) -> None:
    async with Server(MAIL) as server, RawClient(server) as client:
        await client.login()
        assert await client.ask(b"DELE 2") == b"+OK message 2 marked\r\n"
        assert (await client.ask(command)).startswith(b"-ERR ")
        assert await client.ask(b"STAT") == b"+OK 2 21\r\n"
        assert server.sessions[0].deleted == [2]
        assert server.commands[-2].encode("utf-8", "surrogateescape") == command


@pytest.mark.parametrize(
    "command", [b"STAT", b"NOOP", b"RSET", b"LIST", b"RETR 1", b"PASS password", b"USER", b"AUTH", b"XTND"]
)
async def test_before_login_only_login_is_possible(command: bytes) -> None:
    async with Server(MAIL) as server, RawClient(server) as client:
        await client.line()
        assert (await client.ask(command)).startswith(b"-ERR ")
        assert (await client.ask(b"QUIT")).startswith(b"+OK")
        assert await client.rest() == b""


@pytest.mark.parametrize("octets", [256, 300_000])
async def test_a_line_over_255_octets_is_one_error(octets: int) -> None:
    async with Server(MAIL) as server, RawClient(server) as client:
        await client.line()
        client.send(b"USER user\r\nPASS " + b"x" * (255 - 7) + b"\r\n")
        client.send(b"USER " + b"x" * (octets - 7) + b"\r\nCAPA\r\n")
        assert await client.lines(3) == [
            b"+OK send PASS\r\n",
            b"-ERR [AUTH] wrong name or password\r\n",
            b"-ERR line too long\r\n",
        ]
        assert b"PIPELINING" in await client.multi()
        assert len(server.commands) == 3


async def test_deletion_takes_place_at_quit_only() -> None:
    async with Server(MAIL) as server:
        first, second, third = server.mailbox.uids
        async with RawClient(server) as client:
            await client.login()
            await client.ask(b"DELE 1")
        await server.sessions[0].wait_closed()
        assert server.mailbox.uids == [first, second, third]
        async with RawClient(server) as client:
            await client.login()
            await client.ask(b"DELE 1")
            await client.ask(b"RSET")
            await client.ask(b"DELE 2")
            await client.ask(b"DELE 3")
            server.mailbox.remove(third)
            added = server.mailbox.add(b"new\r\n")
            assert await client.ask(b"STAT") == b"+OK 1 21\r\n"
            assert server.mailbox.uids == [first, second, added]
            await client.ask(b"QUIT")
            assert server.mailbox.uids == [first, added]
            assert server.sessions[1].deleted == [2, 3]


async def test_quit_before_the_end_of_the_connection_counts() -> None:
    async with Server(MAIL) as server:
        async with RawClient(server) as client:
            client.send(b"USER user\r\nPASS password\r\nDELE 1\r\nQUIT\r\n")
            client.writer.write_eof()
            assert (await client.rest()).endswith(b"+OK message 1 marked\r\n+OK bye\r\n")
        async with RawClient(server) as client:
            client.send(b"USER user\r\nPASS password\r\nDELE 1\r\nQUI")
            client.writer.write_eof()
            assert (await client.rest()).endswith(b"+OK message 1 marked\r\n")
        assert len(server.mailbox) == 2


async def test_a_second_session_finds_the_mailbox_in_use() -> None:
    async with Server(MAIL) as server, RawClient(server) as first, RawClient(server) as second:
        assert await first.login() == b"+OK 3 messages\r\n"
        assert await second.login() == b"-ERR [IN-USE] another session has this mailbox open\r\n"
        assert server.mailbox.locked
        assert (await first.ask(b"QUIT")).startswith(b"+OK")
        await second.ask(b"USER user")
        assert await second.ask(b"PASS password") == b"+OK 3 messages\r\n"
        second.writer.transport.abort()
        await server.sessions[1].wait_closed()
        assert not server.mailbox.locked
        assert repr(server.sessions[1]) == "<Session user='user', 4 commands>"


async def test_auth_plain() -> None:
    async with Server(MAIL) as server:
        async with RawClient(server) as client:
            await client.line()
            assert await client.ask(b"auth plain " + plain("\0user\0password")) == b"+OK 3 messages\r\n"
            await client.ask(b"QUIT")
        async with RawClient(server) as client:
            await client.line()
            assert await client.ask(b"AUTH PLAIN") == b"+ \r\n"
            response = plain("user\0user\0password")
            assert await client.ask(response) == b"+OK 3 messages\r\n"
            assert server.commands[-2:] == ["AUTH PLAIN", response.decode()]


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (b"*", b"-ERR AUTH cancelled\r\n"),
        (b"!!!!", b"-ERR malformed response\r\n"),
        (b"", b"-ERR malformed response\r\n"),
        (b"=", b"-ERR malformed response\r\n"),
        (base64.b64encode(b"\0user\0\xff"), b"-ERR malformed response\r\n"),
        (plain("user\0password"), b"-ERR malformed response\r\n"),
        (plain("boss\0user\0password"), b"-ERR [AUTH] no one may act for another\r\n"),
        (plain("\0user\0wrong"), b"-ERR [AUTH] wrong name or password\r\n"),
        (plain("\0nobody\0password"), b"-ERR [AUTH] wrong name or password\r\n"),
        (plain("\0user\0" + "x" * 50_000), b"-ERR [AUTH] wrong name or password\r\n"),
    ],
)
async def test_auth_plain_refused(response: bytes, answer: bytes) -> None:
    async with Server(MAIL) as server, RawClient(server) as client:
        await client.line()
        assert await client.ask(b"AUTH PLAIN") == b"+ \r\n"
        assert await client.ask(response) == answer
        assert await client.ask(b"AUTH CRAM-MD5") == b"-ERR mechanism not supported\r\n"
        assert await client.ask(b"AUTH PLAIN " + plain("\0user\0password")) == b"+OK 3 messages\r\n"


@pytest.mark.parametrize("response", [b"", b"x" * 200_000])
async def test_an_auth_exchange_that_ends_or_floods_ends_the_session(response: bytes) -> None:
    async with Server(MAIL) as server, RawClient(server) as client:
        await client.line()
        assert await client.ask(b"AUTH PLAIN") == b"+ \r\n"
        client.send(response + b"\r\n" if response else b"")
        if not response:
            client.writer.write_eof()
        with contextlib.suppress(ConnectionResetError):
            assert await client.rest() == b""
        await server.sessions[0].wait_closed()


async def test_before_stls_no_password_is_taken() -> None:
    async with Server(MAIL, tls="starttls") as server, RawClient(server) as client:
        assert server.certificates is not None
        await client.line()
        client.send(b"CAPA\r\n")
        assert await client.multi() == CAPABILITIES + b"STLS\r\n"
        for command in (b"USER user", b"PASS password", b"AUTH PLAIN"):
            assert await client.ask(command) == b"-ERR [AUTH] STLS first\r\n"
        assert not server.sessions[0].secure
        assert await client.ask(b"STLS") == b"+OK begin TLS\r\n"
        await client.starttls(server.certificates.client_context())
        client.send(b"CAPA\r\n")
        assert await client.multi() == CAPABILITIES + b"USER\r\nSASL PLAIN\r\n"
        assert server.sessions[0].secure
        assert await client.ask(b"STLS") == b"-ERR there is no TLS here\r\n"
        await client.ask(b"USER user")
        assert await client.ask(b"PASS password") == b"+OK 3 messages\r\n"
        # Longer than what is read at once, so that reading pauses under TLS as well.
        client.send(b"NOOP\r\n" * 100_000 + b"QUIT\r\n")
        assert await client.rest() == b"+OK nothing done\r\n" * 100_000 + b"+OK bye\r\n"


async def test_what_is_sent_behind_stls_is_not_carried_out() -> None:
    async with Server(MAIL, tls="starttls") as server, RawClient(server) as client:
        assert server.certificates is not None
        await client.line()
        client.send(b"STLS\r\nUSER user\r\nPASS password\r\nDELE 1\r\nQUI")
        assert await client.line() == b"+OK begin TLS\r\n"
        await client.starttls(server.certificates.client_context())
        assert await client.ask(b"STAT") == b"-ERR not in this state\r\n"
        assert server.commands == ["STLS", "STAT"]


async def test_a_context_of_ones_own() -> None:
    certificates = make_certificates()
    async with Server(MAIL, tls="implicit", ssl_context=certificates.server_context()) as server:
        assert server.certificates is None
        async with RawClient(server, certificates.client_context()) as client:
            assert await client.login() == b"+OK 3 messages\r\n"
            client.send(b"QUIT\r\n")
            assert await client.rest() == b"+OK bye\r\n"


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("garbage", [b"", b"this is no handshake\r\n" * 20])
async def test_a_handshake_that_fails_ends_the_session(tls: str, garbage: bytes) -> None:
    async with (
        Server(MAIL, tls="implicit" if tls == "implicit" else "starttls") as server,
        RawClient(server) as client,
    ):
        if tls == "starttls":
            await client.line()
            await client.ask(b"STLS")
        client.send(garbage)
        client.writer.write_eof()
        with contextlib.suppress(ConnectionResetError):
            await client.rest()
        await server.sessions[0].wait_closed()


async def test_greeting_and_capabilities_can_be_others() -> None:
    async with (
        Server(greeting=b"+OK\n", capabilities=["UIDL", "X-ODD  thing"]) as server,
        RawClient(server) as client,
    ):
        assert await client.exactly(4) == b"+OK\n"
        client.send(b"CAPA\r\n")
        assert await client.multi() == b"UIDL\r\nX-ODD  thing\r\n"


async def test_a_client_that_does_not_read_is_waited_for() -> None:
    size = 32 << 20
    async with Server([GeneratedMessage(size)] * 2) as server, RawClient(server) as client:
        await client.login()
        client.send(b"RETR 1\r\nRETR 2\r\n" + b"NOOP\r\n" * 100_000)
        assert await client.line() == b"+OK %d octets\r\n" % size
        first = server.sessions[0]
        async with RawClient(server) as other:
            assert await other.login() == b"-ERR [IN-USE] another session has this mailbox open\r\n"
        assert first.commands[-1] == "RETR 1"
        client.writer.transport.abort()
        await first.wait_closed()
    assert not server.mailbox.locked


async def test_a_large_listing_is_whole() -> None:
    async with Server([b"x\r\n"] * 30_000) as server, RawClient(server) as client:
        await client.login()
        client.send(b"LIST\r\n")
        assert await client.multi() == b"".join(b"%d 3\r\n" % number for number in range(1, 30_001))


async def test_closing_the_server_ends_what_is_under_way() -> None:
    mailbox = Mailbox([GeneratedMessage(32 << 20)])
    server = Server(mailbox, tls="starttls")
    assert server.certificates is not None
    context = server.certificates.client_context()
    async with server:
        silent, shaking, reading = RawClient(server), RawClient(server), RawClient(server)
        for client in (silent, shaking, reading):
            await client.__aenter__()
        await silent.line()
        await shaking.line()
        assert await shaking.ask(b"STLS") == b"+OK begin TLS\r\n"
        await reading.line()
        await reading.ask(b"STLS")
        await reading.starttls(context)
        await reading.ask(b"USER user")
        await reading.ask(b"PASS password")
        assert (await reading.ask(b"RETR 1")).startswith(b"+OK")
    assert not mailbox.locked
    for client in (silent, shaking, reading):
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            await client.rest()
        await client.__aexit__(None, None, None)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_being_accepted_does_not_outlive_the_server(turns: int) -> None:
    async with Server() as server:
        with socket.create_connection((server.host, server.port)) as connection:
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.aclose()
            connection.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                while await asyncio.to_thread(connection.recv, 100):
                    pass


async def test_mail_that_cannot_be_read_is_reported(tmp_path: object) -> None:
    with pytest.raises(FileNotFoundError):
        async with Server([FileMessage(f"{tmp_path}/gone")]) as server, RawClient(server) as client:
            await client.login()
            client.send(b"RETR 1\r\n")
            assert await client.rest() == b""
