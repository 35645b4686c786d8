"""How long a multi-line response is, and whether that is too long."""

# How it works: the command's `framing` says which limits hold. A message is bounded by its octets alone. A listing is
# bounded by its lines and by the octets of each line, because it is kept and parsed as a whole.
#
# Invariants: between two calls, `octets` is all that was counted, `_lines` the line ends among it, and `_line` the
# octets behind the last line end. A chunk may be cut anywhere, and the counts do not depend on where.

from __future__ import annotations

from pop3core._commands import Framing
from pop3core._limits import Limits

__all__ = ("Meter",)


class Meter:
    """Counts the octets of one response, and of a listing its lines and the length of each.

    Args:
        framing: what the response is.
        limits: how long it may be.
    """

    __slots__ = ("_entries", "_limits", "_line", "_lines", "octets")

    def __init__(self, framing: Framing, limits: Limits) -> None:
        self._limits = limits
        # The most lines that there may be; None for a message, which may have any number.
        self._entries: int | None
        if framing is Framing.MESSAGE:
            self._entries = None
        else:
            self._entries = limits.listing_entries if framing is Framing.LISTING else limits.capability_lines
        self._lines = 0
        # Octets of the line that has not ended yet.
        self._line = 0
        self.octets = 0

    def count(self, data: bytes) -> str | None:
        """Count a chunk; return what is too much, as the end of a sentence, or None."""
        self.octets += len(data)
        if self._entries is not None:
            return self._count_lines(data, self._entries)
        if self._limits.message is not None and self.octets > self._limits.message:
            return f"is longer than {self._limits.message} octets"
        return None

    def _count_lines(self, data: bytes, entries: int) -> str | None:
        """Count the lines of a chunk without looking at each of them."""
        self._lines += data.count(b"\n")
        if self._lines > entries:
            return f"has more than {entries} lines"
        longest = self._limits.listing_line
        # Leap from line end to line end, each time to the last one within the longest line that is allowed. With 2048
        # allowed and lines of 10 octets, one leap goes over 204 lines: the first line end behind the leap is less than
        # 2048 octets away, or there is a line that is too long. `start` is where the current line begins; it is
        # negative if that was in an earlier chunk.
        start = -self._line
        while len(data) - start > longest:
            end = data.rfind(b"\n", max(start, 0), start + longest)
            if end < 0:
                return f"has a line of more than {longest} octets"
            start = end + 1
        self._line = len(data) - max(start, data.rfind(b"\n") + 1 or start)
        return None
