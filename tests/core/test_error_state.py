"""ERROR is the end: the same exception at every call, and not one octet more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pop3core import (
    Auth,
    Connection,
    Dele,
    LimitExceeded,
    Limits,
    LocalProtocolError,
    Noop,
    POP3Error,
    ProtocolError,
    Quit,
    RemoteProtocolError,
    StartTlsInjection,
    State,
    Stls,
    TruncatedResponse,
    UnsolicitedResponse,
)

from .wire import ask, fresh, say


def unknown_status(connection: Connection) -> None:
    say(connection, b"junk\r\n")


def eof(connection: Connection) -> None:
    connection.receive_eof()
    connection.next_event()


def too_long(connection: Connection) -> None:
    say(connection, b"+OK" + b"x" * 10000)


@pytest.mark.parametrize(
    ("breaks", "kind"),
    [(unknown_status, RemoteProtocolError), (eof, TruncatedResponse), (too_long, LimitExceeded)],
)
def test_terminal(breaks: Callable[[Connection], None], kind: type[RemoteProtocolError]) -> None:
    connection = fresh(window=1)
    connection.send(Dele(1))
    queued = connection.send(Quit())
    connection.data_to_send()
    with pytest.raises(kind) as first:
        breaks(connection)
    assert type(first.value) is kind
    assert connection.state is State.ERROR
    calls: list[Callable[[], object]] = [
        connection.next_event,
        connection.receive_eof,
        connection.tls_established,
        lambda: connection.receive_data(b"+OK\r\n"),
        lambda: connection.send(Noop()),
        lambda: connection.send(Quit()),
        lambda: connection.answer(None),
        lambda: connection.answer(b"x"),
    ]
    for call in calls * 2:
        with pytest.raises(kind) as again:
            call()
        assert again.value is first.value
        assert connection.data_to_send() == b""
        assert connection.state is State.ERROR
    connection.withdraw(queued)
    connection.window = 9
    assert connection.data_to_send() == b""


def test_a_response_that_waited_is_not_sent() -> None:
    connection = fresh(State.AUTHORIZATION)
    ask(connection, Auth("PLAIN"), b"+ \r\n")
    connection.answer(b"secret")
    with pytest.raises(RemoteProtocolError):
        say(connection, b"junk\r\n")
    assert connection.data_to_send() == b""


def test_injection_found_by_tls_established() -> None:
    connection = fresh(State.AUTHORIZATION)
    ask(connection, Stls(), b"+OK\r\n")
    connection.receive_data(b"x")
    with pytest.raises(StartTlsInjection):
        connection.tls_established()
    assert connection.state is State.ERROR
    assert not connection.secure
    with pytest.raises(StartTlsInjection):
        connection.send(Quit())


def test_traceback_does_not_grow() -> None:
    connection = fresh(State.ERROR)
    depths = set()
    for _ in range(5):
        with pytest.raises(RemoteProtocolError) as caught:
            connection.next_event()
        depths.add(len(caught.traceback))
    assert len(depths) == 1


def test_unsolicited_octets_are_at_hand() -> None:
    connection = fresh()
    with pytest.raises(UnsolicitedResponse, match="inactivity") as caught:
        say(connection, b"-ERR Disconnected for inactivity.\r\n")
    assert caught.value.raw == b"-ERR Disconnected for inactivity.\r\n"


def test_unsolicited_part_of_a_line() -> None:
    connection = fresh()
    with pytest.raises(UnsolicitedResponse) as caught:
        say(connection, b"+OK", b" 2")
    assert caught.value.raw == b"+OK 2"


def test_messages_are_short() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        say(Connection(limits=Limits(status_line=10**6)), b"x" * 10**5 + b"\r\n")
    assert len(str(caught.value)) < 300


def test_family() -> None:
    remote = (LimitExceeded, TruncatedResponse, StartTlsInjection, UnsolicitedResponse)
    assert all(issubclass(kind, RemoteProtocolError) for kind in remote)
    assert issubclass(RemoteProtocolError, ProtocolError)
    assert issubclass(LocalProtocolError, ProtocolError)
    assert issubclass(ProtocolError, POP3Error)
    assert not issubclass(LocalProtocolError, RemoteProtocolError)
    assert UnsolicitedResponse("x").raw == b""


@pytest.mark.parametrize("state", [State.UPDATE, State.CLOSED])
def test_what_comes_after_the_end_is_not_kept(state: State) -> None:
    connection = fresh(state)
    for _ in range(3):
        assert say(connection, b"x" * 1000) == []
    assert len(connection._buffer) == 0
    assert connection.state is state
