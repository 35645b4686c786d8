"""Servers and wires that break: one clear error for everyone, and QUIT is never sent behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

import pop3aio
from tests.kit.script import Peer, Play, Script, session


@contextlib.asynccontextmanager
async def broken(
    play: Play, kind: type[pop3aio.POP3Error], match: str, **options: Any
) -> AsyncIterator[tuple[pop3aio.Client, Script]]:
    """After the block the session must be over for this reason, and QUIT must not have been sent."""
    async with session(play, **options) as (client, server):
        yield client, server
        for _ in range(2):
            with pytest.raises(kind, match=match):
                await client.noop()
        with contextlib.suppress(pop3aio.RemoteProtocolError):
            await client.quit()
        await server.over.wait()
        assert b"QUIT" not in server.received


async def test_the_end_comes_in_the_middle_of_a_message() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nhalf a mess")
        peer.close()

    match = "closed in the middle of the answer to RETR 1, 11 octets into it"
    async with broken(play, pop3aio.ConnectionLost, match) as (client, _):
        with pytest.raises(pop3aio.ConnectionLost, match=match):
            await client.retr(1)


async def test_the_end_comes_before_the_last_dot() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nall of it\r\n")
        peer.close()

    async with broken(play, pop3aio.ConnectionLost, "in the middle") as (client, _):
        with pytest.raises(pop3aio.ConnectionLost):
            async for _ in client.retr(1):
                pass


async def test_the_end_comes_instead_of_an_answer() -> None:
    async def play(peer: Peer) -> None:
        await peer.expect(b"STAT")
        peer.close()

    async with broken(play, pop3aio.ConnectionLost, "where the answer to STAT was due") as (client, _):
        with pytest.raises(pop3aio.ConnectionLost):
            await client.stat()


async def test_a_reset_in_the_middle_of_a_message() -> None:
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nhalf a mess")
        await go_on.wait()
        peer.reset()

    async with broken(play, pop3aio.ConnectionLost, "the connection broke: ") as (client, _):
        message = client.retr(1)
        assert await anext(message) == b"half a mess"
        go_on.set()
        with pytest.raises(pop3aio.ConnectionLost, match="Connection reset") as caught:
            await message
        assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_the_end_comes_between_two_commands() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", b"+OK 1 2\r\n")
        peer.close()

    async with broken(play, pop3aio.ConnectionLost, "the server closed the connection") as (client, server):
        await client.stat()
        await until_ended(client)
        with pytest.raises(pop3aio.ConnectionLost):
            await client.dele(1)
        assert server.received[-1] == b"STAT"


async def until_ended(client: pop3aio.Client) -> None:
    """Wait until something has come that nobody asked for, or the end."""
    reader = client._stream.reader
    while not (reader._chunks or reader._ended or reader._error):  # type: ignore[attr-defined]
        await asyncio.sleep(0)


async def test_a_reset_between_two_commands() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", b"+OK 1 2\r\n")
        peer.reset()

    async with broken(play, pop3aio.ConnectionLost, "the connection broke: Connection reset") as (client, _):
        await client.stat()
        await until_ended(client)


async def test_an_idle_notice_is_not_taken_for_an_answer() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", b"+OK 1 2\r\n")
        await asyncio.sleep(0)
        peer.send(b"-ERR Disconnected for \x1binactivity.\r\n")
        peer.close()

    match = "the server ended the session: -ERR Disconnected for .inactivity"
    async with broken(play, pop3aio.ConnectionLost, match) as (client, server):
        await client.stat()
        await until_ended(client)
        with pytest.raises(pop3aio.ConnectionLost, match=match) as caught:
            await client.dele(1)
        assert isinstance(caught.value.__cause__, pop3aio.UnsolicitedResponse)
        assert "\x1b" not in str(caught.value)
        assert server.received[-1] == b"STAT"


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("window", [1, 64])
async def test_an_idle_notice_behind_the_answers_of_those_who_have_gone(window: int, pieces: int) -> None:
    sent = min(window, 3)

    async def play(peer: Peer) -> None:
        await peer.expect(*[b"NOOP"] * sent)
        peer.send(b"+OK\r\n" * sent)
        if pieces == 2:
            await asyncio.sleep(0.01)
        peer.send(b"-ERR Disconnected for inactivity.\r\n")
        peer.close()

    match = "the server ended the session: -ERR Disconnected for inactivity"
    async with broken(play, pop3aio.ConnectionLost, match, window=window) as (client, server):
        calls = [asyncio.ensure_future(client.noop()) for _ in range(3)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        while not client._stream.reader._ended:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        with pytest.raises(pop3aio.ConnectionLost, match=match):
            await client.dele(1)
        assert server.received[-sent:] == [b"NOOP"] * sent


async def test_nobody_polls_while_one_who_was_released_still_reads() -> None:
    """The reader of a message that another task gave up is still there when the next command is put in line."""

    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\nx")
        await peer.answer(b"NOOP", b"x\r\n.\r\n+OK\r\n")

    async with session(play) as (client, _):
        message = client.retr(1)
        await anext(message)
        reader = asyncio.ensure_future(anext(message))
        await asyncio.sleep(0)
        message.give_up()
        await client.noop()
        with pytest.raises(pop3aio.LocalProtocolError):
            await reader


async def test_the_end_comes_together_with_an_answer() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", b"+OK 1 2\r\n-ERR Autologout\r\n")
        peer.close()

    async with broken(play, pop3aio.ConnectionLost, "Autologout") as (client, server):
        assert await client.stat() == pop3aio.Stat(1, 2)
        with pytest.raises(pop3aio.ConnectionLost):
            await client.dele(1)
        assert server.received[-1] == b"STAT"


async def test_octets_that_nobody_asked_for() -> None:
    """The rest of a message whose first dot was not stuffed."""

    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", b"+OK\r\n.\r\n+OK 2 fake\r\n")

    async with broken(play, pop3aio.UnsolicitedResponse, "octets that answer no command: b'.OK 2 fake") as (
        client,
        server,
    ):
        assert await client.retr(1) == b""
        with pytest.raises(pop3aio.UnsolicitedResponse) as caught:
            await client.dele(1)
        assert caught.value.raw == b"+OK 2 fake\r\n"
        with pytest.raises(pop3aio.UnsolicitedResponse):
            await client.quit()
        assert server.received[-1] == b"RETR 1"


@pytest.mark.parametrize(
    "junk", [b"220 hello\r\n", b"+ok\r\n", b"+OK\n", b"+OK a\rb\r\n", b"\r\n", b"* BYE\r\n", b"\x00\xff\r\n"]
)
async def test_answers_that_are_none(junk: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", junk)

    async with broken(play, pop3aio.RemoteProtocolError, "the answer to STAT") as (client, _):
        with pytest.raises(pop3aio.RemoteProtocolError):
            await client.stat()


async def test_a_status_line_without_end() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", b"+OK " + b"x" * 20000)

    async with broken(play, pop3aio.LimitExceeded, "the answer to STAT is longer than 8192") as (client, _):
        with pytest.raises(pop3aio.LimitExceeded):
            await client.stat()


async def test_a_continuation_that_is_none_of_ours() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"STAT", b"+ \r\n")

    async with broken(play, pop3aio.RemoteProtocolError, "neither") as (client, _):
        with pytest.raises(pop3aio.RemoteProtocolError):
            await client.stat()


async def test_all_in_line_hear_of_the_end() -> None:
    async def play(peer: Peer) -> None:
        await peer.expect(b"NOOP", b"NOOP", b"RETR 1")
        peer.send(b"+OK\r\n")
        peer.close()

    async with broken(play, pop3aio.ConnectionLost, "was due") as (client, _):

        async def read() -> bytes:
            return await client.retr(1)

        outcomes = await asyncio.gather(client.noop(), client.noop(), read(), return_exceptions=True)
        assert outcomes[0] is None
        assert [type(outcome) for outcome in outcomes[1:]] == [pop3aio.ConnectionLost] * 2
        assert outcomes[1] is not outcomes[2]
        assert str(outcomes[1]) == str(outcomes[2])


async def test_the_reader_is_cancelled_as_the_connection_ends() -> None:
    asked = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.expect(b"NOOP", b"STAT")
        asked.set()
        peer.close()

    async with broken(play, pop3aio.ConnectionLost, "was due") as (client, _):
        first = asyncio.ensure_future(client.noop())
        second = asyncio.ensure_future(client.stat())
        await asked.wait()
        await until_ended(client)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(pop3aio.ConnectionLost):
            await second
