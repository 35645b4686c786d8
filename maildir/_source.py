"""What a message is delivered from, and its cutting into chunks."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator
from typing import TypeAlias, cast

from maildir._draft import Octets
from maildir._newlines import PIECE

__all__ = ("Source", "chunks", "octets_of")

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
    if not view.c_contiguous:
        view = memoryview(bytes(view))
    view = view.cast("B")
    return (view[start : start + PIECE] for start in range(0, len(view), PIECE))


def octets_of(chunk: Octets) -> bytes:
    """Return `chunk` as bytes, copied if it is a buffer that may be used again.

    Raises:
        TypeError: it is not made of octets.
    """
    try:
        return bytes(memoryview(chunk))
    except TypeError:
        raise TypeError(f"each chunk of a message must be bytes, not {type(chunk).__name__}") from None
