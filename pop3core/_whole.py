"""A short message that has come in one piece: its status line, its body and its end in one go."""

# How it works: this is a second way through the grammar that `Connection.next_event` reads. It exists because a
# mailbox of short messages spends most of its time on events. It must accept only what the first way accepts, and
# return the same octets; tests/core/test_next_message.py compares the two. Where the case is not clear it returns
# None, and the first way decides.
#
# Invariant: where it returns None, nothing is consumed.

from __future__ import annotations

import re

from pop3core._buffer import ReceiveBuffer
from pop3core._limits import Limits

__all__ = ("take_message",)

_find_stuffed = re.compile(rb"\r\n\.").finditer

# The end of the message is looked for within this many octets. The two or three events that are saved are worth nothing
# beside the work that a longer message takes.
_SHORT = 32768

# More stuffed lines than this in a short response are done faster by the decoder.
_FEW = 16


def take_message(buffer: ReceiveBuffer, limits: Limits) -> bytes | None:
    """Take the whole answer to RETR or TOP out of the buffer, if it is a ``+OK``, short and all there.

    Returns:
        The octets of the message without dot-stuffing; None in all other cases.
    """
    if not buffer.data and not buffer.pull():
        return None
    data, start = buffer.data, buffer.position
    end = data.find(b"\n", start, start + limits.status_line) - 1
    if end < 0 or data.find(b"\r", start) != end or not data.startswith(b"+OK", start):
        return None
    whole = _decode_whole(data, end, end + _SHORT)
    if whole is None:
        return None
    message, position = whole
    if limits.message is not None and len(message) > limits.message:
        return None
    buffer.consume_to(position)
    return message


def _decode_whole(data: bytes, position: int, bound: int) -> tuple[bytes, int] | None:
    """Decode a short response that is all there: it starts at `position`, which is the CRLF of its status line.

    Returns the decoded octets and the position behind the response, or None unless it ends in `data` before `bound`.
    A short message is mostly header and full of dots, so memchr is not tried.
    """
    start = position + 2
    pieces: list[bytes] = []
    for match in _find_stuffed(data, position, bound):
        hit = match.start()
        if data.startswith(b"\r\n", hit + 3):
            pieces.append(data[start : hit + 2])
            return b"".join(pieces), hit + 5
        if len(pieces) == _FEW:
            break
        pieces.append(data[start : hit + 2])
        start = hit + 3
    return None
