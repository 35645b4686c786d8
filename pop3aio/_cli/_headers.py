"""The few header fields that a person looks for, out of whatever a server sends.

How it works. Anybody can send mail, so a header may hold megabytes, nested comments or bombs of encoded words; the
parsers of the standard library take minutes for some of them, or end in RecursionError. Three fields are searched here,
each is cut to a few kilobytes before anything else is done with it, and what follows passes over the text once.

Invariants:
- Nothing raises, and the work is bounded by the octets that are given.
- A text that comes out has no surrogates, so that every stream and every journal takes it. It may hold control
  characters; `one_line` makes them harmless before they are shown.
"""

from __future__ import annotations

import binascii
import codecs
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from pop3aio._cli._mailboxes import split_mailbox

__all__ = ("LONGEST_HEADER", "Headers", "parse_headers")

LONGEST_HEADER = 256 * 1024
"""Octets of a header in which the fields are searched."""

# Octets of one field; RFC 5322 has no limit, and no subject that a person wrote is longer.
_LONGEST_FIELD = 4096

_END = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_FIELD = re.compile(rb"^(from|subject|date)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(r"[ \t]*\r?\n[ \t]+|[ \t]+")

# RFC 2047 section 2, with a language as RFC 2231 section 5 has it.
_WORD = re.compile(r"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([BbQq])\?([ ->@-~]*)\?=")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
# They are no charsets: some take time that grows with the square, others give out what no text holds.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


class Headers(NamedTuple):
    """What stands in a header; the texts are as they came and must be made safe before they are shown.

    Attributes:
        subject: the subject, or None if there is none.
        name: the name of the first sender, or None.
        address: the address of the first sender, or None.
        date: the date, or None if there is none that can be read.
    """

    subject: str | None = None
    name: str | None = None
    address: str | None = None
    date: datetime | None = None

    @property
    def sender(self) -> str | None:
        """The sender's name, else the address."""
        return self.name or self.address


def parse_headers(octets: bytes) -> Headers:
    """Read a header leniently: what cannot be decoded is shown as it is, and nothing raises."""
    octets = octets[:LONGEST_HEADER]
    end = _END.search(octets)
    fields: dict[bytes, str] = {}
    for found in _FIELD.finditer(octets, 0, len(octets) if end is None else end.start()):
        if (name := found[1].lower()) not in fields:
            fields[name] = _unfolded(found[2])
    subject = fields.get(b"subject")
    # Taken apart before it is decoded: an encoded name may hold commas and brackets.
    sender, address = (_decoded(part) or None for part in split_mailbox(fields.get(b"from", "")))
    return Headers(
        None if subject is None else _decoded(subject), sender, address, _date(fields.get(b"date"))
    )


def _unfolded(value: bytes) -> str:
    """Return a field's value on one line: UTF-8, else Latin-1."""
    value = value.rstrip(b"\r")
    kept = value[:_LONGEST_FIELD]
    try:
        # A letter that the cut has halved is left out.
        text, _ = codecs.utf_8_decode(kept, "strict", len(kept) == len(value))
    except UnicodeDecodeError:
        text = kept.decode("latin-1")
    return _FOLD.sub(" ", text).strip(" ")


def _decoded(text: str) -> str:
    """Return text with its encoded words decoded (RFC 2047)."""
    parts: list[str] = []
    # A run of neighbouring words in one charset: a letter may begin in one of them and end in the next.
    charset, octets = "", b""
    end = 0
    for word in _WORD.finditer(text):
        content = _content(word[2], word[3])
        if content is None:
            continue
        between = text[end : word.start()]
        adjacent = bool(charset) and not between.strip(" ")
        if not adjacent or charset != word[1].lower():
            parts += (_text(octets, charset), "" if adjacent else between)
            octets = b""
        charset = word[1].lower()
        octets += content
        end = word.end()
    return "".join((*parts, _text(octets, charset), text[end:]))


def _content(encoding: str, encoded: str) -> bytes | None:
    """Return the octets of an encoded word, or None if it cannot be decoded."""
    if encoding in "Qq":
        plain = encoded.replace("_", " ").encode("ascii")
        return _HEX.sub(lambda found: bytes([int(found[1], 16)]), plain)
    try:
        return binascii.a2b_base64(encoded + "==")
    except binascii.Error:
        return None


def _text(octets: bytes, charset: str) -> str:
    if not octets:
        return ""
    try:
        if codecs.lookup(charset).name in _NO_CHARSETS:
            raise LookupError(charset)
        text = octets.decode(charset, "replace")
    except (LookupError, ValueError):
        text = octets.decode("latin-1")
    # UTF-7 can hold half of a letter.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
