"""What the answers mean: pure functions from octets to values."""

# How it works: a listing that is well-formed as a whole is taken apart in bulk. Any other listing goes line by line,
# where a line that cannot be understood costs its own entry and never the rest.
#
# Invariants:
# - The bulk way and the way by lines return the same for a listing that both understand.
# - The work is linear in the octets, whatever the server sends: the expressions do not backtrack over more than a
#   line's share. tests/core/test_parser_work.py and test_growth.py measure that.
# - Sizes are hints: servers round them, count LF as one octet, or lie, so nothing is ever allocated or cut by them.

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple, TypeVar

from pop3core._errors import RemoteProtocolError

__all__ = (
    "DropListing",
    "Scan",
    "Uid",
    "decode_text",
    "excerpt",
    "parse_apop_timestamp",
    "parse_list",
    "parse_response_code",
    "parse_stat",
    "parse_status",
    "parse_uidl",
)

MAX_NUMBER = 2**31 - 1
MAX_OCTETS = 2**63 - 1
MAX_UID = 1024

# Possessive, so that a listing of a million lines costs neither backtracking nor stack.
_PLAIN_LIST = re.compile(rb"(?:[1-9][0-9]{0,8}+ (?:[1-9][0-9]{0,17}+|0)\r\n)*+")
_PLAIN_UIDL = re.compile(rb"(?:[1-9][0-9]{0,8}+ [!-~]{1,70}+\r\n)*+")
_COMMAS = bytes.maketrans(b" \n", b",,")

_SIZE_LINE = re.compile(rb"[ \t]*([0-9]{1,10})[ \t]+([0-9]{1,19})(?:[ \t][^\r\n]*)?")
_UID_LINE = re.compile(rb"[ \t]*([0-9]{1,10})(?:[ \t]+(.*))?", re.DOTALL)
_USABLE_UID = re.compile(rb"[!-~\x80-\xff]{1,%d}" % MAX_UID)
_STAT = re.compile(rb"[ \t]*([0-9]{1,10})(?:[ \t]+(-?[0-9]+))?(?:[ \t].*)?")
_CODE = re.compile(rb"\[([!-.0-\\^-\x7f]+(?:/[!-.0-\\^-\x7f]+)*)\]")
_TIMESTAMP = re.compile(rb"<[!-;=?A-~]+@[!-;=?A-~]+>")


@dataclass(frozen=True, slots=True)
class DropListing:
    """The answer to STAT: `count` of messages, and their `octets`, None where the server's figure is no number."""

    count: int
    octets: int | None


class Scan(NamedTuple):
    """A scan listing: the message `number` (from 1, valid in this session) and its size in `octets`, a hint."""

    number: int
    octets: int


class Uid(NamedTuple):
    """A unique-id listing: the message `number` and its unique-id `uid`.

    A unique-id is opaque octets, given here as Latin-1 so that nothing is lost. It is None where the server's is
    empty, holds a space or a control octet, or is longer than 1024 octets: such a message cannot be recognised
    again. Two messages may share a unique-id (RFC 1939 section 7).
    """

    number: int
    uid: str | None


def parse_status(line: bytes) -> tuple[bool, bytes] | None:
    """Split a status line without its line end into (was it +OK, what follows); None if it is no status line.

    One space after the status is dropped; text glued to it is accepted, other spellings of it are not.
    """
    if line.startswith(b"+OK"):
        ok, text = True, line[3:]
    elif line.startswith(b"-ERR"):
        ok, text = False, line[4:]
    else:
        return None
    return ok, text.removeprefix(b" ")


def _payload(raw: bytes) -> bytes:
    """Return the text of a status line, without its line end; all of the line if it has no status."""
    line = raw.removesuffix(b"\r\n")
    status = parse_status(line)
    return line if status is None else status[1]


def parse_stat(raw: bytes) -> DropListing:
    """Parse the answer to STAT (RFC 1939 section 5).

    Args:
        raw: the status line, with or without its ``+OK`` and its line end.

    Returns:
        The count and the octets. Octets that are missing, negative or absurd (old servers overflow 32 bits) are None.

    Raises:
        RemoteProtocolError: the count of messages is no number.
    """
    match = _STAT.fullmatch(raw.removesuffix(b"\r\n").removeprefix(b"+OK"))
    if match is None or int(match[1]) > MAX_NUMBER:
        raise RemoteProtocolError(
            f"the answer to STAT does not begin with a count of messages: {excerpt(raw)}", command="STAT"
        )
    octets = None
    if match[2] is not None and not match[2].startswith(b"-") and len(match[2]) <= 19:
        octets = int(match[2])
        if octets > MAX_OCTETS:
            octets = None
    return DropListing(int(match[1]), octets)


