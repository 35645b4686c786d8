"""SASL exchanges: base64, answers that come too early, answers that were never fetched, cancelling (RFC 5034)."""

from __future__ import annotations

import pytest

from pop3core import Auth, Capa, Connection, Continuation, LocalProtocolError, RemoteProtocolError, State

from .wire import ask, describe, fresh, say


def challenged(challenge: bytes = b"+ \r\n") -> Connection:
    connection = fresh(State.AUTHORIZATION)
    (event,) = ask(connection, Auth("PLAIN"), challenge)
    assert isinstance(event, Continuation)
    return connection


def decoded(text: bytes) -> bytes | None:
    (event,) = ask(fresh(State.AUTHORIZATION), Auth("PLAIN"), b"+ " + text + b"\r\n")
    assert isinstance(event, Continuation)
    return event.data


@pytest.mark.parametrize(
    ("text", "data"),
    # RFC 4648 section 10.
    [
        (b"", b""),
        (b"Zg==", b"f"),
        (b"Zm8=", b"fo"),
        (b"Zm9v", b"foo"),
        (b"Zm9vYmFy", b"foobar"),
        (b"+/+/", b"\xfb\xff\xbf"),
    ],
)
def test_base64(text: bytes, data: bytes) -> None:
    assert decoded(text) == data


@pytest.mark.parametrize(
    "text",
    [
        b"Z", b"Zg", b"Zg=", b"Zg===", b"Zm8==", b"Zm9v=", b"Zm9v==", b"Zm9v===", b"Zm9v====",
        b"=", b"==", b"====", b"=Zg=", b"Zg==Zg==", b"Z=g=", b"Zm 9v", b" Zm9v", b"Zm9v ", b"Zm9v\t",
        b"Zm-_", b"Zm9v!", b"Zm\x009v", b"Zm\xff9v", b"go ahead",
    ],
)  # fmt: skip
def test_no_base64(text: bytes) -> None:
    assert decoded(text) is None


def test_an_undecodable_challenge_can_only_be_cancelled() -> None:
    connection = challenged(b"+ go ahead\r\n")
    with pytest.raises(LocalProtocolError, match="base64"):
        connection.answer(b"\0tim\0tanstaaf")
    assert connection.data_to_send() == b""
    connection.answer(None)
    assert connection.data_to_send() == b"*\r\n"
    say(connection, b"-ERR\r\n")
    # The next exchange starts afresh.
    ask(connection, Auth("PLAIN"), b"+ \r\n")
    connection.answer(b"x")
    assert connection.data_to_send() == b"eA==\r\n"


def test_no_challenge_no_answer() -> None:
    connection = fresh(State.AUTHORIZATION)
    for _ in range(2):
        with pytest.raises(LocalProtocolError, match="no challenge"):
            connection.answer(b"x")
        connection.send(Auth("PLAIN"))
        connection.data_to_send()
        with pytest.raises(LocalProtocolError, match="no challenge"):
            connection.answer(None)
        say(connection, b"-ERR\r\n")


def test_one_answer_for_a_challenge() -> None:
    connection = challenged()
    connection.answer(b"x")
    with pytest.raises(LocalProtocolError, match="no challenge"):
        connection.answer(b"y")
    assert connection.data_to_send() == b"eA==\r\n"
    assert connection.data_to_send() == b""
    with pytest.raises(LocalProtocolError, match="no challenge"):
        connection.answer(None)


def test_responses_have_no_limit() -> None:
    connection = challenged()
    connection.answer(b"\0" * 30000)
    assert connection.data_to_send() == b"A" * 40000 + b"\r\n"


def test_an_answer_goes_out_although_the_window_is_full_and_others_wait() -> None:
    connection = challenged()
    connection.send(Capa())
    connection.answer(b"")
    assert connection.data_to_send() == b"\r\n"
    assert connection.data_to_send() == b""
    say(connection, b"+OK\r\n")
    assert connection.data_to_send() == b"CAPA\r\n"


@pytest.mark.parametrize("early", [b"+OK\r\n", b"+ \r\n"])
def test_the_server_does_not_wait_for_the_answer(early: bytes) -> None:
    connection = challenged()
    connection.answer(b"\0tim\0tanstaaf")
    # The response was not fetched, so it cannot have been read.
    with pytest.raises(RemoteProtocolError):
        say(connection, early)
    assert connection.data_to_send() == b""


def test_refused_before_the_answer_was_fetched() -> None:
    connection = challenged()
    connection.answer(b"\0tim\0tanstaaf")
    assert describe(say(connection, b"-ERR no\r\n")) == ["Reply 1 err 'no'"]
    # As a line of its own it would be a command, and show the password.
    assert connection.data_to_send() == b""
    assert describe(ask(connection, Auth("PLAIN"), b"-ERR\r\n"))[0].endswith("err ''")


def test_refused_with_a_challenge_unanswered() -> None:
    connection = challenged()
    say(connection, b"-ERR no\r\n")
    with pytest.raises(LocalProtocolError, match="no challenge"):
        connection.answer(b"x")


def test_success_after_a_cancel_is_none() -> None:
    connection = challenged()
    connection.answer(None)
    connection.data_to_send()
    with pytest.raises(RemoteProtocolError, match="cancelled"):
        say(connection, b"+OK\r\n")
    assert connection.state is State.ERROR


def test_a_cancel_does_not_last() -> None:
    connection = challenged()
    connection.answer(None)
    connection.data_to_send()
    say(connection, b"-ERR\r\n")
    ask(connection, Auth("PLAIN", b"x"), b"+OK\r\n")
    assert connection.state is State.TRANSACTION
