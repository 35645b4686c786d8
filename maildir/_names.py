"""Names of messages: unique for ever, in order of delivery, and readable by every other Maildir program."""

from __future__ import annotations

import itertools
import os
import re
import socket
import sys
import time
from collections import deque

__all__ = ("SEPARATOR", "Names", "key_of", "maker_of", "new_key", "suffix")

# A colon would open an alternate stream of a file on NTFS; the semicolon is what mbsync and others write there.
SEPARATOR = ";" if sys.platform == "win32" else ":"

_OURS = re.compile(r"[0-9]+\.M[0-9]+P([0-9]+)Q[0-9]+R([0-9a-f]+)\.")
_HOST_SPECIAL = re.compile(rb"[^A-Za-z0-9._-]")
_HOST_OCTETS = 64

# Deliveries of this process, whatever the Maildir: `next` on it is atomic.
_deliveries = itertools.count(1)

# Random keys in store, by process: one that was forked must not use its parent's.
_KEYS = 32
_store: dict[int, deque[str]] = {}


class Names:
    """Makes names of the form ``seconds.MmicrosecondsPpidQcountRkey.host``.

    Seconds and microseconds rise from name to name, also when the clock does not: Dovecot and s-nail sort by them. The
    key is 64 random bits or more, so a name is unique across reused pids, cloned machines and containers.
    """

    __slots__ = ("_last", "host")

    def __init__(self, hostname: str | None) -> None:
        self.host = _escape(socket.gethostname() if hostname is None else hostname)
        self._last = 0

    def make(self, key: str) -> str:
        """Return the next name with this `key`."""
        self._last = now = max(time.time_ns() // 1000, self._last + 1)
        seconds, micros = divmod(now, 1_000_000)
        return f"{seconds}.M{micros:06d}P{os.getpid()}Q{next(_deliveries)}R{key}.{self.host}"


def _escape(hostname: str) -> str:
    octets = hostname.encode("utf-8", "surrogateescape").lstrip(b".")
    escaped = ""
    for octet in octets:
        letter = bytes((octet,))
        # The specification asks for octal escapes of "/" and ":"; whatever else is unusual is treated alike.
        part = f"\\{octet:03o}" if _HOST_SPECIAL.match(letter) else letter.decode("ascii")
        if len(escaped) + len(part) > _HOST_OCTETS:
            break
        escaped += part
    return (escaped or "localhost").replace("\\", "_" if sys.platform == "win32" else "\\")


def new_key() -> str:
    """Return 16 random hexadecimal digits."""
    keys = _store.setdefault(os.getpid(), deque())
    while True:
        try:
            return keys.popleft()
        except IndexError:
            # Many at once: to ask the system takes longer than to write the file.
            digits = os.urandom(8 * _KEYS).hex()
            keys.extend(digits[start : start + 16] for start in range(0, len(digits), 16))


def key_of(name: str) -> str | None:
    """Return the key in the file name `name`, or None if it is not a name of ours."""
    found = _OURS.match(name)
    return found[2] if found else None


def maker_of(name: str) -> tuple[int, str] | None:
    """Return the process id and the host in `name`, a name in tmp/, or None if it is not a name of ours."""
    found = _OURS.match(name)
    return (int(found[1]), name[found.end() :]) if found else None


def suffix(octets: int, virtual_octets: int) -> str:
    """Return ``,S=octets,W=virtual octets``: Dovecot and Courier trust these numbers, so they are exact."""
    return f",S={octets},W={virtual_octets}"
