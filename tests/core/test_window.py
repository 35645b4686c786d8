"""What is written when: the window, the barriers, the budget of unanswered octets, QUIT, and taking commands back."""

from __future__ import annotations

import pytest

from pop3core import (
    Apop,
    Auth,
    Capa,
    Command,
    Connection,
    Dele,
    Lang,
    Limits,
    LocalProtocolError,
    Noop,
    Pass,
    Quit,
    Raw,
    Retr,
    Rset,
    Stat,
    State,
    Stls,
    User,
    Utf8,
)

from .wire import DIGEST, SAMPLES, ask, describe, fresh, say

BARRIERS = {"STLS", "AUTH", "USER", "PASS", "APOP", "UTF8", "QUIT", "(raw)"}


@pytest.mark.parametrize("window", [1, 2, 3, 10])
def test_window(window: int) -> None:
    connection = fresh(window=window)
    for number in range(1, 11):
        connection.send(Dele(number))
    written = connection.data_to_send()
    assert written == b"".join(b"DELE %d\r\n" % n for n in range(1, window + 1))
    assert (connection.outstanding, connection.queued) == (window, 10 - window)
    assert connection.data_to_send() == b""
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == (b"DELE %d\r\n" % (window + 1) if window < 10 else b"")


def test_window_is_settable() -> None:
    connection = fresh()
    for number in range(1, 6):
        connection.send(Dele(number))
    assert connection.data_to_send() == b"DELE 1\r\n"
    connection.window = 3
    assert connection.window == 3
    assert connection.data_to_send() == b"DELE 2\r\nDELE 3\r\n"
    connection.window = 1
    say(connection, b"+OK\r\n+OK\r\n")
    assert connection.data_to_send() == b""
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b"DELE 4\r\n"


@pytest.mark.parametrize("window", [0, -1, True, 1.0, "1", None])
def test_no_windows(window: object) -> None:
    with pytest.raises(ValueError, match="window"):
        Connection(window=window)  # type: ignore[arg-type]
    connection = fresh(window=5)
    with pytest.raises(ValueError, match="window"):
        connection.window = window  # type: ignore[assignment]
    assert connection.window == 5


def test_a_body_holds_its_place_until_its_end() -> None:
    connection = fresh()
    connection.send(Retr(1))
    connection.send(Noop())
    assert connection.data_to_send() == b"RETR 1\r\n"
    say(connection, b"+OK\r\nbody\r\n.")
    assert connection.data_to_send() == b""
    assert connection.outstanding == 1
    say(connection, b"\r\n")
    assert connection.data_to_send() == b"NOOP\r\n"


def test_the_barriers_are_those_of_the_protocol() -> None:
    assert {command.keyword for command in SAMPLES if command.barrier} == BARRIERS


@pytest.mark.parametrize(
    "barrier", [c for c in SAMPLES if c.barrier and not isinstance(c, Quit)], ids=lambda c: c.redacted()
)
@pytest.mark.parametrize("answer", [b"+OK\r\n", b"-ERR\r\n"])
def test_nothing_behind_a_barrier(barrier: Command, answer: bytes) -> None:
    connection = fresh(State.AUTHORIZATION, window=9)
    if isinstance(barrier, Pass):
        ask(connection, User("mrose"), b"+OK\r\n")
    connection.send(barrier)
    connection.send(Lang("de"))
    connection.send(Capa())
    assert connection.data_to_send() == barrier.encode()
    assert connection.data_to_send() == b""
    assert (connection.outstanding, connection.queued) == (1, 2)
    say(connection, answer)
    if connection.state is State.TLS_HANDSHAKE:
        assert connection.data_to_send() == b""
        connection.tls_established()
    if connection.outstanding:
        # The raw command with a body.
        assert connection.data_to_send() == b""
        say(connection, b".\r\n")
    assert connection.data_to_send() == b"LANG de\r\nCAPA\r\n"


