"""Mail: what the server truly holds, how it mishandles single messages, and what senders forge."""

from __future__ import annotations

import email.utils
import random
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ("ALWAYS", "Mail", "Retr", "Shape", "StoreWord", "Trouble", "forged", "make_mail")

ALWAYS = 1 << 30

Shape: TypeAlias = Literal["sound", "dot inside", "dot first", "no end", "bare end"]
Retr: TypeAlias = Literal["ok", "refuse", "close", "close inside", "stall", "stall inside"]
Dele: TypeAlias = Literal["ok", "refuse", "close", "stall"]
StoreWord: TypeAlias = Literal[
    "ok", "raise", "leave", "stop", "unread", "partly", "late", "late leave", "silent"
]


@dataclass
class Trouble:
    """What goes wrong with a message, and how many times more; `ALWAYS` for good."""

    kind: str = "ok"
    left: int = 0

    def strike(self) -> str:
        """Return what goes wrong this time."""
        if self.left <= 0:
            return "ok"
        self.left -= 1
        return self.kind

    @property
    def for_good(self) -> bool:
        """Whether it never ends."""
        return self.kind != "ok" and self.left > ALWAYS // 2


@dataclass(eq=False)
class Mail:
    """A message as the server truly holds it."""

    serial: int
    uid: str
    content: bytes
    shape: Shape = "sound"
    retr: Trouble = field(default_factory=Trouble)
    dele: Trouble = field(default_factory=Trouble)
    store: Trouble = field(default_factory=Trouble)
    hidden: float = 0.0
    """How probable it is that a session does not list it."""
    was_hidden: bool = False
    listed_size: int | None = None
    """The size that LIST tells, if that is not the truth."""
    listed_twice: bool = False
    sent: float = 0.0
    """The date in its header, in seconds since 1970."""
    taken_as_known: bool = False
    """Whether a run was told to take it as known: it need not come, and must not go."""
    returned: int = 0
    """How often it came back after it had been deleted."""
    was_forgotten: bool = False
    """Whether the journal forgot it, perhaps."""
    forging: bool = False
    knows_own_uid: bool = False
    names: set[str] = field(default_factory=set)
    """All unique-ids that it was listed under."""
    gone: bool = False

    def __repr__(self) -> str:
        faults = [
            self.shape if self.shape != "sound" else "",
            f"RETR {self.retr.kind} {self.retr.left}" if self.retr.left else "",
            f"DELE {self.dele.kind} {self.dele.left}" if self.dele.left else "",
            f"store {self.store.kind} {self.store.left}" if self.store.left else "",
            "hidden" if self.hidden else "",
            "listed twice" if self.listed_twice else "",
            "forging" if self.forging else "",
            "taken as known" if self.taken_as_known else "",
            "gone" if self.gone else "",
        ]
        return f"<mail {self.serial} {self.uid} {' '.join(filter(None, faults))}>"

    @property
    def comes_alone(self) -> bool:
        """Whether the server can deliver it, with no other message in the session."""
        return self.shape == "sound" and not self.retr.for_good

    @property
    def size(self) -> int:
        """The octets that LIST tells."""
        return len(self.content) if self.listed_size is None else self.listed_size

    @property
    def faulty(self) -> bool:
        """Whether anything is wrong with it, at any time."""
        return self.shape != "sound" or any(
            trouble.kind != "ok" for trouble in (self.retr, self.dele, self.store)
        )

    def on_the_wire(self) -> bytes:
        """Return the octets of the answer to RETR, behind its status line."""
        if self.shape in ("dot inside", "dot first"):
            # The dots are not stuffed, as on Dovecot (the first octet) and on servers that never stuff a lone dot.
            return self.content + b".\r\n"
        stuffed = (b"\r\n" + self.content).replace(b"\r\n.", b"\r\n..")[2:]
        return stuffed + b".\r\n"


def forged(chance: random.Random, mail_uid: str | None) -> bytes:
    """Return what a sender puts behind an unstuffed dot: answers to commands that the client may send.

    The sender knows message numbers, sizes and all commands of the client, but no unique-id other than `mail_uid`.
    """
    guess = mail_uid or f"guess{chance.randrange(10**6)}"
    lines: list[bytes] = []
    for _ in range(chance.randrange(14)):
        number = chance.randrange(1, 9)
        lines.append(
            chance.choice(
                (
                    b"+OK\r\n",
                    b"+OK %d octets\r\nSubject: forged %d\r\n\r\nforged\r\n.\r\n" % (number * 40, number),
                    b"+OK\r\nSubject: forged\r\n\r\nforged\r\n.\r\n",
                    b"+OK\r\nDate: Sat, 01 Jan 2000 00:00:00 +0000\r\n\r\n.\r\n",
                    b"+OK %d %s\r\n" % (number, guess.encode()),
                    b"+OK %s\r\n" % guess.encode(),
                    b"+OK %d %d\r\n" % (number, chance.randrange(60, 400)),
                    b"+OK\r\n1 %s\r\n2 %s2\r\n.\r\n" % (guess.encode(), guess.encode()),
                    b"-ERR no such message\r\n",
                    b"-ERR unknown command\r\n",
                    b"+OK marked to be deleted\r\n",
                    b"+OK bye\r\n",
                    b".\r\n",
                    b"any text\r\n",
                )
            )
        )
    return b"".join(lines)


def make_mail(
    serial: int, uid: str, chance: random.Random, shape: Shape, *, sent: float, forging: bool, knows: bool
) -> Mail:
    """Return a message like no other, in one of the shapes that a server mishandles."""
    date = email.utils.formatdate(sent).encode()
    head = b"Subject: %d %x\r\nDate: %s\r\n\r\n" % (serial, chance.getrandbits(48), date)
    lines = [
        b"." * chance.choice((0, 0, 0, 2))
        + chance.randbytes(chance.randrange(1, 20)).hex().encode()
        + b"\r\n"
        for _ in range(chance.choice((0, 1, 2, 5, 9)))
    ]
    body = b"".join(lines)
    if not chance.randrange(25):
        body += b"a long line of text that fills the buffers\r\n" * chance.randrange(100, 1200)
    lie = (
        forged(chance, uid if knows else None)
        if forging
        else b"the rest of the text\r\n" * chance.randrange(4)
    )
    content = {
        "sound": head + body,
        "dot inside": head + body + b".\r\n" + lie,
        "dot first": b".\r\n" + lie + head + body,
        "no end": head + body + b"the end",
        "bare end": head + body + b"the end\n",
    }[shape]
    return Mail(serial, uid, content, shape, sent=sent, forging=forging, knows_own_uid=knows)
