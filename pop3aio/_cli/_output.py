"""What is printed: lines for people on both streams, or one JSON object for scripts."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pop3aio._cli._errors import one_line
from pop3aio._cli._exit_codes import ExitStatus

__all__ = ("Output", "abandon_stdout", "count", "size")

_SHORTEST_SECRET = 4
_SHORTEST_PART = 12


def count(number: int, noun: str = "message") -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(octets: float) -> str:
    """Return a number of octets for a person: powers of a thousand, as disks and networks count."""
    for unit in ("octets", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:.0f} {unit}" if unit == "octets" or octets >= 100 else f"{octets:.1f} {unit}"
        octets /= 1000
    return f"{octets:.1f} TB"


def _without(secret: str, text: str) -> str:
    """Return `text` without `secret`, and without a long beginning of it, should it have been cut off."""
    text = text.replace(secret, "***")
    part = secret[:_SHORTEST_PART]
    while len(secret) > _SHORTEST_PART and part in text:
        before, _, after = text.partition(part)
        same = 0
        for shown, hidden in zip(after, secret[_SHORTEST_PART:], strict=False):
            if shown != hidden:
                break
            same += 1
        text = before + "***" + after[same:]
    return text


class Output:
    """The two streams of one run.

    `facts` is what the JSON object says; commands put in what they learn, so that it is there also when they fail.
    `resume` is what to tell a person whose run was broken off.
    """

    def __init__(self, *, as_json: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self.facts: dict[str, Any] = {}
        self.resume: str | None = None
        self._secrets: list[str] = []

    def hide(self, secret: str) -> None:
        """Never show `secret`, should a server repeat it; a very short one stands in too many words."""
        if len(secret) >= _SHORTEST_SECRET:
            self._secrets.append(secret)

    def masked(self, text: str) -> str:
        """Return text from a server as one line that is safe to show, without the secrets."""
        for secret in self._secrets:
            text = _without(secret, text)
        return one_line(text)

    def line(self, text: str = "") -> None:
        """Print a line for a person on standard output."""
        if not self.as_json:
            print(one_line(text), flush=True)

    def field(self, label: str, text: str) -> None:
        """Print a line that begins with what it is about."""
        self.line(f"{label:<13} {text}")

    def warn(self, text: str) -> None:
        """Print a line on standard error, with JSON too."""
        print(f"pop3aio: {one_line(text)}", file=sys.stderr, flush=True)

    def trace(self, text: str) -> None:
        """Print a line of what ``-v`` asks for on standard error."""
        print(self.masked(text), file=sys.stderr, flush=True)

    def finish(self, status: int, error: str | None) -> None:
        """Print the error, if any, and the JSON object, if asked for."""
        if error is not None:
            self.warn(error)
        if self.as_json:
            facts = self.facts | ({} if error is None else {"error": error}) | {"exit_status": int(status)}
            print(json.dumps(facts), flush=True)

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Show what the library logs: its warnings, and with `verbose` the dialogue with the server."""
        handler = _LogLines(self)
        level = logging.DEBUG if self.verbose else logging.WARNING
        # asyncio reports what it finds in its debug mode, with tracebacks; people who want that say so.
        levels = {"pop3aio": level, "asyncio": logging.WARNING if self.verbose else logging.CRITICAL}
        before = []
        for name, wanted in levels.items():
            logger = logging.getLogger(name)
            before.append((logger, logger.level))
            logger.setLevel(wanted)
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger, old in before:
                logger.removeHandler(handler)
                logger.setLevel(old)


class _LogLines(logging.Handler):
    """Writes records to standard error, whatever that is just then."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.trace(record.getMessage())


def abandon_stdout() -> int:
    """Give up a standard output that nobody reads any more, and return the exit status for that."""
    with suppress(OSError, ValueError):
        # The interpreter flushes at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitStatus.FAILED
