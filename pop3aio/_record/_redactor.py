"""Takes what is secret out of a recorded session."""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections import deque

from pop3aio._record._format import HIDDEN
from pop3core import COMMANDS, Framing, framing_of

__all__ = ("Redactor",)

_PIECES = re.compile(b"[^\n]*\n|[^\n]+")

# A letter of the mail, a digit or an octet of another alphabet becomes an x; line ends, dots and controls stay.
_BLANK = bytes(
    ord("x") if chr(octet).isascii() and chr(octet).isalnum() else 0xFF if octet > 0x7F else octet
    for octet in range(256)
)

# The commands that hold nothing secret; the name of the user counts as secret here. Any other line is left out, so that
# a command nobody thought of is hidden and not shown.
_PLAIN = frozenset(word.encode() for word, kind in COMMANDS.items() if not kind.secret) - {b"USER"}

# What is shorter stands in any text by chance, so that masking it would give it away.
_SHORTEST = 4

_LONGEST_LINE = 4096


class Redactor:
    """Takes out of one connection what is secret: credentials, who the user is, and the mail unless it is to be kept.

    What a server repeats of the first two is masked by as many asterisks. Of SCRAM the server's challenges are left
    out, too: with them a password could be searched for.
    """

    def __init__(self, *, keep_mail: bool, bare_lf: bool = False) -> None:
        self._keep_mail = keep_mail
        self._bare_lf = bare_lf
        self._mail_asked_for = False
        self._expected: deque[list[bytes]] = deque([[b"greeting"]])
        # What the body that is coming is; None between two bodies.
        self._body: Framing | None = None
        self._line = bytearray()
        self._held: list[list[tuple[bool, bytes]]] = []
        self._secrets: set[bytes] = set()

    def sent(self, data: bytes) -> bytes:
        """Return what the client sent without credentials."""
        return b"".join(self._sent_line(line) for line in _PIECES.findall(data))

    def _sent_line(self, line: bytes) -> bytes:
        text = line.removesuffix(b"\r\n")
        words = text.split(b" ", 2)
        if self._expected and self._expected[-1][0] == b"AUTH":
            if text not in (b"", b"*"):
                self._hide_response(text)
                text = HIDDEN
        else:
            keyword = words[0] = words[0].upper()
            self._expected.append(words)
            self._mail_asked_for |= framing_of(keyword) is Framing.MESSAGE
            if keyword == b"AUTH":
                if len(words) > 2 and words[2] != b"=":
                    self._hide_response(words[2])
                    text = b"AUTH " + words[1] + b" " + HIDDEN
            elif keyword in (b"USER", b"PASS"):
                self._hide(text[5:])
                text = keyword + b" " + HIDDEN
            elif keyword == b"APOP":
                self._hide(*words[1:])
                text = b"APOP " + HIDDEN + b" " + HIDDEN
            elif keyword not in _PLAIN:
                text = HIDDEN
        return text + b"\r\n"

    def _hide_response(self, response: bytes) -> None:
        self._hide(response)
        try:
            decoded = a2b_base64(response)
        except ValueError:
            return
        # User names, passwords and tokens, as the mechanisms put them together.
        self._hide(decoded, *re.split(rb"[\0\x01]", decoded))
        self._hide(*re.split(rb"[\0\x01 ,=]", decoded))

    def _hide(self, *secrets: bytes) -> None:
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                encoded = b2a_base64(secret, newline=False)
                self._secrets |= {secret, encoded, encoded.rstrip(b"=")}

    def received(self, data: bytes) -> list[bytes]:
        """Return what the server sent without the like, piece by piece.

        It has as many octets, save for challenges of SCRAM. The beginning of a status line is kept back until the
        rest has come, lest a secret be cut in two; `flush` gives it up.
        """
        kept: list[tuple[bool, bytes]] = []
        for piece in _PIECES.findall(data):
            ends = piece.endswith(b"\n")
            if len(self._line) < _LONGEST_LINE:
                self._line += piece
            if self._is_challenge():
                # Nothing of it is written before it is known to be one.
                kept.append((False, b"" if not ends else self._challenge(bytes(self._line))))
            elif self._is_mail():
                kept.append((True, piece if self._keep_mail else piece.translate(_BLANK)))
            else:
                kept.append((False, piece))
            if ends:
                self._end_line(bytes(self._line))
                self._line.clear()
        self._held.append(kept)
        whole = not self._line or self._is_mail() or len(self._line) >= _LONGEST_LINE
        return self.flush() if whole else []

    def flush(self) -> list[bytes]:
        """Return what was kept back."""
        said = b"".join(piece for kept in self._held for is_mail, piece in kept if not is_mail)
        for secret in sorted(self._secrets, key=len, reverse=True):
            said = said.replace(secret, b"*" * len(secret))
        written = []
        for kept in self._held:
            data = b""
            for is_mail, piece in kept:
                if not is_mail:
                    piece, said = said[: len(piece)], said[len(piece) :]
                data += piece
            written.append(data)
        self._held.clear()
        return [data for data in written if data]

    def _is_challenge(self) -> bool:
        command = self._expected[0] if self._expected and self._body is None else [b""]
        return command[0] == b"AUTH" and command[1].upper().startswith(b"SCRAM-")

    @staticmethod
    def _challenge(line: bytes) -> bytes:
        return b"+ " + HIDDEN + b"\r\n" if line.startswith(b"+ ") and line.strip() != b"+" else line

    def _is_mail(self) -> bool:
        if self._body is not None:
            return self._body is Framing.MESSAGE
        # Where a status line should be, it may be the rest of a message whose end was not seen.
        status = self._line.startswith(b"+") or b"-ERR".startswith(self._line[:4])
        return self._mail_asked_for and not status

    def _end_line(self, line: bytes) -> None:
        if self._body is not None:
            if line == b".\r\n" or (self._bare_lf and line == b".\n"):
                self._body = None
            return
        if not self._expected or (line.startswith(b"+") and not line.startswith(b"+OK")):
            # Nobody asked for it, or it is a challenge.
            return
        command = self._expected.popleft()
        if command[0] == b"greeting":
            self._bare_lf |= not line.endswith(b"\r\n")
        elif line.startswith(b"+OK"):
            framing = framing_of(b" ".join(command))
            self._body = None if framing is Framing.NONE else framing
