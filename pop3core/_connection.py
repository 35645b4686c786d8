"""The session: commands in, octets out; octets in, events out.

How it works: `send` puts a command into `_queued`; `data_to_send` moves it to `_outstanding`, when the window and the
barriers allow; the event that ends its answer takes it out of there. POP3 has no tags: the server answers in order, so
the next status line always belongs to the oldest command of `_outstanding`.

On the way in, `next_event` looks at the front of the buffer and decides by what is due: the rest of a body, a
handshake, the answer to the oldest command, the greeting, or nothing. It takes out of the buffer exactly what it
returns.

Who owns what: `SessionState` owns the state and the rules of what may be sent; `AuthExchange` whose turn it is during
AUTH; `ReceiveBuffer` the octets that are not parsed yet; `BodyDecoder` and `Meter` one multi-line answer. This class
owns the two queues, and the error.

Invariants between two calls:
- Handles grow. Every handle in `_outstanding` is smaller than every handle in `_queued`, and both are in order.
- `_unanswered` is the sum of the octets of `_outstanding`.
- `_body` is set exactly while the status line of the oldest command was returned and its body has not ended.
- A status line is consumed together with the change of state that it causes, so that the state never runs ahead of
  the events: octets behind an answer are not looked at before the caller has seen that answer.
- Once `_error` is set, every method raises it and nothing is written any more.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Literal, NoReturn

from pop3core._auth import AuthExchange
from pop3core._body import BodyDecoder, decode_whole
from pop3core._buffer import ReceiveBuffer
from pop3core._commands import Auth, Command, Framing, Stls
from pop3core._errors import (
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
    StartTlsInjection,
    TruncatedResponse,
    UnsolicitedResponse,
)
from pop3core._events import (
    BodyChunk,
    BodyEnd,
    ConnectionClosed,
    Continuation,
    Event,
    Greeting,
    Reply,
    StartTls,
)
from pop3core._limits import Limits
from pop3core._meter import Meter
from pop3core._replies import (
    decode_text,
    excerpt,
    parse_apop_timestamp,
    parse_response_code,
    parse_status,
)
from pop3core._state import SessionState, State, may_follow

__all__ = ("Connection",)

# `next_message` looks for the end of a message within this many octets. The two or three events that it saves are worth
# nothing beside the work that a longer message takes.
_SHORT = 32768

_SENDING = frozenset({State.AUTHORIZATION, State.TRANSACTION})
_OVER = frozenset({State.UPDATE, State.CLOSED})


class Connection:
    """A POP3 session from the client's side, without any I/O (RFC 1939, 2449, 2595, 5034).

    Give it the octets of the server (`receive_data`, `receive_eof`), send the octets that it returns (`data_to_send`),
    and take one event after another (`next_event`). The state changes as an event is returned, never ahead of it.

    Args:
        window: how many commands may be in flight at once; 1 is classic POP3, more is for servers that announce
            PIPELINING (RFC 2449 section 6.6).
        limits: how much the server may send.
        secure: whether the octets already travel under TLS.
        bare_lf: accept LF for a line end. A greeting that ends in a bare LF switches that on by itself, since no
            sender of mail has a say in a greeting.

    Raises:
        ValueError: the window is no whole number above 0.
    """

    def __init__(
        self,
        *,
        window: int = 1,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        secure: bool = False,
        bare_lf: bool = False,
    ) -> None:
        self.limits = limits
        self.window = window
        self._bare_lf = bare_lf
        self._session = SessionState(secure=secure)
        self._error: RemoteProtocolError | None = None
        self._reset_input()
        self._eof = False
        self._handles = 0
        self._queued: OrderedDict[int, Command] = OrderedDict()
        self._outstanding: deque[tuple[int, Command, int]] = deque()
        self._unanswered = 0
        # The handle of an STLS that was accepted, until its StartTls is returned.
        self._pending_tls: int | None = None
        self._auth = AuthExchange()

    def _reset_input(self) -> None:
        self._buffer = ReceiveBuffer()
        if self._bare_lf:
            self._buffer.accept_bare_lf()
        self._body: tuple[BodyDecoder, Meter] | None = None

    def __repr__(self) -> str:
        return (
            f"<pop3core.Connection {self.state.value} secure={self.secure} "
            f"outstanding={len(self._outstanding)} queued={len(self._queued)}>"
        )

    @property
    def state(self) -> State:
        """The state of the session, as of the last event returned."""
        return self._session.state

    @property
    def secure(self) -> bool:
        """Whether the octets travel under TLS."""
        return self._session.secure

    @property
    def deletions(self) -> int:
        """How many DELE were answered by +OK since the login or the last RSET: a QUIT carries them out."""
        return self._session.deletions

    @property
    def window(self) -> int:
        """How many commands may be in flight at once."""
        return self._window

    @window.setter
    def window(self, value: int) -> None:
        if type(value) is not int or value < 1:
            raise ValueError(f"the window is a count of commands from 1, not {value!r}")
        self._window = value

    @property
    def outstanding(self) -> int:
        """How many commands were written and are not wholly answered."""
        return len(self._outstanding)

    @property
    def answering(self) -> bool:
        """Whether part of an answer has come, and the rest has not."""
        return self._body is not None or bool(self._buffer)

    @property
    def queued(self) -> int:
        """How many commands wait to be written."""
        return len(self._queued)

    # -- from the caller to the wire

    def send(self, command: Command) -> int:
        """Queue a command; `data_to_send` hands it out when the window and the barriers allow.

        Args:
            command: what to send.

        Returns:
            The command's handle, which the events of its answer carry.

        Raises:
            LocalProtocolError: the command is not allowed in the session's state, or would not be once the commands
                before it have been answered. Nothing is queued then.
            RemoteProtocolError: the server broke the protocol earlier.
        """
        self._check_alive()
        session = self._session
        reason = session.why_not(command, self._pending())
        if reason is not None:
            raise LocalProtocolError(reason)
        session.queued(command)
        self._handles += 1
        self._queued[self._handles] = command
        return self._handles

    def withdraw(self, handle: int) -> bool:
        """Take back a command that was not written yet.

        Args:
            handle: the command's handle, from `send`.

        Returns:
            Whether the command was taken back; False if it was written already or there is no such handle.
        """
        command = self._queued.pop(handle, None)
        if command is None:
            return False
        self._session.withdrawn(command)
        return True

    def data_to_send(self) -> bytes:
        """Take the octets that are to be written now.

        No more commands are taken than the window allows, and no more octets of them than `Limits.unanswered`. A
        barrier is never followed by another command before its answer, and QUIT, which carries out the deletions, is
        not written before all else is answered.

        Returns:
            Whole lines, or nothing. What was returned once is not returned again.
        """
        if self._error is not None:
            return b""
        if self._auth.response:
            return self._auth.take_response()
        if not self._queued or self._session.state not in _SENDING:
            return b""
        lines = []
        outstanding = self._outstanding
        while self._queued and len(outstanding) < self._window:
            handle, command = next(iter(self._queued.items()))
            line = command.encode()
            octets = len(line)
            if outstanding and (
                not may_follow(command, outstanding[-1][1])
                or self._unanswered + octets > self.limits.unanswered
            ):
                break
            del self._queued[handle]
            outstanding.append((handle, command, octets))
            self._unanswered += octets
            lines.append(line)
        return b"".join(lines)

    def answer(self, response: bytes | None) -> None:
        """Reply to the last Continuation (RFC 5034 section 4).

        Args:
            response: the response, which is sent in base64; None cancels the exchange.

        Raises:
            LocalProtocolError: no challenge waits for an answer, or the exchange can only be cancelled, since the
                challenge was no valid base64.
            RemoteProtocolError: the server broke the protocol earlier.
        """
        self._check_alive()
        self._auth.answer(response)

    def tls_established(self) -> None:
        """Say that the handshake after StartTls is done (RFC 2595 section 4).

        Raises:
            StartTlsInjection: octets arrived in clear behind the `+OK` to STLS.
            LocalProtocolError: no handshake was due.
            RemoteProtocolError: the server broke the protocol earlier.
        """
        self._check_alive()
        if self._session.state is not State.TLS_HANDSHAKE or self._pending_tls is not None:
            raise LocalProtocolError("no TLS handshake was due")
        self._check_injection()
        self._reset_input()
        self._session.tls_established()

    # -- from the wire to the caller

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets that came from the server, cut anywhere; `next_event` makes events of them.

        Raises:
            LocalProtocolError: `receive_eof` was called before.
            RemoteProtocolError: the server broke the protocol earlier.
        """
        self._check_alive()
        if self._eof:
            raise LocalProtocolError("octets cannot come after the end of the stream")
        if self._session.state not in _OVER:
            self._buffer.append(bytes(data))

    def receive_eof(self) -> None:
        """Record that the server closed the connection; `next_event` says what that means.

        Raises:
            RemoteProtocolError: the server broke the protocol earlier.
        """
        self._check_alive()
        self._eof = True

    def next_event(self) -> Event | None:
        """Return the next event, or None when more octets are needed first.

        Raises:
            RemoteProtocolError: the server broke the protocol, now or earlier; its `command` and `hint` say more.
        """
        self._check_alive()
        if self._body is not None:
            return self._next_of_body(*self._body)
        if self._pending_tls is not None:
            self._check_injection()
            handle, self._pending_tls = self._pending_tls, None
            return StartTls(handle)
        if self._outstanding:
            return self._next_reply()
        if self._session.state is State.GREETING:
            return self._next_greeting()
        return self._next_of_nothing()

    def next_message(self) -> tuple[int, bytes] | None:
        """Return the next answer as a whole, if it is a message that came in one piece: its handle and its octets.

        It stands for the `Reply`, the `BodyChunk` and the `BodyEnd` of a RETR or TOP, which it saves a client of many
        short messages. In all other cases it returns None and nothing has changed: ask `next_event`.

        Returns:
            The handle of the command and the octets of the message without dot-stuffing; None where the answer is no
            message, was refused, has not all come, is long, or breaks the protocol.
        """
        # This is a second way through the same grammar. It must accept only what `_next_reply` and `_next_of_body`
        # accept, and return the same octets; tests/core/test_next_message.py compares the two.
        if self._body is not None or self._error is not None or not self._outstanding:
            return None
        handle, command, octets = self._outstanding[0]
        if command.framing is not Framing.MESSAGE or not command.multiline:
            return None
        buffer = self._buffer
        if not buffer.data and not buffer.pull():
            return None
        data, start = buffer.data, buffer.position
        end = data.find(b"\n", start, start + self.limits.status_line) - 1
        if end < 0 or data.find(b"\r", start) != end or not data.startswith(b"+OK", start):
            return None
        whole = decode_whole(data, end, end + _SHORT)
        if whole is None:
            return None
        message, position = whole
        limit = self.limits.message
        if limit is not None and len(message) > limit:
            return None
        buffer.consume_to(position)
        self._outstanding.popleft()
        self._unanswered -= octets
        return handle, message

    def _next_greeting(self) -> Event | None:
        line = self._buffer.line()
        if line is not None and not line.endswith(b"\r\n"):
            self._buffer.accept_bare_lf()
            line = self._buffer.line()
        line = self._check_line(line, None, self.limits.status_line)
        if line is None:
            return None
        status = parse_status(line)
        if status is None:
            self._fail(f"the greeting is no POP3 greeting: {excerpt(line)}")
        self._buffer.consume(len(line) + 2)
        self._session.greeting(status[0])
        text = decode_text(status[1])
        return Greeting(line, text, parse_apop_timestamp(status[1]), parse_response_code(line))

    def _next_reply(self) -> Event | None:
        handle, command, _ = self._outstanding[0]
        buffer = self._buffer
        line = buffer.line()
        auth = type(command) is Auth
        challenge = auth and buffer.starts_with(b"+ ")
        line = self._check_line(
            line, command, self.limits.challenge if challenge else self.limits.status_line
        )
        if line is None:
            return None
        if challenge or (auth and line == b"+"):
            buffer.consume(len(line) + 2)
            return self._challenge(handle, command, line)
        status = parse_status(line)
        if status is None:
            self._fail_answer(
                command, f"{_answer_to(command)} is neither +OK nor -ERR{_shown(command, line)}"
            )
        ok, text = status
        if ok and (wrong := self._auth.succeed()) is not None:
            self._fail_answer(command, wrong)
        more = ok and command.multiline
        if more:
            # The decoder begins at the line end of the status line.
            buffer.consume(len(line))
            self._body = BodyDecoder(), Meter(command.framing, self.limits)
        else:
            buffer.consume(len(line) + 2)
            self._answered(ok)
        code = parse_response_code(line) if text.startswith(b"[") else None
        return Reply(handle, ok, line, decode_text(text), code, more)

    def _challenge(self, handle: int, command: Command, line: bytes) -> Continuation:
        wrong = self._auth.challenge(line[2:])
        if wrong is not None:
            self._fail_answer(command, wrong)
        if self._auth.rounds > self.limits.sasl_rounds:
            wrong = f"more than {self.limits.sasl_rounds} challenges in one AUTH exchange"
            self._fail_answer(command, wrong, LimitExceeded)
        return Continuation(handle, self._auth.data)

    def _next_of_body(self, body: BodyDecoder, meter: Meter) -> Event | None:
        handle, command, _ = self._outstanding[0]
        buffer = self._buffer
        while not body.ended:
            data, position = body.decode(buffer.data, buffer.position)
            buffer.consume_to(position)
            if data:
                excess = meter.count(data)
                if excess is not None:
                    self._fail_answer(command, f"{_answer_to(command)} {excess}", LimitExceeded)
                return BodyChunk(handle, data)
            if not body.ended and not buffer.pull():
                if self._eof:
                    self._fail_answer(
                        command,
                        f"the connection was closed in the middle of {_answer_to(command)}, "
                        f"{meter.octets} octets into it",
                        TruncatedResponse,
                    )
                return None
        self._body = None
        self._answered(True)
        return BodyEnd(handle)

    def _next_of_nothing(self) -> Event | None:
        state = self._session.state
        if state in _OVER:
            # Octets behind the answer to QUIT, or behind a greeting that refused, are of no use and do no harm.
            if self._eof:
                self._session.closed()
                return ConnectionClosed()
            return None
        if state is State.TLS_HANDSHAKE:
            self._check_injection()
            if self._eof:
                self._fail("the connection was closed before the TLS handshake", TruncatedResponse)
            return None
        if self._buffer:
            line = self._buffer.line()
            rest = line or self._buffer.rest()
            self._end(UnsolicitedResponse(f"the server sent what nobody asked for: {excerpt(rest)}", rest))
        if self._eof:
            self._session.closed()
            return ConnectionClosed()
        return None

    # -- helpers

    def _answered(self, ok: bool) -> None:
        """Settle the oldest outstanding command: the window, the state and what the next command may be."""
        handle, command, octets = self._outstanding.popleft()
        self._unanswered -= octets
        self._session.answered(command, ok)
        kind = type(command)
        if kind is Auth:
            # A response that was not written yet goes with it: as a line of its own it would be a command.
            self._auth = AuthExchange()
        elif kind is Stls and ok:
            self._check_injection()
            self._pending_tls = handle

    def _check_line(self, line: bytes | None, what: Command | None, limit: int) -> bytes | None:
        """Return a line without its CRLF, not consumed yet; None if it has not all come."""
        octets = len(self._buffer) if line is None else len(line)
        if octets > limit:
            self._fail_answer(what, f"{_answer_to(what)} is longer than {limit} octets", LimitExceeded)
        if line is None:
            if self._eof:
                wrong = f"the connection was closed where {_answer_to(what)} was due"
                self._fail_answer(what, wrong, TruncatedResponse)
            return None
        if not line.endswith(b"\r\n") or line.find(b"\r") != len(line) - 2:
            wrong = f"{_answer_to(what)} has a bare CR or LF in it{_shown(what, line)}"
            if b"\r" in line:
                self._fail_answer(what, wrong)
            wrong += "; if the server ends lines by LF alone, connect with bare_lf=True"
            self._fail_answer(what, wrong, hint="bare_lf")
        return line[:-2]

    def _pending(self) -> Iterator[Command]:
        """Yield the commands that are not wholly answered, the oldest first."""
        for _, command, _ in self._outstanding:
            yield command
        yield from self._queued.values()

    def _check_injection(self) -> None:
        if self._buffer:
            self._fail(
                "octets came in clear between the +OK to STLS and the TLS handshake; someone may be tampering "
                "with the connection",
                StartTlsInjection,
            )

    def _check_alive(self) -> None:
        if self._error is not None:
            raise self._error.with_traceback(None)

    def _fail(self, what: str, kind: type[RemoteProtocolError] = RemoteProtocolError) -> NoReturn:
        self._end(kind(what))

    def _fail_answer(
        self,
        what: Command | None,
        wrong: str,
        kind: type[RemoteProtocolError] = RemoteProtocolError,
        hint: Literal["bare_lf"] | None = None,
    ) -> NoReturn:
        """Fail since an answer is wrong, or the greeting where `what` is None."""
        error = kind(wrong)
        error.command = None if what is None else what.redacted()
        error.hint = hint
        self._end(error)

    def _end(self, error: RemoteProtocolError) -> NoReturn:
        self._error = error
        self._session.failed()
        raise error


def _answer_to(what: Command | None) -> str:
    return "the greeting" if what is None else f"the answer to {what.redacted()}"


def _shown(what: Command | None, line: bytes) -> str:
    # A server may echo what it was sent.
    return "" if what is not None and what.secret else f": {excerpt(line)}"
