"""The state on its own: what the two tables do not hold, and the deletion marks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pop3core import Apop, Capa, Command, Dele, Noop, Pass, Quit, Rset, State, Stls, User, Utf8
from pop3core._state import SessionState

from .wire import DIGEST, ask, fresh, say


def authorized() -> SessionState:
    state = SessionState()
    state.greeting(True)
    return state


def test_deletions() -> None:
    connection = fresh()
    assert connection.deletions == 0
    ask(connection, Dele(1), b"+OK\r\n")
    ask(connection, Dele(2), b"-ERR\r\n")
    ask(connection, Dele(3), b"+OK\r\n")
    assert connection.deletions == 2
    ask(connection, Rset(), b"-ERR\r\n")
    assert connection.deletions == 2
    ask(connection, Rset(), b"+OK\r\n")
    assert connection.deletions == 0
    ask(connection, Dele(4), b"+OK\r\n")
    ask(connection, Quit(), b"-ERR some not removed\r\n")
    assert (connection.state, connection.deletions) == (State.UPDATE, 1)


def test_pipelined_deletions_count_as_they_are_answered() -> None:
    connection = fresh(window=9)
    for number in range(1, 4):
        connection.send(Dele(number))
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n" * 3)
    for number in range(1, 4):
        assert connection.next_event() is not None
        assert connection.deletions == number


@pytest.mark.parametrize(
    ("command", "pending", "why"),
    [
        (Pass("p"), [], "right after"),
        (Stls(), [Utf8()], "after UTF8"),
        (User("u"), [Stls()], "wait for the answer to STLS"),
        (Stls(), [Stls()], "asked for already"),
        (Noop(), [], "not allowed in state AUTHORIZATION"),
        (Capa(), [Capa(), Quit()], "once QUIT is answered"),
    ],
)
def test_why_not(command: Command, pending: list[Command], why: str) -> None:
    state = authorized()
    for number, other in enumerate(pending):
        assert state.queue(other, pending[:number]) is None
    reason = state.queue(command, pending)
    assert reason is not None
    assert why in reason


def test_what_was_withdrawn_no_longer_counts() -> None:
    state = authorized()
    assert state.queue(Quit(), []) is None
    state.withdrawn(Quit())
    assert state.queue(Capa(), []) is None


def test_a_greeting_that_refuses() -> None:
    state = SessionState()
    state.greeting(False)
    assert state.state is State.CLOSED


def test_a_long_queue_is_not_looked_at_where_no_rule_needs_it() -> None:
    state = authorized()
    assert state.queue(Apop("u", DIGEST), []) is None
    state.answered(Apop("u", DIGEST), True)
    looked_at: list[Command] = []

    def pending() -> Iterator[Command]:
        looked_at.append(Noop())
        yield Noop()

    assert state.queue(Dele(1), pending()) is None
    assert not looked_at


def test_nothing_follows_a_barrier_and_quit_follows_nothing() -> None:
    connection = fresh(window=9)
    for command in (Dele(1), Dele(2), Quit()):
        connection.send(command)
    assert connection.data_to_send() == b"DELE 1\r\nDELE 2\r\n"
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b""
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b"QUIT\r\n"
