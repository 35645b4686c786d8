"""Where OAuth tokens come from: a command, asked again whenever one is needed."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus

__all__ = ("TokenCommand",)


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """A shell command whose first line of output is a token.

    `hide` is told each token before anybody else is.
    """

    command: str
    hide: Callable[[str], object]

    async def __call__(self) -> str:
        """Run the command in a thread and return the token; raises Failed. Cancelling ends the command."""
        process = _start(self.command)
        communication = asyncio.get_running_loop().run_in_executor(None, process.communicate)
        try:
            # Also where it has not begun: nothing else closes the pipe and waits for the process.
            output, _ = await asyncio.shield(communication)
        except BaseException:
            # The loop waits for its threads at the end.
            process.terminate()
            raise
        if process.returncode:
            ended = (
                f"exited with {process.returncode}"
                if process.returncode > 0
                else f"was ended by signal {-process.returncode}"
            )
            raise _failed(f"{ended}: run it by itself to see why")
        line = output.partition(b"\n")[0].strip()
        if not line:
            raise _failed("printed no token: it must stand in the first line")
        if not all(0x21 <= octet <= 0x7E for octet in line):
            raise _failed("printed no token in its first line: visible ASCII characters without a space")
        token = line.decode("ascii")
        self.hide(token)
        return token


def _start(command: str) -> subprocess.Popen[bytes]:
    # A shell command is what the option is for; it is the user's own. Its error output and its input are ours, so
    # that it can ask for a passphrase.
    return subprocess.Popen(command, shell=True, stdout=subprocess.PIPE)  # noqa: S602


def _failed(what: str) -> Failed:
    return Failed(f"the token command {what}", ExitStatus.LOGIN)
