"""The end of a session, which is what deletes messages."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

import pytest

import pop3aio
from pop3aio.testing import Certificates, Server
from tests.kit.pace import stretched
from tests.kit.script import Peer, Script, session


async def test_a_clean_exit_commits() -> None:
    async with Server([b"a", b"b"]) as server:
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            await client.login("user", "password", allow_insecure=True)
            await client.dele(1)
            assert len(server.mailbox) == 2
        assert len(server.mailbox) == 1
        assert server.commands[-1] == "QUIT"


async def test_an_exit_by_an_exception_commits_nothing() -> None:
    async with Server([b"a", b"b"]) as server:
        with pytest.raises(ZeroDivisionError):
            async with pop3aio.connect(server.host, server.port, tls="none") as client:
                await client.login("user", "password", allow_insecure=True)
                await client.dele(1)
                raise ZeroDivisionError
        await server.sessions[0].wait_closed()
        assert len(server.mailbox) == 2
        assert "QUIT" not in server.commands


async def test_an_exit_by_a_cancel_commits_nothing() -> None:
    async with Server([b"a", b"b"]) as server:
        marked = asyncio.Event()

        async def run() -> None:
            async with pop3aio.connect(server.host, server.port, tls="none") as client:
                await client.login("user", "password", allow_insecure=True)
                await client.dele(1)
                marked.set()
                await asyncio.Event().wait()

        task = asyncio.ensure_future(run())
        await marked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.sessions[0].wait_closed()
        assert len(server.mailbox) == 2


async def test_a_refusal() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"DELE 1", b"+OK\r\n")
        await peer.answer(b"QUIT", b"-ERR some messages were not removed\r\n")

    async with session(play) as (client, _):
        await client.dele(1)
        with pytest.raises(pop3aio.CommandError, match="refused QUIT: some messages were not removed"):
            await client.quit()
        await client.quit()
        with pytest.raises(pop3aio.ConnectionLost):
            await client.noop()


async def test_no_answer_with_marks() -> None:
    async def play(peer: Peer) -> None:
        for number in (1, 2):
            await peer.answer(b"DELE %d" % number, b"+OK\r\n")
        await peer.expect(b"QUIT")
        peer.close()

    async with session(play) as (client, _):
        await client.dele(1)
        await client.dele(2)
        with pytest.raises(
            pop3aio.CommitUncertain, match="whether the 2 marked messages were deleted"
        ) as caught:
            await client.quit()
        assert isinstance(caught.value.__cause__, pop3aio.ConnectionLost)
        await client.quit()


async def test_no_answer_in_time_with_marks() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"DELE 1", b"+OK\r\n")
        await peer.expect(b"QUIT")

    async with session(play, timeout=stretched(0.02)) as (client, _):
        await client.dele(1)
        with pytest.raises(pop3aio.CommitUncertain) as caught:
            await client.quit()
        assert isinstance(caught.value.__cause__, pop3aio.ResponseTimeout)


async def test_the_answer_to_quit_has_five_times_the_time() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"DELE 1", b"+OK\r\n")
        await peer.expect(b"QUIT")
        await asyncio.sleep(stretched(0.15))
        peer.send(b"+OK\r\n")

    async with session(play, timeout=stretched(0.1)) as (client, _):
        await client.dele(1)
        await client.quit()


async def test_junk_for_an_answer_with_marks() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"DELE 1", b"+OK\r\n")
        await peer.answer(b"QUIT", b"what?\r\n")

    async with session(play) as (client, _):
        await client.dele(1)
        with pytest.raises(pop3aio.CommitUncertain):
            await client.quit()


async def test_no_answer_without_marks_does_not_matter() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"DELE 1", b"+OK\r\n")
        await peer.answer(b"RSET", b"+OK\r\n")
        await peer.expect(b"QUIT")
        peer.close()

    async with session(play) as (client, _):
        await client.dele(1)
        await client.rset()
        await client.quit()


async def test_junk_for_an_answer_without_marks() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"QUIT", b"what?\r\n")

    async with session(play) as (client, _):
        with pytest.raises(pop3aio.RemoteProtocolError):
            await client.quit()


@pytest.mark.parametrize("marks", [False, True])
async def test_the_connection_had_ended_before(marks: bool) -> None:
    async def play(peer: Peer) -> None:
        if marks:
            await peer.answer(b"DELE 1", b"+OK\r\n")
        peer.close()

    async with session(play) as (client, server):
        if marks:
            await client.dele(1)
        while not client._stream.reader.at_eof():
            await asyncio.sleep(0)
        if marks:
            with pytest.raises(pop3aio.ConnectionLost, match="the server closed the connection"):
                await client.quit()
        else:
            await client.quit()
        await client.quit()
        assert b"QUIT" not in server.received


async def test_the_connection_ends_before_quit_can_be_sent() -> None:
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.answer(b"DELE 1", b"+OK\r\n")
        await peer.expect(b"STAT")
        await go_on.wait()
        peer.close()

    async with session(play) as (client, server):
        await client.dele(1)
        other = asyncio.ensure_future(client.stat())
        await asyncio.sleep(0)
        quitting = asyncio.ensure_future(client.quit())
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(pop3aio.ConnectionLost):
            await quitting
        with pytest.raises(pop3aio.ConnectionLost):
            await other
        await server.over.wait()
        assert b"QUIT" not in server.received


async def test_twice_and_after_abort() -> None:
    async with Server([b"a"]) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.quit()
        await client.quit()
        client.abort()
        other = await pop3aio.connect(server.host, server.port, tls="none")
        other.abort()
        await other.quit()
        assert server.commands == ["CAPA", "QUIT", "CAPA"]


async def test_a_reason_for_abort_is_what_everybody_gets() -> None:
    async with Server([b"a"]) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        reason = pop3aio.RemoteProtocolError("the answers are mixed up")
        client.abort(reason)
        client.abort(pop3aio.ConnectionLost("too late to be the reason"))
        for call in (client.noop, client.quit, lambda: client.capa(refresh=True)):
            with pytest.raises(pop3aio.RemoteProtocolError, match="the answers are mixed up"):
                await call()
        assert server.commands == ["CAPA"]


async def test_leaving_after_quit_and_after_abort() -> None:
    async with Server([b"a"]) as server:
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            await client.quit()
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            client.abort()
        with pytest.raises(ZeroDivisionError):
            async with pop3aio.connect(server.host, server.port, tls="none") as client:
                client.abort()
                raise ZeroDivisionError


@pytest.mark.parametrize("tls", ["implicit", "none"])
async def test_the_socket_is_closed_when_the_block_is_left(certificates: Certificates, tls: Any) -> None:
    context = None if tls == "none" else certificates.server_context()
    async with Server(tls=tls, ssl_context=context) as server:
        for error in (None, ZeroDivisionError):
            with contextlib.suppress(ZeroDivisionError):
                async with pop3aio.connect(
                    "localhost", server.port, tls=tls, ssl_context=certificates.client_context()
                ) as client:
                    sock: Any = client.get_extra_info("socket")
                    assert sock.fileno() > 0
                    if error is not None:
                        raise error
            assert sock.fileno() == -1


async def test_what_is_known_of_the_connection_outlives_it(certificates: Certificates) -> None:
    async with Server(tls="implicit", ssl_context=certificates.server_context()) as server:
        context = certificates.client_context()
        async with pop3aio.connect("localhost", server.port, ssl_context=context) as client:
            pass
        assert client.secure
        assert client.get_extra_info("nonsense") is None
        assert client.tls_version in ("TLSv1.3", None)
        with pytest.raises(ZeroDivisionError):
            async with pop3aio.connect("localhost", server.port, ssl_context=context) as client:
                raise ZeroDivisionError
        assert client.get_extra_info("nonsense") is None


async def test_a_server_that_does_not_hang_up(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", b"-ERR\r\n")
        await peer.answer(b"QUIT", b"+OK\r\n")
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await done.wait()

    done = asyncio.Event()
    async with Script(play, tls=certificates.server_context()) as server:
        client = await pop3aio.connect("localhost", server.port, ssl_context=certificates.client_context())
        close = client._stream.close
        monkeypatch.setattr(client._stream, "close", lambda: close(0.02))
        await client.quit()
        done.set()


async def test_a_cancel_while_quit_waits_for_the_connection_to_close(certificates: Certificates) -> None:
    answered = asyncio.Event()
    done = asyncio.Event()

    async def play(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", b"-ERR\r\n")
        await peer.answer(b"QUIT", b"+OK\r\n")
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        answered.set()
        await done.wait()

    async with Script(play, tls=certificates.server_context()) as server:
        client = await pop3aio.connect("localhost", server.port, ssl_context=certificates.client_context())
        quitting = asyncio.ensure_future(client.quit())
        await answered.wait()
        while client.state is not pop3aio.State.CLOSED:
            await asyncio.sleep(0)
        quitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await quitting
        await client.quit()
        done.set()


async def test_a_client_that_is_forgotten() -> None:
    async with Server([b"a" * 100000]) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        await client.login("user", "password", allow_insecure=True)
        message = client.retr(1)
        await anext(message)
        client._stream.abort()
        del client, message
        gc.collect()
        await server.sessions[0].wait_closed()
