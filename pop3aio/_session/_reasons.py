"""Why a connection ended: errors with the facts as attributes, and with words for the reader of a traceback."""

from __future__ import annotations

import copy
import re

from pop3aio._errors import ConnectionLost, ResponseTimeout, Stage, printable
from pop3aio._session._masks import Masks
from pop3core import Command, POP3Error, RemoteProtocolError, TruncatedResponse, UnsolicitedResponse

__all__ = ("broken", "overdue", "too_slow", "violation")

# The core shows octets of the server as Python writes them.
_QUOTE = re.compile(r"b['\"].*", re.DOTALL)


def violation(error: POP3Error, masks: Masks, stage: Stage) -> POP3Error:
    """Tell a lost connection from a broken protocol, without the secrets that the server may have echoed."""
    if isinstance(error, UnsolicitedResponse) and (raw := masks.octets(error.raw)) != error.raw:
        error = UnsolicitedResponse(
            f"the server sent octets that answer no command: {printable(repr(raw[:80]))}", raw
        )
    elif isinstance(error, RemoteProtocolError) and masks.shows(_quoted(error)):
        kept, error = error, copy.copy(error)
        # The facts stay; the words quote what the server sent.
        error.args = (f"the server broke the protocol in the answer to {kept.command}: ***",)
    explained = error
    if isinstance(error, TruncatedResponse):
        explained = ConnectionLost(error.what, stage=stage)
    elif isinstance(error, UnsolicitedResponse) and error.raw.startswith(b"-ERR"):
        explained = ConnectionLost(
            f"the server ended the session: {printable(error.raw.decode('latin-1').strip())}", stage=stage
        )
    if explained is not error:
        explained.__cause__ = error
    return explained


def _quoted(error: RemoteProtocolError) -> bytes:
    """Return the part of an error's words that quotes the server; our own words hold a secret only by chance."""
    quote = _QUOTE.search(str(error))
    return quote[0].encode() if quote is not None else b""


def broken(error: OSError, stage: Stage) -> ConnectionLost:
    """Say that the transport failed."""
    lost = ConnectionLost(f"the connection broke: {error.strerror or error}", stage=stage)
    lost.__cause__ = error
    return lost


def too_slow(command: Command, min_rate: int, in_flight: int) -> ResponseTimeout:
    """Say that an answer came, but too slowly."""
    name = command.redacted()
    rate = f"{min_rate} octets a second"
    return ResponseTimeout(
        f"the answer to {name} comes at less than {rate}; the connection was closed",
        command=name,
        in_flight=in_flight,
    )


def overdue(command: Command | None, tail: bytes, in_flight: int) -> ResponseTimeout:
    """Say what was waited for in vain, and what may be wrong.

    `command` is None for the greeting; `tail` is the last that came of the answer, if any; `in_flight` is how many
    commands were not answered yet.
    """
    if command is None:
        return ResponseTimeout("the server did not send the greeting in time; the connection was closed")
    name = command.redacted()
    error = ResponseTimeout(
        f"the server did not send the answer to {name} in time; the connection was closed",
        command=name,
        in_flight=in_flight,
    )
    if tail == b"\n.\r\n" and command.multiline:
        error.hint = "bare_lf"
    elif tail.endswith(b".\r\n") and command.multiline:
        error.hint = "final_dot"
    elif in_flight > 1 and not tail:
        error.hint = "window"
    return error