def parse_list(data: bytes) -> list[Scan]:
    """Parse the scan listings of a LIST answer (RFC 1939 section 5).

    Args:
        data: the multi-line response without its terminator, or the status line that answers LIST n.

    Returns:
        The entries in the order of the server. Lines that are no scan listing are left out. A message that is
        listed again is given once if all its lines agree, else not at all.
    """
    if _PLAIN_LIST.fullmatch(data):
        with _collector_paused():
            # json reads numbers fastest of all in the standard library; these have no leading zeros.
            values = json.loads(b"[%b]" % data.translate(_COMMAS, b"\r")[:-1])
            numbers = values[::2]
            entries = list(map(tuple.__new__, repeat(Scan), zip(numbers, values[1::2], strict=True)))
    else:
        entries = []
        for line in _lines(data):
            match = _SIZE_LINE.fullmatch(line)
            if match and _is_number(match[1]) and int(match[2]) <= MAX_OCTETS:
                entries.append(Scan(int(match[1]), int(match[2])))
        numbers = [entry.number for entry in entries]
    return entries if len(set(numbers)) == len(numbers) else _once(entries)


def parse_uidl(data: bytes) -> list[Uid]:
    """Parse the unique-id listings of a UIDL answer (RFC 1939 section 7).

    Args:
        data: the multi-line response without its terminator, or the status line that answers UIDL n.

    Returns:
        The entries in the order of the server. Lines without a message number are left out, and a unique-id
        that cannot be used is given as None. A message that is listed again is given once; with None if its
        lines do not agree.
    """
    if _PLAIN_UIDL.fullmatch(data):
        with _collector_paused():
            tokens = data.decode("latin-1").split()
            numbers = list(map(int, tokens[::2]))
            entries = list(map(tuple.__new__, repeat(Uid), zip(numbers, tokens[1::2], strict=True)))
    else:
        entries = []
        for line in _lines(data):
            # Blanks at the end are cut off first: by the expression it would take quadratic time.
            match = _UID_LINE.fullmatch(line.rstrip(b" \t"))
            if match and _is_number(match[1]):
                uid = match[2] or b""
                usable = _USABLE_UID.fullmatch(uid)
                entries.append(Uid(int(match[1]), uid.decode("latin-1") if usable else None))
        numbers = [entry.number for entry in entries]
    if len(set(numbers)) == len(numbers):
        return entries
    agreed = {entry.number: entry for entry in _once(entries)}
    # Which of its unique-ids is right cannot be told, and a wrong one could make a new message look like a known one.
    return [agreed.get(number, Uid(number, None)) for number in dict.fromkeys(numbers)]


_Entry = TypeVar("_Entry", Scan, Uid)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking over a long listing again and again while that is built.

    Nothing of it is garbage yet, and with a hundred thousand entries that took as long as all the rest.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _lines(data: bytes) -> list[bytes]:
    if b"\r\n" not in data:
        return [data.removeprefix(b"+OK")]
    return data.removesuffix(b"\r\n").split(b"\r\n")


def _is_number(digits: bytes) -> bool:
    return 1 <= int(digits) <= MAX_NUMBER


def _once(entries: list[_Entry]) -> list[_Entry]:
    """Return each message's entry once; those of a message whose entries differ are left out.

    Which of them is right cannot be told.
    """
    found: dict[int, set[_Entry]] = {}
    for entry in entries:
        found.setdefault(entry.number, set()).add(entry)
    return [entry for entry in dict.fromkeys(entries) if len(found[entry.number]) == 1]


def parse_response_code(raw: bytes) -> str | None:
    """Return the response code at the start of a status line's text, in upper case, or None (RFC 2449 section 8).

    Brackets later in the text are no code: Exchange Online ends its greeting with some.
    """
    match = _CODE.match(_payload(raw))
    return match[1].decode("ascii").upper() if match else None


def parse_apop_timestamp(raw: bytes) -> bytes | None:
    """Return the time stamp in a greeting, angle brackets included, or None (RFC 1939 section 7).

    Only a well-formed msg-id counts: one ``@`` between printable ASCII. Anything looser lets an attacker choose
    octets that reveal the secret by MD5 collisions (CVE-2007-1558).
    """
    match = _TIMESTAMP.search(raw)
    return match[0] if match else None


def decode_text(octets: bytes) -> str:
    """Decode a server's text: UTF-8 if it is that, else Latin-1, which loses nothing."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def excerpt(octets: bytes) -> str:
    """Return the beginning of what a server sent, as it may stand in an error message."""
    return repr(octets if len(octets) <= 100 else octets[:100] + b"...")
