"""What `faults` make of a session."""

from __future__ import annotations

from typing import Literal

import pytest

import pop3aio
from pop3aio.testing import Answer, CommandFault, Cut, Refuse, Server
from tests.testing.client import RawClient

BODY = b"Subject: one\r\n\r\n" + b"0123456789\r\n" * 20_000
ANSWER = b"+OK %d octets\r\n" % len(BODY) + BODY + b".\r\n"


@pytest.mark.parametrize("octets", [0, 1, 20, 100_000, len(ANSWER) - 1])
@pytest.mark.parametrize("tls", ["none", "implicit"])
async def test_an_answer_is_cut_at_the_octet(octets: int, tls: Literal["none", "implicit"]) -> None:
    async with Server([BODY], tls=tls, faults=[Cut("RETR 1", after=octets)]) as server:
        context = server.certificates.client_context() if server.certificates else None
        async with RawClient(server, context) as client:
            await client.login()
            client.send(b"DELE 1\r\nRSET\r\nRETR 1\r\nNOOP\r\n")
            await client.lines(2)
            assert await client.rest() == ANSWER[:octets]
            await server.sessions[0].wait_closed()
            assert not server.mailbox.locked


async def test_behind_its_end_an_answer_is_not_cut() -> None:
    async with Server([b"x\r\n"], faults=[Cut("STAT", after=9)]) as server, RawClient(server) as client:
        await client.login()
        assert await client.ask(b"STAT") == b"+OK 1 3\r\n"
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("after", "committed"), [(None, False), (0, True), (3, True)], ids=["before", "silent", "half"]
)
async def test_quit_fails_before_or_behind_the_deletion(after: int | None, committed: bool) -> None:
    async with Server([b"x"], faults=[Cut("QUIT", after=after)]) as server:
        with pytest.raises(pop3aio.CommitUncertain):
            async with server.client() as client:
                await client.dele(1)
        await server.sessions[0].wait_closed()
        assert len(server.mailbox) == (0 if committed else 1)


async def test_a_reset() -> None:
    async with Server(faults=[Cut("CAPA", how="reset")]) as server, RawClient(server) as client:
        await client.line()
        client.send(b"CAPA\r\n")
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_a_stall_keeps_the_connection_and_the_lock() -> None:
    async with Server([b"x"], faults=[Cut("RETR", after=5, how="stall")]) as server:
        async with RawClient(server) as client:
            await client.login()
            client.send(b"DELE 1\r\nRSET\r\nRETR 1\r\nQUIT\r\n" + b"x" * 300_000)
            await client.lines(2)
            assert await client.exactly(5) == b"+OK 3"
            async with RawClient(server) as other:
                assert b"[IN-USE]" in await other.login()
            client.writer.write_eof()
            assert await client.rest() == b""
        await server.sessions[0].wait_closed()
        assert len(server.mailbox) == 1
        assert not server.mailbox.locked


async def test_a_refusal_so_many_times() -> None:
    faults = [Refuse("PASS", "[IN-USE] busy", times=2), Refuse("DELE 2")]
    async with Server([b"x", b"y"], faults=faults, sasl=[]) as server:
        for _ in range(2):
            with pytest.raises(pop3aio.MailboxInUse, match="busy"):
                async with server.client():
                    pass
        async with server.client() as client:
            refused = await client.delete([1, 2])
            assert isinstance(refused[2], pop3aio.ServerTemporaryError)
        assert len(server.mailbox) == 1


async def test_wrong_octets() -> None:
    async with Server([b"x"], faults=[Answer("STAT", b"+OK many\r\n")]) as server:
        with pytest.raises(pop3aio.RemoteProtocolError, match="STAT"):
            async with server.client() as client:
                await client.stat()
        server.faults = [Answer("RETR", b"+OK\r\nhalf\r\n.\r\n"), Answer("NOOP", b"")]
        async with server.client() as client:
            assert await client.retr(1) == b"half\r\n"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Refuse("connect", "[SYS/PERM] closed"), pop3aio.ServerPermanentError),
        (Answer("connect", b"220 ready\r\n"), pop3aio.RemoteProtocolError),
        (Cut("connect"), pop3aio.ConnectionLost),
        (Cut("connect", after=5), pop3aio.ConnectionLost),
    ],
    ids=repr,
)
async def test_the_greeting_fails(fault: CommandFault, error: type[Exception]) -> None:
    async with Server(faults=[fault]) as server:
        with pytest.raises(error):
            await pop3aio.connect(server.host, server.port, tls="none")


async def test_stls_is_cut() -> None:
    async with Server(tls="starttls", faults=[Cut("STLS", after=4)]) as server, RawClient(server) as client:
        await client.line()
        client.send(b"STLS\r\n")
        assert await client.rest() == b"+OK "
