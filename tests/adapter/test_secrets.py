"""A password is on the wire and nowhere else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import Iterator

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio.testing import Server
from tests.kit.script import Peer, Script, welcome

SECRET = "geheim-4711"
SHAPES = (
    SECRET,
    base64.b64encode(SECRET.encode()).decode(),
    base64.b64encode(f"\0user\0{SECRET}".encode()).decode(),
)


def texts(error: BaseException | None) -> Iterator[str]:
    """Return all that a log or a traceback shows of an exception and of those behind it."""
    while error is not None:
        yield from (repr(error), str(error), repr(error.args), repr(vars(error)))
        yield from texts(error.__cause__)
        error = error.__context__


def assert_clean(*shown: str) -> None:
    for text in shown:
        assert not any(shape in text for shape in SHAPES), text


@pytest.mark.parametrize("mechanism", ["PLAIN", "USER"])
@pytest.mark.parametrize("fate", [b"+OK\r\n", b"-ERR no\r\n", b"garbage\r\n", b"", b"+OK\n", b"+ x\r\n"])
async def test_login(mechanism: str, fate: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "PIPELINING")
        await peer.line()
        peer.send(b"+ \r\n" if mechanism == "PLAIN" else b"+OK\r\n")
        line = await peer.line()
        assert any(shape.encode() in line for shape in SHAPES)
        peer.send(fate)
        if fate == b"+ x\r\n" and mechanism == "PLAIN":
            await peer.answer(b"*", b"-ERR\r\n")
        peer.close()

    caplog.set_level(logging.DEBUG)
    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        try:
            await client.login("user", SECRET, mechanism=mechanism, allow_insecure=True)
        except pop3aio.POP3Error as error:
            assert_clean(*texts(error))
        try:
            await client.capa(refresh=True)
        except pop3aio.POP3Error as error:
            assert_clean(*texts(error))
        assert_clean(repr(client), repr(client._core), repr(client._queue))
        client.abort()
        await server.over.wait()
    assert any(record.name == "pop3aio" for record in caplog.records)
    assert_clean(caplog.text, *(repr(vars(r)) for r in caplog.records if r.name.startswith("pop3")))


@pytest.mark.parametrize(
    "password", [SECRET + "\r\nDELE 1", SECRET + "\0", SECRET + "\ud800", SECRET + "x" * 300]
)
@pytest.mark.parametrize("mechanism", [None, "PLAIN", "USER"])
async def test_a_password_that_cannot_be_sent(password: str, mechanism: str | None) -> None:
    async with Server() as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        with pytest.raises(pop3aio.POP3Error) as caught:
            await client.login("user", password, mechanism=mechanism, allow_insecure=True)
        assert_clean(*texts(caught.value))
        assert not any("DELE" in line for line in server.commands)


async def test_apop(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Server(greeting=b"+OK <1@h>\r\n") as server:
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            with pytest.raises(pop3aio.CommandError) as caught:
                await client.apop("user", SECRET, allow_insecure=True)
        digest = next(line for line in server.commands if line.startswith("APOP")).split()[2]
    assert digest not in caplog.text
    assert not any(digest in text for text in texts(caught.value))
    assert_clean(caplog.text, *texts(caught.value))


async def test_a_mechanism_has_no_repr_that_tells() -> None:
    assert_clean(repr(sasl.Plain("user", SECRET)))


async def test_a_cancelled_login() -> None:
    waiting = asyncio.Event()

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "PIPELINING")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.line()
        waiting.set()

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        task = asyncio.ensure_future(client.login("user", SECRET, allow_insecure=True))
        await waiting.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        with pytest.raises(pop3aio.LocalProtocolError) as caught:
            await client.login("user", SECRET, allow_insecure=True)
        assert_clean(*texts(caught.value))
        client.abort()
