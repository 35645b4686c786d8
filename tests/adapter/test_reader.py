"""The reader of whole chunks, and the stream around it."""

from __future__ import annotations

import asyncio
import gc
from typing import Any
from unittest import mock

import pytest

from pop3aio._wire._reader import CHUNK, LEAST, TOGETHER, ChunkProtocol, ChunkReader
from pop3aio._wire._stream import Stream, open_stream
from tests.kit.script import Peer, Script


class Wire(asyncio.ReadTransport):
    """Notes whether it is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@pytest.fixture
async def reader() -> ChunkReader:
    return ChunkReader(asyncio.get_running_loop())


async def test_chunks_come_out_as_they_came_in(reader: ChunkReader) -> None:
    reader.feed_data(b"one")
    reader.feed_data(b"two")
    assert await reader.read() == b"one"
    assert await reader.read(100) == b"two"


async def test_pieces(reader: ChunkReader) -> None:
    reader.feed_data(b"onetwo")
    assert await reader.read(3) == b"one"
    assert await reader.read(3) == b"two"


async def test_waiting(reader: ChunkReader) -> None:
    reading = asyncio.ensure_future(reader.read())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="two tasks"):
        await reader.read()
    reader.feed_data(b"here")
    reader.feed_data(b"more")
    assert await reading == b"here"


async def test_a_cancelled_read_loses_nothing(reader: ChunkReader) -> None:
    reading = asyncio.ensure_future(reader.read())
    await asyncio.sleep(0)
    reader.feed_data(b"here")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await reader.read() == b"here"


async def test_the_end_comes_behind_the_octets(reader: ChunkReader) -> None:
    reader.feed_data(b"last")
    reader.feed_eof()
    assert not reader.at_eof()
    assert await reader.read() == b"last"
    assert reader.at_eof()
    assert await reader.read() == b""
    assert await reader.read() == b""


async def test_an_error_comes_behind_the_octets(reader: ChunkReader) -> None:
    reader.feed_data(b"last")
    assert reader.exception() is None
    reader.set_exception(ConnectionResetError("gone"))
    assert isinstance(reader.exception(), ConnectionResetError)
    assert await reader.read() == b"last"
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await reader.read()


@pytest.mark.parametrize("end", ["feed_eof", "set_exception"])
async def test_the_end_wakes_who_waits(reader: ChunkReader, end: str) -> None:
    reading = asyncio.ensure_future(reader.read())
    await asyncio.sleep(0)
    if end == "feed_eof":
        reader.feed_eof()
        assert await reading == b""
    else:
        reader.set_exception(OSError("gone"))
        with pytest.raises(OSError, match="gone"):
            await reading


async def test_what_it_cannot_do(reader: ChunkReader) -> None:
    with pytest.raises(NotImplementedError):
        await reader.readline()
    with pytest.raises(NotImplementedError):
        await reader.readuntil()
    with pytest.raises(NotImplementedError):
        await reader.readexactly(1)


async def test_the_wire_is_held_and_let_go(reader: ChunkReader) -> None:
    wire = Wire()
    reader.set_transport(wire)
    reader.feed_data(b"x" * CHUNK)
    assert not wire.paused
    reader.feed_data(b"y")
    assert wire.paused
    reader.feed_data(b"z")
    await reader.read(10)
    await reader.read()
    await reader.read()
    assert wire.paused
    await reader.read()
    assert not wire.paused


async def test_more_than_a_chunk_without_a_wire(reader: ChunkReader) -> None:
    reader.feed_data(b"x" * CHUNK * 2)
    assert len(await reader.read()) == CHUNK * 2


async def test_polling(reader: ChunkReader) -> None:
    stream = Stream(reader, None)  # type: ignore[arg-type]
    assert stream.poll() is None
    assert stream.poll() is None
    reader.feed_data(b"one")
    reader.feed_data(b"two")
    assert stream.poll() == b"one"
    assert stream.poll() == b"two"
    assert stream.poll() is None
    reading = asyncio.ensure_future(reader.read())
    await asyncio.sleep(0)
    reader.feed_data(b"three")
    assert await reading == b"three"
    reader.feed_eof()
    assert stream.poll() == b""
    reader.set_exception(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        stream.poll()


async def test_polling_asyncios_own_reader() -> None:
    reader = asyncio.StreamReader()
    stream = Stream(reader, None)  # type: ignore[arg-type]
    assert stream.poll() is None
    reader.feed_data(b"one")
    assert stream.poll() == b"one"
    assert stream.poll() is None
    reader.feed_eof()
    assert stream.poll() == b""


async def test_a_slow_consumer_holds_the_server() -> None:
    sent = 0
    total = 64 << 20
    stuck = asyncio.Event()

    async def play(peer: Peer) -> None:
        nonlocal sent
        peer.writer.transport.set_write_buffer_limits(high=0)
        piece = b"x" * CHUNK
        while sent < total:
            peer.send(piece)
            sent += CHUNK
            draining = asyncio.ensure_future(peer.writer.drain())
            for _ in range(100):
                if draining.done():
                    break
                await asyncio.sleep(0.001)
            else:
                stuck.set()
            await draining
        peer.close()

    async with Script(play) as server:
        stream = await open_stream(server.host, server.port)
        reader = stream.reader
        assert isinstance(reader, ChunkReader)
        await stuck.wait()
        # What is not in the kernel's buffers is bounded by two receive buffers.
        assert sent < total
        assert reader._size <= 2 * CHUNK
        received = 0
        while chunk := await reader.read(CHUNK):
            received += len(chunk)
            assert reader._size <= 2 * CHUNK
        assert received == total
        stream.abort()
        await stream.close()


async def test_connections_share_one_receive_buffer() -> None:
    loop = asyncio.get_running_loop()
    one, two = (ChunkProtocol(ChunkReader(loop), loop) for _ in range(2))
    assert one.get_buffer(1).obj is two.get_buffer(1).obj


async def test_many_connections_receive_less_at_once() -> None:
    loop = asyncio.get_running_loop()
    protocols = [ChunkProtocol(ChunkReader(loop), loop) for _ in range(64)]
    assert all(len(protocol.get_buffer(1)) == TOGETHER // 64 for protocol in protocols)
    protocols += [ChunkProtocol(ChunkReader(loop), loop) for _ in range(500)]
    assert len(protocols[0].get_buffer(1)) == LEAST
    for protocol in protocols[1:]:
        protocol.connection_lost(None)
    assert len(protocols[0].get_buffer(1)) == CHUNK


async def test_connections_that_were_dropped_take_no_part() -> None:
    loop = asyncio.get_running_loop()
    protocols = [ChunkProtocol(ChunkReader(loop), loop) for _ in range(100)]
    del protocols
    gc.collect()
    assert len(ChunkProtocol(ChunkReader(loop), loop).get_buffer(1)) == CHUNK


async def test_each_connection_of_a_proactor_has_a_receive_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(asyncio, "ProactorEventLoop", type(loop), raising=False)
    one, two = (ChunkProtocol(ChunkReader(loop), loop) for _ in range(2))
    assert one.get_buffer(1).obj is not two.get_buffer(1).obj


async def test_a_slow_address_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def sock_connect(sock: Any, address: Any) -> None:
        if address[0] == "127.0.0.9":
            await asyncio.Event().wait()
        await connect(sock, address)

    async def play(peer: Peer) -> None:
        await peer.rest()

    async with Script(play) as server:

        async def getaddrinfo(*arguments: Any, **options: Any) -> list[Any]:
            return [(2, 1, 6, "", (host, server.port)) for host in ("127.0.0.9", "127.0.0.1")]

        monkeypatch.setattr(loop, "sock_connect", sock_connect)
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr("pop3aio._wire._reach.ATTEMPT_DELAY", 0.01)
        stream = await open_stream("mail.example", server.port)
        assert stream.writer.get_extra_info("peername") == ("127.0.0.1", server.port)
        stream.abort()
        await stream.close()


@pytest.mark.parametrize("rounds", range(1, 8))
async def test_the_loser_of_the_race_is_closed(monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    """Two addresses answer at about the same time."""
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def sock_connect(sock: Any, address: Any) -> None:
        await connect(sock, address)
        for _ in range(rounds if address[0] == "127.0.0.1" else 4):
            await asyncio.sleep(0)

    async def play(peer: Peer) -> None:
        await peer.rest()

    async with Script(play) as server:

        async def getaddrinfo(*arguments: Any, **options: Any) -> list[Any]:
            return [(2, 1, 6, "", (host, server.port)) for host in ("127.0.0.1", "127.0.0.1", "127.0.0.1")]

        monkeypatch.setattr(loop, "sock_connect", sock_connect)
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr("pop3aio._wire._reach.ATTEMPT_DELAY", 0)
        stream = await open_stream("mail.example", server.port)
        stream.abort()
        await stream.close()


async def test_a_reader_whose_transport_has_gone_hands_out_what_it_has() -> None:
    reader = ChunkReader(asyncio.get_running_loop())
    transport: Any = mock.Mock()
    reader.set_transport(transport)
    reader.feed_data(b"x" * (CHUNK + 1))
    transport.pause_reading.assert_called_once_with()
    reader.forget_transport()
    assert len(await reader.read()) == CHUNK + 1
    transport.resume_reading.assert_not_called()
