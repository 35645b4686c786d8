"""``python -m pop3aio``, and the entry point of the command ``pop3aio``."""

from __future__ import annotations

import io
import sys

__all__ = ("run",)


def run() -> None:
    """Run the command with the arguments of this process, and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        # Subjects come in every script; a terminal that lacks it shall not end the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from pop3aio._cli import main
        from pop3aio._cli._streams import occupy_closed_descriptors

        occupy_closed_descriptors()
        status = main()
    except KeyboardInterrupt:
        # Only while modules are still being loaded.
        if sys.stderr is not None:
            print("pop3aio: interrupted", file=sys.stderr)  # noqa: T201
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    run()
