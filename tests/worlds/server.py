"""The simulated server: one maildrop with its habits, and a session on it.

How it works. A session is a state machine without waiting: it takes what the client wrote, and sends its answers at
once. It knows the standard, and then does what its habits, the message's troubles and the world's weather say instead.
At QUIT it tells the maildrop what was to be deleted; the model looks at that moment whether all of it is safe.

Invariants:
- `Maildrop.mails` is what the server truly holds; nothing else removes from it than `Maildrop.remove`.
- What a session answered, as far as a report can be checked by it, stands in its public attributes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .mail import Mail, Trouble
from .wire import Wire

__all__ = ("Habits", "Maildrop", "Session")

Quit: TypeAlias = Literal["ok", "lies", "partly", "silent", "silent done", "refuse", "close"]


@dataclass
class Habits:
    """What a server does at all times."""

    pipelining: Literal["none", "good", "mixes", "swaps", "loses"] = "good"
    """Announced or not; and what becomes of several commands that come together."""
    uidl: Literal["good", "none"] = "good"
    uidl_one: Literal["good", "whole", "numberless", "refused", "dot"] = "good"
    list_all: Literal["good", "refused", "partial"] = "good"
    list_one: Literal["good", "refused", "dot"] = "good"
    top: Literal["good", "refused", "dot"] = "good"
    """A dot that is not stuffed ends an answer to TOP too early on any server that has this fault with RETR."""
    delay: float = 0.0
    """Seconds until an answer comes."""
    budget: int | None = None
    """After so many commands it closes the session."""
    budget_of: Literal["all", "mail"] = "all"
    """Whether all commands count, or RETR and DELE only."""
    quit: Trouble = field(default_factory=Trouble)

    @property
    def faults(self) -> int:
        """How many of its habits are faults that may cost sessions."""
        odd = (
            self.pipelining in ("mixes", "swaps", "loses"),
            self.uidl != "good",
            self.uidl_one != "good",
            self.list_all != "good",
            self.list_one != "good",
            self.top != "good",
            self.budget is not None,
            self.quit.kind != "ok",
        )
        return sum(odd)


class Maildrop:
    """What the server truly holds."""

    def __init__(self, habits: Habits, on_quit: Callable[[Session, list[Mail]], None]) -> None:
        self.habits = habits
        self.mails: list[Mail] = []
        self.on_quit = on_quit
        self.session: Session | None = None

    def bring_back(self, mail: Mail) -> None:
        """List a message again that was deleted: the server has put its files back."""
        mail.gone = False
        self.mails.append(mail)

    def remove(self, mails: list[Mail]) -> None:
        """Delete messages for good."""
        for mail in mails:
            mail.gone = True
        self.mails = [mail for mail in self.mails if not mail.gone]


class Session:
    """One session with the client."""

    def __init__(self, drop: Maildrop, wire: Wire, chance: random.Random) -> None:
        self._drop = drop
        self._wire = wire
        self._chance = chance
        self._buffer = bytearray()
        self._count = 0
        self._together = 1
        self._dead = False
        self.numbered = [mail for mail in drop.mails if chance.random() >= mail.hidden]
        self.hides = len(self.numbered) < len(drop.mails)
        self.marked: list[Mail] = []
        self.retrieved: list[Mail] = []
        self.listed: int | None = None
        self.quit_said: str | None = None
        self.committed: list[Mail] = []
        wire.receiver = self
        drop.session = self
        wire.send(b"+OK ready\r\n")

    # -- the wire

    def lost(self) -> None:
        """The connection is gone: nothing is deleted."""
        self._dead = True

    def receive(self, data: bytes) -> None:
        """Take octets of commands, and answer."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\r\n")
        self._buffer = bytearray(rest)
        commands = [line.decode("latin-1").split() for line in lines]
        self._together = len(commands)
        habits = self._drop.habits
        if len(commands) > 1 and habits.pipelining == "loses":
            commands = commands[:1]
        if len(commands) > 1 and habits.pipelining in ("mixes", "swaps"):
            commands = self._mixed(commands)
        for words in commands:
            if self._dead:
                return
            self._command(words)

    def _mixed(self, commands: list[list[str]]) -> list[list[str]]:
        """Mix up the answers to commands that came together, and return the commands that are left."""
        if self._chance.random() < 0.3:
            return commands
        retrievals = [words for words in commands if words and words[0] == "RETR"]
        if self._drop.habits.pipelining == "swaps":
            # Two answers in the wrong order, one of them a message: all in between is shifted.
            for place, words in enumerate(commands[:-1]):
                if words in retrievals and commands[place + 1] not in retrievals:
                    commands[place], commands[place + 1] = commands[place + 1], commands[place]
                    break
            return commands
        if len(retrievals) < 2:
            return commands
        first, second = (self._mail(words) for words in retrievals[:2])
        if first is None or second is None:
            return commands
        # As WildDuck did: the second status line stands inside the first message.
        one, two = first.on_the_wire(), second.on_the_wire()
        middle = one.find(b"\r\n") + 2
        self._wire.send(b"+OK\r\n" + one[:middle] + b"+OK\r\n" + one[middle:] + two)
        return [words for words in commands if words not in retrievals[:2]]

    def _mail(self, words: list[str]) -> Mail | None:
        number = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        if not 1 <= number <= len(self.numbered):
            return None
        mail = self.numbered[number - 1]
        return None if mail in self.marked else mail

    def _say(self, text: str) -> None:
        self._wire.send(text.encode("latin-1") + b"\r\n")

    def _body(self, lines: list[str]) -> None:
        self._wire.send("".join(f"{line}\r\n" for line in ("+OK", *lines, ".")).encode("latin-1"))

    def _over(self) -> None:
        self._dead = True
        self._wire.end(reset=self._chance.random() < 0.3)

    # -- the commands

    def _command(self, words: list[str]) -> None:
        keyword = words[0].upper() if words else ""
        habits = self._drop.habits
        if habits.budget_of == "all" or keyword in ("RETR", "DELE"):
            self._count += 1
        if habits.budget is not None and self._count > habits.budget and keyword != "QUIT":
            self._over()
            return
        answer = getattr(self, f"_{keyword.lower()}", None)
        if answer is None:
            self._say("-ERR unknown command")
        else:
            answer(words)

    def _capa(self, words: list[str]) -> None:
        lines = ["USER", "TOP"]
        if self._drop.habits.uidl != "none":
            lines.append("UIDL")
        if self._drop.habits.pipelining != "none":
            lines.append("PIPELINING")
        self._body(lines)

    def _user(self, words: list[str]) -> None:
        self._say("+OK")

    _pass = _noop = _user

    def _rset(self, words: list[str]) -> None:
        self.marked.clear()
        self._say("+OK")

    def _stat(self, words: list[str]) -> None:
        self._say(f"+OK {len(self.numbered)} {sum(len(mail.content) for mail in self.numbered)}")

    def _present(self) -> list[tuple[int, Mail]]:
        return [(n, mail) for n, mail in enumerate(self.numbered, 1) if mail not in self.marked]

    def _uidl(self, words: list[str]) -> None:
        habits = self._drop.habits
        if habits.uidl != "good":
            self._say("-ERR unknown command")
            return
        if len(words) == 1 or habits.uidl_one == "whole":
            present = self._present()
            lines = []
            for number, mail in present:
                lines.append(f"{number} {mail.uid}")
                if mail.listed_twice:
                    lines.append(f"{number} {mail.uid}again")
                else:
                    mail.names.add(mail.uid)
            if self.listed is None:
                self.listed = len(present)
            self._body(lines)
            return
        mail_or_none = self._mail(words)
        if mail_or_none is None or habits.uidl_one == "refused":
            self._say("-ERR no")
            return
        shown = "" if habits.uidl_one == "numberless" else f"{words[1]} "
        self._say(f"+OK {shown}{mail_or_none.uid}" + ("\r\n." if habits.uidl_one == "dot" else ""))

    def _list(self, words: list[str]) -> None:
        habits = self._drop.habits
        if len(words) == 1:
            if habits.list_all == "refused":
                self._say("-ERR no")
                return
            present = self._present()
            if habits.list_all == "partial":
                present = [(number, mail) for number, mail in present if mail.serial % 3]
            self._body([f"{number} {mail.size}" for number, mail in present])
            return
        mail_or_none = self._mail(words)
        if mail_or_none is None or habits.list_one == "refused":
            self._say("-ERR no")
            return
        self._say(f"+OK {words[1]} {mail_or_none.size}" + ("\r\n." if habits.list_one == "dot" else ""))

    def _retr(self, words: list[str]) -> None:
        mail = self._mail(words)
        if mail is None:
            self._say("-ERR no such message")
            return
        match mail.retr.strike():
            case "refuse":
                self._say(
                    self._chance.choice(("-ERR damaged", "-ERR [SYS/TEMP] later", "-ERR [SYS/PERM] broken"))
                )
            case "close":
                self._over()
            case "close inside":
                self._wire.send(b"+OK\r\n" + mail.on_the_wire()[: self._chance.randrange(60)])
                self._over()
            case "stall":
                self._dead = True
            case "stall inside":
                self._wire.send(b"+OK\r\n" + mail.on_the_wire()[: self._chance.randrange(60)])
                self._dead = True
            case _:
                self.retrieved.append(mail)
                self._wire.send(b"+OK\r\n" + mail.on_the_wire())

    def _top(self, words: list[str]) -> None:
        mail = self._mail(words)
        habits = self._drop.habits
        if mail is None or habits.top == "refused":
            self._say("-ERR no")
            return
        head = mail.content.partition(b"\r\n\r\n")[0]
        stray = b".\r\n" if habits.top == "dot" else b""
        self._wire.send(b"+OK\r\n" + head + b"\r\n\r\n.\r\n" + stray)

    def _dele(self, words: list[str]) -> None:
        mail = self._mail(words)
        if mail is None:
            self._say("-ERR no such message")
            return
        match mail.dele.strike():
            case "refuse":
                self._say("-ERR no")
            case "close":
                self._over()
            case "stall":
                self._dead = True
            case _:
                self.marked.append(mail)
                self._say("+OK")

    def _quit(self, words: list[str]) -> None:
        drop = self._drop
        drop.on_quit(self, self.marked)
        word: Quit = drop.habits.quit.strike() if self.marked else "ok"  # type: ignore[assignment]
        gone = {
            "lies": [],
            "silent": [],
            "refuse": [],
            "close": [],
            "partly": self.marked[: self._chance.randrange(len(self.marked) + 1)],
        }.get(word, list(self.marked))
        self.committed = gone
        drop.remove(gone)
        self._dead = True
        if word in ("silent", "silent done"):
            return
        if word == "refuse":
            self.quit_said = "-ERR"
            self._say("-ERR some deleted messages not removed")
        elif word != "close":
            self.quit_said = "+OK"
            self._say("+OK bye")
        self._wire.end()
