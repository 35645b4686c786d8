"""No secret stands in a repr, a redacted line, an error message, or in what an error drags along."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

from pop3core import Apop, Auth, Command, LocalProtocolError, Pass, RemoteProtocolError, State, User, sasl
from pop3core import Raw as RawCommand

from .wire import DIGEST, ask, fresh, say

SECRET = "tanstaaf"


def everything_about(error: BaseException | None) -> str:
    """Collect what a log or a crash report may take from an exception and those behind it."""
    parts = []
    while error is not None:
        parts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        # The object of a UnicodeEncodeError is the whole text.
        parts.append(repr(getattr(error, "object", "")))
        parts += traceback.format_exception_only(error)
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


@pytest.mark.parametrize(
    ("command", "redacted"),
    [
        (Pass(SECRET), "PASS ***"),
        (Apop("mrose", DIGEST), "APOP mrose ***"),
        (Auth("PLAIN", b"\0mrose\0" + SECRET.encode()), "AUTH PLAIN ***"),
        (Auth("PLAIN"), "AUTH PLAIN"),
        (RawCommand(f"XSECRET {SECRET}"), "XSECRET ***"),
        (RawCommand("XNOOP"), "XNOOP"),
        (User("m\xfcller"), "USER m\xfcller"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_redacted(command: Command, redacted: str) -> None:
    assert command.redacted() == redacted
    for shown in (repr(command), str(command), f"{command}", command.redacted()):
        assert SECRET not in shown
        assert DIGEST not in shown
        assert "dGFuc3RhYWY" not in shown


def test_reprs_say_what_is_no_secret() -> None:
    assert repr(Pass(SECRET)) == "Pass()"
    assert "mrose" in repr(Apop("mrose", DIGEST))
    assert "PLAIN" in repr(Auth("PLAIN", b"x"))
    assert "XSECRET" in repr(RawCommand(f"XSECRET {SECRET}"))


REFUSED: list[Callable[[], object]] = [
    lambda: Pass(SECRET + "\r\n"),
    lambda: Pass(SECRET + "\ud800"),
    lambda: Pass(SECRET * 40),
    lambda: Pass(SECRET.encode()),  # type: ignore[arg-type]
    lambda: Pass([SECRET]),  # type: ignore[arg-type]
    lambda: Apop("mrose", SECRET),
    lambda: Apop("mrose", SECRET.encode()),  # type: ignore[arg-type]
    lambda: Auth("PLAIN", SECRET.encode() * 40),
    lambda: Auth("PLAIN", SECRET),  # type: ignore[arg-type]
    lambda: RawCommand(f"XSECRET {SECRET}\n"),
    lambda: RawCommand(f"XSECRET {SECRET}\udc80"),
    lambda: RawCommand("XSECRET " + SECRET * 40),
    lambda: RawCommand(f"PASS {SECRET}"),
    lambda: sasl.Plain("mrose", SECRET + "\0"),
    lambda: sasl.Plain("mrose", SECRET + "\udcff"),
    lambda: sasl.Plain("", SECRET),
    lambda: fresh().send(f"PASS {SECRET}"),  # type: ignore[arg-type]
    lambda: fresh().send(Pass(SECRET)),
    lambda: fresh(State.AUTHORIZATION).send(Pass(SECRET)),
    lambda: fresh().send(Auth("PLAIN", SECRET.encode())),
]


@pytest.mark.parametrize("refused", REFUSED)
def test_refusals(refused: Callable[[], object]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        refused()
    assert caught.value.__context__ is None
    assert SECRET not in everything_about(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        f"PASS {SECRET}\r\n".encode(),  # an echo
        f"x{SECRET}-ERR\r\n".encode(),
        f"-ERR {SECRET}\n".encode(),
        f"+OK {SECRET}\r\r\n".encode(),
        b"+OK " + b"x" * 9000,
    ],
)
@pytest.mark.parametrize("login", ["pass", "apop", "auth"])
def test_a_server_that_echoes(answer: bytes, login: str) -> None:
    connection = fresh(State.AUTHORIZATION)
    if login == "pass":
        ask(connection, User("mrose"), b"+OK\r\n")
        connection.send(Pass(SECRET))
    else:
        connection.send(Apop("mrose", DIGEST) if login == "apop" else Auth("PLAIN", SECRET.encode()))
    connection.data_to_send()
    with pytest.raises(RemoteProtocolError) as caught:
        say(connection, answer)
    assert SECRET not in everything_about(caught.value)
    assert SECRET not in repr(connection)
    assert login.upper() in str(caught.value)
