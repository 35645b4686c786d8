"""Checks of what a caller gives: each error names the parameter, shows the value, and says what to write."""

from __future__ import annotations

import datetime
import math
import os
import re
from collections.abc import Collection
from typing import Any, get_args

__all__ = (
    "check_bool",
    "check_choice",
    "check_count",
    "check_date",
    "check_flags",
    "check_headers",
    "check_hostname",
    "check_key",
    "check_keys",
    "check_max_age",
    "check_mode",
    "check_path",
)

_KEY = re.compile(r"[0-9a-f]{1,64}")
_FLAGS = frozenset("DFPRST")

# The years 1 to 9999, in seconds since the epoch. Beyond them the system's call fails, or a file system cuts the time.
_FIRST, _LAST = -62_135_596_800, 253_402_300_799


def check_path(path: str | os.PathLike[str]) -> str:
    """Return `path` made absolute, with ``~`` and ``~user`` at its beginning expanded.

    Raises:
        TypeError: it is neither a str nor an os.PathLike of str.
        ValueError: it is empty, holds a NUL, or begins with a ``~`` for which no home directory is known.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if isinstance(text, bytes):
        raise TypeError(
            f"path must be a str or an os.PathLike of str, not {path!r}; os.fsdecode() converts bytes"
        )
    if not isinstance(text, str):
        raise TypeError(f"path must be a str or an os.PathLike of str, not {path!r}")
    if not text or "\0" in text or not _can_be_encoded(text):
        raise ValueError(f"path must be the path of a directory ('.' is the current one), not {path!r}")
    expanded = os.path.expanduser(text)
    if expanded.startswith("~"):
        raise ValueError(f"path: no home directory is known for {text!r}; './~' begins a name with a tilde")
    return os.path.abspath(expanded)


def check_choice(name: str, value: object, choices: Any) -> None:
    """Raise ValueError unless `value` is one of the Literal `choices`."""
    allowed = get_args(choices)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


def check_bool(name: str, value: object) -> None:
    """Raise TypeError unless `value` is a bool: a text like "no" would count as true."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")


def check_count(name: str, value: object) -> None:
    """Raise TypeError unless `value` is an int, and ValueError if it is less than 1."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value!r}")


def check_mode(name: str, value: object, *, needed: int, most: int) -> None:
    """Check the permissions `value`: the bits of `needed` are there, and none that is not in `most`.

    A mode that was written in decimal (600 for 0o600) is nearly always found by that.

    Raises:
        TypeError: it is not an int.
        ValueError: a bit lacks, or is one too many.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int like 0o{needed:o}, not {value!r}")
    if value < 0 or value & ~most or value & needed != needed:
        wrong = oct(value) if value >= 0 else repr(value)
        raise ValueError(
            f"{name} must be from 0o{needed:o} to 0o{most:o} and give all of 0o{needed:o}, not {wrong}"
        )


def check_hostname(hostname: object) -> None:
    """Raise TypeError unless `hostname` is a str or None, and ValueError if it cannot be written in octets."""
    if hostname is None:
        return
    if not isinstance(hostname, str):
        raise TypeError(f"hostname must be a str or None, not {hostname!r}")
    if not _can_be_encoded(hostname):
        raise ValueError(f"hostname must be text that can be encoded, not {hostname!r}")


def check_keys(among: Collection[str]) -> frozenset[str]:
    """Return keys; raises TypeError or ValueError for what is no collection of them."""
    if not isinstance(among, list | tuple | set | frozenset):
        raise TypeError(f"among must be a list, tuple or set of keys, not {among!r}")
    for key in among:
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ValueError(f"among must hold keys of 1 to 64 lower-case hexadecimal digits, not {key!r}")
    return frozenset(among)


def check_key(key: object) -> None:
    """Raise ValueError unless `key` is 1 to 64 lower-case hexadecimal digits."""
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"key must be 1 to 64 lower-case hexadecimal digits, not {key!r}")


def check_flags(flags: str) -> str:
    """Return `flags` sorted, each once.

    Raises:
        TypeError: it is not a str.
        ValueError: a letter is not one of these. Other letters have a meaning only in a table of another program.
    """
    if not isinstance(flags, str):
        raise TypeError(f"flags must be a str of letters of DFPRST, not {flags!r}")
    if not flags:
        return ""
    unknown = set(flags) - _FLAGS
    if unknown:
        raise ValueError(f"flags are letters of DFPRST, not {''.join(sorted(unknown))!r}")
    return "".join(sorted(set(flags)))


def check_date(date: float | datetime.datetime | None) -> int | None:
    """Return `date` in nanoseconds since the epoch.

    Raises:
        TypeError: it is neither a number nor a datetime.
        ValueError: the datetime has no time zone, or the number is not finite, or not in the years 1 to 9999.
    """
    if date is None:
        return None
    if isinstance(date, datetime.datetime):
        if date.utcoffset() is None:
            raise ValueError(f"date must have a time zone, as datetime.now(UTC) does; {date!r} has none")
        date = date.timestamp()
    if not isinstance(date, int | float) or isinstance(date, bool):
        raise TypeError(f"date must be seconds since the epoch or a datetime with time zone, not {date!r}")
    if not math.isfinite(date):
        raise ValueError(f"date must be finite, not {date!r}")
    if not _FIRST <= date <= _LAST:
        raise ValueError(f"date must be in the years 1 to 9999, in seconds since the epoch, not {date!r}")
    return int(date * 1_000_000) * 1000


def check_headers(headers: bytes | bytearray | memoryview) -> bytes:
    """Return `headers` as bytes.

    Raises:
        TypeError: it is not made of octets.
    """
    if not isinstance(headers, bytes | bytearray | memoryview):
        raise TypeError(f"headers must be bytes, not {headers!r}")
    return bytes(headers)


def check_max_age(max_age: float) -> None:
    """Raise TypeError unless `max_age` is a number, and ValueError if it is negative or not finite."""
    if not isinstance(max_age, int | float) or isinstance(max_age, bool):
        raise TypeError(f"max_age must be a number of seconds, not {max_age!r}")
    if not 0 <= max_age < math.inf:
        raise ValueError(f"max_age must be a number of seconds from 0 on, not {max_age!r}")


def _can_be_encoded(text: str) -> bool:
    """Return whether `text` has no surrogate but those that stand for octets of a name."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
