"""From the arguments to an exit status, whatever happens in between."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable, Sequence

from pop3aio._cli._arguments import parse_arguments
from pop3aio._cli._errors import Failed, describe
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._output import Output
from pop3aio._cli._parser import Shown
from pop3aio._cli._signals import Stopped, raising_signals

__all__ = ("main",)

# The commands whose result is what they print; that of the others is mail, or a server.
_SHOWING = ("list", "check")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process, and return the exit status.

    Whatever goes wrong is said in one line on standard error.
    """
    try:
        arguments = parse_arguments(argv)
    except Failed as failure:
        return Output().finish(failure.status, str(failure))
    except Shown as shown:
        output = Output(shows=True)
        output.text(shown.text)
        return output.finish(ExitStatus.DONE, None)
    output = Output(
        as_json=getattr(arguments, "json", False),
        verbose=arguments.verbose,
        quiet=getattr(arguments, "quiet", False),
        shows=arguments.command in _SHOWING,
    )
    with output.logged():
        return output.finish(*_attempt(arguments, output))


def _attempt(arguments: argparse.Namespace, output: Output) -> tuple[int, str | None]:
    try:
        with raising_signals():
            return _command(arguments.command)(arguments, output), None
    except Failed as failure:
        return failure.status, str(failure)
    except Stopped as stopped:
        return stopped.status, _with(stopped.word, output.resume)
    except KeyboardInterrupt:
        # Between two handlers.
        return ExitStatus.INTERRUPTED, _with("interrupted", output.resume)
    except Exception as error:
        if output.verbose:
            for line in traceback.format_exc().splitlines():
                output.trace(line)
        return ExitStatus.FAILED, output.masked(describe(error, output.resume))


def _with(text: str, advice: str | None) -> str:
    return text if advice is None else f"{text}; {advice}"


def _command(name: str) -> Callable[[argparse.Namespace, Output], int]:
    """Return what carries the command out; only that one's modules are loaded."""
    if name == "fetch":
        from pop3aio._cli._fetch import run_fetch as run
    elif name == "list":
        from pop3aio._cli._list import run_list as run
    elif name == "check":
        from pop3aio._cli._check import run_check as run
    elif name == "demo":
        from pop3aio._cli._demo import run_demo as run
    else:
        from pop3aio._cli._serve import run_serve as run
    return run
