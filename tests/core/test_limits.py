"""Each limit just kept, and broken by one."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pop3core import (
    Auth,
    Capa,
    Command,
    Connection,
    Lang,
    LimitExceeded,
    Limits,
    List,
    Noop,
    Raw,
    Retr,
    State,
    Top,
    Uidl,
)

from .wire import ask, fresh, say


def chunked(octets: bytes, size: int) -> list[bytes]:
    return [octets[n : n + size] for n in range(0, len(octets), size)]


def answer(command: Command, octets: bytes, limits: Limits, size: int = 10**9, *, lazy: bool = False) -> None:
    """Have a command answered in chunks; raises what the core raises."""
    login = isinstance(command, Auth)
    connection = fresh(State.AUTHORIZATION if login else State.TRANSACTION, limits=limits)
    connection.send(command)
    connection.data_to_send()
    for chunk in chunked(octets, size):
        connection.receive_data(chunk)
        if not lazy:
            say(connection)
    say(connection)
    assert connection.outstanding == (1 if login and octets.startswith(b"+ ") else 0)


SIZES = [1, 2, 3, 7, 10**9]


def keeps(command: Command, octets: bytes, limits: Limits) -> None:
    for size in SIZES:
        answer(command, octets, limits, size)
        answer(command, octets, limits, size, lazy=True)


def breaks(command: Command, octets: bytes, limits: Limits, match: str = "octets") -> None:
    for size in SIZES:
        for lazy in (False, True):
            with pytest.raises(LimitExceeded, match=match):
                answer(command, octets, limits, size, lazy=lazy)


def line_of(octets: int, start: bytes = b"+OK ") -> bytes:
    """A line of so many octets, its CRLF counted."""
    return start + b"x" * (octets - len(start) - 2) + b"\r\n"


def test_greeting() -> None:
    limits = Limits(status_line=64)
    for size in SIZES:
        assert say(Connection(limits=limits), *chunked(line_of(64), size))
        for octets in (line_of(65), b"+OK" + b"x" * 62):
            with pytest.raises(LimitExceeded, match="greeting"):
                say(Connection(limits=limits), *chunked(octets, size))


@pytest.mark.parametrize("command", [Noop(), Auth("PLAIN")])
@pytest.mark.parametrize("status", [b"+OK ", b"-ERR "])
def test_status_line(command: Command, status: bytes) -> None:
    limits = Limits(status_line=64)
    keeps(command, line_of(64, status), limits)
    breaks(command, line_of(65, status), limits, "64")


def test_status_line_without_an_end() -> None:
    limits = Limits(status_line=64)
    for command in (Noop(), Auth("PLAIN")):
        connection = fresh(State.AUTHORIZATION if command.secret else State.TRANSACTION, limits=limits)
        ask(connection, command, b"+OK" + b"x" * 61)
        with pytest.raises(LimitExceeded):
            say(connection, b"x")


def test_status_line_default() -> None:
    keeps_all = Limits()
    answer(Noop(), line_of(8192), keeps_all)
    with pytest.raises(LimitExceeded):
        answer(Noop(), line_of(8193), keeps_all)


def test_challenge() -> None:
    limits = Limits(challenge=64, status_line=32)
    keeps(Auth("PLAIN"), line_of(64, b"+ "), limits)
    breaks(Auth("PLAIN"), line_of(65, b"+ "), limits, "64")
    breaks(Auth("PLAIN"), line_of(65, b"+ ")[:-2] + b"xx", limits, "64")
    # And the other way about.
    limits = Limits(challenge=32, status_line=64)
    keeps(Auth("PLAIN"), line_of(64), limits)
    breaks(Auth("PLAIN"), line_of(33, b"+ "), limits, "32")


def test_sasl_rounds() -> None:
    connection = fresh(State.AUTHORIZATION, limits=Limits(sasl_rounds=3))
    for _ in range(2):
        ask(connection, Auth("LOGIN"), b"")
        for _ in range(3):
            say(connection, b"+ \r\n")
            connection.answer(b"")
            connection.data_to_send()
        # The next exchange counts from the start.
        say(connection, b"-ERR\r\n")
    ask(connection, Auth("LOGIN"), b"")
    for _ in range(3):
        say(connection, b"+ \r\n")
        connection.answer(b"")
        connection.data_to_send()
    with pytest.raises(LimitExceeded, match="3 challenges"):
        say(connection, b"+ \r\n")


@pytest.mark.parametrize("command", [Capa(), Lang()])
def test_capability_lines(command: Command) -> None:
    limits = Limits(capability_lines=5, listing_entries=1)
    keeps(command, b"+OK\r\n" + b"TAG\r\n" * 5 + b".\r\n", limits)
    breaks(command, b"+OK\r\n" + b"TAG\r\n" * 6 + b".\r\n", limits, "5 lines")


@pytest.mark.parametrize("command", [List(), Uidl()])
def test_listing_entries(command: Command) -> None:
    limits = Limits(listing_entries=5, capability_lines=1)
    keeps(command, b"+OK\r\n" + b"1 1\r\n" * 5 + b".\r\n", limits)
    breaks(command, b"+OK\r\n" + b"1 1\r\n" * 6 + b".\r\n", limits, "5 lines")


@pytest.mark.parametrize("command", [Capa(), Lang(), List(), Uidl()])
@pytest.mark.parametrize("before", [b"", b"a\r\n", b"a\r\n" * 9, b"x" * 14 + b"\r\n", b"\r\n" * 3])
@pytest.mark.parametrize("behind", [b"", b"b\r\n", b"y" * 14 + b"\r\nc\r\n"])
def test_listing_line(command: Command, before: bytes, behind: bytes) -> None:
    limits = Limits(listing_line=16)
    start, end = b"+OK\r\n" + before, behind + b".\r\n"
    keeps(command, start + line_of(16, b"") + end, limits)
    breaks(command, start + line_of(17, b"") + end, limits, "16 octets")


def test_listing_line_counts_what_is_left_after_unstuffing() -> None:
    limits = Limits(listing_line=16)
    keeps(Capa(), b"+OK\r\n." + line_of(16, b".") + b".\r\n", limits)
    breaks(Capa(), b"+OK\r\n." + line_of(17, b".") + b".\r\n", limits)


def test_listing_lines_of_every_length_in_every_chunking() -> None:
    limits = Limits(listing_line=8)
    for length in range(2, 12):
        octets = b"+OK\r\n" + line_of(8, b"") * 3 + line_of(length, b"") + line_of(8, b"") * 2 + b".\r\n"
        (keeps if length <= 8 else breaks)(Uidl(), octets, limits)


@pytest.mark.parametrize("command", [Retr(1), Top(1), Raw("XTND XLST", multiline=True)])
def test_message(command: Command) -> None:
    limits = Limits(message=20)
    keeps(command, b"+OK\r\n" + line_of(20, b"") + b".\r\n", limits)
    breaks(command, b"+OK\r\n" + line_of(21, b"") + b".\r\n", limits, "20")
    # Dots that stuff do not count, and the next message counts from the start.
    keeps(command, b"+OK\r\n." + line_of(20, b".") + b".\r\n", limits)
    connection = fresh(limits=limits)
    for _ in range(3):
        ask(connection, Retr(1), b"+OK\r\n" + line_of(20, b"") + b".\r\n")


@pytest.mark.parametrize("command", [Capa(), Lang(), List(), Uidl()])
def test_a_listing_is_no_message(command: Command) -> None:
    keeps(command, b"+OK\r\n" + b"1 1\r\n" * 9 + b".\r\n", Limits(message=20))


def test_a_message_has_no_limit_of_lines() -> None:
    limits = Limits(listing_line=4, listing_entries=1, capability_lines=1, status_line=8)
    keeps(Retr(1), b"+OK\r\n" + line_of(99, b"") * 3 + b".\r\n", limits)


def test_message_in_memory_is_not_the_cores() -> None:
    keeps(Retr(1), b"+OK\r\n" + line_of(99, b"") + b".\r\n", Limits(message_in_memory=1))


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_validation(name: str) -> None:
    assert getattr(Limits(**{name: 1}), name) == 1
    for value in (0, -1, True, 1.0, "1", 2.5):
        with pytest.raises(ValueError, match=name):
            Limits(**{name: value})  # type: ignore[arg-type]
    if name == "message":
        assert Limits(message=None).message is None
    else:
        with pytest.raises(ValueError, match=name):
            Limits(**{name: None})  # type: ignore[arg-type]


def test_defaults() -> None:
    limits = Limits()
    assert (limits.status_line, limits.challenge, limits.sasl_rounds) == (8192, 65536, 16)
    assert (limits.capability_lines, limits.listing_entries) == (1000, 1_000_000)
    assert (limits.message, limits.message_in_memory) == (None, 256 * 1024 * 1024)
    assert limits.listing_line >= 1024 + len("2147483647 \r\n")
