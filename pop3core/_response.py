"""One multi-line answer behind its status line, from its first octet to the lone dot."""

# How it works: `read` decodes as much of the buffer as makes one chunk, and meters it. The caller asks for the `fault`
# where there is no chunk, since only the caller knows whether more octets can come.
#
# Invariant: octets that are too many are never handed out, and after `ended` or a fault nothing is read any more.

from __future__ import annotations

from pop3core._body import BodyDecoder
from pop3core._buffer import ReceiveBuffer
from pop3core._commands import Command
from pop3core._errors import LimitExceeded, RemoteProtocolError, TruncatedResponse
from pop3core._faults import answer_to, bad_answer
from pop3core._limits import Limits
from pop3core._meter import Meter

__all__ = ("Response",)


class Response:
    """The lines that follow the ``+OK`` to a command; the buffer begins at the CRLF of the status line.

    Args:
        command: the command that is answered.
        limits: how long the answer may be.
    """

    __slots__ = ("_command", "_decoder", "_excess", "_meter")

    def __init__(self, command: Command, limits: Limits) -> None:
        self._command = command
        self._decoder = BodyDecoder()
        self._meter = Meter(command.framing, limits)
        self._excess: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the lone dot has come and all before it was handed out."""
        return self._decoder.ended

    def read(self, buffer: ReceiveBuffer) -> bytes:
        """Take the next octets out of the buffer, without dot-stuffing; nothing if there are none, or too many."""
        decoder = self._decoder
        while not decoder.ended:
            data, position = decoder.decode(buffer.data, buffer.position)
            buffer.consume_to(position)
            if data:
                self._excess = self._meter.count(data)
                return data if self._excess is None else b""
            if not decoder.ended and not buffer.pull():
                break
        return b""

    def fault(self, *, eof: bool) -> RemoteProtocolError | None:
        """Return what is wrong with the answer where `read` returned nothing, or None.

        Args:
            eof: whether the server has closed the connection.
        """
        command = self._command
        if self._excess is not None:
            return bad_answer(command, f"{answer_to(command)} {self._excess}", LimitExceeded)
        if eof and not self._decoder.ended:
            where = f"in the middle of {answer_to(command)}, {self._meter.octets} octets into it"
            return bad_answer(command, f"the connection was closed {where}", TruncatedResponse)
        return None
