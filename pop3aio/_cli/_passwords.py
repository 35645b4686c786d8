"""Where passwords come from: never from the arguments, never from the URL."""

from __future__ import annotations

import codecs
import getpass
import os
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass

from pop3aio._cli._errors import Failed, one_line
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._shell import CommandFailed, SecretCommand
from pop3aio._cli._streams import is_terminal

__all__ = ("WAYS", "PasswordSource", "find_password", "first_line", "warn_if_readable")

VARIABLE = "POP3AIO_PASSWORD"
WAYS = f"a prompt (on a terminal), the environment variable {VARIABLE}, --password-file or --password-command"

_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """What the arguments say about the password: a file, a shell command, or neither."""

    file: str | None = None
    command: str | None = None


def find_password(source: PasswordSource, whose: str | None, warn: Callable[[str], object]) -> str | None:
    """Find the password: in the file, the output of the command, the environment, or by asking on the terminal.

    Call this before an event loop runs, since a prompt under it could not be broken off.

    Args:
        source: what the arguments say.
        whose: what the prompt names; None asks nobody, unless the file is "-".
        warn: told what is dangerous.

    Returns:
        The password, or None where there is none.

    Raises:
        Failed: the file, the command, the environment or the prompt does not yield one.
    """
    if source.command is not None:
        return first_line(_from_command(source.command), "the output of the password command")
    if source.file not in (None, "-"):
        return first_line(_from_file(source.file, warn), f"the password file {source.file}")
    if source.file is None and (password := os.environ.get(VARIABLE)):
        return first_line(os.fsencode(password), f"the environment variable {VARIABLE}")
    # On a terminal "-" is a prompt, too: what is typed must not be shown.
    if is_terminal(sys.stdin) and (whose is not None or source.file == "-"):
        return _from_prompt(whose or "the server")
    return None if source.file is None else first_line(_from_stdin(), "standard input")


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


def _from_prompt(whose: str) -> str:
    try:
        password = getpass.getpass(one_line(f"Password for {whose}: "))
    except EOFError:
        password = ""
    except UnicodeDecodeError:
        # Not chained: that exception holds the octets.
        raise Failed("what was typed at the prompt is not in UTF-8", ExitStatus.USAGE) from None
    if not password:
        raise Failed("no password was given at the prompt", ExitStatus.USAGE)
    return password


def _from_stdin() -> bytes:
    if sys.stdin is None:
        raise Failed("there is no password on standard input: it is closed", ExitStatus.USAGE)
    try:
        return sys.stdin.buffer.readline(_LONGEST)
    except OSError as error:
        raise Failed(
            f"cannot read the password on standard input: {error.strerror}", ExitStatus.USAGE
        ) from error


def _from_command(command: str) -> bytes:
    try:
        return SecretCommand(command, "the password command").run()
    except CommandFailed as error:
        raise Failed(str(error), ExitStatus.USAGE) from None


def first_line(octets: bytes, what: str) -> str:
    """Return the first line of what a person has filled in by an editor; raises Failed.

    Editors put marks before the text and carriage returns behind it; neither belongs to a password.
    """
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Failed(f"{what} is UTF-16: save it as UTF-8", ExitStatus.USAGE)
    line = re.split(rb"[\r\n]", octets.removeprefix(codecs.BOM_UTF8), maxsplit=1)[0]
    try:
        password = line.decode()
    except UnicodeDecodeError:
        # Not chained: that exception holds the octets.
        raise Failed(f"{what} is not UTF-8: save it as UTF-8", ExitStatus.USAGE) from None
    if not password:
        raise Failed(f"the first line of {what} is empty: the password must stand there", ExitStatus.USAGE)
    if "\0" in password:
        raise Failed(f"the first line of {what} holds a NUL: it is no text", ExitStatus.USAGE)
    return password
