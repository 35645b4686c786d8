"""The session: commands in, octets out; octets in, events out."""

# How it works: `send` puts a command into the pipeline; `data_to_send` takes its line from there, when the window and
# the barriers allow; the event that ends its answer takes the command out.
#
# On the way in, `next_event` looks at the front of the buffer and decides by what is due: the rest of a body, a
# handshake, the answer to the oldest command, the greeting, or nothing. It takes out of the buffer exactly what it
# returns.
#
# Which object owns which state: `Pipeline` the commands that are queued and in flight; `SessionState` the state and
# the rules of what may be sent; `AuthExchange` whose turn it is during AUTH; `ReceiveBuffer` the octets that are not
# parsed yet; `Response` one multi-line answer. This class owns the error and the end of the stream.
#
# Invariants between two calls:
# - `_body` is set exactly while the status line of the oldest command was returned and its body has not ended.
# - A status line is consumed together with the change of state that it causes, so that the state never runs ahead of
#   the events: octets behind an answer are not looked at before the caller has seen that answer.
# - Once `_error` is set, every method raises it and nothing is written any more.

from __future__ import annotations

from typing import NoReturn

from pop3core._auth import AuthExchange
from pop3core._buffer import ReceiveBuffer
from pop3core._commands import Auth, Command, Framing, Raw, Stls
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
from pop3core._faults import answer_to, bad_answer, bad_line, shown
from pop3core._limits import Limits
from pop3core._pipeline import Pipeline
from pop3core._replies import (
    decode_text,
    excerpt,
    parse_apop_timestamp,
    parse_response_code,
    parse_status,
)
from pop3core._response import Response
from pop3core._state import SessionState, State
from pop3core._whole import take_message

