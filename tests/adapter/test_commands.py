"""Every command of a session, answered well and refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import pop3aio
from pop3aio.testing import Mailbox, Server
from pop3core._commands import COMMANDS
from tests.kit.script import Peer, session

MESSAGES = [b"Subject: one\r\n\r\nfirst\r\n.dot\r\n", b"Subject: two\r\n\r\nline 1\r\nline 2\r\n"]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    mailbox = Mailbox()
    for number, message in enumerate(MESSAGES, 1):
        mailbox.add(message, uid=f"uid-{number}")
    async with Server(mailbox) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[pop3aio.Client]:
    async with pop3aio.connect(server.host, server.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        yield client


async def test_stat(client: pop3aio.Client) -> None:
    assert await client.stat() == pop3aio.Stat(2, sum(map(len, MESSAGES)))


async def test_list(client: pop3aio.Client) -> None:
    assert await client.list() == [(1, len(MESSAGES[0])), (2, len(MESSAGES[1]))]
    assert await client.list(2) == (2, len(MESSAGES[1]))


async def test_uidl(client: pop3aio.Client) -> None:
    assert await client.uidl() == [(1, "uid-1"), (2, "uid-2")]
    assert await client.uidl(2) == (2, "uid-2")


async def test_sizes_of_a_few(client: pop3aio.Client, server: Server) -> None:
    assert await client.sizes([2]) == {2: len(MESSAGES[1])}
    assert await client.sizes([1, 7]) == {1: len(MESSAGES[0])}
    assert server.commands[-3:] == ["LIST 2", "LIST 1", "LIST 7"]


async def test_sizes_of_many(client: pop3aio.Client, server: Server) -> None:
    # One listing of all is shorter than so many answers.
    assert await client.sizes(list(range(1, 100))) == {1: len(MESSAGES[0]), 2: len(MESSAGES[1])}
    assert server.commands[-1] == "LIST"


async def test_retr(client: pop3aio.Client) -> None:
    assert await client.retr(1) == MESSAGES[0]


async def test_top(client: pop3aio.Client) -> None:
    assert await client.top(2) == b"Subject: two\r\n\r\n"
    assert await client.top(2, 1) == b"Subject: two\r\n\r\nline 1\r\n"


async def test_dele_and_rset(client: pop3aio.Client, server: Server) -> None:
    await client.dele(1)
    assert server.sessions[0].deleted == [1]
    assert await client.list() == [(2, len(MESSAGES[1]))]
    await client.rset()
    assert server.sessions[0].deleted == []
    await client.dele(2)
    await client.quit()
    assert server.mailbox.uids == ["uid-1"]


async def test_delete_many(client: pop3aio.Client, server: Server) -> None:
    refused = await client.delete([1, 7, 2, 1])
    assert list(refused) == [7, 1]
    assert isinstance(refused[7], pop3aio.CommandError)
    assert refused[7].command == "DELE 7"
    assert server.sessions[0].deleted == [1, 2]
    assert await client.delete([]) == {}


async def test_noop(client: pop3aio.Client) -> None:
    await client.noop()


async def test_capa(client: pop3aio.Client, server: Server) -> None:
    before = server.commands.count("CAPA")
    assert (await client.capa()).pipelining
    assert server.commands.count("CAPA") == before
    assert (await client.capa(refresh=True)).pipelining
    assert server.commands.count("CAPA") == before + 1


async def test_quit_confirms(client: pop3aio.Client) -> None:
    await client.quit()
    assert client.state is pop3aio.State.UPDATE
    assert client.account is not None
    with pytest.raises(pop3aio.ConnectionLost, match=r"ended by quit\(\)"):
        await client.noop()


ASKING: list[tuple[bytes, Callable[[pop3aio.Client], Awaitable[Any]]]] = [
    (b"STAT", lambda client: client.stat()),
    (b"LIST", lambda client: client.list()),
    (b"LIST 3", lambda client: client.list(3)),
    (b"UIDL", lambda client: client.uidl()),
    (b"UIDL 3", lambda client: client.uidl(3)),
    (b"RETR 3", lambda client: client.retr(3)),
    (b"TOP 3 0", lambda client: client.top(3)),
    (b"DELE 3", lambda client: client.dele(3)),
    (b"NOOP", lambda client: client.noop()),
    (b"RSET", lambda client: client.rset()),
    (b"LANG", lambda client: client.lang()),
    (b"LANG de", lambda client: client.lang("de")),
    (b"XTND XMIT", lambda client: client.command("XTND XMIT")),
    (b"XTND XLST", lambda client: client.command("XTND XLST", multiline=True)),
]


@pytest.mark.parametrize(("line", "ask"), ASKING, ids=[line.decode() for line, _ in ASKING])
async def test_a_refusal_costs_nothing(line: bytes, ask: Callable[[pop3aio.Client], Awaitable[Any]]) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(line, b"-ERR [SYS/PERM] I \x1b[1mwill\x07 not\r\n")
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with session(play) as (client, _):
        with pytest.raises(pop3aio.ServerPermanentError, match=r"I .*will. not") as caught:
            await ask(client)
        assert "\x1b" not in str(caught.value)
        assert "\x1b" in caught.value.text
        assert caught.value.code == "SYS/PERM"
        assert caught.value.command == line.decode().replace("XTND X", "XTND ***X").split("***X")[0] + (
            "***" if b"XTND" in line else ""
        )
        await client.noop()


async def test_a_refusal_without_a_word() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"NOOP", b"-ERR\r\n")

    async with session(play) as (client, _):
        with pytest.raises(pop3aio.CommandError, match="the server refused NOOP: -ERR"):
            await client.noop()


async def test_utf8() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with session(play) as (client, _):
        with pytest.raises(pop3aio.LocalProtocolError, match="UTF8 is not allowed in state TRANSACTION"):
            await client.utf8()
        await client.noop()


async def test_lang() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"LANG", b"+OK\r\nde Deutsch\r\nen English\r\n.\r\n")
        await peer.answer(b"LANG de", b"+OK de Sprache gewechselt: \xc3\xa4\r\n")

    async with session(play) as (client, _):
        assert await client.lang() == ["de Deutsch", "en English"]
        assert await client.lang("de") == ["de Sprache gewechselt: ä"]


async def test_a_command_of_ones_own() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"XTND ONE", b"+OK [X-CODE] text\r\n")
        await peer.answer(b"XTND TWO", b"+OK\r\n..dots\r\n.\r\n")

    async with session(play) as (client, _):
        reply = await client.command("XTND ONE")
        assert (reply.ok, reply.text, reply.code) == (True, "[X-CODE] text", "X-CODE")
        reply, body = await client.command("XTND TWO", multiline=True)
        assert reply.ok
        assert body == b".dots\r\n"
        with pytest.raises(pop3aio.LocalProtocolError):
            await client.command("QUIT")


async def test_arguments_are_checked_before_anything_is_sent(client: pop3aio.Client, server: Server) -> None:
    before = list(server.commands)
    with pytest.raises(pop3aio.LocalProtocolError):
        client.retr(0)
    with pytest.raises(pop3aio.LocalProtocolError):
        client.top(1, -1)
    with pytest.raises(pop3aio.LocalProtocolError):
        await client.dele(True)
    with pytest.raises(pop3aio.LocalProtocolError):
        await client.delete([1, 0])
    with pytest.raises(pop3aio.LocalProtocolError):
        await client.lang("de\r\nDELE 1")
    assert server.commands == before


async def test_utf8_before_the_login() -> None:
    from tests.kit.script import Script, welcome

    async def play(peer: Peer) -> None:
        await welcome(peer, "UTF8")
        await peer.answer(b"UTF8", b"+OK\r\n")

    async with Script(play) as script:
        client = await pop3aio.connect(script.host, script.port, tls="none")
        await client.utf8()
        client.abort()


@pytest.mark.parametrize(
    ("raw", "method"),
    [("NOOP", "noop"), ("retr 1", "retr"), ("PASS secret", "login"), ("STLS", "start_tls"), ("Uidl", "uidl")],
)
async def test_a_raw_command_that_has_a_method(client: pop3aio.Client, raw: str, method: str) -> None:
    with pytest.raises(pop3aio.LocalProtocolError, match=rf"use client\.{method}\(\)") as caught:
        await client.command(raw)
    assert callable(getattr(client, method))
    assert "secret" not in str(caught.value)


async def test_every_command_that_the_core_knows_has_a_method(client: pop3aio.Client) -> None:
    for keyword in COMMANDS:
        with pytest.raises(pop3aio.LocalProtocolError, match="has a method of its own"):
            await client.command(keyword)
