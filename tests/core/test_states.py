"""Every state with every command, and every transition: the tables against the protocol and the code against both."""

from __future__ import annotations

import pytest

from pop3core import (
    ALLOWED,
    COMMANDS,
    TRANSITIONS,
    Apop,
    Auth,
    Capa,
    Command,
    Connection,
    Greeting,
    LocalProtocolError,
    Noop,
    Pass,
    Quit,
    Raw,
    RemoteProtocolError,
    Reply,
    Retr,
    State,
    Stls,
    User,
    Utf8,
)

from .wire import SAMPLES, ask, describe, fresh, pump, say

A, T = State.AUTHORIZATION, State.TRANSACTION

# By hand, from RFC 1939 sections 4 to 7, 2449 section 5, 2595 section 4, 5034 section 4, 6856 sections 2 and 3.
MATRIX: dict[str, set[State]] = {
    "USER": {A}, "PASS": {A}, "APOP": {A}, "AUTH": {A}, "STLS": {A}, "UTF8": {A},
    "CAPA": {A, T}, "LANG": {A, T}, "QUIT": {A, T}, "(raw)": {A, T},
    "STAT": {T}, "LIST": {T}, "UIDL": {T}, "RETR": {T}, "TOP": {T}, "DELE": {T}, "NOOP": {T}, "RSET": {T},
}  # fmt: skip

NEXT: dict[tuple[State, str, bool], State] = {
    (A, "STLS", True): State.TLS_HANDSHAKE,
    (A, "PASS", True): T,
    (A, "APOP", True): T,
    (A, "AUTH", True): T,
    (A, "QUIT", True): State.CLOSED,
    (A, "QUIT", False): State.CLOSED,
    (T, "QUIT", True): State.UPDATE,
    (T, "QUIT", False): State.UPDATE,
}

PAIRS = [
    pytest.param(state, command, id=f"{state.name}-{command.redacted()}")
    for state in State
    for command in SAMPLES
]
LEGAL = [
    pytest.param(state, command, ok, id=f"{state.name}-{command.redacted()}-{'ok' if ok else 'err'}")
    for command in SAMPLES
    for state in sorted(MATRIX[command.keyword], key=lambda s: s.name)
    for ok in (True, False)
]


def ready_for(command: Command, state: State) -> Connection:
    connection = fresh(state)
    if type(command) is Pass and state is A:
        ask(connection, User("mrose"), b"+OK\r\n")
    return connection


def test_allowed_table() -> None:
    assert {kind.keyword: set(states) for kind, states in ALLOWED.items()} == MATRIX


def test_transitions_table() -> None:
    assert {(state, kind.keyword, ok): after for (state, kind, ok), after in TRANSITIONS.items()} == NEXT


def test_samples_are_complete() -> None:
    assert {type(command) for command in SAMPLES} == set(ALLOWED)


@pytest.mark.parametrize(("state", "command"), PAIRS)
def test_every_pair(state: State, command: Command) -> None:
    connection = ready_for(command, state)
    if state in MATRIX[command.keyword]:
        handle = connection.send(command)
        assert connection.queued == 1
        assert connection.data_to_send() == command.encode()
        assert (connection.outstanding, connection.queued) == (1, 0)
        reply = say(connection, b"-ERR no\r\n")[0]
        assert isinstance(reply, Reply)
        assert reply.handle == handle
        return
    refusal = RemoteProtocolError if state is State.ERROR else LocalProtocolError
    with pytest.raises(refusal):
        connection.send(command)
    assert (connection.outstanding, connection.queued) == (0, 0)
    assert connection.data_to_send() == b""
    assert connection.state is state
    # Still usable: what the state does allow goes on as before.
    if state is State.GREETING:
        assert describe(say(connection, b"+OK\r\n")) == ["Greeting ok ''"]
    elif state is State.TLS_HANDSHAKE:
        connection.tls_established()
        assert connection.state is A
    elif state in (A, T):
        ask(connection, Quit(), b"+OK\r\n")
        assert connection.state in (State.CLOSED, State.UPDATE)
    elif state is not State.ERROR:
        connection.receive_eof()
        assert describe(list(pump(connection))) == ["Closed"]


