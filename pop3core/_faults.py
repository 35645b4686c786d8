"""What is wrong with an answer, as an error that holds the facts: the command, and what may help.

The command is given as None for the greeting, which answers no command.
"""

from __future__ import annotations

from typing import Literal

from pop3core._commands import Command
from pop3core._errors import LimitExceeded, RemoteProtocolError, TruncatedResponse
from pop3core._replies import excerpt

__all__ = ("answer_to", "bad_answer", "bad_line", "shown")


def answer_to(command: Command | None) -> str:
    """Name an answer in a message."""
    return "the greeting" if command is None else f"the answer to {command.redacted()}"


def shown(command: Command | None, line: bytes) -> str:
    """Quote a line at the end of a message, unless it may hold a secret: a server may echo what it was sent."""
    return "" if command is not None and command.secret else f": {excerpt(line)}"


def bad_answer(
    command: Command | None,
    wrong: str,
    kind: type[RemoteProtocolError] = RemoteProtocolError,
    hint: Literal["bare_lf"] | None = None,
) -> RemoteProtocolError:
    """Return the error for an answer that is wrong; not the kinds of error that have arguments of their own."""
    error = kind(wrong)
    error.command = None if command is None else command.redacted()
    error.hint = hint
    return error


def bad_line(
    command: Command | None, line: bytes | None, octets: int, limit: int, *, eof: bool
) -> RemoteProtocolError | None:
    """Return the error for a status line or a challenge that is wrong as a line, or None if it is not.

    Args:
        command: the command that the line answers.
        line: the line with its line end; None if it has not all come.
        octets: the length of the line, or of the part of it that has come.
        limit: the most octets that it may have.
        eof: whether the server has closed the connection.
    """
    if octets > limit:
        return bad_answer(command, f"{answer_to(command)} is longer than {limit} octets", LimitExceeded)
    if line is None:
        if eof:
            wrong = f"the connection was closed where {answer_to(command)} was due"
            return bad_answer(command, wrong, TruncatedResponse)
        return None
    if line.endswith(b"\r\n") and line.find(b"\r") == len(line) - 2:
        return None
    wrong = f"{answer_to(command)} has a bare CR or LF in it{shown(command, line)}"
    if b"\r" in line:
        return bad_answer(command, wrong)
    return bad_answer(command, wrong, hint="bare_lf")