__all__ = ("Connection",)

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
        bare_lf: accept LF for a line end. If the greeting ends in a bare LF, this switches itself on. That is safe,
            since no mail can influence the greeting.

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
        self._pipeline = Pipeline(window)
        self._bare_lf = bare_lf
        self._session = SessionState(secure=secure)
        self._error: RemoteProtocolError | None = None
        self._reset_input()
        self._eof = False
        # The handle of an STLS that was accepted, until its StartTls is returned.
        self._pending_tls: int | None = None
        self._auth = AuthExchange()

    def _reset_input(self) -> None:
        self._buffer = ReceiveBuffer()
        if self._bare_lf:
            self._buffer.accept_bare_lf()
        self._body: Response | None = None

    def __repr__(self) -> str:
        return (
            f"<pop3core.Connection {self.state.value} secure={self.secure} "
            f"outstanding={self.outstanding} queued={self.queued}>"
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
    def utf8(self) -> bool:
        """Whether the session is in UTF-8 mode: the server accepted UTF8 (RFC 6856 section 2.1)."""
        return self._session.utf8

    @property
    def deletions(self) -> int:
        """How many DELE were answered by +OK since the login or the last RSET: a QUIT carries them out."""
        return self._session.deletions

    @property
    def window(self) -> int:
        """How many commands may be in flight at once."""
        return self._pipeline.window

    @window.setter
    def window(self, value: int) -> None:
        self._pipeline.window = value

    @property
    def outstanding(self) -> int:
        """How many commands were written and are not wholly answered."""
        return len(self._pipeline.flying)

    @property
    def answering(self) -> bool:
        """Whether part of an answer has come, and the rest has not."""
        return self._body is not None or bool(self._buffer)

    @property
    def queued(self) -> int:
        """How many commands wait to be written."""
        return self._pipeline.queued

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
        reason = self._session.queue(command, self._pipeline)
        if reason is not None:
            raise LocalProtocolError(reason)
        return self._pipeline.join(command)

    def withdraw(self, handle: int) -> bool:
        """Take back a command that was not written yet.

        Args:
            handle: the command's handle, from `send`.

        Returns:
            Whether the command was taken back; False if it was written already or there is no such handle.
        """
        command = self._pipeline.withdraw(handle)
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
        if self._session.state not in _SENDING:
            return b""
        return self._pipeline.take(self.limits.unanswered)

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
            return self._next_of_body(self._body)
        if self._pending_tls is not None:
            self._check_injection()
            handle, self._pending_tls = self._pending_tls, None
            return StartTls(handle)
        if self._pipeline.flying:
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
        flying = self._pipeline.flying
        if self._body is not None or self._error is not None or not flying:
            return None
        command = flying[0][1]
        # Of a raw command only the object knows whether a message follows; it is no short way that anybody needs.
        if command.framing is not Framing.MESSAGE or type(command) is Raw:
            return None
        message = take_message(self._buffer, self.limits)
        return None if message is None else (self._pipeline.settle()[0], message)

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
            self._fail(RemoteProtocolError(f"the greeting is no POP3 greeting: {excerpt(line)}"))
        self._buffer.consume(len(line) + 2)
        self._session.greeting(status[0])
        text = decode_text(status[1])
        return Greeting(line, text, parse_apop_timestamp(status[1]), parse_response_code(line))

    def _next_reply(self) -> Event | None:
        handle, command, _ = self._pipeline.flying[0]
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
            self._fail(
                bad_answer(command, f"{answer_to(command)} is neither +OK nor -ERR{shown(command, line)}")
            )
        ok, text = status
        if ok and (wrong := self._auth.succeed()) is not None:
            self._fail(bad_answer(command, wrong))
        more = ok and command.multiline
        if more:
            # The decoder begins at the line end of the status line.
            buffer.consume(len(line))
            self._body = Response(command, self.limits)
        else:
            buffer.consume(len(line) + 2)
            self._answered(ok)
        code = parse_response_code(line) if text.startswith(b"[") else None
        return Reply(handle, ok, line, decode_text(text), code, more)

    def _challenge(self, handle: int, command: Command, line: bytes) -> Continuation:
        wrong = self._auth.challenge(line[2:])
        if wrong is not None:
            self._fail(bad_answer(command, wrong))
        if self._auth.rounds > self.limits.sasl_rounds:
            wrong = f"more than {self.limits.sasl_rounds} challenges in one AUTH exchange"
            self._fail(bad_answer(command, wrong, LimitExceeded))
        return Continuation(handle, self._auth.data)

    def _next_of_body(self, body: Response) -> Event | None:
        data = body.read(self._buffer)
        if data:
            return BodyChunk(self._pipeline.flying[0][0], data)
        fault = body.fault(eof=self._eof)
        if fault is not None:
            self._fail(fault)
        if not body.ended:
            return None
        handle = self._pipeline.flying[0][0]
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
                self._fail(TruncatedResponse("the connection was closed before the TLS handshake"))
            return None
        if self._buffer:
            line = self._buffer.line()
            rest = line or self._buffer.rest()
            self._fail(
                UnsolicitedResponse(f"the server sent octets that answer no command: {excerpt(rest)}", rest)
            )
        if self._eof:
            self._session.closed()
            return ConnectionClosed()
        return None

    # -- helpers

    def _answered(self, ok: bool) -> None:
        """Settle the oldest outstanding command: the window, the state and what the next command may be."""
        handle, command = self._pipeline.settle()
        self._session.answered(command, ok)
        kind = type(command)
        if kind is Auth:
            # A response that was not written yet goes with it: as a line of its own it would be a command.
            self._auth = AuthExchange()
        elif kind is Stls and ok:
            self._check_injection()
            self._pending_tls = handle

    def _check_line(self, line: bytes | None, command: Command | None, limit: int) -> bytes | None:
        """Return a line without its CRLF, not consumed yet; None if it has not all come."""
        octets = len(self._buffer) if line is None else len(line)
        fault = bad_line(command, line, octets, limit, eof=self._eof)
        if fault is not None:
            self._fail(fault)
        return None if line is None else line[:-2]

    def _check_injection(self) -> None:
        if self._buffer:
            self._fail(
                StartTlsInjection(
                    "octets came in clear between the +OK to STLS and the TLS handshake; someone may be tampering "
                    "with the connection"
                )
            )

    def _check_alive(self) -> None:
        if self._error is not None:
            raise self._error.with_traceback(None)

    def _fail(self, error: RemoteProtocolError) -> NoReturn:
        self._error = error
        self._session.failed()
        raise error
