"""Quirks of greeting, capabilities and login: what breaks a naive client, and not this one."""

from __future__ import annotations

import base64
import poplib
import re

import pytest

import pop3aio
from pop3aio.testing import PROFILES, Server
from tests.quirks.naive import Naive, poplib_session
from tests.quirks.profiles import logged_in, server_like


async def test_pipelining_is_announced_after_the_login() -> None:
    with server_like("gmail") as server:
        with poplib_session(server, login=False) as naive:
            capabilities = naive.capa()
            assert "PIPELINING" not in capabilities
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            assert client.window == 1
            await client.login("user", "password", allow_insecure=True)
            assert client.window > 1


async def test_a_bracket_in_the_greeting_is_no_response_code() -> None:
    with server_like("exchange-online") as server:
        with Naive(server) as naive:
            assert re.search(rb"\[(.+)\]", naive.greeting)
        async with logged_in(server, "exchange-online") as client:
            assert client.greeting.code is None


async def test_a_token_in_one_line_ends_the_connection() -> None:
    with Server([b"x"], quirks="exchange-online", tls="implicit") as server:
        assert server.certificates is not None
        context = server.certificates.client_context()
        naive = poplib.POP3_SSL("localhost", server.port, context=context, timeout=60)
        token = base64.b64encode(b"user=user\1auth=Bearer password\1\1").decode()
        with pytest.raises(poplib.error_proto, match=r"Protocol error\. Connection is closed"):
            naive._shortcmd(f"AUTH XOAUTH2 {token}")  # type: ignore[attr-defined]
        with pytest.raises((poplib.error_proto, OSError)):
            naive.user("user")
        naive.close()
        async with pop3aio.connect("localhost", server.port, ssl_context=context) as client:
            await client.login_oauth("user", "password")
            assert (await client.stat()).count == 1


@pytest.mark.parametrize("name", ["courier", "cyrus"])
async def test_what_is_sent_behind_the_login_is_lost(name: str) -> None:
    with server_like(name) as server:
        with Naive(server) as naive:
            naive.send(b"USER user\r\nPASS password\r\nSTAT\r\n")
            assert [naive.line()[:3] for _ in range(2)] == [b"+OK", b"+OK"]
            # The answer that comes now is another one's.
            assert naive.ask(b"LIST 1")[0].startswith(b"+OK 1 ")
        async with logged_in(server, name) as client:
            assert (await client.stat()).count == len(server.mailbox)


async def test_angle_brackets_in_the_answer_to_pass_are_no_time_stamp() -> None:
    with server_like("cyrus") as server:
        with Naive(server) as naive:
            naive.ask(b"USER user")
            assert re.search(rb"<.+@.+>", naive.ask(b"PASS password")[0])
        server.wait_until_idle()
        async with logged_in(server, "cyrus") as client:
            assert client.greeting.apop_timestamp is None


@pytest.mark.parametrize("name", ["popa3d", "qmail"])
async def test_there_is_no_capa(name: str) -> None:
    with server_like(name) as server:
        with poplib_session(server, login=False) as naive, pytest.raises(poplib.error_proto):
            naive.capa()
        async with logged_in(server, name) as client:
            assert client.capabilities is None
            assert (await client.stat()).count == len(server.mailbox)


async def test_a_bare_ok_has_no_second_word() -> None:
    with server_like("popa3d") as server:
        with poplib_session(server, login=False) as naive:
            naive.user("user")
            with pytest.raises(IndexError):
                naive.pass_("password").split()[1]
        server.wait_until_idle()
        async with logged_in(server, "popa3d") as client:
            assert await client.delete([1, 2]) == {}


@pytest.mark.parametrize("name", ["popa3d", "qmail", "aol"])
async def test_a_bad_password_ends_the_connection(name: str) -> None:
    with server_like(name) as server:
        with poplib_session(server, login=False) as naive:
            naive.user("user")
            with pytest.raises(poplib.error_proto):
                naive.pass_("a typing error")
            # Asking the user again, it finds nobody there.
            with pytest.raises((poplib.error_proto, OSError)):
                naive.user("user")
        with pytest.raises(pop3aio.AuthenticationError):
            async with pop3aio.connect(server.host, server.port, tls="none") as client:
                await client.login("user", "a typing error", allow_insecure=True)


async def test_auth_is_not_to_be_had() -> None:
    with server_like("hmailserver") as server:
        with Naive(server) as naive:
            [answer] = naive.ask(b"AUTH PLAIN " + base64.b64encode(b"\0user\0password"))
            assert answer == b"-ERR Invalid command in current state.\r\n"
        sent = len(server.commands)
        async with logged_in(server, "hmailserver"):
            assert server.commands[sent:] == ["CAPA", "USER user", "PASS password", "CAPA"]


@pytest.mark.parametrize("name", ["dovecot", "wildduck"])
async def test_commands_on_speculation_end_the_connection(name: str) -> None:
    with server_like(name) as server:
        with Naive(server) as naive:
            naive.log_in()
            tries = PROFILES[name].closes_after_errors
            assert tries
            assert all(answer.startswith(b"-ERR") for answer in naive.ask(*[b"LAST"] * tries))
            assert naive.rest() == b""
        server.wait_until_idle()
        async with logged_in(server, name) as client:
            await client.noop()
            assert not [
                text for text in server.sessions[1].commands if text.split()[0] in ("LAST", "UTF8", "APOP")
            ]


async def test_half_a_command_is_lost() -> None:
    with server_like("wildduck") as server:
        with Naive(server) as naive:
            naive.log_in()
            naive.send(b"NOOP\r\nNO")
            assert naive.line() == b"+OK nothing done\r\n"
            assert naive.ask(b"OP") == [b"-ERR bad command\r\n"]
            assert naive.rest() == b""
        server.wait_until_idle()
        async with logged_in(server, "wildduck") as client:
            await client.noop()
