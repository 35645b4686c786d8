"""Faults in few words: what a server does wrong, at which command, how often."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pop3aio.testing._dialogue import Dialogue

__all__ = ("Answer", "CommandFault", "Cut", "Refuse")


@dataclass(frozen=True, eq=False)
class CommandFault(ABC):
    """Something that goes wrong at a command.

    Args:
        at: the command: its keyword (`"RETR"`), or all of it (`"RETR 2"`); `"connect"` stands for the moment at which
            the greeting is due.
        times: how often it happens, over all sessions; the default is always.
    """

    at: str
    times: int | None = field(default=None, kw_only=True)

    def concerns(self, keyword: str, argument: str) -> bool:
        """Return whether it happens at this command."""
        return self.at in (keyword, f"{keyword} {argument}")

    @abstractmethod
    def happen(self, session: Dialogue) -> bool:
        """Let it happen; returns whether the server shall do nothing more about the command."""


@dataclass(frozen=True, eq=False)
class Refuse(CommandFault):
    """The command is answered by `-ERR`.

    Args:
        text: what follows it, response code included.
    """

    text: str = "[SYS/TEMP] try again later"

    def happen(self, session: Dialogue) -> bool:
        session.write(f"-ERR {self.text}\r\n".encode())
        return True


@dataclass(frozen=True, eq=False)
class Answer(CommandFault):
    """The command is not carried out; these octets are the answer, whatever they are.

    Args:
        octets: all of them, line ends included; none is silence.
    """

    octets: bytes

    def happen(self, session: Dialogue) -> bool:
        session.write(self.octets)
        return True


@dataclass(frozen=True, eq=False)
class Cut(CommandFault):
    """The connection fails at the command, or within its answer.

    Args:
        after: how many octets of the answer still come; None: the command is not even carried out. So
            `Cut("QUIT")` deletes nothing, and `Cut("QUIT", after=0)` deletes and says nothing.
        how: "close" closes the connection, "reset" ends it by a TCP reset, "stall" keeps it open in silence.
    """

    after: int | None = None
    how: Literal["close", "reset", "stall"] = "close"

    def happen(self, session: Dialogue) -> bool:
        session.cut(self.after or 0, self.how)
        if self.after is None:
            # Whatever is written first is what cannot be written.
            session.write(b"")
        return False