@pytest.mark.parametrize(("state", "command", "ok"), LEGAL)
def test_every_transition(state: State, command: Command, ok: bool) -> None:
    connection = ready_for(command, state)
    connection.send(command)
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n" if ok else b"-ERR\r\n")
    assert connection.state is state, "the state changes as the event is returned, never ahead of it"
    reply = connection.next_event()
    after = NEXT.get((state, command.keyword, ok), state)
    assert isinstance(reply, Reply)
    assert reply.ok is ok
    assert reply.more is (ok and command.multiline)
    assert connection.state is after
    if reply.more:
        assert connection.outstanding == 1
        say(connection, b".\r\n")
        assert connection.state is after
    assert connection.outstanding == 0


def test_whether_an_answer_has_begun() -> None:
    answer = b"+OK\r\n..\r\n.\r\n"
    for come in range(len(answer) + 1):
        connection = fresh()
        ask(connection, Retr(1), answer[:come])
        assert connection.answering is (0 < come < len(answer))


@pytest.mark.parametrize("greeting", [b"+OK\r\n", b"-ERR\r\n"])
def test_greeting(greeting: bytes) -> None:
    connection = Connection()
    assert connection.state is State.GREETING
    connection.receive_data(greeting)
    assert connection.state is State.GREETING
    connection.next_event()
    assert connection.state is (A if greeting.startswith(b"+") else State.CLOSED)


def test_state_waits_for_the_event_of_each_answer() -> None:
    connection = fresh(T, window=2)
    connection.send(Noop())
    connection.send(Quit())
    connection.data_to_send()
    say(connection, b"+OK\r\n")
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n")
    assert connection.state is T
    connection.next_event()
    assert connection.state is State.UPDATE


# -- what depends on more than the state


def test_pass_needs_user() -> None:
    connection = fresh(A)
    with pytest.raises(LocalProtocolError, match="right after"):
        connection.send(Pass("x"))
    connection.send(User("mrose"))
    with pytest.raises(LocalProtocolError, match="right after"):
        connection.send(Pass("x"))
    connection.data_to_send()
    with pytest.raises(LocalProtocolError, match="right after"):
        connection.send(Pass("x"))
    say(connection, b"-ERR\r\n")
    with pytest.raises(LocalProtocolError, match="right after"):
        connection.send(Pass("x"))
    assert connection.queued == 0


@pytest.mark.parametrize("between", [b"-ERR\r\n", b"+OK\r\nUSER\r\n.\r\n"])
def test_nothing_comes_between_user_and_pass(between: bytes) -> None:
    connection = fresh(A)
    ask(connection, User("mrose"), b"+OK\r\n")
    ask(connection, Capa(), between)
    with pytest.raises(LocalProtocolError, match="right after"):
        connection.send(Pass("x"))


def test_pass_is_good_for_one_try() -> None:
    connection = fresh(A)
    ask(connection, User("mrose"), b"+OK\r\n")
    ask(connection, Pass("x"), b"-ERR\r\n")
    with pytest.raises(LocalProtocolError, match="right after"):
        connection.send(Pass("y"))


def test_user_before_tls_is_forgotten() -> None:
    connection = fresh(A)
    ask(connection, User("mrose"), b"+OK\r\n")
    ask(connection, Stls(), b"+OK\r\n")
    connection.tls_established()
    with pytest.raises(LocalProtocolError, match="right after"):
        connection.send(Pass("x"))


def test_stls_under_tls() -> None:
    connection = Connection(secure=True)
    say(connection, b"+OK\r\n")
    assert connection.secure
    with pytest.raises(LocalProtocolError, match="TLS"):
        connection.send(Stls())


def test_stls_twice() -> None:
    connection = fresh(A)
    assert not connection.secure
    connection.send(Stls())
    with pytest.raises(LocalProtocolError, match="TLS"):
        connection.send(Stls())
    connection.data_to_send()
    with pytest.raises(LocalProtocolError, match="TLS"):
        connection.send(Stls())
    say(connection, b"+OK\r\n")
    connection.tls_established()
    assert connection.secure
    with pytest.raises(LocalProtocolError, match="TLS"):
        connection.send(Stls())


