"""The session: commands in, octets out; octets in, events out."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import chain
from typing import NoReturn

from pop3core._body import BodyDecoder, decode_whole
from pop3core._buffer import ReceiveBuffer
from pop3core._commands import Apop, Auth, Command, Pass, Quit, Retr, Stls, Top, User, Utf8
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
from pop3core._exchange import Exchange
from pop3core._limits import Limits
from pop3core._meter import Meter
from pop3core._replies import (
    decode_text,
    excerpt,
    parse_apop_timestamp,
    parse_response_code,
    parse_status,
)
from pop3core._state import ALLOWED, CHANGING, TRANSITIONS, State, outcomes

__all__ = ("Connection",)

_CREDENTIALS = frozenset({User, Apop, Auth})
_MESSAGES = frozenset({Retr, Top})

# Octets of a message that is worth looking for as a whole. One that is longer costs little beside its octets.
_SHORT = 32768

_SENDING = frozenset({State.AUTHORIZATION, State.TRANSACTION})
_OVER = frozenset({State.UPDATE, State.CLOSED})


class Connection:
    """A POP3 session from the client's side, without any I/O (RFC 1939, 2449, 2595, 5034).

    Give it what comes from the server (`receive_data`, `receive_eof`), send what it says (`data_to_send`), and take
    one event after another (`next_event`). The state changes as an event is returned, never ahead of it.

    `window` is how many commands may be in flight at once; 1 is classic POP3, more is for servers that announce
    PIPELINING. `secure` says that the octets already travel under TLS. `bare_lf` accepts LF for a line end; a
    greeting that ends in a bare LF switches that on by itself, since no sender of mail has a say in a greeting.
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
        self._secure = secure
        self._bare_lf = bare_lf
        self._state = State.GREETING
        self._error: RemoteProtocolError | None = None
        self._reset_input()
        self._eof = False
        self._handles = 0
        self._queued: OrderedDict[int, Command] = OrderedDict()
        self._outstanding: deque[tuple[int, Command, int]] = deque()
        self._unanswered = 0
        self._changing = 0
        self._user_accepted = False
        self._utf8 = False
        self._pending_tls: int | None = None
        self._exchange = Exchange()

    def _reset_input(self) -> None:
        self._buffer = ReceiveBuffer()
        if self._bare_lf:
            self._buffer.accept_bare_lf()
        self._body: tuple[BodyDecoder, Meter] | None = None

    def __repr__(self) -> str:
        return (
            f"<pop3core.Connection {self._state.value} secure={self._secure} "
            f"outstanding={len(self._outstanding)} queued={len(self._queued)}>"
        )

    @property
    def state(self) -> State:
        """The state of the session, as of the last event returned."""
        return self._state

    @property
    def secure(self) -> bool:
        """Whether the octets travel under TLS."""
        return self._secure

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

        Returns its handle, which the events of its answer carry. Raises LocalProtocolError when the command is not
        allowed in the session's state, or would not be once what is pending has been answered; nothing is queued
        then.
        """
        self._check_alive()
        kind = type(command)
        allowed = ALLOWED.get(kind)
        if allowed is None:
            # Its repr may hold a secret: somebody wrote send("PASS ...").
            raise LocalProtocolError(f"send needs a command object, not {kind.__name__}")
        if self._state not in allowed:
            raise LocalProtocolError(f"{command.keyword} is not allowed in state {self._state.value}")
        if self._changing:
            pending = [entry[1] for entry in self._outstanding] + list(self._queued.values())
            if not outcomes(self._state, pending) <= allowed:
                raise LocalProtocolError(
                    f"{command.keyword} may not be allowed any more once {pending[-1].keyword} is answered; "
                    "wait for that answer"
                )
        if kind is Pass and (not self._user_accepted or self._outstanding or self._queued):
            raise LocalProtocolError("PASS is only allowed right after a +OK to USER")
        if kind in _CREDENTIALS and self._is_pending(Stls):
            # Were STLS refused, they would go out in clear.
            raise LocalProtocolError(f"{command.keyword} has to wait for the answer to STLS")
        if kind is Stls and (self._secure or self._is_pending(Stls)):
            raise LocalProtocolError("STLS is not allowed: TLS is active or asked for already")
        if kind is Stls and (self._utf8 or self._is_pending(Utf8)):
            raise LocalProtocolError("STLS is not allowed after UTF8 (RFC 6856 section 2.1)")
        self._handles += 1
        self._queued[self._handles] = command
        if kind in CHANGING:
            self._changing += 1
        return self._handles

    def withdraw(self, handle: int) -> bool:
        """Take back a command that was not written yet; return False if it is too late, or there is none."""
        command = self._queued.pop(handle, None)
        if command is None:
            return False
        if type(command) in CHANGING:
            self._changing -= 1
        return True

    def data_to_send(self) -> bytes:
        """Return what is to be written now: whole lines, or nothing. What was returned once is not returned again.

        A barrier is never followed by another command before its answer, and QUIT, which commits the deletions, is
        not written before all else is answered.
        """
        if self._error is not None:
            return b""
        if self._exchange.response:
            return self._exchange.take_response()
        if not self._queued or self._state not in _SENDING:
            return b""
        lines = []
        outstanding = self._outstanding
        while self._queued and len(outstanding) < self._window:
            handle, command = next(iter(self._queued.items()))
            line = command.encode()
            octets = len(line)
            if outstanding and (
                outstanding[-1][1].barrier
                or type(command) is Quit
                or self._unanswered + octets > self.limits.unanswered
            ):
                break
            del self._queued[handle]
            outstanding.append((handle, command, octets))
            self._unanswered += octets
            lines.append(line)
        return b"".join(lines)

    def answer(self, response: bytes | None) -> None:
        """Reply to the last Continuation: by a response, or by None, which cancels the exchange (RFC 5034 section 4).

        Raises LocalProtocolError when no challenge waits for an answer, or when it can only be cancelled since it was
        no valid base64.
        """
        self._check_alive()
        self._exchange.answer(response)

    def tls_established(self) -> None:
        """Say that the handshake after StartTls is done; all that was learnt before it is forgotten.

        Raises StartTlsInjection if octets arrived in clear behind the `+OK` to STLS, LocalProtocolError if no
        handshake was due.
        """
        self._check_alive()
        if self._state is not State.TLS_HANDSHAKE or self._pending_tls is not None:
            raise LocalProtocolError("no TLS handshake was due")
        self._check_injection()
        self._reset_input()
        self._secure = True
        self._state = State.AUTHORIZATION

    # -- from the wire to the caller

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets that came from the server; `next_event` makes sense of them."""
        self._check_alive()
        if self._eof:
            raise LocalProtocolError("octets cannot come after the end of the stream")
        if self._state not in _OVER:
            self._buffer.append(bytes(data))

    def receive_eof(self) -> None:
        """Take note that the server closed the connection."""
        self._check_alive()
        self._eof = True

    def next_event(self) -> Event | None:
        """Return the next event, or None when more octets are needed first.

        Raises RemoteProtocolError, now and at every later call, when the server broke the protocol.
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
        if self._state is State.GREETING:
            return self._next_greeting()
        return self._next_of_nothing()

    def next_message(self) -> tuple[int, bytes] | None:
        """Return the next answer as a whole, if it is a message that came in one piece: its handle and its octets.

        It stands for the `Reply`, the `BodyChunk` and the `BodyEnd` of a RETR or TOP, which it saves a client of many
        short messages. In all other cases it returns None and nothing has changed: ask `next_event`.
        """
        if self._body is not None or self._error is not None or not self._outstanding:
            return None
        handle, command, octets = self._outstanding[0]
        if type(command) not in _MESSAGES:
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
        line = self._check_line(line, "the greeting", self.limits.status_line)
        if line is None:
            return None
        status = parse_status(line)
        if status is None:
            self._fail(f"the greeting is no POP3 greeting: {excerpt(line)}")
        self._buffer.consume(len(line) + 2)
        self._state = State.AUTHORIZATION if status[0] else State.CLOSED
        text = decode_text(status[1])
        return Greeting(line, text, parse_apop_timestamp(status[1]), parse_response_code(line))

    def _next_reply(self) -> Event | None:
        handle, command, _ = self._outstanding[0]
        buffer = self._buffer
        line = buffer.line()
        auth = type(command) is Auth
        challenge = auth and buffer.data.startswith(b"+ ", buffer.position)
        line = self._check_line(
            line, command, self.limits.challenge if challenge else self.limits.status_line
        )
        if line is None:
            return None
        if challenge or (auth and line == b"+"):
            buffer.consume(len(line) + 2)
            return self._challenge(handle, line)
        status = parse_status(line)
        if status is None:
            self._fail(f"{_answer_to(command)} is neither +OK nor -ERR{_shown(command, line)}")
        ok, text = status
        if ok and (wrong := self._exchange.succeed()) is not None:
            self._fail(wrong)
        more = ok and command.multiline
        if more:
            # The decoder begins at the line end of the status line.
            buffer.consume(len(line))
            self._body = BodyDecoder(), Meter(command, self.limits)
        else:
            buffer.consume(len(line) + 2)
            self._answered(ok)
        code = parse_response_code(line) if text.startswith(b"[") else None
        return Reply(handle, ok, line, decode_text(text), code, more)

    def _challenge(self, handle: int, line: bytes) -> Continuation:
        wrong = self._exchange.challenge(line[2:])
        if wrong is not None:
            self._fail(wrong)
        if self._exchange.rounds > self.limits.sasl_rounds:
            self._fail(f"more than {self.limits.sasl_rounds} challenges in one AUTH exchange", LimitExceeded)
        return Continuation(handle, self._exchange.data)

    def _next_of_body(self, body: BodyDecoder, meter: Meter) -> Event | None:
        handle, command, _ = self._outstanding[0]
        buffer = self._buffer
        while not body.ended:
            data, position = body.decode(buffer.data, buffer.position)
            buffer.consume_to(position)
            if data:
                excess = meter.count(data)
                if excess is not None:
                    self._fail(f"{_answer_to(command)} {excess}", LimitExceeded)
                return BodyChunk(handle, data)
            if not body.ended and not buffer.pull():
                if self._eof:
                    self._fail(
                        f"the connection was closed in the middle of {_answer_to(command)}, "
                        f"{meter.octets} octets into it",
                        TruncatedResponse,
                    )
                return None
        self._body = None
        self._answered(True)
        return BodyEnd(handle)

    def _next_of_nothing(self) -> Event | None:
        if self._state in _OVER:
            # What comes behind the answer to QUIT, or behind a refusal to serve, concerns nobody.
            if self._eof:
                self._state = State.CLOSED
                return ConnectionClosed()
            return None
        if self._state is State.TLS_HANDSHAKE:
            self._check_injection()
            if self._eof:
                self._fail("the connection was closed before the TLS handshake", TruncatedResponse)
            return None
        if self._buffer:
            line = self._buffer.line()
            rest = line or self._buffer.data[self._buffer.position :]
            self._fail(UnsolicitedResponse(f"the server sent what nobody asked for: {excerpt(rest)}", rest))
        if self._eof:
            self._state = State.CLOSED
            return ConnectionClosed()
        return None

    # -- helpers

    def _answered(self, ok: bool) -> None:
        """Settle the oldest outstanding command: the window, the state and what the next command may be."""
        handle, command, octets = self._outstanding.popleft()
        self._unanswered -= octets
        kind = type(command)
        if kind in CHANGING:
            self._changing -= 1
            self._state = TRANSITIONS.get((self._state, kind, ok), self._state)
        self._user_accepted = ok and kind is User
        if kind is Auth:
            # A response that nobody has fetched yet goes with it: as a line of its own it would be a command.
            self._exchange = Exchange()
        elif kind is Utf8 and ok:
            self._utf8 = True
        elif kind is Stls and ok:
            self._check_injection()
            self._pending_tls = handle

    def _check_line(self, line: bytes | None, what: str | Command, limit: int) -> bytes | None:
        """Return a line without its CRLF, not consumed yet; None if it has not all come."""
        octets = len(self._buffer) if line is None else len(line)
        if octets > limit:
            self._fail(f"{_answer_to(what)} is longer than {limit} octets", LimitExceeded)
        if line is None:
            if self._eof:
                self._fail(f"the connection was closed where {_answer_to(what)} was due", TruncatedResponse)
            return None
        if not line.endswith(b"\r\n") or line.find(b"\r") != len(line) - 2:
            hint = (
                "" if b"\r" in line else "; if the server ends lines by LF alone, connect with bare_lf=True"
            )
            self._fail(f"{_answer_to(what)} has a bare CR or LF in it{_shown(what, line)}{hint}")
        return line[:-2]

    def _is_pending(self, kind: type[Command]) -> bool:
        outstanding = (entry[1] for entry in self._outstanding)
        return any(type(command) is kind for command in chain(outstanding, self._queued.values()))

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

    def _fail(
        self, what: str | RemoteProtocolError, kind: type[RemoteProtocolError] = RemoteProtocolError
    ) -> NoReturn:
        self._error = kind(what) if isinstance(what, str) else what
        self._state = State.ERROR
        raise self._error


def _answer_to(what: str | Command) -> str:
    return what if isinstance(what, str) else f"the answer to {what.redacted()}"


def _shown(what: str | Command, line: bytes) -> str:
    # A server may echo what it was sent.
    return "" if isinstance(what, Command) and what.secret else f": {excerpt(line)}"
