"""The types of arguments: each turns what a person typed into a value, or says what is expected."""

from __future__ import annotations

import argparse
import datetime
import math
import re
from collections.abc import Callable

from pop3aio._cli._mechanisms import MECHANISMS, known_mechanism
from pop3aio._wire._host import host_name
from pop3aio._wire._pin import parse_pin

__all__ = (
    "date",
    "host",
    "mechanism",
    "name",
    "number",
    "octets",
    "path",
    "pin",
    "positive_seconds",
    "profile",
    "seconds",
)


def path(text: str) -> str:
    """Return the path of a file or folder; an empty one would stand for the current folder, or for none."""
    if not text:
        raise argparse.ArgumentTypeError("a path is expected, and this one is empty")
    return text


def profile(name: str) -> str:
    """Return the name of a server to be like."""
    # The test kit takes longer to import than all that the other commands need.
    from pop3aio.testing import PROFILES

    if name not in PROFILES:
        raise argparse.ArgumentTypeError(
            f"there is no server {name!r} here; these are: {', '.join(PROFILES)}"
        )
    return name


def name(text: str) -> str:
    """Return a name that a journal can hold."""
    # The journal takes no surrogates, which stand for octets that are not UTF-8.
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError("a name of printable characters is expected, in UTF-8")
    return text


def number(least: int, what: str, most: int | None = None) -> Callable[[str], int]:
    """Return what reads a whole number between two bounds; `what` is counted."""

    def read(text: str) -> int:
        value = int(text) if re.fullmatch("[0-9]{1,9}", text) else -1
        if value < least or (most is not None and value > most):
            until = "" if most is None else f" to {most}"
            raise argparse.ArgumentTypeError(f"{what}: a whole number from {least}{until} is expected")
        return value

    return read


def positive_seconds(text: str) -> float:
    """Return a number of seconds above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("a number of seconds above 0 is expected")
    return seconds


def mechanism(text: str) -> str:
    """Return the name of a way to log in, as the policy has it."""
    name = known_mechanism(text)
    if name is None:
        raise argparse.ArgumentTypeError(f"one of these is expected: {', '.join(MECHANISMS)}")
    return name


def host(text: str) -> str:
    """Return a host's name as certificates have it."""
    try:
        return host_name(text, "the name")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def pin(text: str) -> str:
    """Return a pin that can be read."""
    # Perhaps the content of a file that a person saved by an editor.
    text = text.removeprefix("\ufeff").strip()
    try:
        parse_pin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def octets(text: str) -> int:
    """Return a number of octets; K, M and G stand for powers of 1024."""
    found = re.fullmatch("([0-9]{1,12})([KMG]?)", text.upper())
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(
            f"a number of octets is needed, such as 500000, 500K or 50M, not {text!r}"
        )
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def date(text: str) -> datetime.date:
    """Return a date."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a date is needed, such as 2026-01-31, not {text!r}") from None


def seconds(text: str) -> float:
    """Return a number of seconds from 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise argparse.ArgumentTypeError(f"a number of seconds from 0 is needed, not {text!r}")
    return seconds
