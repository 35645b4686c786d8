"""The table of messages: its columns, and how it fits a terminal.

How it works. Off a terminal every column is there and nothing is cut. On a terminal no line may wrap: the texts are
cut, and where the rest would be too narrow for a subject, whole columns are left out, the least useful to a person
first.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from datetime import datetime

from pop3aio._cli._columns import cut, padded
from pop3aio._cli._errors import one_line
from pop3aio._cli._headers import Headers
from pop3aio._cli._output import size
from pop3aio._cli._streams import fitted, is_terminal

__all__ = ("Row", "Table")

_GAP = "  "
_SIZE = len("999 octets")
_DAY = len("2024-01-08")
_MINUTE = len("2024-01-08 09:01")
_ZONE = len("2024-01-08 09:01 +0000")
# From so many columns on, a terminal has room for the time.
_WIDE = 110
# Columns of the sender where nothing is cut.
_SENDER = 24
# Columns of the sender that are worth the room.
_LEAST_SENDER = 8
# Columns that are kept for the subject, unless that is more than a third.
_SUBJECT = 18
# The columns that a narrow terminal leaves out, the first one first.
_LEFT_OUT = ("uid", "date", "octets", "sender")


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one message.

    Attributes:
        number: its number, from 1.
        octets: the octets that the server lists, or None.
        uid: its unique-id, or None.
        headers: what stands in its header, or None where the server does not show it.
        refusal: what the server said in place of the header, or None.
    """

    number: int
    octets: int | None
    uid: str | None
    headers: Headers | None
    refusal: str | None = None


class Table:
    """Turns rows into lines; "?" stands for what is not known, "-" for what is not there.

    Args:
        highest: the highest message number.
        longest: the length of the longest unique-id.
    """

    def __init__(self, highest: int, longest: int) -> None:
        self._columns = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
        number = max(len(str(highest)), 2)
        uid = max(longest, len("unique-id"))
        self._widths = {"number": number, "octets": _SIZE, "uid": uid, "date": _ZONE, "sender": _SENDER}
        # The mark must not turn into an escape, which is longer.
        self._mark = "…" if fitted("…", sys.stdout) == "…" else "~"
        if self._columns is not None:
            self._fit(self._columns)
        self.heading = self._line(
            {"number": "no", "octets": "size", "uid": "unique-id", "date": "date", "sender": "from"},
            "subject",
        )

    def line(self, row: Row) -> str:
        """Return the line of one message."""
        headers = row.headers or Headers()
        absent = "?" if row.headers is None else "-"
        subject = headers.subject or absent
        if row.refusal is not None:
            subject = f"(refused: {row.refusal})"
        texts = {
            "number": str(row.number),
            "octets": "?" if row.octets is None else size(row.octets),
            "uid": row.uid or "-",
            "date": absent if headers.date is None else self._date(headers.date),
            "sender": headers.sender or absent,
        }
        return self._line(texts, subject)

    def _fit(self, columns: int) -> None:
        widths = self._widths
        widths["uid"] = min(widths["uid"], columns // 6)
        widths["date"] = _MINUTE if columns >= _WIDE else _DAY
        widths["sender"] = columns // 5
        for name in _LEFT_OUT:
            if self._left(columns) >= min(_SUBJECT, columns // 3):
                break
            del widths[name]
        if widths.get("sender", 0) < _LEAST_SENDER:
            widths.pop("sender", None)

    def _left(self, columns: int) -> int:
        """Return how many columns are left for the subject."""
        return columns - sum(self._widths.values()) - len(_GAP) * len(self._widths)

    def _date(self, date: datetime) -> str:
        text = date.strftime("%Y-%m-%d %H:%M %z").strip()
        return text if self._columns is None else text[: self._widths.get("date", 0)]

    def _line(self, texts: dict[str, str], subject: str) -> str:
        parts = []
        for name, columns in self._widths.items():
            text = self._shown(texts[name], None if self._columns is None else columns)
            right = name in ("number", "octets")
            parts.append(f"{text:>{columns}}" if right else padded(text, columns))
        left = None if self._columns is None else max(1, self._left(self._columns))
        return _GAP.join((*parts, self._shown(subject, left)))

    def _shown(self, text: str, columns: int | None) -> str:
        """Return text as the terminal can show it, cut to its column."""
        text = fitted(one_line(text), sys.stdout)
        return text if columns is None else cut(text, columns, self._mark)
