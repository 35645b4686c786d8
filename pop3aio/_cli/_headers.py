"""The few header fields that a person looks for, out of whatever a server sends."""

from __future__ import annotations

import re
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.parser import BytesHeaderParser
from email.utils import parseaddr, parsedate_to_datetime
from typing import NamedTuple

__all__ = ("Headers", "parse_headers")


class Headers(NamedTuple):
    """What stands in a header; the texts are as they came and must be made safe before they are shown."""

    subject: str | None
    sender: str | None
    date: datetime | None


def parse_headers(octets: bytes) -> Headers:
    """Read a header leniently: what cannot be decoded is shown as it is, and nothing raises."""
    fields: dict[str, str] = {}
    for name, value in BytesHeaderParser().parsebytes(octets).raw_items():
        fields.setdefault(name.lower(), str(value))
    sender = fields.get("from")
    if sender is not None:
        # Taken apart before it is decoded: an encoded name may hold commas and brackets.
        name, address = parseaddr(_repaired(sender))
        sender = _decoded(name) or address or _decoded(sender)
    subject = fields.get("subject")
    return Headers(None if subject is None else _decoded(subject), sender, _date(fields.get("date")))


def _repaired(value: str) -> str:
    """Return a value on one line, with octets that are no ASCII read as UTF-8, else as Latin-1."""
    octets = value.encode("utf-8", "surrogateescape")
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    return re.sub(r"\r?\n(?=[ \t])", "", text).strip()


def _decoded(value: str) -> str:
    text = _repaired(value)
    try:
        parts = decode_header(text)
    except HeaderParseError:
        return text
    return "".join(_part(part, charset) for part, charset in parts)


def _part(part: bytes | str, charset: str | None) -> str:
    if isinstance(part, str):
        return part
    if charset is None:
        # What the library made of the text between encoded words.
        return part.decode("raw-unicode-escape", "replace")
    try:
        return part.decode(charset, "replace")
    except (LookupError, ValueError):
        return part.decode("latin-1")


def _date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return parsedate_to_datetime(_repaired(value))
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
