"""Standard output and standard error, whatever state they are in.

How it works. A stream may be closed (``>&-``), full, a pipe whose reader is gone, or unable to show most letters.
Nothing of that may end a run: the mail comes first. So a write never raises; what went wrong is kept, and the command
says it at its end by its exit status.

Invariants:
- After the first failure nothing more is written to a stream, and its descriptor leads to the null device: the
  interpreter flushes at its end, and would complain a second time.
- The streams are looked up at every write: a progress bar and tests replace them for a while.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Literal, TextIO

__all__ = ("Channel", "fitted", "is_terminal", "occupy_closed_descriptors")


class Channel:
    """Standard output or standard error, by name.

    Attributes:
        error: what the first write that failed has raised, or None.
    """

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        self._name = name
        self.error: Exception | None = None

    @property
    def stream(self) -> TextIO | None:
        """The stream as it is now; None if it was closed before the command began."""
        stream: TextIO | None = getattr(sys, self._name)
        return stream

    def write(self, text: str) -> None:
        """Write and flush; never raises."""
        stream = self.stream
        if stream is None or self.error is not None:
            return
        try:
            stream.write(fitted(text, stream))
            stream.flush()
        except (OSError, ValueError) as error:
            self.error = error
            _silence(stream)


def fitted(text: str, stream: TextIO | None) -> str:
    """Return text with escapes in place of the letters that a stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is there and is a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        # It was closed since.
        return False


def occupy_closed_descriptors() -> None:
    """Open the null device in place of each standard stream that is closed.

    Otherwise the next file or socket gets its number, and what a library or a child process prints goes into that.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken, and that is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _silence(stream: TextIO) -> None:
    """Lead a stream's descriptor to the null device, if it has one."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
            stream.flush()
        finally:
            os.close(null)