def test_stls_again_after_a_refusal() -> None:
    connection = fresh(A)
    ask(connection, Stls(), b"-ERR\r\n")
    assert describe(ask(connection, Stls(), b"+OK\r\n")) == ["Reply 2 ok ''", "StartTls 2"]


def test_stls_after_utf8() -> None:
    connection = fresh(A)
    connection.send(Utf8())
    with pytest.raises(LocalProtocolError, match="UTF8"):
        connection.send(Stls())
    connection.data_to_send()
    with pytest.raises(LocalProtocolError, match="UTF8"):
        connection.send(Stls())
    assert not connection.utf8
    say(connection, b"+OK\r\n")
    assert connection.utf8
    with pytest.raises(LocalProtocolError, match="UTF8"):
        connection.send(Stls())


@pytest.mark.parametrize("state", [s for s in State if s not in (State.TLS_HANDSHAKE, State.ERROR)])
def test_tls_without_stls(state: State) -> None:
    connection = fresh(state)
    with pytest.raises(LocalProtocolError, match="handshake"):
        connection.tls_established()
    assert connection.state is state


def test_tls_before_the_event_is_taken() -> None:
    connection = fresh(A)
    connection.send(Stls())
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n")
    connection.next_event()
    with pytest.raises(LocalProtocolError, match="handshake"):
        connection.tls_established()


def test_octets_between_the_reply_and_the_handshake() -> None:
    connection = fresh(A)
    connection.send(Stls())
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n")
    connection.next_event()
    connection.receive_data(b"+")
    with pytest.raises(RemoteProtocolError, match="tampering"):
        connection.next_event()


@pytest.mark.parametrize("login", [Auth("PLAIN"), Apop("mrose", "0" * 32)])
def test_one_login_at_a_time(login: Command) -> None:
    connection = fresh(A)
    connection.send(login)
    for another in (login, Stls(), User("x"), Utf8()):
        with pytest.raises(LocalProtocolError, match="wait for that answer"):
            connection.send(another)
    assert connection.queued == 1


@pytest.mark.parametrize("what", ["STAT", b"STAT\r\n", None, Command()])
def test_send_takes_commands_only(what: object) -> None:
    connection = fresh()
    with pytest.raises(LocalProtocolError, match="command"):
        connection.send(what)  # type: ignore[arg-type]
    assert connection.queued == 0


def test_a_subclass_is_no_command() -> None:
    class Custom(Quit):
        pass

    with pytest.raises(LocalProtocolError, match="Custom"):
        fresh().send(Custom())


def test_octets_after_the_end() -> None:
    connection = fresh()
    connection.receive_eof()
    with pytest.raises(LocalProtocolError, match="end of the stream"):
        connection.receive_data(b"x")


def test_reprs_of_a_session() -> None:
    connection = fresh(A)
    ask(connection, User("mrose"), b"+OK\r\n")
    connection.send(Pass("tanstaaf"))
    assert repr(connection) == "<pop3core.Connection AUTHORIZATION secure=False outstanding=0 queued=1>"


def test_raw_and_text_of_events() -> None:
    (greeting,) = say(Connection(), b"-ERR [SYS/TEMP] sch\xf6n\r\n")
    assert greeting == Greeting(b"-ERR [SYS/TEMP] sch\xf6n", "[SYS/TEMP] sch\xf6n", None, "SYS/TEMP")
    connection = fresh()
    handle = connection.send(Noop())
    connection.data_to_send()
    (reply,) = say(connection, b"+OK \xc3\xa4\r\n")
    assert reply == Reply(handle, True, b"+OK \xc3\xa4", "\xe4", None, False)


def test_each_command_class_is_in_both_tables() -> None:
    """A command that is forgotten in one of them is sent as a raw command, or never allowed."""
    assert set(COMMANDS.values()) == set(ALLOWED) - {Raw}
