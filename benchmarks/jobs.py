"""What one measurement is to do, and what came of it; both travel between processes as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

__all__ = ("ACCOUNT", "PASSWORD", "USER", "Job", "Sample", "Work", "simple")

USER, PASSWORD = "user", "password"
ACCOUNT = "benchmark"
"""The account's name in the journal of `pop3aio.fetch`."""

Work: TypeAlias = tuple[Callable[[], Any], Callable[[Any], int]]
"""What is timed, and what turns its result into the octets that came; the second runs after the clock has stopped."""


def simple(run: Callable[[], int]) -> Work:
    """Return the Work of a client that counts while it runs."""
    return run, int


@dataclass(frozen=True)
class Job:
    """One measurement: `count` messages of `octets` octets, to be had from `port` on this machine.

    `wire` is the octets of one answer to RETR, `stored` those of a message with LF at the line ends. `folder` is a
    directory that exists and is empty unless `held` or `known` says otherwise: messages that stand there in the
    Maildir ``mail``, and messages of the mailbox that were fetched before. `authority` is a PEM file of the authority
    that signed the server's certificate, empty without TLS.
    """

    port: int = 0
    count: int = 0
    octets: int = 0
    wire: int = 0
    stored: int = 0
    folder: str = ""
    authority: str = ""
    durability: str = "none"
    window: int = 256
    mailboxes: int = 1
    held: int = 0
    known: int = 0
    kind: str = "text"
    stuffed: int = 10_000
    uvloop: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Sample:
    """One measurement's outcome: `wall` and `cpu` in seconds, `idle` and `peak` resident memory in MB (10**6).

    `cpu` is user and system time of the client, of its children if it is an external program. `idle` is 0 for those.
    `error` says why there is nothing to compare; all numbers are 0 then.
    """

    wall: float = 0.0
    cpu: float = 0.0
    octets: int = 0
    idle: float = 0.0
    peak: float = 0.0
    error: str = ""
