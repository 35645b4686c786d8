"""Where passwords come from: never from the arguments, never from the URL."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass

from pop3aio._cli._errors import Failed, one_line
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._shell import CommandFailed, SecretCommand
from pop3aio._cli._streams import is_terminal

__all__ = ("WAYS", "PasswordSource", "find_password", "warn_if_readable")

VARIABLE = "POP3AIO_PASSWORD"
WAYS = f"a prompt (on a terminal), the environment variable {VARIABLE}, --password-file or --password-command"

_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """What the arguments say about the password: a file, a shell command, or neither."""

    file: str | None = None
    command: str | None = None


def find_password(source: PasswordSource, whose: str | None, warn: Callable[[str], object]) -> str | None:
    """Return the password: from the file, the command, the environment, or asked for on the terminal.

    `whose` is what the prompt names; None asks nobody. Returns None when there is none to be had. To be called
    before an event loop runs, since a prompt under it could not be broken off.

    Raises Failed when the file or the command does not yield one.
    """
    if source.file is not None:
        return _first_line(_from_file(source.file, warn), f"the password file {source.file}")
    if source.command is not None:
        return _first_line(_from_command(source.command), "the output of the password command")
    password = os.environ.get(VARIABLE)
    if password:
        return password
    if whose is None or not is_terminal(sys.stdin):
        return None
    try:
        password = getpass.getpass(one_line(f"Password for {whose}: "))
    except EOFError:
        password = ""
    if not password:
        raise Failed("no password was given at the prompt", ExitStatus.USAGE)
    return password


def warn_if_readable(found: os.stat_result, what: str, warn: Callable[[str], object]) -> None:
    """Warn when others may read a file with a secret."""
    if os.name == "posix" and stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
        warn(f"others may be able to read the {what}: chmod 600 it")


def _from_file(path: str, warn: Callable[[str], object]) -> bytes:
    try:
        with open(path, "rb") as file:
            warn_if_readable(os.fstat(file.fileno()), f"password file {path}", warn)
            return file.readline(_LONGEST)
    except OSError as error:
        raise Failed(f"cannot read the password file {path}: {error.strerror}", ExitStatus.USAGE) from error


def _from_command(command: str) -> bytes:
    try:
        return SecretCommand(command, "the password command").run()
    except CommandFailed as error:
        raise Failed(str(error), ExitStatus.USAGE) from None


def _first_line(octets: bytes, what: str) -> str:
    line = octets.partition(b"\n")[0].removesuffix(b"\r")
    try:
        password = line.decode()
    except UnicodeDecodeError:
        # Not chained: that exception holds the octets.
        raise Failed(f"{what} is not UTF-8", ExitStatus.USAGE) from None
    if not password:
        raise Failed(f"the first line of {what} is empty: the password must stand there", ExitStatus.USAGE)
    return password
