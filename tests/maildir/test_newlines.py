from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maildir._newlines import Newline, Newlines, pieces

MODES: tuple[Newline, ...] = ("lf", "crlf", "verbatim")


def reference(octets: bytes, mode: Newline) -> bytes:
    if mode == "lf":
        return octets.replace(b"\r\n", b"\n")
    return re.sub(rb"(?<!\r)\n", b"\r\n", octets) if mode == "crlf" else octets


def run(chunks: list[bytes], mode: Newline) -> tuple[bytes, Newlines]:
    newlines = Newlines(mode)
    out = b"".join([newlines.feed(chunk) for chunk in chunks]) + newlines.finish()
    return out, newlines


def check(chunks: list[bytes], mode: Newline) -> None:
    out, newlines = run(chunks, mode)
    expected = reference(b"".join(chunks), mode)
    assert out == expected
    assert newlines.octets == len(expected)
    assert newlines.virtual_octets == len(re.sub(rb"(?<!\r)\n", b"\r\n", expected))
    assert newlines.finish() == b""


@pytest.mark.parametrize("mode", MODES)
def test_every_split(mode: Newline) -> None:
    octets = b"\r\na\r\r\nb\n\rc\r\n\n\r\n\r"
    for first in range(len(octets) + 1):
        for second in range(first, len(octets) + 1):
            check([octets[:first], octets[first:second], octets[second:]], mode)
    check([bytes((octet,)) for octet in octets], mode)


@given(st.lists(st.text("\r\nab", max_size=8).map(str.encode), max_size=8), st.sampled_from(MODES))
def test_any_chunks(chunks: list[bytes], mode: Newline) -> None:
    check(chunks, mode)


@given(st.lists(st.binary(max_size=20), max_size=9), st.integers(1, 9))
def test_pieces_keep_octets_and_bound(chunks: list[bytes], size: int) -> None:
    made = list(pieces(chunks, size))
    assert b"".join(made) == b"".join(chunks)
    assert all(0 < len(piece) <= size for piece in made)
    # Two neighbours would not have fitted into one, unless the border is that of a cut chunk.
    assert (
        len(made)
        <= len(b"".join(chunks)) // size * 2 + len([chunk for chunk in chunks if len(chunk) > size]) + 1
    )


def test_one_small_chunk_is_not_copied() -> None:
    chunk = b"abc" * 10
    assert next(iter(pieces([chunk]))) is chunk
