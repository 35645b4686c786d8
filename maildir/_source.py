"""What a message is delivered from, and its cutting into chunks."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator
from typing import TypeAlias, cast

from maildir._draft import Octets
from maildir._newlines import PIECE

__all__ = ("Source", "buffer_pieces", "chunks")

Source: TypeAlias = AsyncIterable[Octets] | Iterable[Octets] | Octets

_WANTED = "source must be bytes, or an iterable or asynchronous iterable of bytes"


def chunks(source: Iterable[Octets] | Octets) -> Iterator[Octets]:
    """Return the chunks of `source`; a buffer is cut up, so that no second one of its size is needed.

    Raises:
        TypeError: `source` is no source.
    """
    if isinstance(source, str):
        raise TypeError(f"{_WANTED}; a str must be encoded first")
    try:
        view = memoryview(source)  # type: ignore[arg-type]
    except TypeError:
        try:
            return iter(cast("Iterable[Octets]", source))
        except TypeError:
            raise TypeError(f"{_WANTED}, not {source!r}") from None
    return _cut(view)


def buffer_pieces(chunk: Octets) -> Iterator[bytes]:
    """Return copies of the pieces of `chunk`, each made when it is asked for.

    Raises:
        TypeError: it is not made of octets.
    """
    try:
        view = memoryview(chunk)
    except TypeError:
        raise TypeError(f"each chunk of a message must be bytes, not {type(chunk).__name__}") from None
    return map(bytes, _cut(view))


def _cut(view: memoryview) -> Iterator[memoryview]:
    if not view.c_contiguous:
        view = memoryview(bytes(view))
    octets = view.cast("B")
    return (octets[start : start + PIECE] for start in range(0, len(octets), PIECE))
