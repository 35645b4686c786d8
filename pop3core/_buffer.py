"""The octets that have come and are not parsed yet."""

from __future__ import annotations

import re
from collections import deque

__all__ = ("ReceiveBuffer",)

_BARE_LF = re.compile(rb"(?<!\r)\n")


class ReceiveBuffer:
    """A queue of chunks with one of them open.

    `data` from `position` on is what can be parsed now. A chunk that arrives while nothing is left is taken as it
    is, without a copy; it is glued to a rest only when a line or a terminator spans both.
    """

    __slots__ = ("_bare_lf", "_chunks", "_scanned", "_waiting_cr", "data", "position")

    def __init__(self) -> None:
        self.data = b""
        self.position = 0
        self._chunks: deque[bytes] = deque()
        self._scanned = 0
        self._bare_lf = False
        self._waiting_cr = False

    def __len__(self) -> int:
        return len(self.data) - self.position + sum(map(len, self._chunks)) + self._waiting_cr

    def __bool__(self) -> bool:
        return self.position < len(self.data) or bool(self._chunks) or self._waiting_cr

    def append(self, chunk: bytes) -> None:
        """Add octets that have come."""
        if self._bare_lf:
            chunk = self._normalise(chunk)
        if chunk:
            self._chunks.append(chunk)

    def pull(self) -> bool:
        """Make more octets parsable; return False when all that came already are."""
        if not self._chunks:
            return False
        if self.position == len(self.data):
            self.data = self._chunks.popleft()
        else:
            self.data = self.data[self.position :] + self._chunks.popleft()
        self._scanned = max(0, self._scanned - self.position)
        self.position = 0
        return True

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

    def line(self) -> bytes | None:
        """Return the next line with whatever line end it has, without consuming it; None if it has not all come."""
        while True:
            end = self.data.find(b"\n", max(self._scanned, self.position))
            if end >= 0:
                return self.data[self.position : end + 1]
            self._scanned = len(self.data)
            if not self.pull():
                return None

    def accept_bare_lf(self) -> None:
        """From here on take LF for a line end, by turning every bare one into CRLF as it comes in.

        One rule for status lines, listings and messages: whatever is parsed later has CRLF everywhere.
        """
        if not self._bare_lf:
            rest = [self.data[self.position :], *self._chunks]
            self._bare_lf = True
            self.data, self.position, self._scanned = b"", 0, 0
            self._chunks.clear()
            for chunk in rest:
                self.append(chunk)

    def _normalise(self, chunk: bytes) -> bytes:
        if self._waiting_cr:
            chunk = b"\r" + chunk
        # A CR at the end may belong to an LF that has not come yet.
        self._waiting_cr = chunk.endswith(b"\r")
        if self._waiting_cr:
            chunk = chunk[:-1]
        return _BARE_LF.sub(b"\r\n", chunk)
