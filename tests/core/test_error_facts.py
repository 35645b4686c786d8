"""What an error knows besides its words: the command whose answer was wrong, and what may help."""

from __future__ import annotations

import pickle

import pytest

from pop3core import (
    Auth,
    Capa,
    Command,
    Connection,
    Limits,
    Noop,
    Pass,
    Quit,
    RemoteProtocolError,
    Retr,
    State,
    User,
    parse_stat,
)

from .wire import ask, fresh, say

SMALL = Limits(status_line=40, listing_entries=1, capability_lines=1, message=4, sasl_rounds=1, challenge=40)


def error_of(
    command: Command, octets: bytes, state: State = State.TRANSACTION, *, eof: bool = False
) -> RemoteProtocolError:
    connection = fresh(state, limits=SMALL)
    with pytest.raises(RemoteProtocolError) as caught:
        ask(connection, command, octets)
        if eof:
            connection.receive_eof()
            say(connection)
    with pytest.raises(RemoteProtocolError) as again:
        connection.next_event()
    assert again.value is caught.value
    return caught.value


@pytest.mark.parametrize(
    ("command", "octets", "eof"),
    [
        (Noop(), b"nonsense\r\n", False),
        (Noop(), b"+OK" + b"x" * 80, False),
        (Noop(), b"+OK \r \r\n", False),
        (Noop(), b"+O", True),
        (Retr(1), b"+OK\r\nab", True),
        (Retr(1), b"+OK\r\nabcdef\r\n", False),
        (Capa(), b"+OK\r\nA\r\nB\r\nC", False),
    ],
)
def test_the_command_whose_answer_is_wrong(command: Command, octets: bytes, eof: bool) -> None:
    error = error_of(command, octets, eof=eof)
    assert (error.command, error.hint) == (command.redacted(), None)


@pytest.mark.parametrize("octets", [b"+ !\r\n+ !\r\n", b"+ \r\n+OK\r\n", b"nonsense\r\n"])
def test_a_secret_is_no_fact(octets: bytes) -> None:
    error = error_of(Auth("PLAIN", b"\0user\0secret"), octets, State.AUTHORIZATION)
    assert error.command == "AUTH PLAIN ***"
    connection = fresh(State.AUTHORIZATION)
    ask(connection, User("u"), b"+OK\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        ask(connection, Pass("secret"), b"secret\r\n")
    assert caught.value.command == "PASS ***"
    assert "secret" not in str(caught.value)


def test_a_line_that_ends_in_a_bare_lf_has_a_hint() -> None:
    error = error_of(Noop(), b"+OK\n")
    assert (error.command, error.hint) == ("NOOP", "bare_lf")


def test_the_greeting_is_no_answer_to_a_command() -> None:
    for octets in (b"nonsense\r\n", b"+OK \r \r\n"):
        with pytest.raises(RemoteProtocolError) as caught:
            say(Connection(), octets)
        assert (caught.value.command, caught.value.hint) == (None, None)


def test_octets_that_were_not_asked_for_belong_to_no_command() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        say(fresh(), b"+OK\r\n")
    assert caught.value.command is None


def test_stat_says_that_it_is_stat() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_stat(b"+OK lots")
    assert caught.value.command == "STAT"


def test_the_facts_survive_a_pickle() -> None:
    error = error_of(Noop(), b"+OK\n")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.command, copy.hint) == (str(error), "NOOP", "bare_lf")


def test_quit_too() -> None:
    assert error_of(Quit(), b"", eof=True).command == "QUIT"
