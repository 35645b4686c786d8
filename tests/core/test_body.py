"""Multi-line responses: stuffed, cut anywhere and decoded again; and the decoder against one that goes by lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pop3core import BodyChunk, BodyEnd, Connection, Event, Reply, Retr
from pop3core._body import BodyDecoder

from .wire import ask, fresh, pump


def stuff(lines: list[bytes]) -> bytes:
    """RFC 1939 section 3: a line that begins with a dot gets another one."""
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)


def by_lines(wire: bytes) -> tuple[bytes, bytes | None]:
    """Decode slowly: return the body, and what follows the terminator (None: it has not come)."""
    body = b""
    while b"\r\n" in wire:
        line, _, wire = wire.partition(b"\r\n")
        if line == b".":
            return body, wire
        body += line.removeprefix(b".") + b"\r\n"
    return body, None


def cut(octets: bytes, positions: Sequence[int]) -> list[bytes]:
    ends = [0, *sorted(p % (len(octets) + 1) for p in positions), len(octets)]
    return [octets[a:b] for a, b in pairwise(ends)]


def retrieve(connection: Connection, chunks: list[bytes]) -> tuple[bytes, bool]:
    ask(connection, Retr(1), b"")
    events: list[Event] = []
    for chunk in chunks:
        connection.receive_data(chunk)
        events += pump(connection)
    assert isinstance(events[0], Reply)
    bodies = [event.data for event in events if isinstance(event, BodyChunk)]
    assert all(type(body) is bytes for body in bodies)
    return b"".join(bodies), isinstance(events[-1], BodyEnd)


SPARSE = st.text("abc .\x00\xff", max_size=30)
DOTS = st.text(".", max_size=4)
SOUP = st.text(".\r\na", max_size=8).filter(lambda text: "\r\n" not in text)
LINES = st.lists(
    (SPARSE | DOTS | SOUP).map(lambda text: text.encode("latin-1").removesuffix(b"\r")), max_size=40
)
POSITIONS = st.lists(st.integers(0, 10**4), max_size=20)


@given(LINES, POSITIONS)
def test_round_trip(lines: list[bytes], positions: list[int]) -> None:
    wire = b"+OK\r\n" + stuff(lines) + b".\r\n"
    body, ended = retrieve(fresh(), cut(wire, positions))
    assert ended
    assert body == b"".join(line + b"\r\n" for line in lines)


@given(st.integers(0, 60), st.integers(1, 40), st.sampled_from([b".", b"..", b".x", b"x.", b""]), POSITIONS)
def test_dense_dots(before: int, dots: int, line: bytes, positions: list[int]) -> None:
    lines = [b"plain text. and more. of it. here."] * before + [line] * dots + [b"end"]
    wire = b"+OK\r\n" + stuff(lines) + b".\r\n"
    body, ended = retrieve(fresh(), cut(wire, positions))
    assert ended
    assert body == b"".join(line + b"\r\n" for line in lines)


@given(LINES, st.binary(max_size=20) | st.text("\r\n.+OK ", max_size=12).map(str.encode), POSITIONS)
def test_against_lines(lines: list[bytes], tail: bytes, positions: list[int]) -> None:
    # Not stuffed by a careful server, and with something behind it.
    wire = b"".join(line + b"\r\n" for line in lines) + tail
    expected, rest = by_lines(wire)
    got, left, ended = decode([b"\r\n" + wire])
    assert (got, left, ended) == (expected, rest, True) if rest is not None else not ended
    if rest is None:
        assert got.startswith(expected.removesuffix(b"\r\n"))
    assert decode(cut(b"\r\n" + wire, positions)) == (got, left, ended)


def decode(chunks: list[bytes]) -> tuple[bytes, bytes | None, bool]:
    decoder = BodyDecoder()
    body, data, position, begun = b"", b"", 0, False
    while chunks:
        data, position = data[position:] + chunks[0], 0
        chunks = chunks[1:]
        # The decoder begins where the status line's CRLF has come.
        begun = begun or len(data) >= 2
        if begun and not decoder.ended:
            piece, position = decoder.decode(data, position)
            body += piece
    return body, data[position:] if decoder.ended else None, decoder.ended


def test_end_behind_a_long_stretch_of_stuffed_lines() -> None:
    for count in (15, 16, 17, 18, 40, 2000):
        for rest in (b"", b"+OK\r\n"):
            body, left, ended = decode([b"\r\n" + b"..\r\n" * count + b".\r\n" + rest])
            assert (body, left, ended) == (b".\r\n" * count, rest, True)
            body, left, ended = decode([b"\r\n" + b"..\r\n" * count + b".\r"])
            assert (body, left, ended) == (b".\r\n" * (count - 1) + b".", None, False)


def test_dots_inside_lines_in_front_of_stuffed_ones() -> None:
    for dots in range(9):
        lines = [b"a" + b".b" * dots, b".", b"c" + b".d" * dots, b".e"]
        assert decode([b"\r\n" + stuff(lines) + b".\r\n"]) == (
            b"".join(line + b"\r\n" for line in lines), b"", True,
        )  # fmt: skip


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_comes_out_is_bytes(kind: type[bytes] | type[bytearray] | type[memoryview]) -> None:
    connection = fresh()
    connection.send(Retr(1))
    connection.data_to_send()
    source = bytearray(b"+OK x\r\none\r\n..two\r\n.\r\n")
    connection.receive_data(kind(source))
    # The caller's buffer is its own again at once.
    source[:] = b"?" * len(source)
    events = list(pump(connection))
    assert isinstance(events[0], Reply)
    assert type(events[0].raw) is bytes
    bodies = [event.data for event in events if isinstance(event, BodyChunk)]
    assert b"".join(bodies) == b"one\r\n.two\r\n"
    assert {type(body) for body in bodies} == {bytes}


def test_little_is_held_back() -> None:
    connection = fresh()
    ask(connection, Retr(1), b"+OK\r\n")
    for octets, held in ((b"a", 0), (b"b\r", 1), (b"\n", 2), (b"..", 0), (b"\r\n.", 3), (b"\r", 4)):
        connection.receive_data(octets)
        list(pump(connection))
        assert len(connection._buffer) == held
