"""The signals that end a run, and the event loop of one command.

How it works. SIGINT, SIGTERM and SIGHUP stop a run in good order. Before the event loop runs, while a person is asked
for a password or a command prints it, they raise an exception. While the loop runs, they cancel the command's task,
which commits the messages received so far.

Invariants:
- A signal that the parent of the process ignores stays ignored: ``nohup`` means it.
- Only a second Ctrl-C ends the process at once. Service managers send SIGTERM and SIGHUP together, and mean one end.
- To end at once is safe: the Maildir, the journal and the server are in order at every moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, NoReturn, TypeVar

from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._output import Output
from pop3aio._cli._streams import is_terminal

__all__ = ("Stopped", "held_back", "raising_signals", "run_to_end")

_T = TypeVar("_T")

# Windows has no SIGHUP.
_NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
_SHOW_CURSOR = b"\x1b[?25h"

# The signals that came while they are held back; None if they are not.
_held: list[int] | None = None


class Stopped(BaseException):
    """A signal has stopped the run.

    It is no Exception, as KeyboardInterrupt is none: nothing that handles errors may take it for one.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = ExitStatus(128 + number)
        self.word = _WORDS[signal.Signals(number).name]


@contextlib.contextmanager
def raising_signals() -> Iterator[None]:
    """Let the signals that end a run raise Stopped, wherever the main thread is just then."""

    def stop(number: int, frame: FrameType | None) -> None:
        if _held is None:
            raise Stopped(number)
        _held.append(number)

    with _handled_by(stop):
        yield


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let no signal raise before the end of the block: in its middle something would be lost."""
    global _held
    _held = []
    try:
        yield
    finally:
        held, _held = _held, None
    if held:
        raise Stopped(held[0])


def run_to_end(work: Coroutine[Any, Any, _T], output: Output) -> _T:
    """Run `work` in an event loop of its own.

    A signal cancels it, so that it can leave everything in good order. `output` says at once what is done about it.

    Returns:
        What `work` returns, also if it does so after it was cancelled.

    Raises:
        Stopped: a signal has cancelled it.
    """
    stopping = _Stopping(output)
    try:
        with _handled_by(stopping.handle):
            return asyncio.run(stopping.watch(work))
    except asyncio.CancelledError:
        if stopping.number is not None:
            raise Stopped(stopping.number) from None
        raise


class _Stopping:
    """Cancels one task at the first signal, and ends the process at a later Ctrl-C."""

    def __init__(self, output: Output) -> None:
        self.number: int | None = None
        self._output = output
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    async def watch(self, work: Coroutine[Any, Any, _T]) -> _T:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        return await work

    def handle(self, number: int, frame: FrameType | None) -> None:
        # This interrupts the main thread anywhere, so it only notes what is to be done.
        if self._loop is None or self._task is None or self._task.done():
            raise Stopped(number)
        if self.number is None:
            self.number = number
            # The loop may be about to wait, and must be waked.
            self._loop.call_soon_threadsafe(self._stop)
        elif number == signal.SIGINT:
            _end_at_once()

    def _stop(self) -> None:
        assert self._task is not None
        if self._output.at_stake is not None:
            more = "; Ctrl-C once more ends at once" if self.number == signal.SIGINT else ""
            self._output.warn(self._output.at_stake + more)
        self._task.cancel()


def _end_at_once() -> NoReturn:
    """End the process without any more work; what was not committed is fetched again."""
    for stream in (sys.stdout, sys.stderr):
        # A bar hides the cursor. Not through the stream: this may have interrupted a write to it.
        if is_terminal(stream):
            with contextlib.suppress(OSError, ValueError):
                os.write(stream.fileno(), _SHOW_CURSOR)
    with contextlib.suppress(OSError):
        os.write(2, b"pop3aio: ended at once; run the same command again\n")
    os._exit(ExitStatus.INTERRUPTED)


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Install a handler, and put back what was there before."""
    before = {}
    try:
        # Only the main thread takes signals; a program may run the command in another one.
        with contextlib.suppress(ValueError):
            for number in _NUMBERS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
