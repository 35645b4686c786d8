"""Multi-line responses: the dot-stuffing out of the way and the end found, in chunks and never in lines."""

# The work per octet is memchr and memcpy. Nearly all lines begin with something else than a dot, so the decoder
# looks for dots (`find`, which is memchr), then for CRLF and a dot by a compiled expression, and cuts the chunk at
# the few places it finds. A whole-chunk `replace` would be four to five times slower.
#
# How it works: these are the cursors of `decode` when the first stuffed line is done, with CRLF shown as $. `hit` is
# found next; `end` and `cut` are found last.
#
#     data    $first line$..stuffed$more text$..stuffed again$last line$.$next answer
#     start                ^
#     hit                                    ^
#     end                                                               ^
#     cut                                                                 ^
#
# - `start` is where the next piece begins: behind a dot that was taken away.
# - `scan` is where the next search begins. It is ahead of `start` when dots were met that do not begin a line.
# - `hit` is the CRLF in front of a dot that begins a line. The octets from `start` to the end of that CRLF become a
#   piece, the dot is left out, and `start` moves behind it.
# - `end` is behind the last octet of the body, and `cut` behind the terminator. Without a terminator both stand in
#   front of the few octets at the end of the chunk that could be the start of one.
#
# Invariants between two calls: all octets before the returned position were handed out, less the dots that stuffed. At
# most four octets are held back, so that the CRLF in front of a dot is always in the same `data` as the dot.

from __future__ import annotations

import re

__all__ = ("BodyDecoder",)

_STUFFED = re.compile(rb"\r\n\.")
_search_stuffed = _STUFFED.search

# Start with `find`, which is memchr. After this many dots that do not begin a line, go on with the expression: text has
# a dot in every sentence, base64 has none.
_MEMCHR_TRIES = 4

_CR, _LF, _DOT = b"\r\n."


class BodyDecoder:
    """The state of one multi-line response between two chunks.

    The first call to `decode` must start at the CRLF of the status line: it is the CRLF in front of the body's
    first line, so that an empty body and a stuffed first line need no case of their own.
    """

    __slots__ = ("_lead", "ended")

    def __init__(self) -> None:
        # Octets at the front that are context only: the status line's CRLF.
        self._lead = 2
        self.ended = False

    def decode(self, data: bytes, position: int) -> tuple[bytes, int]:
        """Decode `data` from `position` on.

        Returns the decoded octets and the position up to which `data` is used up. What is left is at most four
        octets that could be the start of the terminator, or, once `ended` is set, what follows the response.
        """
        start = position + self._lead
        cut = len(data) - _held_back(data, position)
        if cut < start:
            return b"", position
        # More cuts than this in one chunk are done faster by splitting all of it.
        dense = 16 + (cut - start) // 4096
        tries = _MEMCHR_TRIES
        scan = position
        pieces: list[bytes | memoryview] = []
        view = memoryview(data)
        while True:
            hit = -1
            while tries:
                dot = data.find(b".", scan + 2, cut)
                if dot < 0:
                    break
                if data[dot - 2 : dot] == b"\r\n":
                    hit = dot - 2
                    break
                tries -= 1
                scan = dot - 1
            else:
                match = _search_stuffed(data, scan, cut)
                if match is not None:
                    hit = match.start()
            if hit < 0:
                end = cut
                break
            if data[hit + 3 : hit + 5] == b"\r\n":
                self.ended = True
                cut, end = hit + 5, hit + 2
                break
            pieces.append(view[start : hit + 2])
            start = scan = hit + 3
            if len(pieces) > dense:
                end = data.find(b"\r\n.\r\n", scan)
                if end < 0:
                    end = cut
                else:
                    self.ended = True
                    end += 2
                    cut = end + 3
                pieces.append(b"\r\n".join(data[start:end].split(b"\r\n.")))
                start = end
                break
        self._lead = 0
        if not pieces:
            return data[start:end], cut
        if start < end:
            pieces.append(view[start:end])
        return b"".join(pieces), cut


def _held_back(data: bytes, position: int) -> int:
    """Count the octets at the end of `data` that could be the start of CRLF, dot, CRLF."""
    if position == len(data):
        return 0
    last = data[-1]
    if last == _LF:
        return 2 if data.endswith(b"\r\n", position) else 0
    if last == _CR:
        return 4 if data.endswith(b"\r\n.\r", position) else 1
    if last == _DOT:
        return 3 if data.endswith(b"\r\n.", position) else 0
    return 0
