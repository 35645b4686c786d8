"""The octets that have come and are not parsed yet."""

# How it works: `data` is the chunk that is open, parsed up to `position`; `_chunks` are the closed ones behind it.
# `pull` opens the next chunk. While a body goes by, nearly every chunk is opened when nothing is left of the one
# before, and no octet is copied. A line that spans chunks is joined when its end has come, and only then: if it were
# glued together at every chunk, a line of n chunks would cost the square of n, and a server decides how many chunks it
# sends.
#
# Invariants between two calls:
# - What is not parsed is `data[position:]`, then `_passed`, then `_chunks`, then a CR if `_waiting_cr`, in this order.
# - `_passed` are the closed chunks that `line` has looked through: no line end stands in them, nor in
#   `data[position:_scanned]`.
# - `_closed` is the number of octets in `_passed` and `_chunks`. Counting them anew for each chunk would cost the
#   square, too.
# - With `_bare_lf`, every LF has a CR before it.

from __future__ import annotations

import re
from collections import deque

__all__ = ("ReceiveBuffer",)

_BARE_LF = re.compile(rb"(?<!\r)\n")


class ReceiveBuffer:
    """A queue of chunks with one of them open: `data` from `position` on is what can be parsed now."""

    __slots__ = (
        "_bare_lf", "_chunks", "_closed", "_passed", "_scanned", "_waiting_cr", "data", "position",
    )  # fmt: skip

    def __init__(self) -> None:
        self.data = b""
        self.position = 0
        self._chunks: deque[bytes] = deque()
        self._closed = 0
        self._scanned = 0
        self._passed: list[bytes] = []
        self._bare_lf = False
        self._waiting_cr = False

    def __len__(self) -> int:
        return len(self.data) - self.position + self._closed + self._waiting_cr

    def __bool__(self) -> bool:
        return self.position < len(self.data) or self._closed > 0 or self._waiting_cr

    def append(self, chunk: bytes) -> None:
        """Add octets that have come."""
        if self._bare_lf:
            chunk = self._normalise(chunk)
        if chunk:
            self._chunks.append(chunk)
            self._closed += len(chunk)

    def pull(self) -> bool:
        """Make more octets parsable; return False when all that came already are."""
        if self._passed:
            self._join()
        elif not self._chunks:
            return False
        elif self.position == len(self.data):
            self.data = self._chunks.popleft()
            self._closed -= len(self.data)
            self.position = self._scanned = 0
        else:
            self._passed.append(self._chunks.popleft())
            self._join()
        return True

    def _join(self) -> None:
        """Make `_passed` parsable, with what is left of the open chunk before it."""
        self._closed -= sum(map(len, self._passed))
        self.data = b"".join((self.data[self.position :], *self._passed))
        self._passed.clear()
        self._scanned = max(0, self._scanned - self.position)
        self.position = 0

    def consume_to(self, position: int) -> None:
        """Declare everything before `position` parsed."""
        if position == len(self.data):
            # Holding on to a parsed chunk would double the memory of a connection that is idle.
            self.data = b""
            position = 0
        self.position = self._scanned = position

    def consume(self, octets: int) -> None:
        """Declare the next `octets` parsed."""
        self.consume_to(self.position + octets)

    def starts_with(self, prefix: bytes) -> bool:
        """Tell whether what is not parsed begins with a short prefix."""
        while len(self.data) - self.position < len(prefix) and self.pull():
            pass
        return self.data.startswith(prefix, self.position)

    def line(self) -> bytes | None:
        """Return the next line with its line end, CRLF or LF, without consuming it; None if it has not all come."""
        end = self.data.find(b"\n", max(self._scanned, self.position))
        if end < 0:
            self._scanned = len(self.data)
            found = False
            while self._chunks and not found:
                chunk = self._chunks.popleft()
                self._passed.append(chunk)
                found = b"\n" in chunk
            if not found:
                return None
            self._join()
            end = self.data.find(b"\n", self._scanned)
        return self.data[self.position : end + 1]

    def rest(self) -> bytes:
        """Return all that is not parsed, without consuming it."""
        return b"".join((self.data[self.position :], *self._passed, *self._chunks))

    def accept_bare_lf(self) -> None:
        """From here on take LF for a line end, by turning every bare LF into CRLF when it is appended.

        This is one rule for status lines, listings and messages: all octets that are parsed later have CRLF.
        """
        if not self._bare_lf:
            rest = self.rest()
            self._bare_lf = True
            self.data, self.position, self._scanned = b"", 0, 0
            self._chunks.clear()
            self._passed.clear()
            self._closed = 0
            self.append(rest)

    def _normalise(self, chunk: bytes) -> bytes:
        if self._waiting_cr:
            chunk = b"\r" + chunk
        # A CR at the end may belong to an LF that has not come yet.
        self._waiting_cr = chunk.endswith(b"\r")
        if self._waiting_cr:
            chunk = chunk[:-1]
        return _BARE_LF.sub(b"\r\n", chunk)
