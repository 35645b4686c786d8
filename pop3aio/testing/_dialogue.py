"""One client's connection as hooks and handlers see it: lines in, answers out, and ways to end it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pop3aio._errors import counted
from pop3aio.testing._messages import MessageLike
from pop3aio.testing._wire import Wire

if TYPE_CHECKING:
    from pop3aio.testing._mailbox import Mailbox
    from pop3aio.testing._server import Server

__all__ = ("AUTH_LIMIT", "Dialogue", "Idle", "Refusal")

# RFC 5034 section 4 sets no limit for the lines of an exchange.
AUTH_LIMIT = 128 * 1024


class Refusal(Exception):
    """A command fails; the argument is the text behind `-ERR`."""


class Idle(Exception):
    """The client has sent nothing for longer than the server waits."""


class Dialogue:
    """One connection of a client, as the server sees it.

    Attributes:
        server: the server it belongs to.
        number: which connection to the server it is, from 1.
        commands: the lines received so far, passwords and the lines of an AUTH exchange included; octets that
            are not UTF-8 stand as surrogate escapes.
        user: who logged in, or None.
        removed: the unique-ids of the messages that its QUIT has deleted.
        utf8: whether the client sent UTF8 (RFC 6856) and it was accepted.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.number = 0
        self.commands: list[str] = []
        self.user: str | None = None
        self.removed: list[str] = []
        self.utf8 = False
        self._quirks = server.quirks
        self._named: str | None = None
        self._mailbox: Mailbox | None = None
        self._maildrop: Sequence[tuple[str, MessageLike]] = ()
        self._deleted: set[int] = set()
        self._retrieved: set[int] = set()
        self._keyword = ""
        self._finished = False
        self._then: Literal["close", "reset", "stall"] = "close"
        self._wire = Wire(
            self._connected,
            self._ended,
            forgetful=self._quirks.loses_split_commands,
            # Asked for each time: a test may change it.
            patience=lambda: server.idle_timeout,
        )

    def __repr__(self) -> str:
        return f"<Session user={self.user!r}, {counted(len(self.commands), 'command')}>"

    # For hooks and tests.

    @property
    def secure(self) -> bool:
        """Whether the connection is under TLS."""
        return self._wire.secure

    @property
    def deleted(self) -> list[int]:
        """The message numbers marked as deleted, from 1, ascending."""
        return sorted(self._deleted)

    def write(self, data: bytes) -> None:
        """Send octets as they are, behind all that was written before, at the latest when the caller waits."""
        self._wire.write(data)

    async def drain(self) -> None:
        """Wait until the connection takes more.

        Raises:
            ConnectionResetError: the client is gone; a hook need not catch it.
        """
        await self._wire.drain()

    async def read_line(self) -> str | None:
        """Return the client's next line without its line end, noted in `commands`; None when no more will come."""
        return await self._read(AUTH_LIMIT)

    def close(self) -> None:
        """End the session, deleting nothing; what was written is still sent, then the connection is closed."""
        self._finished = True
        self._wire.close()

    def abort(self) -> None:
        """End the session with a TCP reset, deleting nothing; what is not sent yet is lost."""
        self._finished = True
        self._wire.abort(reset=True)

    def cut(self, octets: int, then: Literal["close", "reset", "stall"] = "close") -> None:
        """Let only so many of the octets out that are written from here on, then end the session.

        Args:
            octets: how many, from 0.
            then: "close" closes the connection, "reset" ends it by a TCP reset, "stall" keeps it open in silence.
        """
        self._then = then
        self._wire.cut(octets)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone, closed by either side; cancelling this changes nothing."""
        await asyncio.shield(self._wire.closed)

    # For the handlers.

    def _line(self, text: str) -> None:
        self._wire.write(text.encode("utf-8", "surrogateescape") + self._quirks.line_end)

    def _ok(self, text: str) -> None:
        self._line("+OK" if self._quirks.terse else f"+OK {text}")

    def _err(self, text: str) -> None:
        self._line("-ERR" if self._quirks.terse else f"-ERR {text}")

    async def _lines(self, lines: Iterable[str]) -> None:
        """Send the lines of a multi-line response and its end."""
        for line in lines:
            self._line(line)
            await self._wire.drain_if_full()
        self._line(".")

    async def _read(self, limit: int) -> str | None:
        try:
            # Also in the middle of a login, which would hold the connection for ever.
            async with asyncio.timeout(self.server.idle_timeout):
                line = await self._wire.read_line(limit)
        except TimeoutError:
            raise Idle from None
        if line is None:
            return None
        text = line.decode("utf-8", "surrogateescape")
        if self.server.record:
            self.commands.append(text)
            self.server.commands.append(text)
        return text

    async def _start_tls(self, announcement: bytes = b"") -> None:
        assert isinstance(self.server.ssl_context, ssl.SSLContext)
        await self._wire.start_tls(self.server.ssl_context, announcement)

    def _release(self, deleted: Iterable[str] = (), popped: Iterable[str] = ()) -> None:
        if self._mailbox is not None:
            self._mailbox.close(deleted, popped=popped)
            self._mailbox = None

    def _ended(self) -> None:
        # A client that reconnects at once must not find the mailbox locked by the session just dropped. A QUIT that was
        # received counts, though: a client may send it and close.
        if self._keyword != "QUIT" and not self._wire.has_received(b"QUIT"):
            self._release()

    def _connected(self) -> None:
        raise NotImplementedError
