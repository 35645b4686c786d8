"""How long a multi-line response is, and whether that is too long."""

from __future__ import annotations

from pop3core._commands import Capa, Command, Lang, List, Uidl
from pop3core._limits import Limits

__all__ = ("Meter",)

_LISTINGS = frozenset({Capa, Lang, List, Uidl})


class Meter:
    """Counts the octets of one response, and of a listing its lines and the length of each."""

    __slots__ = ("_command", "_entries", "_limits", "_line", "_lines", "octets")

    def __init__(self, command: Command, limits: Limits) -> None:
        self._command = command
        self._limits = limits
        kind = type(command)
        self._entries: int | None = None
        if kind in _LISTINGS:
            self._entries = limits.listing_entries if kind in (List, Uidl) else limits.capability_lines
        self._lines = 0
        # Octets of the line that has not ended yet.
        self._line = 0
        self.octets = 0

    def count(self, data: bytes) -> str | None:
        """Count a chunk; return what is too much, or None."""
        self.octets += len(data)
        if self._entries is not None:
            return self._count_lines(data, self._entries)
        if self._limits.message is not None and self.octets > self._limits.message:
            return f"is longer than {self._limits.message} octets"
        return None

    def _count_lines(self, data: bytes, entries: int) -> str | None:
        self._lines += data.count(b"\n")
        if self._lines > entries:
            return f"has more than {entries} lines"
        longest = self._limits.listing_line
        # Leap from line end to line end, each time as far as the limit lets one line reach.
        start = -self._line
        while len(data) - start > longest:
            end = data.rfind(b"\n", max(start, 0), start + longest)
            if end < 0:
                return f"has a line of more than {longest} octets"
            start = end + 1
        self._line = len(data) - max(start, data.rfind(b"\n") + 1 or start)
        return None
