"""A whole session made of the octets of a fuzzer: what the client does, what the server sends, how it is cut.

The octets are what the server sends, with the client's doings between them: ESC and one more octet is an act (`ACTS`),
so that every input means something, a mutation of the server's words is a mutation of those octets, and a file of the
corpus can be read. The first octet are the options (`Options`).

Each input is played four times: every run of octets as one chunk, so again with whole messages asked for first, octet
by octet, and cut at places taken from the input itself. All must come to the same, and each must agree with readers
that are as simple as can be (`model`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pop3core import (
    BodyChunk,
    Command,
    Connection,
    ConnectionClosed,
    Event,
    Limits,
    LocalProtocolError,
    RemoteProtocolError,
    State,
)

from ..core.wire import SAMPLES
from .model import Client, Wire

__all__ = ("ACTS", "Options", "fuzz_session")

ESC = 0x1B

# Small, so that a mutation can reach them.
TIGHT = Limits(
    status_line=40, challenge=80, sasl_rounds=2, capability_lines=3, listing_entries=3, listing_line=24,
    message=100, unanswered=30,
)  # fmt: skip

WINDOWS = (1, 2, 5, 40)

Step: TypeAlias = "bytes | int"
Trace: TypeAlias = list[object]


@dataclass(frozen=True)
class Options:
    """The first octet of an input, bit by bit."""

    bare_lf: bool
    secure: bool
    tight: bool
    logged_in: bool
    lazy: bool
    """Only one event is taken of each chunk: the client acts while others wait. No two cuttings compare then."""
    window: int

    @classmethod
    def of(cls, octet: int) -> Options:
        bare_lf, secure, tight, logged_in, lazy = (bool(octet >> bit & 1) for bit in range(5))
        return cls(bare_lf, secure, tight, logged_in, lazy, WINDOWS[octet >> 5 & 3])


def steps_of(data: bytes) -> Iterator[Step]:
    """Take an input apart into runs of octets from the server and acts of the client."""
    run = bytearray()
    rest = iter(data)
    for octet in rest:
        if octet != ESC:
            run.append(octet)
            continue
        act = next(rest, None)
        if act == ESC or act is None:
            run.append(ESC)
            continue
        if run:
            yield bytes(run)
            run.clear()
        yield act
    if run:
        yield bytes(run)


class Session:
    """One connection, played, with all that must hold of it at every moment."""

    def __init__(self, options: Options, *, at_once: bool) -> None:
        self.options = options
        # Ask for whole messages first.
        self.at_once = at_once
        self.connection = Connection(
            window=options.window,
            limits=TIGHT if options.tight else Limits(),
            secure=options.secure,
            bare_lf=options.bare_lf,
        )
        self.trace: Trace = []
        self.client = Client(self.connection.limits)
        self.wire = Wire(bare_lf=options.bare_lf)
        self.over = False
        self.asleep = False

    # -- what the client does

    def act(self, octet: int) -> None:
        try:
            self.trace.append((self._act(chr(octet)), self.connection.state))
        except LocalProtocolError as error:
            self.trace.append(str(error))
        except RemoteProtocolError as error:
            self._failed(error)
        self._check_counts()

    def _act(self, act: str) -> object:
        connection, client = self.connection, self.client
        if "A" <= act <= "V":
            handle = self._send(SAMPLES[ord(act) - ord("A")])
            return handle, self._write()
        if "a" <= act <= "v":
            return self._send(SAMPLES[ord(act) - ord("a")])
        if act == "w":
            return self._write()
        if act in "<>" and client.queued:
            handle = min(client.queued) if act == "<" else max(client.queued)
            assert connection.withdraw(handle)
            assert not connection.withdraw(handle)
            del client.queued[handle]
        elif act in ANSWERS:
            connection.answer(ANSWERS[act])
            client.answered(ANSWERS[act])
        elif act == "!":
            connection.tls_established()
            self.wire.under_tls()
        elif act == "$":
            connection.receive_eof()
            client.at_end = True
            self._take()
        elif act == "~":
            self.asleep = True
        elif "1" <= act <= "9":
            connection.window = int(act)
        return None

    def _send(self, command: Command) -> int:
        before = repr(self.connection)
        try:
            handle = self.connection.send(command)
        except LocalProtocolError:
            assert repr(self.connection) == before
            raise
        self.client.send(handle, command)
        return handle

    def _write(self) -> bytes:
        octets = self.connection.data_to_send()
        self.client.written(octets, self.connection)
        return octets

    # -- what the server does

    def receive(self, chunk: bytes, *, take: bool = True) -> None:
        try:
            self.connection.receive_data(chunk)
            self.wire.octets += chunk
            if take and not self.asleep:
                self._take()
        except LocalProtocolError:
            assert self.client.at_end
        except RemoteProtocolError as error:
            self._failed(error)
        self._check_counts()

    def _take(self) -> None:
        while True:
            while self.at_once and self._take_message():
                pass
            event = self.connection.next_event()
            if event is None:
                break
            self.client.check(event)
            self.wire.check(event)
            self._note(event)
            if self.options.lazy or isinstance(event, ConnectionClosed):
                return
        self._check_buffer()
        self.wire.check_rest(self.connection)

    def _take_message(self) -> bool:
        before = self.client.in_body, repr(self.connection), len(self.connection._buffer)
        message = self.connection.next_message()
        if message is None:
            assert before == (self.client.in_body, repr(self.connection), len(self.connection._buffer))
            return False
        handle, octets = message
        for event in self.wire.message(handle):
            self.client.check(event)
            self.wire.check(event)
            self._note(event)
        body = self.trace[-2]
        assert octets == (body.data if isinstance(body, BodyChunk) else b"")
        return True

    def _note(self, event: Event) -> None:
        last = self.trace[-1] if self.trace else None
        if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
            assert last.handle == event.handle
            self.trace[-1] = BodyChunk(event.handle, last.data + event.data)
        else:
            self.trace.append(event)

    # -- what must hold

    def _check_counts(self) -> None:
        if not self.over:
            self.client.check_counts(self.connection)

    def _check_buffer(self) -> None:
        """Nothing is kept but what could be the start of a terminator, or a line within the limits."""
        connection = self.connection
        if connection.state in (State.UPDATE, State.CLOSED):
            return
        limits = connection.limits
        most = 5 if self.client.in_body else max(limits.status_line, limits.challenge)
        assert len(connection._buffer) <= most

    def _failed(self, error: RemoteProtocolError) -> None:
        """From here on it is this error for ever, and nothing is written."""
        self.over = True
        self.trace.append(type(error))
        connection = self.connection
        calls: tuple[Callable[[], object], ...] = (
            connection.next_event,
            connection.receive_eof,
            connection.tls_established,
            lambda: connection.receive_data(b"+OK\r\n"),
            lambda: connection.send(SAMPLES[-1]),
            lambda: connection.answer(None),
        )
        for call in calls:
            assert connection.state is State.ERROR
            assert connection.data_to_send() == b""
            assert error_of(call) is error


def error_of(call: Callable[[], object]) -> RemoteProtocolError | None:
    try:
        call()
    except RemoteProtocolError as error:
        return error
    return None


def play(
    data: bytes, cut: Callable[[bytes], Iterator[bytes]], *, eager: bool, at_once: bool = False
) -> Trace:
    """Play an input, each run of octets cut by `cut`; `eager` takes the events after each piece."""
    session = Session(Options.of(data[0]), at_once=at_once)
    if session.options.logged_in:
        for step in (b"+OK <1@h>\r\n", ord("Q"), b"+OK\r\n"):
            session.receive(step) if isinstance(step, bytes) else session.act(step)
    for step in steps_of(data[1:]):
        if session.over:
            break
        if isinstance(step, int):
            session.act(step)
            continue
        *pieces, last = cut(step)
        for piece in pieces:
            if not session.over:
                session.receive(piece, take=eager)
        if not session.over:
            session.receive(last)
        session.asleep = False
    return session.trace


def whole(octets: bytes) -> Iterator[bytes]:
    yield octets


def singly(octets: bytes) -> Iterator[bytes]:
    for start in range(len(octets)):
        yield octets[start : start + 1]


def unevenly(octets: bytes) -> Iterator[bytes]:
    """Cut where the octets themselves say, which a mutation changes."""
    start = 0
    while start < len(octets):
        end = start + 1 + octets[start] % 13
        yield octets[start:end]
        start = end


def fuzz_session(data: bytes) -> None:
    """Play one input; raises AssertionError, or whatever else must not come out of the core."""
    if not data:
        return
    first = play(data, whole, eager=True)
    if Options.of(data[0]).lazy:
        return
    assert play(data, whole, eager=True, at_once=True) == first
    for cut, eager in ((singly, True), (unevenly, False)):
        check_same(first, play(data, cut, eager=eager))


def check_same(one: Trace, other: Trace) -> None:
    """Two cuttings come to the same; where the protocol is broken, one may have found it out a few octets earlier."""
    if one == other:
        return
    failed = [isinstance(trace[-1], type) for trace in (one, other)]
    assert all(failed), (one, other)
    assert one[-1] is other[-1], (one, other)
    short, long = sorted((one[:-1], other[:-1]), key=_extent)
    if short and isinstance(short[-1], BodyChunk) and short != long[: len(short)]:
        rest = long[len(short) - 1]
        assert isinstance(rest, BodyChunk), (one, other)
        assert rest.handle == short[-1].handle
        assert rest.data.startswith(short[-1].data)
        short = short[:-1]
    assert long[: len(short)] == short, (one, other)


def _extent(trace: Trace) -> tuple[int, int]:
    last = trace[-1] if trace else None
    return len(trace), len(last.data) if isinstance(last, BodyChunk) else 0


ANSWERS: dict[str, bytes | None] = {"=": b"mrose", "-": b"", "*": None}

ACTS = {
    "A to V": "send the command SAMPLES[0] to SAMPLES[21] and write what may be written",
    "a to v": "send it, and write nothing yet",
    "w": "write",
    "<": "withdraw the oldest command that was not written",
    ">": "withdraw the newest",
    "=": "answer the challenge",
    "-": "answer it by nothing",
    "*": "cancel the exchange",
    "!": "say that TLS is established",
    "$": "the server closes the connection",
    "~": "take no events of what comes next, until there is something after it",
    "1 to 9": "set the window",
    "ESC": "one ESC from the server",
    "anything else": "what follows comes in a later chunk",
}
