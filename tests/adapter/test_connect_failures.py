"""Servers with which there is no session: each gives one clear error, and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import pop3aio
from pop3aio._wire._stream import Stream, open_stream
from pop3aio.testing import Server
from tests.kit.pace import stretched
from tests.kit.script import Peer, Script


@contextlib.contextmanager
def unused_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


async def test_a_refused_port() -> None:
    with (
        unused_port() as port,
        pytest.raises(pop3aio.ConnectionLost, match=rf"no connection to 127.0.0.1 port {port}: .*refused"),
    ):
        await pop3aio.connect("127.0.0.1", port, tls="none")


async def test_every_address_of_a_name_is_refused() -> None:
    with unused_port() as port, pytest.raises(pop3aio.ConnectionLost, match="no connection to localhost"):
        await pop3aio.connect("localhost", port, tls="none")


async def test_an_unknown_host() -> None:
    with pytest.raises(pop3aio.ConnectionLost, match=r"there is no host nowhere\.invalid"):
        await pop3aio.connect("nowhere.invalid")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "two..dots"])
def test_a_host_that_is_no_name(host: str) -> None:
    with pytest.raises(ValueError, match="is no name that a host can have"):
        pop3aio.connect(host)


async def test_a_host_that_does_not_answer() -> None:
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        # Once its backlog is full, it does not answer any more.
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            assert filler.connect_ex(deaf.getsockname()) == errno.EINPROGRESS
        with pytest.raises(pop3aio.ConnectionLost, match=r"within [0-9.]+ s"):
            await pop3aio.connect(
                "127.0.0.1", deaf.getsockname()[1], tls="none", connect_timeout=stretched(0.1)
            )


async def test_a_greeting_that_refuses() -> None:
    async with Server(greeting=b"-ERR [SYS/TEMP] too busy\r\n") as server:
        with pytest.raises(pop3aio.ServerTemporaryError, match=r"refused the connection: .*too busy"):
            await pop3aio.connect("127.0.0.1", server.port, tls="none")
        assert server.commands == []


async def test_a_greeting_of_another_protocol() -> None:
    async with Server(greeting=b"220 smtp.example ESMTP\r\n") as server:
        with pytest.raises(pop3aio.RemoteProtocolError, match="no POP3 greeting: b'220 smtp"):
            await pop3aio.connect("127.0.0.1", server.port, tls="none")
        assert server.commands == []


async def test_a_greeting_that_does_not_come() -> None:
    async with Server(greeting=b"") as server:
        with pytest.raises(pop3aio.ResponseTimeout, match="did not send the greeting in time") as caught:
            await pop3aio.connect("127.0.0.1", server.port, tls="none", timeout=stretched(0.05))
        assert isinstance(caught.value, TimeoutError)
        assert isinstance(caught.value, pop3aio.POP3Error)


async def test_a_greeting_that_never_ends() -> None:
    async with Server(greeting=b"+OK" + b"x" * 10000) as server:
        with pytest.raises(pop3aio.LimitExceeded):
            await pop3aio.connect("127.0.0.1", server.port, tls="none")


@pytest.mark.parametrize("start", [b"", b"+OK rea"])
async def test_the_end_comes_before_the_greeting(start: bytes) -> None:
    async def play(peer: Peer) -> None:
        peer.send(start)
        peer.close()

    async with Script(play) as server:
        with pytest.raises(pop3aio.ConnectionLost, match="closed where the greeting was due"):
            await pop3aio.connect(server.host, server.port, tls="none")


async def test_a_reset_instead_of_the_greeting() -> None:
    async def play(peer: Peer) -> None:
        peer.reset()

    async with Script(play) as server:
        with pytest.raises(pop3aio.ConnectionLost, match="the connection broke: Connection reset"):
            await pop3aio.connect(server.host, server.port, tls="none")


async def test_the_end_comes_instead_of_the_capabilities() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK ready\r\n")
        await peer.expect(b"CAPA")
        peer.close()

    async with Script(play) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        with pytest.raises(pop3aio.ConnectionLost, match="closed where the answer to CAPA was due") as caught:
            await pop3aio.Client.from_streams(reader, writer)
        assert caught.value.hint == "capa"


async def test_the_async_with_form_raises_on_entry() -> None:
    async with Server(greeting=b"-ERR no\r\n") as server:
        with pytest.raises(pop3aio.CommandError):
            async with pop3aio.connect("127.0.0.1", server.port, tls="none"):
                raise AssertionError("this block is not entered")


async def test_a_timeout_around_the_attempt() -> None:
    async with Server(greeting=b"") as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(stretched(0.05)):
                await pop3aio.connect("127.0.0.1", server.port, tls="none")


async def test_the_socket_is_closed_when_the_error_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = []

    async def note(*arguments: Any, **options: Any) -> Stream:
        stream = await open_stream(*arguments, **options)
        sockets.append(stream.writer.get_extra_info("socket"))
        return stream

    monkeypatch.setattr("pop3aio._connect.open_stream", note)
    async with Server(greeting=b"-ERR no\r\n") as server:
        for tls, kind in (("none", pop3aio.CommandError), ("implicit", pop3aio.TlsError)):
            with pytest.raises(kind):
                await pop3aio.connect("127.0.0.1", server.port, tls=tls)  # type: ignore[arg-type]
            assert sockets[-1].fileno() == -1
