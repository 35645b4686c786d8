"""Shell commands that print a secret: run, read, and ended when the run is.

How it works. A command of the user's may ask for a passphrase, so it has the standard input and error of this process.
Where there is a terminal, it also stays in the process group of this process: a terminal lets only that read, and sends
Ctrl-C to all of it. Where there is none, it gets a group of its own, so that it can be ended with all of its children.

Invariant: when a function here returns or raises, the shell has ended and was waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import IO

from pop3aio._cli._signals import held_back

__all__ = ("CommandFailed", "SecretCommand")

# Seconds from SIGTERM to SIGKILL.
_GRACE = 0.5
# Octets of output that are kept; the rest is read and dropped.
_LONGEST = 64 * 1024


class CommandFailed(Exception):
    """A command did not end well; the argument says how."""


class SecretCommand:
    """A shell command whose first line of output is a secret.

    Args:
        command: the command, for ``sh -c``.
        what: what it is called in messages.
    """

    def __init__(self, command: str, what: str) -> None:
        self._command = command
        self.what = what

    def run(self) -> bytes:
        """Run it and return its output; raises CommandFailed. An exception of a signal handler ends it."""
        with self._running() as process:
            assert process.stdout is not None
            kept = b""
            while chunk := os.read(process.stdout.fileno(), _LONGEST):
                kept += chunk[: _LONGEST - len(kept)]
            process.wait()
        return self._checked(process.returncode, kept)

    async def run_async(self) -> bytes:
        """Run it beside others and return its output; raises CommandFailed. Cancelling ends it."""
        with self._running() as process:
            assert process.stdout is not None
            kept = await _read(process.stdout)
            await asyncio.to_thread(process.wait)
        return self._checked(process.returncode, kept)

    @contextlib.contextmanager
    def _running(self) -> Iterator[subprocess.Popen[bytes]]:
        own_group = not _has_terminal()
        process = None
        try:
            # A signal in the middle of this would leave a process that is never ended.
            with held_back():
                # A shell command is what the option is for; it is the user's own.
                process = subprocess.Popen(  # noqa: S602
                    self._command,
                    shell=True,
                    stdout=subprocess.PIPE,
                    process_group=0 if own_group else None,
                )
            yield process
        except BaseException:
            if process is not None:
                _end(process, own_group)
            raise
        finally:
            if process is not None and process.stdout is not None:
                process.stdout.close()

    def _checked(self, status: int, output: bytes) -> bytes:
        if status:
            ended = f"exited with {status}" if status > 0 else f"was ended by signal {-status}"
            raise CommandFailed(f"{self.what} {ended}: run it by itself to see why")
        return output


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


async def _read(pipe: IO[bytes]) -> bytes:
    """Read to the end without a thread, which could not be broken off."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    kept = b""
    try:
        while chunk := await reader.read(_LONGEST):
            kept += chunk[: _LONGEST - len(kept)]
    finally:
        transport.close()
    return kept


def _end(process: subprocess.Popen[bytes], own_group: bool) -> None:
    """End a command, with all of its children where it has a group of its own."""
    _send(process, signal.SIGTERM, own_group)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _send(process, signal.SIGKILL, own_group)
    process.wait()


def _send(process: subprocess.Popen[bytes], number: int, own_group: bool) -> None:
    if not own_group:
        process.send_signal(number)
        return
    # The group outlives the shell as long as a child is in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
