"""What is known not to be as it should be, server by server, with its reason and the evidence.

What is not listed here fails, and so does what is listed and does not occur any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pop3aio.testing._messages import wire_chunks

from .findings import Findings
from .mail import AWKWARD

__all__ = ("EXPECTED", "Deviation", "complaints")


@dataclass(frozen=True)
class Deviation:
    """What the suite finds, and why.

    Args:
        why: the reason, with evidence, for the documents.
        what: names of findings, see `Findings.deviations`.
        becomes: what becomes of the messages that are named, where that can be said.
    """

    why: str
    what: tuple[str, ...]
    becomes: Callable[[bytes], bytes] | None = None


def _messages(*names: str) -> tuple[str, ...]:
    return tuple(f"message {name}" for name in names)


def _sizes(*names: str) -> tuple[str, ...]:
    return tuple(f"size of {name}" for name in names)


_NO_LINE_END = ("dot-last", "ends-in-cr", "no-final-newline", "sample-13", "sample-27")
_NO_HEADER_END = ("header-only", "sample-14", "sample-28")


def _lf(store: str) -> Deviation:
    return Deviation(
        f"{store} A bare LF in a message is sent as CRLF like every other line end.",
        _messages("bare-lf", "ends-in-lf", "every-octet"),
        lambda message: re.sub(b"(?<!\r)\n", b"\r\n", message),
    )


def _first_dot(evidence: str) -> tuple[Deviation, ...]:
    return (
        Deviation(
            "A dot that is the very first octet of a message is not stuffed, so that the client takes it away "
            f"({evidence}).",
            (*_messages("dot-first"), *_sizes("dot-first")),
            lambda message: message[1:],
        ),
        Deviation(
            "For the same reason a message that begins with a line of one dot ends the answer there, and its real end "
            "is left over. The client finds out before it sends anything else, and drops the connection: nothing is "
            "taken for the answer to a later command.",
            _messages("one-dot"),
        ),
    )


_DOVECOT = (
    _lf("Line ends in its files may be LF or CRLF (fetch_callback, src/pop3/pop3-commands.c)."),
    *_first_dot("`ctx->last` begins as NUL, not as LF, in the same function"),
    Deviation(
        "LIST gives the octets with CRLF for every line end in the file; a message that has none at its end is sent "
        "with one more, which is not counted.",
        _sizes(*_NO_LINE_END, "one-octet"),
    ),
)

_BEHIND_DOVECOT = (
    Deviation(
        "The mail comes from the Dovecot behind it, with what that does to it.",
        tuple(what for deviation in _DOVECOT for what in deviation.what),
    ),
)

EXPECTED: dict[str, tuple[Deviation, ...]] = {
    "Dovecot": _DOVECOT,
    "Courier": (
        _lf("It stores LF (`printchar('\\r')` before every LF in do_retr, pop3dserver.c)."),
        *_first_dot("`lastc` begins as 0, not as LF, in do_retr"),
        Deviation(
            "A message with 8-bit octets in its header is wrapped into a multipart of Courier's own, *Cannot display "
            "Unicode content*, unless the session is in UTF-8 mode (MIMEWRAPTXT in the "
            "same file; RFC 6856 section 2).",
            (*_messages("8-bit-header"), *_sizes("8-bit-header")),
        ),
        Deviation(
            "LIST does not count the CRLF that is added to a message which has none at its end.",
            _sizes(*_NO_LINE_END, "one-octet"),
        ),
    ),
    "Cyrus": (
        Deviation(
            "IMAP's APPEND, by which the mailboxes are filled, refuses bare LF, NUL and what is no header "
            "(message_copy_strict, imap/message.c).",
            _messages("bare-lf", "ends-in-lf", "nul", "every-octet", "one-dot", "one-octet"),
        ),
        Deviation(
            "8-bit octets in headers are stored as X (imapd.conf: munge8bit is on by default; the same function).",
            _messages("8-bit-header"),
            lambda message: re.sub(b"[\x80-\xff]", b"X", message),
        ),
        Deviation(
            "LIST gives the octets as stored; a message without CRLF at its end is sent with one more.",
            _sizes(*_NO_LINE_END),
        ),
    ),
    "GNU mailutils": (
        _lf("An mbox file has LF."),
        Deviation(
            "`>From ` in an mbox file is taken for a quoted `From `, whether it was one before or not.",
            _messages("from-line"),
            lambda message: message.replace(b"\r\n>From ", b"\r\nFrom "),
        ),
        Deviation(
            "In an mbox file the blank line in front of the next message ends a header that had no end.",
            _messages(*_NO_HEADER_END),
            lambda message: message + b"\r\n",
        ),
        Deviation(
            "What stands in front of the blank line and is no header is left out.",
            _messages("one-dot", "one-octet"),
            lambda message: b"\r\n",
        ),
        Deviation(
            "Once UIDL was asked, every message has a header X-UIDL more. So the sizes that LIST gives change in "
            "mid-session, and what `fetch`, which asks for UIDL first, delivers has that header.",
            ("LIST n", "command: the files"),
        ),
        Deviation(
            "TOP with lines of the body has one blank line more between header and body than RETR.",
            ("TOP",),
        ),
    ),
    "popa3d": (
        _lf("An mbox file has LF."),
        Deviation(
            "`From ` at the beginning of a line was quoted when the message was put into the mbox file, and stays so.",
            _messages("from-line"),
            lambda message: message.replace(b"\r\nFrom ", b"\r\n>From "),
        ),
        Deviation(
            "In an mbox file the blank line in front of the next message ends a header that had no end.",
            _messages(*_NO_HEADER_END, "one-dot", "one-octet"),
            lambda message: message + b"\r\n" * (1 if message.endswith(b"\r\n") else 2),
        ),
    ),
    "solid-pop3d": (_lf("It stores LF."),),
    "WildDuck": (
        _lf("nodemailer's DataStream, which sends the messages, makes every line end CRLF."),
        Deviation(
            "In LIST such a bare LF counts as one octet, and the CRLF that is added to a message which has none at "
            "its end does not count (`message.size` in lib/pop3/connection.js).",
            _sizes("bare-lf", "ends-in-lf", "every-octet", *_NO_LINE_END, "one-dot", "one-octet"),
        ),
        Deviation(
            "A CR at the end of a message becomes CRLF.",
            _messages("ends-in-cr"),
            lambda message: message + b"\n",
        ),
    ),
}
EXPECTED |= dict.fromkeys(("nginx", "stunnel", "perdition"), _BEHIND_DOVECOT)


def complaints(found: Findings) -> list[str]:
    """Return what is not as it is expected to be, a line each."""
    lines = []
    known = EXPECTED.get(found.server, ())
    listed = [what for deviation in known for what in deviation.what]
    lines += [f"{what}: {seen}" for what, seen in found.deviations.items() if what not in listed]
    lines += [f"{what}: does not occur any more" for what in listed if what not in found.deviations]
    sent = dict(AWKWARD)
    for deviation in known:
        for what in deviation.what:
            name = what.removeprefix("message ")
            if deviation.becomes is None or name not in found.changed or name not in sent:
                continue
            if found.changed[name] != b"".join(wire_chunks(deviation.becomes(sent[name]))):
                lines.append(f"{what}: changed, but not as expected: {found.changed[name][:100]!r}")
    return [f"{found.server}: {line}" for line in lines]