def test_a_barrier_goes_out_behind_others() -> None:
    connection = fresh(window=9)
    for command in (Noop(), Raw("XNOOP"), Noop()):
        connection.send(command)
    assert connection.data_to_send() == b"NOOP\r\nXNOOP\r\n"
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b""
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b"NOOP\r\n"


def test_stls_is_answered_and_taken_before_anything_is_written() -> None:
    connection = fresh(State.AUTHORIZATION, window=9)
    connection.send(Stls())
    connection.send(Capa())
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n")
    connection.next_event()
    assert connection.data_to_send() == b""
    connection.next_event()
    assert connection.data_to_send() == b""


# -- QUIT commits deletions


def test_quit_is_alone() -> None:
    connection = fresh(window=9)
    connection.send(Dele(1))
    connection.send(Dele(2))
    connection.send(Quit())
    assert connection.data_to_send() == b"DELE 1\r\nDELE 2\r\n"
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b""
    say(connection, b"-ERR\r\n")
    assert connection.data_to_send() == b"QUIT\r\n"


@pytest.mark.parametrize("state", [State.AUTHORIZATION, State.TRANSACTION])
def test_nothing_is_queued_behind_quit(state: State) -> None:
    connection = fresh(state, window=9)
    connection.send(Quit())
    for command in (Capa(), Quit(), Raw("XNOOP")):
        with pytest.raises(LocalProtocolError, match="QUIT"):
            connection.send(command)
    connection.data_to_send()
    with pytest.raises(LocalProtocolError, match="QUIT"):
        connection.send(Capa())
    assert (connection.outstanding, connection.queued) == (1, 0)


def test_quit_taken_back() -> None:
    connection = fresh(window=9)
    handle = connection.send(Quit())
    assert connection.withdraw(handle)
    connection.send(Noop())
    assert connection.data_to_send() == b"NOOP\r\n"


def test_quit_is_not_written_when_an_answer_is_missing() -> None:
    connection = fresh(window=9)
    connection.send(Dele(1))
    connection.send(Quit())
    connection.data_to_send()
    connection.receive_data(b"junk\r\n")
    with pytest.raises(Exception, match="neither"):
        connection.next_event()
    assert connection.data_to_send() == b""


# -- a login that is pending


@pytest.mark.parametrize("login", [Auth("PLAIN"), Apop("mrose", "0" * 32)])
@pytest.mark.parametrize("answer", [b"+OK\r\n", b"-ERR\r\n"])
def test_commands_sent_while_a_login_is_pending(login: Command, answer: bytes) -> None:
    connection = fresh(State.AUTHORIZATION, window=9)
    connection.send(login)
    for refused in (Stat(), Retr(1), Noop(), Rset(), User("x"), Utf8(), Stls()):
        with pytest.raises(LocalProtocolError, match=r"not allowed in state|wait for that answer"):
            connection.send(refused)
    # What is allowed whichever way the login goes.
    for command in (Capa(), Lang(), Raw("XNOOP"), Quit()):
        connection.send(command)
    assert connection.data_to_send() == login.encode()
    say(connection, answer)
    assert connection.data_to_send() == b"CAPA\r\nLANG\r\nXNOOP\r\n"


def test_commands_sent_while_pass_is_pending() -> None:
    connection = fresh(State.AUTHORIZATION)
    ask(connection, User("mrose"), b"+OK\r\n")
    connection.send(Pass("x"))
    with pytest.raises(LocalProtocolError, match="wait for that answer"):
        connection.send(User("mrose"))
    with pytest.raises(LocalProtocolError, match="AUTHORIZATION"):
        connection.send(Stat())
    connection.data_to_send()
    say(connection, b"+OK\r\n")
    connection.send(Stat())
    with pytest.raises(LocalProtocolError, match="TRANSACTION"):
        connection.send(User("mrose"))


def test_what_may_follow_stls_and_quit() -> None:
    connection = fresh(State.AUTHORIZATION)
    connection.send(Stls())
    connection.send(Capa())
    connection.send(Quit())
    with pytest.raises(LocalProtocolError):
        connection.send(Capa())


