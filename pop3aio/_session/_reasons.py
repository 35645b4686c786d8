"""Why a connection ended, in words for the reader of a traceback."""

from __future__ import annotations

import copy
import re

from pop3aio._errors import ConnectionLost, printable
from pop3aio._session._masks import Masks
from pop3core import Command, POP3Error, RemoteProtocolError, TruncatedResponse, UnsolicitedResponse

__all__ = ("broken", "overdue", "too_slow", "violation")

# The core shows octets of the server as Python writes them.
_QUOTE = re.compile(r"b['\"].*", re.DOTALL)


def violation(error: POP3Error, masks: Masks) -> POP3Error:
    """Tell a lost connection from a broken protocol, without the secrets that the server may have echoed."""
    if isinstance(error, UnsolicitedResponse) and (raw := masks.octets(error.raw)) != error.raw:
        error = UnsolicitedResponse(
            f"the server sent what nobody asked for: {printable(repr(raw[:80]))}", raw
        )
    elif isinstance(error, RemoteProtocolError) and masks.shows(_quoted(error)):
        kept, error = error, copy.copy(error)
        # The facts stay; the words quote what the server sent.
        error.args = (f"the server broke the protocol in the answer to {kept.command}: ***",)
    explained = error
    if isinstance(error, TruncatedResponse):
        explained = ConnectionLost(str(error))
    elif isinstance(error, UnsolicitedResponse) and error.raw.startswith(b"-ERR"):
        explained = ConnectionLost(
            f"the server ended the session: {printable(error.raw.decode('latin-1').strip())}"
        )
    if explained is not error:
        explained.__cause__ = error
    return explained


def _quoted(error: RemoteProtocolError) -> bytes:
    """Return the part of an error's words that quotes the server; our own words hold a secret only by chance."""
    quote = _QUOTE.search(str(error))
    return quote[0].encode() if quote is not None else b""


def broken(error: OSError) -> ConnectionLost:
    """Say that the transport failed."""
    lost = ConnectionLost(f"the connection broke: {error.strerror or error}")
    lost.__cause__ = error
    return lost


def too_slow(command: Command, min_rate: int) -> str:
    """Say that an answer came, but too slowly."""
    rate = f"{min_rate} octets a second"
    return f"the answer to {command.redacted()} comes at less than {rate}; the connection was closed"


def overdue(command: Command | None, tail: bytes, outstanding: int) -> str:
    """Say what was waited for in vain, and what may be wrong.

    `command` is None for the greeting; `tail` is the last that came of the answer, if any; `outstanding` is how many
    commands were in flight.
    """
    what = f"the answer to {command.redacted()}" if command is not None else "the greeting"
    text = f"the server did not send {what} in time; the connection was closed"
    if command is None:
        return text
    if tail == b"\n.\r\n" and command.multiline:
        text += (
            "; its last octets were LF, dot, CRLF: if it ends lines by LF alone, connect with bare_lf=True"
        )
    elif tail.endswith(b".\r\n") and command.multiline:
        text += "; if that was all, the final dot stands right behind the text, and the end cannot be told"
    elif outstanding > 1 and not tail:
        text += (
            f"; {outstanding} commands were in flight: if it cannot pipeline though it says so, use window=1"
        )
    return text
