"""Random sessions: any commands, any answers, any cuts; what was written and not answered is what is outstanding."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pop3core import (
    Auth,
    BodyEnd,
    Command,
    Connection,
    Continuation,
    Event,
    Greeting,
    LocalProtocolError,
    Quit,
    Reply,
    StartTls,
    State,
)

from .test_states import MATRIX, NEXT
from .wire import SAMPLES, pump


class Session(RuleBasedStateMachine):
    """The model: which commands wait, which are out, and the state by the hand-written tables."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = Connection()
        self.state = State.GREETING
        self.waiting: dict[int, Command] = {}
        self.out: deque[tuple[int, Command]] = deque()
        self.written = self.answered = 0

    @initialize(ok=st.booleans() | st.just(True), window=st.integers(1, 6))
    def greet(self, ok: bool, window: int) -> None:
        self.connection.window = window
        (event,) = self.feed(b"+OK hello\r\n" if ok else b"-ERR no\r\n", [])
        assert isinstance(event, Greeting)
        self.state = State.AUTHORIZATION if ok else State.CLOSED

    def feed(self, octets: bytes, cuts: list[int]) -> list[Event]:
        ends = [0, *sorted(c % (len(octets) + 1) for c in cuts), len(octets)]
        events: list[Event] = []
        for start, end in pairwise(ends):
            self.connection.receive_data(octets[start:end])
            events += pump(self.connection)
        return events

    @rule(command=st.sampled_from(SAMPLES))
    def send(self, command: Command) -> None:
        try:
            handle = self.connection.send(command)
        except LocalProtocolError:
            return
        assert self.state in MATRIX[command.keyword]
        assert not any(isinstance(c, Quit) for c in self.waiting.values())
        self.waiting[handle] = command

    @rule(window=st.integers(1, 6))
    def set_window(self, window: int) -> None:
        self.connection.window = window

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.connection.withdraw(handle)
        del self.waiting[handle]

    @rule()
    def write(self) -> None:
        before = len(self.out)
        octets = self.connection.data_to_send()
        assert type(octets) is bytes
        for line in octets.splitlines(keepends=True):
            handle, command = next(iter(self.waiting.items()))
            assert line == command.encode()
            assert self.state in MATRIX[command.keyword], "a forbidden command was written"
            assert not self.out or not self.out[-1][1].barrier
            assert not self.out or not isinstance(command, Quit)
            del self.waiting[handle]
            self.out.append((handle, command))
            self.written += 1
        if len(self.out) > before:
            assert len(self.out) <= self.connection.window

    @precondition(lambda self: self.out)
    @rule(
        ok=st.booleans(),
        cuts=st.lists(st.integers(0, 99), max_size=3),
        challenge=st.sampled_from(["no", "answer", "cancel"]),
    )
    def answer(self, ok: bool, cuts: list[int], challenge: str) -> None:
        handle, command = self.out[0]
        if isinstance(command, Auth) and challenge != "no":
            (event,) = self.feed(b"+ eA==\r\n", cuts)
            assert event == Continuation(handle, b"x")
            self.connection.answer(b"y" if challenge == "answer" else None)
            assert self.connection.data_to_send() == (b"eQ==\r\n" if challenge == "answer" else b"*\r\n")
            # After a cancel there is only one answer (RFC 5034 section 4).
            ok = ok and challenge == "answer"
        more = ok and command.multiline
        octets = b"+OK x\r\n" if ok else b"-ERR x\r\n"
        events = self.feed(octets + (b"..a\r\n.\r\n" if more else b""), cuts)
        reply = events[0]
        assert isinstance(reply, Reply)
        assert (reply.handle, reply.ok, reply.more) == (handle, ok, more)
        if more:
            assert events[-1] == BodyEnd(handle)
        self.out.popleft()
        self.answered += 1
        self.state = NEXT.get((self.state, command.keyword, ok), self.state)
        if self.state is State.TLS_HANDSHAKE:
            assert events[1:] == [StartTls(handle)]
            assert self.connection.data_to_send() == b""
            assert self.connection.state is State.TLS_HANDSHAKE
            self.connection.tls_established()
            assert self.connection.secure
            self.state = State.AUTHORIZATION

    @invariant()
    def counts(self) -> None:
        assert self.connection.state is self.state
        assert self.connection.outstanding == self.written - self.answered == len(self.out)
        assert self.connection.queued == len(self.waiting)


TestSession = Session.TestCase
TestSession.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
