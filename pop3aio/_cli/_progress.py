"""How far a fetch is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

from pop3aio._cli._output import Output, size
from pop3aio._cli._streams import fitted, is_terminal
from pop3aio._errors import counted
from pop3aio._fetch._report import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ("show_progress",)

_LINE_INTERVAL = 10.0


@contextmanager
def show_progress(
    output: Output, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Progress], None] | None]:
    """Show the progress of one fetch; yields what to call with every `Progress`, or None where none is shown."""
    if output.as_json or output.quiet:
        yield None
        return
    terminal = next((stream for stream in (sys.stderr, sys.stdout) if is_terminal(stream)), None)
    # The dialogue that -v shows would tear the bar apart.
    bar = None if terminal is None or output.verbose else _make_bar(terminal)
    if bar is None:
        yield _Lines(output, clock).update
        return
    with bar:
        yield _Bar(bar, clock).update


class _Lines:
    """Says what is to come, and then where it is, every few seconds at most."""

    def __init__(self, output: Output, clock: Callable[[], float]) -> None:
        self._output = output
        self._clock = clock
        self._next: float | None = None

    def update(self, progress: Progress) -> None:
        if not progress.total_messages:
            return
        now = self._clock()
        if self._next is None:
            self._output.line(
                f"fetching {counted(progress.total_messages, 'new message')}, {size(progress.total_octets)}"
            )
        elif now >= self._next and progress.messages < progress.total_messages:
            self._output.line(
                f"{progress.messages} of {counted(progress.total_messages)}, "
                f"{size(progress.octets)} of {size(progress.total_octets)}"
            )
        else:
            return
        self._next = now + _LINE_INTERVAL


class _Bar:
    """Feeds the bar, which draws itself a few times in a second."""

    def __init__(self, bar: RichProgress, clock: Callable[[], float]) -> None:
        self._bar = bar
        self._clock = clock
        self._start = clock()
        self._task = bar.add_task("", total=None, visible=False, messages="", octets="")

    def update(self, progress: Progress) -> None:
        ended = progress.messages == progress.total_messages
        seconds = self._clock() - self._start
        # The sizes that servers list are hints; a bar that stands at its end must not look unfinished.
        total = progress.octets if ended else max(progress.total_octets, progress.octets)
        rate = f", {size(progress.octets / seconds)}/s" if seconds else ""
        self._bar.update(
            self._task,
            visible=progress.total_messages > 0,
            completed=progress.octets,
            total=total,
            messages=f"{progress.messages} of {counted(progress.total_messages)}",
            octets=f"{size(progress.octets)} of {size(total)}{rate}",
        )


def _make_bar(terminal: TextIO) -> RichProgress | None:
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress
    except ImportError:
        return None
    return RichProgress(
        TextColumn("{task.fields[messages]}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[octets]}", markup=False),
        TimeRemainingColumn(),
        console=Console(file=cast(TextIO, _Lenient(terminal))),
        redirect_stdout=False,
    )


class _Lenient:
    """A terminal that may go away: the bar is lost then, and not the run."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._terminal.write(fitted(text, self._terminal))
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._terminal.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._terminal, name)
