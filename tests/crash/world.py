"""The world around a run of the command: a maildrop, a relay that knows how far a session is, and the Maildir."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pop3aio.testing import Mailbox, Server
from tests.kit.dovecot import Dovecot

__all__ = ("DovecotDrop", "EmbeddedDrop", "Findings", "Maildrop", "Relay", "Watch", "make_message")

PASSWORD = "password"


def make_message(number: int, chance: random.Random) -> bytes:
    """Return a message like no other; most are small, few are larger than what a writer holds in memory."""
    size = chance.choices(
        (
            chance.randrange(100, 3000),
            chance.randrange(20_000, 100_000),
            chance.randrange(300_000, 1_200_000),
        ),
        (960, 35, 5),
    )[0]
    line = b"." * chance.randrange(3) + chance.randbytes(30).hex().encode() + b" \xe9\r\n"
    return b"Subject: number %d\r\n\r\n" % number + line * (size // len(line) + 1)


class Maildrop(Protocol):
    """A maildrop on a server, which can be looked into from behind."""

    host: str
    port: int
    user: str

    def add(self, message: bytes) -> None:
        """Deliver a message into it."""

    def contents(self) -> list[bytes]:
        """Return what is in it."""


class EmbeddedDrop:
    """A maildrop on the server of `pop3aio.testing`."""

    user = "user"

    def __init__(self, server: Server) -> None:
        self.host, self.port = server.host, server.port
        # Each with a mailbox of its own: the sessions of one server are not to meet.
        self._mailbox = Mailbox()
        server.accounts[self.user] = (PASSWORD, self._mailbox)

    def add(self, message: bytes, uid: str | None = None) -> None:
        """Deliver a message into it."""
        self._mailbox.add(message, uid=uid)

    @property
    def uids(self) -> list[str]:
        """The unique-ids of what is in it."""
        return self._mailbox.uids

    def contents(self) -> list[bytes]:
        """Return what is in it."""
        return [message for message in self._mailbox.messages if isinstance(message, bytes)]


class DovecotDrop:
    """A maildrop of one user on a Dovecot, which is empty at first."""

    def __init__(self, dovecot: Dovecot, user: str) -> None:
        self.host, self.port, self.user = dovecot.host, dovecot.port, user
        self._dovecot = dovecot

    def add(self, message: bytes) -> None:
        """Deliver a message into it."""
        self._dovecot.deliver(message, self.user)

    def contents(self) -> list[bytes]:
        """Return what is in it."""
        maildir = self._dovecot.maildir(self.user)
        return [path.read_bytes() for name in ("new", "cur") for path in (maildir / name).iterdir()]


class Relay:
    """Stands between the command and the server, and sees how far the session is.

    `on_command` is called with each command's keyword before the line is passed on. While `held` is set to an event, a
    RETR waits for that.
    """

    def __init__(self, maildrop: Maildrop) -> None:
        self._maildrop = maildrop
        self._sessions: set[asyncio.Task[None]] = set()
        self.on_command: Callable[[str], None] = lambda keyword: None
        self.held: asyncio.Event | None = None
        self.phase = ""
        self.port = 0

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await self.settled()

    async def settled(self) -> None:
        """Wait until the server has ended every session: what it was to delete is deleted then."""
        # The connection of a process that has just ended may still have to be accepted, in a few turns of the loop.
        for _ in range(5):
            await asyncio.sleep(0)
        while self._sessions:
            ended, _ = await asyncio.wait(self._sessions)
            self._sessions -= ended
            for session in ended:
                session.result()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sessions.add(asyncio.ensure_future(self._session(reader, writer)))

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.phase = "login"
        self.on_command("connect")
        upstream, to_server = await asyncio.open_connection(self._maildrop.host, self._maildrop.port)
        back = asyncio.ensure_future(self._back(upstream, writer))
        with suppress(OSError):
            while line := await reader.readline():
                keyword = line.split()[0].decode().upper() if line.split() else ""
                self.phase = {
                    "UIDL": "listing",
                    "RETR": "bodies",
                    "DELE": "between DELE and QUIT",
                    "QUIT": "between QUIT and its answer",
                }.get(keyword, self.phase)
                self.on_command(keyword)
                if keyword == "RETR" and (held := self.held) is not None:
                    await held.wait()
                to_server.write(line)
        # The command is gone; the server is not, and what it has received it carries out before it closes.
        with suppress(OSError):
            to_server.write_eof()
        await back
        for stream in (to_server, writer):
            stream.close()
            with suppress(OSError):
                await stream.wait_closed()

    async def _back(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = False
        with suppress(OSError):
            while data := await upstream.read(1 << 16):
                if not gone:
                    try:
                        writer.write(data)
                        await writer.drain()
                    except OSError:
                        gone = True
                if self.phase == "between QUIT and its answer":
                    self.phase = "after the answer to QUIT"
        with suppress(OSError):
            writer.write_eof()


@dataclass
class Findings:
    """What was counted."""

    kills: int = 0
    runs: int = 0
    messages: int = 0
    octets: int = 0
    lost: int = 0
    twice: int = 0
    corrupt: int = 0
    not_deleted: int = 0
    """Left on the server though everything was to be deleted."""
    wrongly_deleted: int = 0
    """Gone from the server though everything was to stay."""
    strange: int = 0
    """Left in tmp/ and not to be cleaned up, or journalled though not delivered."""
    swept: int = 0
    """What kills left in tmp/, for the next cleaning."""
    phases: Counter[str] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        faults = (self.lost, self.twice, self.corrupt, self.not_deleted, self.wrongly_deleted, self.strange)
        return not any(faults)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.runs} runs, {self.messages} messages, {self.octets} octets: {self.lost} lost, "
            f"{self.twice} twice, {self.corrupt} corrupt, {self.not_deleted} not deleted, "
            f"{self.wrongly_deleted} wrongly deleted, {self.strange} strange"
        )

    def __add__(self, other: Findings) -> Findings:
        both = {name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        return Findings(**both)


class Watch:
    """Compares what was sent, what is on the server, and what is in the Maildir."""

    def __init__(self, maildrop: Maildrop, folder: Path, *, keep: bool) -> None:
        self.box = folder / "box"
        self.filed = folder / "filed"
        self.filed.mkdir(parents=True)
        self._maildrop = maildrop
        self._keep = keep
        self._sent: Counter[bytes] = Counter()
        self.findings = Findings()

    def send(self, message: bytes) -> None:
        """Have a message delivered to the maildrop."""
        self.expect(message)
        self._maildrop.add(message)

    def expect(self, message: bytes) -> None:
        """Take note that a message was delivered to the maildrop."""
        self._sent[message.replace(b"\r\n", b"\n")] += 1
        self.findings.messages += 1
        self.findings.octets += len(message)

    def stored(self) -> Counter[bytes]:
        """Return the messages in the Maildir and where a mail reader has filed them, with how often they are there."""
        folders = [self.box / "new", self.box / "cur", self.filed]
        return Counter(
            path.read_bytes() for folder in folders if folder.exists() for path in folder.iterdir()
        )

    def file_away(self) -> None:
        """Do what a mail reader does: move mail out of the Maildir."""
        if (self.box / "new").exists():
            for path in (self.box / "new").iterdir():
                path.rename(self.filed / path.name)

    def after_kill(self, journalled: int) -> None:
        """What is gone from the server is in the Maildir; what is in there is whole, and at least what is known."""
        stored = self.stored()
        self._check(self._on_server() + stored)
        self.findings.strange += max(0, journalled - stored.total())

    def at_end(self, journalled: int, swept: int) -> None:
        """Every message is in the Maildir once; `swept` files were in tmp/ before it was cleaned."""
        stored, on_server, findings = self.stored(), self._on_server(), self.findings
        self._check(stored)
        findings.strange += max(0, journalled - stored.total())
        findings.twice += sum(count - 1 for count in stored.values() if count > 1)
        if self._keep:
            findings.wrongly_deleted += (self._sent - on_server).total()
        else:
            findings.not_deleted += on_server.total()
        findings.swept += swept
        if (self.box / "tmp").exists():
            findings.strange += sum(1 for _ in (self.box / "tmp").iterdir())

    def _check(self, there: Counter[bytes]) -> None:
        self.findings.lost += (self._sent - there).total()
        self.findings.corrupt += sum(1 for message in there if message not in self._sent)

    def _on_server(self) -> Counter[bytes]:
        return Counter(message.replace(b"\r\n", b"\n") for message in self._maildrop.contents())
