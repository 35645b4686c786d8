"""Mutations by chance, where nothing measures coverage: the corpus first, then changes and crossings of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

__all__ = ("mutations",)

TOKENS = (
    b"\r\n", b"\r", b"\n", b".", b"+OK ", b"-ERR ", b"+ ", b"\r\n.\r\n", b"\0", b"\xff", b" ", b"9" * 12,
    b"\x1bw", b"\x1b$", b"\x1b~", b"\x1b<",
)  # fmt: skip


def mutations(corpus: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """Yield every input of the corpus, then mutations without end."""
    yield from corpus
    while True:
        data = rng.choice(corpus)
        for _ in range(rng.randrange(1, 4)):
            data = _mutated(data, rng.choice(corpus), rng)
        yield data


def _mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice((0, 1, 1, 2, 8)))
    kind = rng.randrange(5)
    if kind == 0:
        new = rng.choice(TOKENS)
    elif kind == 1:
        new = rng.randbytes(1)
    elif kind == 2:
        new = data[start:end] * 2
    elif kind == 3:
        new = b""
    else:
        # The end of another input: its acts meet this one's state.
        return data[:start] + other[rng.randrange(len(other) + 1) :]
    return data[:start] + new + data[end:]
