"""The framing belongs to the class of the command: limits, fast path and recorder follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from pop3core import (
    COMMANDS,
    Command,
    Framing,
    LimitExceeded,
    Limits,
    Raw,
    Retr,
    Top,
    UnsolicitedResponse,
    framing_of,
)
from pop3core import _state as state_module

from .wire import SAMPLES, ask, fresh

LINES = 4

# By hand, from RFC 1939 sections 5 and 7, 2449 section 5, 6856 section 3.
MULTILINE = {
    "CAPA": Framing.CAPABILITIES,
    "LANG": Framing.CAPABILITIES,
    "LIST": Framing.LISTING,
    "UIDL": Framing.LISTING,
    "RETR": Framing.MESSAGE,
    "TOP": Framing.MESSAGE,
}
PUBLIC = [command for command in SAMPLES if type(command) is not Raw]


def test_the_framing_of_every_class() -> None:
    assert {
        word: kind.framing for word, kind in COMMANDS.items() if kind.framing is not Framing.NONE
    } == MULTILINE


@pytest.mark.parametrize("command", PUBLIC, ids=Command.redacted)
def test_a_line_on_the_wire_has_the_framing_of_its_command(command: Command) -> None:
    framing = command.framing if command.multiline else Framing.NONE
    assert framing_of(command.encode()) is framing
    assert framing_of(command.encode().lower()) is framing


@pytest.mark.parametrize("line", [b"", b"\r\n", b" ", b"XTND XLST", b"\xff\r\n", b"RETRO 1"])
def test_an_unknown_line_has_no_framing(line: bytes) -> None:
    assert framing_of(line) is Framing.NONE


@pytest.mark.parametrize(
    "command",
    [c for c in SAMPLES if c.multiline and c.framing is not Framing.MESSAGE],
    ids=Command.redacted,
)
def test_every_listing_has_a_limit_of_lines(command: Command) -> None:
    limits = Limits(capability_lines=LINES, listing_entries=LINES)
    ask(fresh(limits=limits), command, b"+OK\r\n" + b"1 1\r\n" * LINES + b".\r\n")
    with pytest.raises(LimitExceeded, match="lines"):
        ask(fresh(limits=limits), command, b"+OK\r\n" + b"1 1\r\n" * (LINES + 2))


@pytest.mark.parametrize("command", [c for c in SAMPLES if c.multiline], ids=Command.redacted)
def test_only_messages_take_the_fast_path(command: Command) -> None:
    connection = fresh()
    handle = connection.send(command)
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n1 x\r\n.\r\n")
    message = connection.next_message()
    assert message == ((handle, b"1 x\r\n") if isinstance(command, Retr | Top) else None)
    assert isinstance(command, Retr | Top | Raw) is (command.framing is Framing.MESSAGE)


@dataclass(frozen=True, slots=True)
class Forgetful(Command):
    """A command whose author did not think of its framing, though its answer is a listing."""

    keyword: ClassVar[str] = "XLST"


def test_a_framing_that_is_forgotten_fails_at_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(state_module.ALLOWED, Forgetful, frozenset({state_module.State.TRANSACTION}))
    with pytest.raises(UnsolicitedResponse):
        ask(fresh(), Forgetful(), b"+OK\r\n1 1\r\n.\r\n")


def test_a_raw_command_is_multiline_only_if_it_says_so() -> None:
    connection = fresh()
    connection.send(Raw("XTND XLST"))
    connection.data_to_send()
    connection.receive_data(b"+OK\r\n")
    assert connection.next_message() is None
