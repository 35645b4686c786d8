"""Line ends: converts a message from its form on the wire to its form in the file, exactly, piece by piece."""

# How it works: `feed` gets the message in pieces of any length. A CR at the end of a piece is held back and put before
# the next one, so that no CRLF is ever divided. Sizes are counted on the way, since Dovecot trusts the sizes in names.
#
# Invariants, between two calls:
# - `_held` is True exactly if a CR was received and not yet given out.
# - `octets` and `virtual_octets` count exactly what was given out. At the end, after `finish`, they are those of the
#   file.
# - Only in mode "lf" does `_after_cr` mean something: the last octet given out was a CR. Then a LF that comes next
#   completes a CRLF in the file, so it is no bare LF.

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

__all__ = ("PIECE", "Newline", "Newlines", "pieces")

Newline = Literal["lf", "crlf", "verbatim"]

# Converting holds the interpreter's lock, and the event loop waits for it: so one piece takes less than a millisecond.
PIECE = 256 * 1024

# Matches a CR that no LF follows, but not a CR at the very end; the caller checks that. A lookahead would cover both,
# and is a sixth slower.
_LONE_CR = re.compile(rb"\r[^\n]")


class Newlines:
    """Converts one message and counts it.

    ``"lf"`` turns CRLF into LF, ``"crlf"`` turns LF into CRLF, ``"verbatim"`` changes nothing. A CR without LF and, in
    ``"lf"``, a LF without CR are data and stay. `octets` counts the output, `virtual_octets` the same with every
    LF that no CR precedes counted as CRLF: the size that POP3 and IMAP servers announce for the message.
    """

    __slots__ = ("_after_cr", "_held", "_mode", "octets", "virtual_octets")

    def __init__(self, mode: Newline) -> None:
        self._mode = mode
        self._held = False
        self._after_cr = False
        self.octets: int = 0
        self.virtual_octets: int = 0

    def feed(self, data: bytes) -> bytes:
        """Return what `data` becomes; a CR at its end is held back until it is known what follows."""
        if self._held:
            data = b"\r" + data
        self._held = data.endswith(b"\r")
        if self._held:
            data = data[:-1]
        # From here on no CRLF of the input lies across the border of two pieces, in whichever mode.
        if self._mode == "crlf":
            if data.count(b"\n") != data.count(b"\r\n"):
                data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            bare = 0
        elif self._mode == "verbatim":
            bare = data.count(b"\n") - data.count(b"\r\n")
        else:
            if _LONE_CR.search(data) or data.endswith(b"\r"):
                data = data.replace(b"\r\n", b"\n")
                bare = data.count(b"\n") - data.count(b"\r\n")
            else:
                # Each CR has its LF here. Deleting one letter is many times faster than replacing two by one.
                data = data.replace(b"\r", b"")
                # To delete the LFs and compare the lengths is faster than to count them.
                bare = len(data) - len(data.replace(b"\n", b""))
            # CR CR LF becomes CR LF, and the border between two pieces may lie before that LF.
            if self._after_cr and data.startswith(b"\n"):
                bare -= 1
            if data:
                self._after_cr = data.endswith(b"\r")
        self.octets += len(data)
        self.virtual_octets += len(data) + bare
        return data

    def finish(self) -> bytes:
        """Return the CR that was held back, if there is one: the message ended with it."""
        rest = b"\r" if self._held else b""
        self._held = False
        self.octets += len(rest)
        self.virtual_octets += len(rest)
        return rest


def pieces(chunks: list[bytes], size: int = PIECE) -> Iterator[bytes]:
    """Yield the octets of `chunks` in pieces of at most `size`, small chunks joined and large ones cut."""
    if len(chunks) == 1 and 0 < len(chunks[0]) <= size:
        yield chunks[0]
        return
    gathered: list[bytes] = []
    room = size
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            part = chunk if len(chunk) <= size else chunk[start : start + size]
            if len(part) > room:
                yield b"".join(gathered)
                gathered.clear()
                room = size
            gathered.append(part)
            room -= len(part)
    if gathered:
        yield b"".join(gathered)