# -- the budget: what fits the smallest socket buffer


def test_budget_exactly_full() -> None:
    connection = fresh(window=99, limits=Limits(unanswered=3 * len(b"NOOP\r\n")))
    for _ in range(5):
        connection.send(Noop())
    assert connection.data_to_send() == b"NOOP\r\n" * 3
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b"NOOP\r\n"
    say(connection, b"+OK\r\n" * 3)
    assert connection.data_to_send() == b"NOOP\r\n"


def test_budget_short_by_an_octet() -> None:
    connection = fresh(window=99, limits=Limits(unanswered=3 * len(b"NOOP\r\n") - 1))
    for _ in range(5):
        connection.send(Noop())
    assert connection.data_to_send() == b"NOOP\r\n" * 2


def test_a_command_over_the_budget_goes_alone() -> None:
    connection = fresh(window=99, limits=Limits(unanswered=1))
    connection.send(Noop())
    connection.send(Dele(1))
    assert connection.data_to_send() == b"NOOP\r\n"
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b"DELE 1\r\n"


# -- handles


def test_handles_are_unique_and_come_back() -> None:
    connection = fresh(window=9)
    handles = [connection.send(Noop()) for _ in range(5)]
    assert len(set(handles)) == 5
    assert connection.withdraw(handles[1])
    assert not connection.withdraw(handles[1])
    assert connection.data_to_send() == b"NOOP\r\n" * 4
    answers = say(connection, b"+OK\r\n" * 4)
    assert [getattr(event, "handle", None) for event in answers] == [handles[n] for n in (0, 2, 3, 4)]
    assert connection.send(Noop()) not in handles


def test_what_is_written_cannot_be_withdrawn() -> None:
    connection = fresh()
    handle = connection.send(Noop())
    connection.data_to_send()
    assert not connection.withdraw(handle)
    assert connection.outstanding == 1
    say(connection, b"+OK\r\n")
    assert not connection.withdraw(handle)
    assert not connection.withdraw(0)
    assert not connection.withdraw(10**9)


def test_a_refused_command_takes_no_place() -> None:
    connection = fresh(window=9)
    with pytest.raises(LocalProtocolError):
        connection.send(User("mrose"))
    connection.send(Noop())
    assert connection.data_to_send() == b"NOOP\r\n"


def test_nothing_is_written_before_the_greeting_or_after_the_end() -> None:
    connection = Connection(window=9)
    assert connection.data_to_send() == b""
    say(connection, b"+OK\r\n")
    connection.send(Capa())
    assert connection.withdraw(connection.send(Capa()))
    connection.receive_eof()
    assert describe([event for event in [connection.next_event()] if event]) == ["Closed"]
    assert connection.queued == 1
    assert connection.data_to_send() == b""


def test_a_login_taken_back() -> None:
    connection = fresh(State.AUTHORIZATION)
    handle = connection.send(Auth("PLAIN"))
    with pytest.raises(LocalProtocolError):
        connection.send(Auth("LOGIN"))
    connection.withdraw(handle)
    assert describe(ask(connection, Auth("LOGIN"), b"+OK\r\n")) == ["Reply 2 ok ''"]
    assert connection.state is State.TRANSACTION


def test_credentials_wait_for_the_answer_to_stls() -> None:
    """Queued behind an STLS that is refused, they would go out in clear."""
    connection = fresh(State.AUTHORIZATION)
    connection.send(Stls())
    for command in (User("me"), Auth("PLAIN", b"\0me\0secret"), Apop("me", DIGEST)):
        with pytest.raises(LocalProtocolError, match="STLS"):
            connection.send(command)
    assert connection.data_to_send() == b"STLS\r\n"
    say(connection, b"-ERR\r\n")
    assert connection.data_to_send() == b""
    connection.send(User("me"))
    assert connection.data_to_send() == b"USER me\r\n"
