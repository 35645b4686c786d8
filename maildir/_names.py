"""Names of messages: unique for ever, in order of delivery, and readable by every other Maildir program."""

# How it works: a name is made in tmp/ as ``seconds.MmicrosecondsPpidQcountRkey.host``, and gets its sizes and flags
# when it is moved to new/ or cur/. What makes it unique is the key; the time, the process and the count make it
# sortable.
#
# Invariants:
# - The time in the names of one `Names` rises strictly. One `Names` is used by one writer thread only.
# - A name that is made here is recognised by `_OURS`, whatever a mail reader appends to it.
# - A forked process does not use keys of its parent: `_store` has a deque for each process id.

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

# Counts the deliveries of this process in all its Maildirs. With the interpreter's lock `next` is atomic. On
# free-threaded builds before 3.14 two threads may get the same number. That does no harm: the key makes the name
# unique.
_deliveries = itertools.count(1)

# Random keys in store, by process id: a forked process must not use the keys of its parent.
_KEYS = 32
_store: dict[int, deque[str]] = {}


class Names:
    """Makes names of the form ``seconds.MmicrosecondsPpidQcountRkey.host``.

    Seconds and microseconds rise from name to name, even if the clock stands or goes back: Dovecot and s-nail sort by
    them. A random key has 64 bits, so that its name is unique across reused pids, cloned machines and containers.
    """

    __slots__ = ("_last", "host")

    def __init__(self, hostname: str | None) -> None:
        self.host: str = _escape(socket.gethostname() if hostname is None else hostname)
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
        # The specification asks for octal escapes of "/" and ":". Other unusual letters are escaped in the same way.
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
            # Fetch many at once: asking the system for each takes as long as writing a small file in memory.
            digits = os.urandom(8 * _KEYS).hex()
            keys.extend(digits[start : start + 16] for start in range(0, len(digits), 16))


def key_of(name: str) -> str | None:
    """Return the key in the file name `name`, or None if this package did not make it."""
    found = _OURS.match(name)
    return found[2] if found else None


def maker_of(name: str) -> tuple[int, str] | None:
    """Return the process id and the host in `name`, a name in tmp/, or None if this package did not make it."""
    found = _OURS.match(name)
    return (int(found[1]), name[found.end() :]) if found else None


def suffix(octets: int, virtual_octets: int) -> str:
    """Return ``,S=octets,W=virtual octets``: Dovecot and Courier trust these numbers, so they are exact."""
    return f",S={octets},W={virtual_octets}"
