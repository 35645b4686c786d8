"""The receive buffer by itself: line ends, and what is let go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pop3core._buffer import ReceiveBuffer


def drain(buffer: ReceiveBuffer) -> bytes:
    while buffer.pull():
        pass
    return buffer.data[buffer.position :]


@given(st.lists(st.binary(max_size=5) | st.text("\r\nx", max_size=6).map(str.encode)), st.integers(0, 9))
def test_bare_lf_becomes_crlf_once(chunks: list[bytes], switch: int) -> None:
    buffer = ReceiveBuffer()
    for number, chunk in enumerate(chunks):
        if number >= switch:
            buffer.accept_bare_lf()
            buffer.accept_bare_lf()
        buffer.append(chunk)
    buffer.accept_bare_lf()
    # A CR at the very end waits for its LF.
    whole = b"".join(chunks)
    expected = whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert len(buffer) == len(expected)
    assert drain(buffer) == expected.removesuffix(b"\r")


def test_a_parsed_chunk_is_let_go() -> None:
    buffer = ReceiveBuffer()
    buffer.append(b"abc\r\n")
    assert buffer.line() == b"abc\r\n"
    assert len(buffer) == 5
    buffer.consume(5)
    assert (buffer.data, len(buffer)) == (b"", 0)


def test_a_chunk_is_taken_without_a_copy() -> None:
    buffer = ReceiveBuffer()
    chunk = b"x" * 1000
    buffer.append(chunk)
    assert buffer.pull()
    assert buffer.data is chunk


@given(st.lists(st.text("\nab", max_size=6).map(str.encode)), st.lists(st.booleans(), max_size=40))
def test_lines(chunks: list[bytes], ask: list[bool]) -> None:
    buffer = ReceiveBuffer()
    lines = []
    questions = iter(ask)
    for chunk in chunks:
        buffer.append(chunk)
        while next(questions, False) and (line := buffer.line()) is not None:
            lines.append(line)
            buffer.consume(len(line))
    while (line := buffer.line()) is not None:
        lines.append(line)
        buffer.consume(len(line))
    assert lines == [line for line in b"".join(chunks).splitlines(keepends=True) if line.endswith(b"\n")]
