"""What is printed: lines for people on both streams, or one JSON object for scripts."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pop3aio._cli._errors import one_line
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._streams import Channel
from pop3aio._errors import counted

__all__ = ("Output", "size")

_SHORTEST_SECRET = 4
_SHORTEST_PART = 12


def size(octets: float) -> str:
    """Return a number of octets for a person: powers of a thousand, as disks and networks count."""
    if octets < 1000:
        return counted(round(octets), "octet")
    for unit in ("kB", "MB", "GB"):
        octets /= 1000
        if octets < 1000:
            return f"{octets:.0f} {unit}" if octets >= 100 else f"{octets:.1f} {unit}"
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

    Writing never raises; `finish` says whether something was lost.

    Args:
        as_json: print one JSON object in place of lines.
        verbose: show the dialogue with the server.
        quiet: show no progress, and nothing where nothing has happened.
        shows: whether what is printed is what the command is for, so that a closed standard output is an error.

    Attributes:
        facts: what the JSON object says; commands put in what they learn, so that it is there also when they fail.
        resume: what to tell a person whose run was broken off.
        at_stake: what to say at once when a signal stops the run and the end may take a while.
    """

    def __init__(
        self, *, as_json: bool = False, verbose: bool = False, quiet: bool = False, shows: bool = False
    ) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self.quiet = quiet
        self.facts: dict[str, Any] = {}
        self.resume: str | None = None
        self.at_stake: str | None = None
        self._shows = shows or as_json
        self._secrets: list[str] = []
        self._out = Channel("stdout")
        self._err = Channel("stderr")

    @property
    def lost(self) -> bool:
        """Whether standard output takes nothing any more: it is full, or its reader is gone."""
        return self._out.error is not None

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
            self._out.write(one_line(text) + "\n")

    def text(self, text: str) -> None:
        """Print text of this program as it is, such as its help."""
        self._out.write(text)

    def field(self, label: str, text: str) -> None:
        """Print a line that begins with what it is about."""
        self.line(f"{label:<13} {text}")

    def warn(self, text: str) -> None:
        """Print a line on standard error, with JSON too."""
        self._err.write(f"pop3aio: {one_line(text)}\n")

    def caution(self, text: str) -> None:
        """Print a line on standard error about what was asked for knowingly; `quiet` leaves it out."""
        if not self.quiet:
            self.warn(text)

    def trace(self, text: str) -> None:
        """Print a line of what ``-v`` asks for on standard error."""
        self._err.write(f"{self.masked(text)}\n")

    def finish(self, status: int, error: str | None) -> int:
        """Print the error, if any, and the JSON object, if asked for.

        Returns:
            The exit status: `status`, or that of a failure if nothing else failed but to print.
        """
        if error is not None:
            self.warn(error)
        if self.as_json:
            facts = self.facts | ({} if error is None else {"error": error}) | {"exit_status": int(status)}
            self._out.write(json.dumps(facts) + "\n")
        trouble = self._trouble()
        if trouble is None:
            return status
        # A reader that has seen enough, such as head, needs no message.
        if not isinstance(trouble, BrokenPipeError):
            self.warn(f"cannot write to standard output: {getattr(trouble, 'strerror', None) or trouble}")
        return status or ExitStatus.FAILED

    def _trouble(self) -> Exception | None:
        """Return why what was to be shown was not, or None."""
        if self._shows and self._out.stream is None:
            return ValueError("it is closed")
        return self._out.error

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
