"""Takes what is secret out of a recorded session.

How it works. What hides a secret must neither miss it nor point at it. So nothing here looks for the letters of a
password: a reader of the file could see from the places that were found what the password is made of. What is hidden
follows from the commands alone:

- of a line with credentials the keyword is left, and ``***``;
- from the first credentials until a login has succeeded, the text of every status line is ``***``, whatever it says:
  servers repeat names and passwords, as they are or in base64. A well-known response code stays;
- a challenge is ``***`` if credentials were sent before it, and always if it belongs to SCRAM: with those challenges a
  password could be searched for;
- mail is blanked, letter by letter, unless it is to be kept.

Everything else is written as it came.

Invariants:
- `_expected` are the commands that are not answered yet, oldest first; the greeting counts as one.
- A line that must be hidden is held back until its end has come, or until something else must be written: its pieces
  are written as one.
"""

from __future__ import annotations

import re
from collections import deque

from pop3aio._errors import KNOWN_CODES
from pop3aio._record._format import HIDDEN
from pop3core import COMMANDS, Framing, framing_of, parse_response_code

__all__ = ("Redactor",)

_PIECES = re.compile(b"[^\n]*\n|[^\n]+")

# A letter of the mail, a digit or an octet of another alphabet becomes an x; line ends, dots and controls stay.
_BLANK = bytes(
    ord("x") if chr(octet).isascii() and chr(octet).isalnum() else 0xFF if octet > 0x7F else octet
    for octet in range(256)
)

# The commands that hold nothing secret; the name of the user counts as secret here. Any other line is left out, so that
# a command that is not known here is hidden and not shown.
_PLAIN = frozenset(word.encode() for word, kind in COMMANDS.items() if not kind.secret) - {b"USER"}

# What completes a login.
_LAST_STEPS = (b"PASS", b"APOP", b"AUTH")

_LONGEST_LINE = 4096


