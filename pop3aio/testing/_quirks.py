"""In what a server may differ from the standard: one small thing each, to be put together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pop3aio.testing._messages import CRLF, MessageLike, chunks_of, octets, to_lf

__all__ = (
    "Quirks",
    "cut_off",
    "header_digest",
    "kilobytes",
    "lf_octets",
    "stored_octets",
    "wrapped",
)


def stored_octets(message: MessageLike) -> int:
    """Return the size without the line end that is added to what lacks one."""
    return sum(map(len, chunks_of(message)))


def lf_octets(message: MessageLike) -> int:
    """Return the size with every line end counted as one octet."""
    return sum(map(len, to_lf(chunks_of(message))))


def kilobytes(message: MessageLike) -> int:
    """Return the size in whole kilobytes, rounded up."""
    return -(-octets(message) // 1024) * 1024


def header_digest(message: MessageLike) -> str:
    """Return the MD5 of the header: the same for two messages that differ in their bodies only."""
    header = b""
    for chunk in chunks_of(message):
        header += chunk
        if b"\r\n\r\n" in header:
            break
    return hashlib.md5(header.partition(b"\r\n\r\n")[0]).hexdigest()  # noqa: S324 - a unique-id, not a secret


def wrapped(message: MessageLike) -> MessageLike:
    """Return a message with 8-bit octets in its header as an attachment of one without; others as they are."""
    whole = b"".join(chunks_of(message))
    if whole.partition(b"\r\n\r\n")[0].isascii():
        return message
    return (
        b'Subject: Cannot display Unicode content\r\nContent-Type: multipart/mixed; boundary="=_wrapped"\r\n\r\n'
        b"--=_wrapped\r\nContent-Type: message/global\r\n\r\n%b\r\n--=_wrapped--\r\n" % whole
    )


def cut_off(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Return the first octets of the chunks."""
    for chunk in chunks:
        yield chunk[:limit]
        limit -= len(chunk)
        if limit <= 0:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How a server differs from the standard, and from the plain server here; what is not given does not differ.

    Compose your own, or change one of `PROFILES` by `dataclasses.replace`.

    Attributes:
        evidence: where the differences were seen or are written down.
        advice: what a client can do about them; empty where nothing needs to be done.
        greeting: the greeting.
        capabilities: the lines of the CAPA answer, apart from USER, SASL and STLS.
        capabilities_after_login: lines that come after the login only.
        sasl: the mechanisms that AUTH takes.
        utf8: UTF8 is offered.
        missing: commands that it does not know, in upper case.
        unknown: what it says to commands it does not know.
        terse: it says no more than `+OK` and `-ERR` where that is enough.
        login_text: what it says after a login.
        closes_on_refused_login: it closes the connection behind a refused login.
        closes_on_initial_response: it closes the connection when AUTH comes with an initial response.
        closes_after_errors: it closes the connection behind so many refusals.
        deaf_behind_login: it loses commands that arrived before it had answered the login.
        loses_split_commands: it loses the part of a command that comes in a segment of its own.
        line_end: what ends its lines, those of messages included.
        lf_ends_lines: a bare LF ends a line of a message: dots behind it are stuffed, and no CRLF is added to it.
        stuffs_first_octet: it stuffs a dot that is the first octet of a message.
        final_line_end: it adds a line end to a message that has none.
        size: the size that STAT and LIST give, in octets.
        uid: the unique-id that UIDL gives, in place of the mailbox's.
        uidl_blank: what stands between number and unique-id.
        renumbers: LIST and UIDL number what is left after a DELE from 1, while other commands keep the old numbers.
        top_octets: TOP ends after so many octets.
        retrievals: how many messages a session may retrieve.
        wraps_8bit: a message with 8-bit octets in its header comes wrapped into another, unless UTF8 was sent.
        hides_popped: what was retrieved before a QUIT is not shown again, except to the user `recent:NAME`.
        shown: how many messages a session is shown, the oldest first.
        idle_notice: what it says, and never was asked, before it closes an idle connection.
        mute_if_changed: it closes the connection without an answer to QUIT, and without deleting anything, if
            another changed the mailbox meanwhile.
    """

    evidence: str = ""
    advice: str = ""
    greeting: bytes = b"+OK pop3aio.testing ready\r\n"
    capabilities: tuple[str, ...] = (
        "TOP",
        "UIDL",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "PIPELINING",
        "EXPIRE NEVER",
        "IMPLEMENTATION pop3aio-testing",
    )
    capabilities_after_login: tuple[str, ...] = ()
    sasl: tuple[str, ...] = ("PLAIN",)
    utf8: bool = False
    missing: frozenset[str] = frozenset()
    unknown: str = "unknown command"
    terse: bool = False
    login_text: str | None = None
    closes_on_refused_login: bool = False
    closes_on_initial_response: bool = False
    closes_after_errors: int | None = None
    deaf_behind_login: bool = False
    loses_split_commands: bool = False
    line_end: bytes = CRLF
    lf_ends_lines: bool = False
    stuffs_first_octet: bool = True
    final_line_end: bool = True
    size: Callable[[MessageLike], int] = octets
    uid: Callable[[MessageLike], str] | None = None
    uidl_blank: str = " "
    renumbers: bool = False
    top_octets: int | None = None
    retrievals: int | None = None
    wraps_8bit: bool = False
    hides_popped: bool = False
    shown: int | None = None
    idle_notice: bytes = b""
    mute_if_changed: bool = False
