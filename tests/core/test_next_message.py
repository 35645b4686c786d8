"""A message taken as a whole is the one that its events tell of, and leaves the session in the same state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pop3core import (
    BodyChunk,
    BodyEnd,
    Capa,
    Command,
    Connection,
    Limits,
    List,
    Noop,
    RemoteProtocolError,
    Reply,
    Retr,
    State,
    Top,
    Uidl,
)

from .wire import fresh, say

COMMANDS: tuple[Command, ...] = (Retr(1), Retr(2), Top(3, 5), Noop(), List(), Retr(4))
SHORT = b"+OK\r\nSubject: a\r\n\r\n..stuffed\r\n.\r\n"
LONG = b"+OK 70000 octets\r\n" + b"line\r\n" * 12000 + b".\r\n"


Answers = list[tuple[int, bool, bytes]]


def gather(connection: Connection, answers: Answers, *, whole: bool) -> int:
    """Add all answers there are, as (handle, accepted, body), and return how many of them came as a whole."""
    taken = 0
    while True:
        message = connection.next_message() if whole else None
        if message is not None:
            answers.append((message[0], True, message[1]))
            taken += 1
            continue
        event = connection.next_event()
        if event is None:
            return taken
        if isinstance(event, Reply):
            answers.append((event.handle, event.ok, b""))
        elif isinstance(event, BodyChunk):
            handle, ok, body = answers[-1]
            answers[-1] = (handle, ok, body + event.data)
        else:
            assert isinstance(event, BodyEnd)


def play(
    pieces: list[bytes], commands: tuple[Command, ...], *, whole: bool, limits: Limits
) -> tuple[Answers, str, State, int]:
    connection = fresh(window=9, limits=limits)
    for command in commands:
        connection.send(command)
    assert connection.data_to_send() == b"".join(command.encode() for command in commands)
    answers: Answers = []
    error = ""
    try:
        for piece in pieces:
            connection.receive_data(piece)
            gather(connection, answers, whole=whole)
    except RemoteProtocolError as failure:
        # Behind the colon stands as much of the line as had come.
        error = f"{type(failure).__name__}: {failure}".rpartition(":")[0]
        with pytest.raises(type(failure)):
            connection.next_event()
        assert connection.next_message() is None
        if connection.outstanding:
            # How much of it came before the error depends on the cuts.
            answers = [
                (handle, ok, b"" if handle == answers[-1][0] else body) for handle, ok, body in answers
            ]
    return answers, error, connection.state, connection.outstanding


ANSWERS = {
    "all accepted": SHORT * 3 + b"+OK\r\n+OK\r\n1 10\r\n.\r\n" + SHORT,
    "a refusal": b"-ERR no such message\r\n" + SHORT * 2 + b"+OK\r\n-ERR\r\n" + SHORT,
    "empty": b"+OK\r\n.\r\n" * 3 + b"+OK\r\n+OK\r\n.\r\n+OK\r\n.\r\n",
    "a lone dot, stuffed": b"+OK\r\n..\r\n.\r\n" + SHORT,
    "bare line ends in it": b"+OK\r\na\rb\nc\n.\r\n\r.\r\n\r\n.\r\n" + SHORT,
    "a bare CR in the status line": b"+OK a\rb\r\nx\r\n.\r\n",
    "a bare LF in the status line": b"+OK a\nb\r\nx\r\n.\r\n",
    "LF behind the status line": b"+OK a\nb\n.\r\n",
    "no status": b"hello\r\n.\r\n",
    "a status line that is too long": b"+OK " + b"x" * 200 + b"\r\na\r\n.\r\n",
    "a message that is too long": SHORT + b"+OK\r\n" + b"y" * 300 + b"\r\n.\r\n",
    "what nobody asked for": SHORT * 3 + b"+OK\r\n+OK\r\n.\r\n" + SHORT + b"more\r\n",
    "glued": b"+OKAY\r\na\r\n.\r\n" + SHORT,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_same_with_every_cut(name: str) -> None:
    octets = ANSWERS[name]
    limits = Limits(status_line=100, message=250)
    expected = play([octets], COMMANDS, whole=False, limits=limits)
    cuts = [[octets], [octets[i : i + 1] for i in range(len(octets))]]
    cuts += [[octets[:i], octets[i:]] for i in range(1, len(octets))]
    for pieces in cuts:
        assert play(pieces, COMMANDS, whole=True, limits=limits) == expected, pieces


@given(
    st.lists(
        st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"+OK", b"-ERR", b"a", b"\r\n.\r\n"]), max_size=40
    ),
    st.data(),
)
def test_the_same_whatever_comes(parts: list[bytes], data: st.DataObject) -> None:
    octets = b"+OK\r\n" + b"".join(parts)
    cut = data.draw(st.integers(0, len(octets)))
    expected = play([octets], COMMANDS, whole=False, limits=Limits())
    assert play([octets[:cut], octets[cut:]], COMMANDS, whole=True, limits=Limits()) == expected


def test_it_is_taken_in_one_step() -> None:
    connection = fresh(window=4)
    handles = [connection.send(Retr(1)), connection.send(Top(2, 0)), connection.send(Retr(3))]
    connection.data_to_send()
    connection.receive_data(SHORT + b"+OK\r\n.\r\n" + SHORT[:-1])
    body = b"Subject: a\r\n\r\n.stuffed\r\n"
    assert connection.next_message() == (handles[0], body)
    assert connection.next_message() == (handles[1], b"")
    assert connection.outstanding == 1
    assert connection.next_message() is None
    connection.receive_data(SHORT[-1:])
    answers: Answers = []
    assert gather(connection, answers, whole=True) == 0
    assert answers == [(handles[2], True, body)]


def test_a_long_one_comes_in_events() -> None:
    connection = fresh()
    handle = connection.send(Retr(1))
    connection.data_to_send()
    connection.receive_data(LONG)
    assert connection.next_message() is None
    answers: Answers = []
    assert gather(connection, answers, whole=True) == 0
    assert answers == [(handle, True, b"line\r\n" * 12000)]


@pytest.mark.parametrize("command", [List(), Uidl(), Capa()], ids=lambda command: command.keyword)
def test_listings_are_no_messages(command: Command) -> None:
    connection = fresh()
    connection.send(command)
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n1 1\r\n.\r\n")
    assert connection.next_message() is None


def test_in_the_middle_of_one() -> None:
    connection = fresh()
    connection.send(Retr(1))
    connection.data_to_send()
    assert say(connection, b"+OK\r\nbegin\r\n")
    connection.receive_data(SHORT)
    assert connection.next_message() is None


def test_nothing_is_outstanding() -> None:
    connection = fresh()
    connection.receive_data(SHORT)
    assert connection.next_message() is None


def test_a_message_of_many_stuffed_lines_is_left_to_the_decoder() -> None:
    connection = fresh()
    connection.send(Retr(1))
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n" + b"..\r\n" * 17 + b".\r\n")
    assert connection.next_message() is None
    events = say(connection)
    assert b"".join(event.data for event in events if isinstance(event, BodyChunk)) == b".\r\n" * 17
