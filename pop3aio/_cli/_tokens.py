"""Where OAuth tokens come from: a command, asked again whenever one is needed."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._shell import CommandFailed, SecretCommand

__all__ = ("TokenCommand",)

_WHAT = "the token command"


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """A shell command whose first line of output is a token.

    `hide` gets each token first, so that no output can show it.
    """

    command: str
    hide: Callable[[str], object]

    async def __call__(self) -> str:
        """Run the command and return the token; raises Failed. Cancelling ends the command."""
        try:
            output = await SecretCommand(self.command, _WHAT).run_async()
        except CommandFailed as error:
            raise Failed(str(error), ExitStatus.LOGIN) from None
        # A command such as cat prints a file that a person saved by an editor.
        line = output.removeprefix(codecs.BOM_UTF8).partition(b"\n")[0].strip()
        if not line:
            raise _failed("printed no token: it must stand in the first line")
        if not all(0x21 <= octet <= 0x7E for octet in line):
            raise _failed("printed no token in its first line: visible ASCII characters without a space")
        token = line.decode("ascii")
        self.hide(token)
        return token


def _failed(what: str) -> Failed:
    return Failed(f"{_WHAT} {what}", ExitStatus.LOGIN)
