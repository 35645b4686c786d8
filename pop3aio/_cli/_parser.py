"""The parser of the command line: it raises where argparse would print, and repeats nothing that may be a secret."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._passwords import WAYS
from pop3aio._version import __version__

__all__ = ("Parser", "Shown", "Version")


class Shown(Exception):
    """There is nothing to do but to print `text`, the help or the version."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class Version(argparse.Action):
    """``--version``; argparse's own action would print by itself."""

    def __call__(self, *_: object) -> NoReturn:
        raise Shown(f"pop3aio {__version__}\n")


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, and never repeat what may be a password."""

    def __init__(self, **options: object) -> None:
        # Otherwise --password would be taken for the beginning of another option.
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def print_help(self, file: object = None) -> NoReturn:
        raise Shown(self.format_help())

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            message = _unknown(message.removeprefix("unrecognized arguments: ").split())
        elif message.startswith("argument --tls-min: "):
            message = "argument --tls-min: one of these is expected: 1.0, 1.1, 1.2, 1.3"
        elif "invalid choice: " in message:
            message = "say what to do: fetch, list, check, demo or serve"
        message = re.sub("ignored explicit argument .*", "it takes no value", message, flags=re.DOTALL)
        raise Failed(f"{message} (see: {self.prog} --help)", ExitStatus.USAGE)


def _unknown(words: Sequence[str]) -> str:
    options = [word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)]
    if any(re.match(r"--?pass|-p", option) for option in options):
        return (
            f"a password is never taken from the command line, where others can see it: it comes from {WAYS}"
        )
    if any(option.startswith("--token") for option in options):
        return "a token is never taken from the command line, where others can see it: it comes from --token-command"
    # The rest of a short option may be its value.
    named = [option if option.startswith("--") else option[:2] for option in options]
    return f"unknown option {', '.join(named)}" if named else "there are more arguments than it takes"
