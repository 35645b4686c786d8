"""The challenges and responses of one AUTH command (RFC 5034 section 4)."""

# How it works. The connection gives each challenge to `challenge`, the caller's answer to `answer`, and writes what
# `take_response` returns. At the end of the exchange the object is replaced by a new one.
#
# Invariants:
# - `_waiting` holds from a challenge to its answer, `response` from that answer until it is taken to be written. The
#   two never hold at once. While either does, the server may say nothing but ``-ERR``.
# - After a cancel nothing but a refusal is believed: a success would be one that no mechanism has checked.

from __future__ import annotations

import binascii
from binascii import a2b_base64, b2a_base64

from pop3core._errors import LocalProtocolError

__all__ = ("AuthExchange",)


class AuthExchange:
    """Whose turn it is in an exchange, from the AUTH command to the server's final answer.

    What the server did wrong is returned as a text: the connection fails with it.
    """

    __slots__ = ("_cancelled", "_waiting", "data", "response", "rounds")

    def __init__(self) -> None:
        self._waiting = False
        self._cancelled = False
        self.rounds = 0
        # The last challenge, decoded; None if it was no valid base64.
        self.data: bytes | None = b""
        # The line that is to be written next.
        self.response = b""

    def challenge(self, encoded: bytes) -> str | None:
        """Take a challenge.

        Args:
            encoded: the challenge as the server sent it, in base64.

        Returns:
            What is wrong, if the server may send no challenge now; else None. A challenge that is no base64 is no such
            fault: `data` is None then, and the exchange can be cancelled.
        """
        if self._cancelled:
            return "the server sent a challenge after the AUTH exchange was cancelled"
        if self._is_unanswered():
            return "the server sent a second challenge before the first was answered"
        self._waiting = True
        self.rounds += 1
        self.data = _strict_base64(encoded)
        return None

    def answer(self, response: bytes | None) -> None:
        """Reply to the challenge.

        Args:
            response: the response without base64; None cancels the exchange.

        Raises:
            LocalProtocolError: no challenge waits for an answer, or the challenge was no base64 and can only be
                cancelled.
        """
        if not self._waiting:
            raise LocalProtocolError("no challenge waits for an answer")
        if self.data is None and response is not None:
            raise LocalProtocolError("the challenge was no valid base64; the exchange can only be cancelled")
        self._waiting = False
        self._cancelled = response is None
        self.response = b"*\r\n" if response is None else b2a_base64(response, newline=False) + b"\r\n"

    def take_response(self) -> bytes:
        """Return the line that is to be written, once."""
        response, self.response = self.response, b""
        return response

    def succeed(self) -> str | None:
        """Take a +OK; return what is wrong with it, or None."""
        if self._is_unanswered():
            return "the server reported success while its challenge was not answered yet"
        if self._cancelled:
            return "the server reported success after the AUTH exchange was cancelled"
        return None

    def _is_unanswered(self) -> bool:
        """Tell whether a challenge has come whose answer has not reached the server."""
        # A response that was not taken to be written has not reached the server either.
        return self._waiting or bool(self.response)


def _strict_base64(text: bytes) -> bytes | None:
    """Return what a text in base64 encodes, or None if any of its octets is out of place."""
    # Before Python 3.13 strict_mode lets padding pass behind a whole group of four.
    if len(text) % 4 or text.endswith(b"==="):
        return None
    try:
        return a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
