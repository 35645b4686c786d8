"""Misbehaviour by script: what a test's own hook can do."""

from __future__ import annotations

import asyncio

import pytest

from pop3aio.testing import GeneratedMessage, Server, Session
from tests.testing.client import RawClient


async def test_a_hook_answers_by_itself_or_not() -> None:
    seen: list[tuple[str, str]] = []

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        seen.append((keyword, argument))
        if keyword == "STAT":
            session.write(b"+OK a ")
            session.write(b"lie\r\n")
            return True
        return False

    async with Server(on_command=hook) as server, RawClient(server) as client:
        await client.login()
        client.send(b"noop  x\r\nSTAT\r\nNOOP\r\n")
        assert await client.lines(3) == [b"+OK nothing done\r\n", b"+OK a lie\r\n", b"+OK nothing done\r\n"]
        assert seen[2:] == [("NOOP", " x"), ("STAT", ""), ("NOOP", "")]
        server.on_command = None
        assert await client.ask(b"STAT") == b"+OK 0 0\r\n"


async def test_a_hook_stalls_in_the_middle_of_an_answer() -> None:
    go_on = asyncio.Event()

    async def hook(session: Session, keyword: str, argument: str) -> bool | None:
        if keyword != "RETR":
            return None
        session.write(b"+OK\r\nhalf")
        await go_on.wait()
        session.write(b" and half\r\n.\r\n")
        return True

    async with Server([b"x"], on_command=hook) as server, RawClient(server) as client:
        await client.login()
        client.send(b"NOOP\r\nRETR 1\r\nNOOP\r\n")
        assert await client.exactly(18 + 9) == b"+OK nothing done\r\n+OK\r\nhalf"
        go_on.set()
        assert await client.line() == b" and half\r\n"
        assert await client.lines(2) == [b".\r\n", b"+OK nothing done\r\n"]


async def test_a_hook_that_stalls_for_ever_ends_with_the_server() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> None:
        await asyncio.Event().wait()

    async with Server(on_command=hook) as server, RawClient(server) as client:
        await client.line()
        client.send(b"CAPA\r\n")
        await client.writer.drain()


async def test_a_hook_closes_in_the_middle_of_an_answer() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool | None:
        if keyword != "RETR":
            return None
        session.write(b"+OK\r\nhalf")
        session.close()
        session.write(b"never")
        return True

    async with Server([b"x"], on_command=hook) as server, RawClient(server) as client:
        await client.login()
        await client.ask(b"DELE 1")
        client.send(b"RETR 1\r\nQUIT\r\n")
        assert await client.rest() == b"+OK\r\nhalf"
        await server.sessions[0].wait_closed()
        assert len(server.mailbox) == 1
        assert not server.mailbox.locked
        assert server.commands[-1] == "RETR 1"


@pytest.mark.parametrize("tls", ["none", "implicit"])
async def test_a_hook_resets_the_connection(tls: str) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        session.write(b"+OK half")
        await session.drain()
        session.write(b"lost")
        session.abort()
        session.abort()
        return True

    async with Server(tls="implicit" if tls == "implicit" else "none", on_command=hook) as server:
        context = server.certificates.client_context() if server.certificates else None
        async with RawClient(server, context) as client:
            await client.line()
            client.send(b"CAPA\r\n")
            with pytest.raises(ConnectionResetError):
                while await client.reader.read(100):
                    pass


async def test_a_hook_reads_the_next_line() -> None:
    lines: list[str | None] = []

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        session.write(b"+ challenge\r\n")
        lines.append(await session.read_line())
        lines.append(await session.read_line())
        return True

    async with Server(on_command=hook) as server, RawClient(server) as client:
        await client.line()
        assert await client.ask(b"AUTH ODD") == b"+ challenge\r\n"
        client.send(b"x" * 400 + b"\r\n")
        client.writer.write_eof()
        assert await client.rest() == b""
        assert lines == ["x" * 400, None]
        assert server.commands == ["AUTH ODD", "x" * 400]


async def test_the_mailbox_is_free_as_soon_as_the_client_is_gone() -> None:
    stalled, ended = asyncio.Event(), asyncio.Event()

    async def hook(session: Session, keyword: str, argument: str) -> bool | None:
        if keyword != "RETR" or session is not server.sessions[0]:
            return None
        stalled.set()
        await ended.wait()
        return True

    async with Server([b"x"], on_command=hook) as server:
        async with RawClient(server) as client:
            await client.login()
            client.send(b"DELE 1\r\nRETR 1\r\nSTAT\r\n")
            assert await client.line() == b"+OK message 1 marked\r\n"
            await stalled.wait()
        async with RawClient(server) as client:
            assert await client.login() == b"+OK 1 message\r\n"
            ended.set()
            await server.sessions[0].wait_closed()
            assert server.commands[-1] == "STAT"
            assert server.mailbox.locked
            client.send(b"RETR 1\r\n")
            assert await client.multi() == b"x\r\n"


@pytest.mark.parametrize("waiting", ["hook", "input"])
async def test_a_quit_that_was_received_is_carried_out(waiting: str) -> None:
    stalled, ended = asyncio.Event(), asyncio.Event()

    async def hook(session: Session, keyword: str, argument: str) -> None:
        if keyword == ("QUIT" if waiting == "hook" else "DELE"):
            stalled.set()
            await ended.wait()

    async with Server([b"x"], on_command=hook) as server:
        async with RawClient(server) as client:
            await client.login()
            client.send(b"DELE 1\r\nquit\r\n")
            await stalled.wait()
            client.writer.write_eof()
            async with RawClient(server) as other:
                assert b"[IN-USE]" in await other.login()
            ended.set()
            assert (await client.rest()).endswith(b"+OK bye\r\n")
        assert len(server.mailbox) == 0
        assert not server.mailbox.locked


async def test_a_client_that_vanishes_ends_a_hook_that_writes() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> None:
        while True:
            session.write(b"x" * 100_000)
            await session.drain()

    async with Server(on_command=hook) as server:
        async with RawClient(server) as client:
            client.send(b"CAPA\r\n")
            await client.line()
            await client.exactly(1_000_000)
        await server.sessions[0].wait_closed()


async def test_what_a_hook_raises_is_raised_by_the_server() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> None:
        raise AssertionError(keyword)

    server = Server(on_command=hook)
    with pytest.raises(AssertionError, match=r"^FIRST"):
        async with server:
            for command in (b"FIRST\r\n", b"SECOND\r\n"):
                async with RawClient(server) as client:
                    await client.line()
                    client.send(command)
                    assert await client.rest() == b""
    with pytest.raises(LookupError):
        async with server, RawClient(server) as client:
            await client.line()
            client.send(b"THIRD\r\n")
            await client.rest()
            raise LookupError


async def test_sessions_are_seen_while_they_last() -> None:
    async with Server([GeneratedMessage(100)]) as server, RawClient(server) as client:
        await client.login()
        (session,) = server.sessions
        assert (session.user, session.secure, session.deleted) == ("user", False, [])
        waiting = asyncio.ensure_future(session.wait_closed())
        await client.ask(b"NOOP")
        waiting.cancel()
        await client.ask(b"QUIT")
        await session.wait_closed()
        assert waiting.cancelled()
