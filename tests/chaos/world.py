"""What is true in a session through a bad network: the mail on the server, what was asked, and what may be believed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pop3aio
from pop3aio.testing import ChaosProxy, Mailbox, Server, Side, WireFault, WireFaultKind

__all__ = ("CORRUPTING", "HARMLESS", "MESSAGES", "SEVERING", "World", "faults")

HARMLESS: tuple[WireFaultKind, ...] = ("delay", "split", "merge")
SEVERING: tuple[WireFaultKind, ...] = ("stall", "cut", "reset", "half-close")
CORRUPTING: tuple[WireFaultKind, ...] = ("corrupt", "duplicate")

SIDES: tuple[Side, ...] = ("client", "server")


def _message(number: int, octets: int) -> bytes:
    line = b".%d begins with a dot and can be told from every other line\r\n" % number
    return b"Subject: %d\r\n\r\n" % number + line * (octets // len(line))


MESSAGES = [_message(number, 11 * number**3) for number in range(1, 13)]


def faults(chance: random.Random, kinds: tuple[WireFaultKind, ...]) -> list[WireFault]:
    """Return some faults of these kinds, about as rare as a session is long."""
    chosen = []
    for kind in kinds:
        toward = chance.choice(SIDES)
        # A session sends some hundred octets, and gets some ten thousand.
        session = 300 if toward == "server" else 40_000
        every = max(1.0, session * chance.choice((0.1, 0.5, 2)))
        chosen.append(
            WireFault(kind, every=every, toward=toward, seconds=0.001, octets=chance.choice((1, 40, 4000)))
        )
    return chosen


@dataclass
class World:
    """One server with its mail, the proxy before it, and what the client of one session asked of it."""

    server: Server
    proxy: ChaosProxy
    mailbox: Mailbox
    secure: bool
    uids: list[str] = field(init=False)
    asked: set[int] = field(default_factory=set)
    """Message numbers that were to be deleted, whatever came of it."""
    marked: set[int] = field(default_factory=set)
    """Of these, what the server said it has marked."""

    def __post_init__(self) -> None:
        self.uids = self.mailbox.uids

    def corrupted(self, toward: Side) -> bool:
        """Whether the client, or the server, may have seen octets that the other did not send."""
        return not self.secure and any(
            fault.kind in CORRUPTING and fault.toward == toward for fault in self.proxy.injected
        )

    @property
    def exact(self) -> bool:
        """Whether everything the client was told so far is what the server has, of what the client asked."""
        return not (self.corrupted("client") or self.corrupted("server"))

    # -- what the client says it was told

    def check_message(self, number: int, octets: bytes, *, whole: bool = True) -> None:
        if self.exact:
            expected = MESSAGES[number - 1]
            assert octets == expected if whole else expected.startswith(octets)

    def check_top(self, number: int, lines: int, octets: bytes) -> None:
        if self.exact:
            header, _, body = MESSAGES[number - 1].partition(b"\r\n\r\n")
            assert octets == header + b"\r\n\r\n" + b"".join(body.splitlines(keepends=True)[:lines])

    def check_stat(self, stat: pop3aio.Stat) -> None:
        if self.exact:
            assert len(MESSAGES) - len(self.asked) <= stat.count <= len(MESSAGES)

    def check_list(self, scans: list[pop3aio.Scan]) -> None:
        if self.exact:
            self._check_numbers([scan.number for scan in scans])
            assert all(octets == len(MESSAGES[number - 1]) for number, octets in scans)

    def check_uidl(self, uids: list[pop3aio.Uid]) -> None:
        if self.exact:
            self._check_numbers([entry.number for entry in uids])
            assert all(uid == self.uids[number - 1] for number, uid in uids)

    def _check_numbers(self, numbers: list[int]) -> None:
        assert numbers == sorted(set(numbers))
        assert set(range(1, len(MESSAGES) + 1)) - set(numbers) <= self.asked

    def check_refusal(self, number: int) -> None:
        """The server refuses nothing but messages that are marked."""
        if self.exact:
            assert number in self.asked

    # -- what became of the mail

    def check_maildrop(self, quit_was_called: bool, confirmed: bool) -> None:
        """Nothing is gone that was not asked for, nor without QUIT; and all of it is when that was confirmed."""
        gone = {number for number, uid in enumerate(self.uids, 1) if uid not in self.mailbox.uids}
        if not self.corrupted("server"):
            assert gone <= self.asked
            if gone:
                assert quit_was_called
                assert self.server.sessions[-1].commands[-1] == "QUIT"
        if confirmed and self.exact:
            assert self.marked <= gone
