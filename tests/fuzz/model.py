"""What must be true of a session, said a second time and as simply as can be: no speed, no chunks, no states kept."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import deque

from pop3core import (
    BodyChunk,
    BodyEnd,
    Command,
    Connection,
    ConnectionClosed,
    Continuation,
    Event,
    Greeting,
    Limits,
    Reply,
    StartTls,
    State,
    parse_response_code,
)

__all__ = ("Client", "Wire")

_BASE64 = re.compile(b"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def decode(text: bytes) -> str:
    """Decode a server's text as UTF-8, or else as Latin-1."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


class Client:
    """The queue: which commands wait, which are in flight, and whose turn it is to be answered."""

    def __init__(self, limits: Limits) -> None:
        self.queued: dict[int, Command] = {}
        self.in_flight: deque[tuple[int, Command]] = deque()
        self.in_body = False
        self.at_end = False
        self._limits = limits
        self._tls = 0
        self._challenged = False
        self._response = b""

    def send(self, handle: int, command: Command) -> None:
        assert handle not in self.queued
        self.queued[handle] = command

    def answered(self, response: bytes | None) -> None:
        assert self._challenged
        self._challenged = False
        self._response = b"*\r\n" if response is None else b64encode(response) + b"\r\n"

    def written(self, octets: bytes, connection: Connection) -> None:
        """Take whole lines from the front of the queue: nothing behind a barrier, and all that may go."""
        if self._response:
            assert octets == self._response
            self._response = b""
            return
        while octets:
            assert self.queued, f"written, and nobody asked for it: {octets!r}"
            handle = next(iter(self.queued))
            command = self.queued.pop(handle)
            line = command.encode()
            assert octets.startswith(line)
            assert self._may_go(command, connection.window)
            self.in_flight.append((handle, command))
            octets = octets[len(line) :]
        if self.queued and connection.state in (State.AUTHORIZATION, State.TRANSACTION):
            assert not self._may_go(next(iter(self.queued.values())), connection.window)

    def _may_go(self, command: Command, window: int) -> bool:
        if not self.in_flight:
            return True
        before = [command for _, command in self.in_flight]
        octets = sum(len(command.encode()) for command in [*before, command])
        return (
            len(before) < window
            and not any(command.barrier for command in before)
            and command.keyword != "QUIT"
            and octets <= self._limits.unanswered
        )

    def check(self, event: Event) -> None:
        """Every event belongs to the command whose turn it is."""
        if isinstance(event, Greeting):
            assert not self.in_flight
            assert b"\r" not in event.raw
            assert b"\n" not in event.raw
        elif isinstance(event, ConnectionClosed):
            assert self.at_end
            assert not self.in_flight
        elif isinstance(event, StartTls):
            assert event.handle == self._tls
            self._tls = 0
        else:
            self._check_answer(event)

    def _check_answer(self, event: Reply | BodyChunk | BodyEnd | Continuation) -> None:
        handle, command = self.in_flight[0]
        assert event.handle == handle
        assert self.in_body == isinstance(event, BodyChunk | BodyEnd)
        if isinstance(event, Reply):
            assert b"\r" not in event.raw
            assert b"\n" not in event.raw
            assert event.ok == event.raw.startswith(b"+OK")
            assert event.more == (event.ok and command.multiline)
            self.in_body = event.more
            if event.ok and command.keyword == "STLS":
                self._tls = handle
            self._challenged = False
            self._response = b""
        elif isinstance(event, BodyChunk):
            assert event.data
            assert type(event.data) is bytes
        elif isinstance(event, Continuation):
            assert command.keyword == "AUTH"
            self._challenged = True
        else:
            self.in_body = False
        if not self.in_body and not isinstance(event, Continuation):
            self.in_flight.popleft()

    def check_counts(self, connection: Connection) -> None:
        assert connection.outstanding == len(self.in_flight)
        assert connection.queued == len(self.queued)


class Wire:
    """What the server has sent, read line by line from the beginning."""

    def __init__(self, *, bare_lf: bool) -> None:
        self.octets = bytearray()
        self._position = 0
        self._always = self._bare_lf = bare_lf
        self._body: bytearray | None = None

    def under_tls(self) -> None:
        """A greeting in clear does not say how lines end under TLS."""
        self._bare_lf = self._always

    def check(self, event: Event) -> None:
        """Every event says what the octets say."""
        if isinstance(event, Greeting):
            end = self.octets.index(b"\n")
            self._bare_lf = self._bare_lf or self.octets[:end][-1:] != b"\r"
            assert event.raw == self._line()
        elif isinstance(event, Reply):
            assert event.raw == self._line()
            self._body = bytearray() if event.more else None
        elif isinstance(event, Continuation):
            line = self._line()
            assert line is not None
            assert line == b"+" or line.startswith(b"+ ")
            valid = _BASE64.fullmatch(line[2:])
            assert event.data == (b64decode(line[2:]) if valid else None)
        elif isinstance(event, StartTls):
            assert self._position == len(self.octets), "what came in clear would be taken for TLS"
        elif isinstance(event, BodyChunk):
            assert self._body is not None
            self._body += event.data
        elif isinstance(event, BodyEnd):
            assert self._body == self._lines()
            self._body = None

    def message(self, handle: int) -> list[Event]:
        """Return the events that the next answer would have been, were it not taken as a whole."""
        position = self._position
        raw = self._line()
        body = self._lines()
        self._position = position
        assert raw is not None
        text = raw.removeprefix(b"+OK").removeprefix(b" ")
        code = parse_response_code(raw)
        chunks = [BodyChunk(handle, bytes(body))] if body else []
        return [Reply(handle, True, raw, decode(text), code, True), *chunks, BodyEnd(handle)]

    def check_rest(self, connection: Connection) -> None:
        """When the core wants more octets, it needs them."""
        position = self._position
        if self._body is not None:
            while (line := self._line()) is not None:
                assert line != b"."
        elif connection.outstanding or connection.state is State.GREETING:
            assert self._line() is None
        self._position = position

    def _lines(self) -> bytearray:
        body = bytearray()
        while (line := self._line()) != b".":
            assert line is not None, "the response has no end"
            body += line.removeprefix(b".") + b"\r\n"
        return body

    def _line(self) -> bytes | None:
        end = self.octets.find(b"\n" if self._bare_lf else b"\r\n", self._position)
        if end < 0:
            return None
        line = bytes(self.octets[self._position : end])
        self._position = end + (1 if self._bare_lf else 2)
        return line.removesuffix(b"\r") if self._bare_lf else line
