"""Random sessions against a server that is right, until it is not: every command is answered, once and in its turn.

The client's side and all that must hold of it are the fuzzer's (`session`); here a server answers what was written,
its octets come in whatever pieces, and the client goes on meanwhile.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pop3core import Auth, BodyChunk, Command, ConnectionClosed, Quit, Reply, State, Stls
from pop3core._state import ALLOWED

from ..core.wire import SAMPLES
from .session import Options, Session

LINES = st.lists(
    st.sampled_from([b"", b".", b"..", b".x", b"x", b"+OK", b"-ERR", b"x" * 80, b"\r", b"\0"]), max_size=4
)


class Machine(RuleBasedStateMachine):
    """The model: what the server has been asked, what it has said, and how much of that has arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Command] = []
        self.said: list[tuple[bool, bytes]] = []
        self.on_the_way = b""

    @initialize(
        window=st.integers(0, 3),
        logged_in=st.booleans() | st.just(True),
        at_once=st.booleans(),
        # Octets that nobody asked for, or the end of the stream in good order.
        ending=st.sampled_from([b"", b"", b"+OK\r\n", b"-ERR idle\r\n", b"x"]),
    )
    def connect(self, window: int, logged_in: bool, at_once: bool, ending: bytes) -> None:
        self.ending = ending
        self.session = Session(Options.of(window << 5), at_once=at_once)
        self.session.receive(b"+OK <1@h>\r\n")
        if logged_in:
            self.act("Q")
            self.answer(True, [])
            self.arrive([], 100)

    def act(self, letter: str) -> None:
        before = len(self.session.client.in_flight)
        self.session.act(ord(letter))
        self.asked += [command for _, command in list(self.session.client.in_flight)[before:]]

    @rule(data=st.data(), write=st.booleans())
    def send(self, data: st.DataObject, write: bool) -> None:
        state = self.session.connection.state
        allowed = [i for i, command in enumerate(SAMPLES) if state in ALLOWED[type(command)]]
        # QUIT is for the end.
        index = data.draw(st.sampled_from([i for i in allowed if not isinstance(SAMPLES[i], Quit)] or [0]))
        self.act(chr(ord("A" if write else "a") + index))

    @rule(letter=st.sampled_from("w<>149"))
    def do(self, letter: str) -> None:
        self.act(letter)

    @precondition(lambda self: len(self.said) < len(self.asked))
    @rule(ok=st.booleans(), lines=LINES)
    def answer(self, ok: bool, lines: list[bytes]) -> None:
        """The server answers the oldest command that it has not answered."""
        command = self.asked[len(self.said)]
        body = b"".join(line + b"\r\n" for line in lines)
        octets = b"+OK 1\r\n" if ok else b"-ERR [SYS/TEMP] 2\r\n"
        if ok and command.multiline:
            octets += b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines) + b".\r\n"
        self.said.append((ok, body if ok and command.multiline else b""))
        self.on_the_way += octets

    @precondition(lambda self: self.on_the_way)
    @rule(cuts=st.lists(st.integers(0, 99), max_size=3), percent=st.sampled_from([10, 50, 99, 100]))
    def arrive(self, cuts: list[int], percent: int) -> None:
        """Some of what the server said arrives, in pieces."""
        size = -(-len(self.on_the_way) * percent // 100)
        octets, self.on_the_way = self.on_the_way[:size], self.on_the_way[size:]
        ends = [0, *sorted(cut % (size + 1) for cut in cuts), size]
        for start, end in pairwise(ends):
            self.session.receive(octets[start:end])
        if self.session.connection.state is State.TLS_HANDSHAKE:
            self.act("!")

    @precondition(
        lambda self: self.session.client.in_flight and isinstance(self.session.client.in_flight[0][1], Auth)
    )
    @rule(cancel=st.booleans())
    def challenge(self, cancel: bool) -> None:
        if self.on_the_way or len(self.said) == len(self.asked):
            return
        self.session.receive(b"+ eA==\r\n")
        self.act("*" if cancel else "=")
        self.act("w")
        if cancel:
            self.answer(False, [])

    def teardown(self) -> None:
        """Let everything arrive and be answered; then nobody may be waiting."""
        if not hasattr(self, "session"):
            return
        self._finish()
        self._check_answers()

    def _finish(self) -> None:
        client = self.session.client
        while not self.session.over:
            self.act("w")
            if not self.on_the_way and len(self.said) < len(self.asked):
                self.answer(not isinstance(self.asked[len(self.said)], Stls), [b"end"])
            if not self.on_the_way:
                break
            self.arrive([], 100)
        if self.session.over:
            return
        assert not client.in_flight
        assert not client.queued
        if self.ending:
            self.session.receive(self.ending)
            assert self.session.over
        else:
            self.act("$")
            assert isinstance(self.session.trace[-2], ConnectionClosed)

    def _check_answers(self) -> None:
        """What came is what was said, in order, and all of it unless the session broke."""
        got: list[tuple[bool, bytes]] = []
        for event in self.session.trace:
            if isinstance(event, Reply):
                got.append((event.ok, b""))
            elif isinstance(event, BodyChunk):
                got[-1] = (True, got[-1][1] + event.data)
        assert got == self.said[: len(got)]
        assert self.session.over or len(got) == len(self.said)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.soak
def test_machine_for_long() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=3000, stateful_step_count=80, deadline=None)
    )