class Redactor:
    """Takes out of one connection what is secret: credentials, the user's name, and the mail unless it is to be kept.

    Args:
        keep_mail: whether the mail is written as it is.
        bare_lf: whether the server ends its lines by LF alone.
    """

    def __init__(self, *, keep_mail: bool, bare_lf: bool = False) -> None:
        self._keep_mail = keep_mail
        self._bare_lf = bare_lf
        self._mail_asked_for = False
        self._expected: deque[list[bytes]] = deque([[b"greeting"]])
        # Whether credentials were sent, and no login has succeeded since.
        self._logging_in = False
        # What the body that is coming is; None between two bodies.
        self._body: Framing | None = None
        # The beginning of the line that is coming, and whether the line before it ended by CRLF.
        self._line = bytearray()
        self._behind_crlf = True
        # Whether the line that is coming is hidden, and whether its mask has been written.
        self._hides = False
        self._masked = False

    # -- what the client sends

    def sent(self, data: bytes) -> bytes:
        """Return what the client sent, whole lines, without credentials."""
        return b"".join(self._sent_line(line) for line in _PIECES.findall(data))

    def _sent_line(self, line: bytes) -> bytes:
        text = line.removesuffix(b"\r\n")
        if self._expected and self._expected[-1][0] == b"AUTH":
            if text not in (b"", b"*"):
                self._logging_in = True
                text = HIDDEN
            return text + b"\r\n"
        words = text.split(b" ", 2)
        keyword = words[0] = words[0].upper()
        self._expected.append(words)
        self._mail_asked_for |= framing_of(keyword) is Framing.MESSAGE
        if keyword == b"AUTH":
            if len(words) > 2 and words[2] != b"=":
                self._logging_in = True
                text = b"AUTH " + words[1] + b" " + HIDDEN
        elif keyword in (b"USER", b"PASS"):
            self._logging_in = True
            text = keyword + b" " + HIDDEN
        elif keyword == b"APOP":
            self._logging_in = True
            text = b"APOP " + HIDDEN + b" " + HIDDEN
        elif keyword not in _PLAIN:
            text = HIDDEN
        return text + b"\r\n"

    # -- what the server sends

    def received(self, data: bytes) -> bytes:
        """Return what the server sent without the like; less than came where the end of a hidden line has not come."""
        written = []
        for piece in _PIECES.findall(data):
            if not self._line:
                self._hides = self._must_hide()
            if len(self._line) < _LONGEST_LINE:
                self._line += piece
            if self._hides:
                written.append(self._hidden(piece))
            elif self._is_mail():
                written.append(piece if self._keep_mail else piece.translate(_BLANK))
            else:
                written.append(piece)
            if piece.endswith(b"\n"):
                self._end_line(bytes(self._line))
                self._line.clear()
                self._masked = False
        return b"".join(written)

    def flush(self) -> bytes:
        """Return the mask of a hidden line whose end has not come; what is left of that line is not written."""
        if not (self._line and self._hides) or self._masked:
            return b""
        self._masked = True
        return _mask(bytes(self._line))

    def _must_hide(self) -> bool:
        """Tell whether the line that begins here is hidden."""
        if self._body is not None:
            return False
        command = self._expected[0] if self._expected else [b""]
        if command[0] == b"AUTH":
            # It may become a challenge.
            return self._logging_in or self._is_scram(command)
        return self._logging_in or (bool(self._expected) and self._is_unknown(command[0]))

    def _hidden(self, piece: bytes) -> bytes:
        """Return what is written for a piece of a hidden line: all of it stands behind the last piece."""
        if not piece.endswith(b"\n"):
            return b""
        end = b"\r\n" if piece.endswith(b"\r\n") or self._line.endswith(b"\r\n") else b"\n"
        if self._masked:
            return end
        line = bytes(self._line)
        scram = not self._logging_in and bool(self._expected) and self._is_scram(self._expected[0])
        if scram and not line.startswith(b"+ "):
            # Before the first response only a challenge could be of use to a thief.
            return line if line.endswith(b"\n") else line + end
        return _mask(line.rstrip(b"\r\n")) + end

    @staticmethod
    def _is_scram(command: list[bytes]) -> bool:
        return len(command) > 1 and command[1].upper().startswith(b"SCRAM-")

    @staticmethod
    def _is_unknown(keyword: bytes) -> bool:
        return keyword not in _PLAIN and keyword not in (b"greeting", b"USER", *_LAST_STEPS)

    def _is_mail(self) -> bool:
        if self._body is not None:
            return self._body is Framing.MESSAGE
        # Where a status line should be, it may be the rest of a message whose end was not seen.
        status = self._line.startswith(b"+") or b"-ERR".startswith(self._line[:4])
        return self._mail_asked_for and not status

    def _end_line(self, line: bytes) -> None:
        behind_crlf, self._behind_crlf = self._behind_crlf, line.endswith(b"\r\n")
        if self._body is not None:
            # As the core has it: a dot behind a bare LF is part of the text.
            if (line == b".\r\n" and (behind_crlf or self._bare_lf)) or (self._bare_lf and line == b".\n"):
                self._body = None
            return
        if not self._expected or (line.startswith(b"+") and not line.startswith(b"+OK")):
            # No command waits for it, or it is a challenge.
            return
        command = self._expected.popleft()
        if command[0] == b"greeting":
            self._bare_lf |= not line.endswith(b"\r\n")
        elif line.startswith(b"+OK"):
            if command[0] in _LAST_STEPS:
                self._logging_in = False
            framing = framing_of(b" ".join(command))
            self._body = None if framing is Framing.NONE else framing


def _mask(line: bytes) -> bytes:
    """Return a status line or a challenge without its text; a response code that is well known stays."""
    for beginning in (b"+OK", b"-ERR", b"+"):
        if line.startswith(beginning):
            text = line[len(beginning) :]
            break
    else:
        return HIDDEN
    if not text.strip():
        return line
    code = parse_response_code(line) or ""
    known = next((name for name in KNOWN_CODES if code == name or code.startswith(f"{name}/")), None)
    return beginning + (f" [{known}] ".encode() if known else b" ") + HIDDEN
