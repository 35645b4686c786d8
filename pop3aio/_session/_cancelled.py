"""What happens to a cancelled call.

A command that was not written yet is taken back: see `Line.release`. A command that was written is answered by the
server in any case. So the call stays in the line, `abandoned`, until its answer has come; the caller behind it, or the
next command, reads that answer and gives it here, event by event:

- the status line and the end of a body are counted and forgotten: a DELE that was cancelled may well have marked;
- a body is dropped, up to `Limits.abandoned` octets. Beyond that a new connection is cheaper, and this one ends;
- a challenge is answered by a cancel (RFC 5034 section 4);
- the ``+OK`` to STLS ends the connection: the server waits for a handshake that no task begins.
"""

from __future__ import annotations

from pop3aio._errors import ConnectionLost
from pop3aio._session._call import Call
from pop3aio._session._pump import Pump
from pop3core import BodyChunk, BodyEnd, Continuation, Event, StartTls

__all__ = ("CancelledAnswers",)


class CancelledAnswers:
    """Takes the answers that no caller wants any more."""

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        # Octets that were dropped of the answer that is being read.
        self._dropped = 0

    def take(self, event: Event, call: Call) -> bool:
        """Dispose of an event of an abandoned call; return False if that ends the connection."""
        pump = self._pump
        limit = pump.core.limits.abandoned
        if isinstance(event, BodyChunk):
            self._dropped += len(event.data)
            if self._dropped > limit:
                answer = f"the answer to a cancelled {call.command.redacted()}"
                pump.fail(
                    ConnectionLost(f"the connection was dropped: {answer} is longer than {limit} octets")
                )
        elif isinstance(event, Continuation):
            pump.core.answer(None)
        elif isinstance(event, StartTls):
            pump.fail(ConnectionLost("the connection was dropped: STLS was cancelled"))
        elif isinstance(event, BodyEnd):
            self._dropped = 0
        return pump.failed is None
