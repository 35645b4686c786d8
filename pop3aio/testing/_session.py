"""What a POP3 server answers: one client's commands, from the greeting to QUIT (RFC 1939, 2449, 2595, 5034)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ._messages import MessageLike, octets, stuff, top, wire_chunks
from ._wire import LineTooLong, Wire

if TYPE_CHECKING:
    from ._mailbox import Mailbox
    from ._server import Server

__all__ = ("CommandHook", "Session")

# RFC 2449 section 4 counts the CRLF; RFC 5034 section 4 sets no limit for the lines of an exchange.
COMMAND_LIMIT = 255
AUTH_LIMIT = 128 * 1024


class Refusal(Exception):
    """A command fails; the argument is the text behind `-ERR`."""


class Session:
    """One connection of a client, as the server sees it.

    Attributes:
        server: the server it belongs to.
        commands: the lines received so far, passwords and the lines of an AUTH exchange included; octets that
            are not UTF-8 stand as surrogate escapes.
        user: who logged in, or None.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.commands: list[str] = []
        self.user: str | None = None
        self._named: str | None = None
        self._mailbox: Mailbox | None = None
        self._maildrop: Sequence[tuple[str, MessageLike]] = ()
        self._deleted: set[int] = set()
        self._keyword = ""
        self._finished = False
        self._wire = Wire(self._connected, self._ended)

    def __repr__(self) -> str:
        return f"<Session user={self.user!r}, {len(self.commands)} commands>"

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

    async def wait_closed(self) -> None:
        """Wait until the connection is gone, whoever closed it; cancelling this changes nothing."""
        await asyncio.shield(self._wire.closed)

    # The life of the session.

    def _connected(self) -> None:
        self.server._accepted(self)

    def _ended(self) -> None:
        # Who reconnects at once must not find the mailbox locked by the session just dropped. A QUIT that was
        # received counts, though: a client may send it and close.
        if self._keyword != "QUIT" and not self._wire.has_received(b"QUIT"):
            self._release()

    def _release(self, deleted: Iterable[str] = ()) -> None:
        if self._mailbox is not None:
            self._mailbox.close(deleted)
            self._mailbox = None

    async def _run(self) -> None:
        try:
            if self.server.tls == "implicit":
                await self._start_tls()
            self._wire.write(self.server.greeting)
            while not self._finished:
                try:
                    line = await self._read(COMMAND_LIMIT)
                except LineTooLong:
                    self._wire.write(b"-ERR line too long\r\n")
                    continue
                if line is None:
                    break
                keyword, _, argument = line.partition(" ")
                await self._execute(keyword.upper(), argument)
                await self._wire.drain_if_full()
        except (ConnectionError, ssl.SSLError, LineTooLong):
            # The client is gone, its handshake failed, or it floods an AUTH exchange.
            self._wire.abort()
        except BaseException:
            self._wire.abort()
            raise
        finally:
            self._finished = True
            self._release()
            self._maildrop = ()
            self._wire.close()

    async def _read(self, limit: int) -> str | None:
        line = await self._wire.read_line(limit)
        if line is None:
            return None
        text = line.decode("utf-8", "surrogateescape")
        self.commands.append(text)
        self.server.commands.append(text)
        return text

    async def _start_tls(self, announcement: bytes = b"") -> None:
        assert isinstance(self.server.ssl_context, ssl.SSLContext)
        await self._wire.start_tls(self.server.ssl_context, announcement)

    async def _execute(self, keyword: str, argument: str) -> None:
        self._keyword = keyword
        hook = self.server.on_command
        if hook is not None and await hook(self, keyword, argument):
            return
        handlers = _AUTHORIZATION if self.user is None else _TRANSACTION
        handler = handlers.get(keyword)
        try:
            if handler is None:
                known = keyword in _AUTHORIZATION or keyword in _TRANSACTION
                raise Refusal("not in this state" if known else "unknown command")
            await handler(self, argument)
        except Refusal as refusal:
            self._wire.write(b"-ERR %s\r\n" % str(refusal).encode())

    def _ok(self, text: str) -> None:
        self._wire.write(b"+OK %s\r\n" % text.encode())

    # AUTHORIZATION state.

    @property
    def _may_login(self) -> bool:
        return self.secure or self.server.tls == "none"

    async def _capa(self, argument: str) -> None:
        self._ok("capability list follows")
        for line in self._capabilities():
            self._wire.write(line.encode() + b"\r\n")
        self._wire.write(b".\r\n")

    def _capabilities(self) -> Iterable[str]:
        if self.server.capabilities is not None:
            return self.server.capabilities
        lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
        lines.append("IMPLEMENTATION pop3aio-testing")
        if self._may_login:
            lines += ["USER", "SASL PLAIN"]
        if self.server.tls == "starttls" and not self.secure and self.user is None:
            lines.append("STLS")
        return lines

    async def _stls(self, argument: str) -> None:
        if self.server.tls != "starttls" or self.secure:
            raise Refusal("TLS is not to be had here")
        self._named = None
        await self._start_tls(b"+OK begin TLS\r\n")

    async def _user(self, argument: str) -> None:
        self._demand_login_allowed()
        if not argument:
            raise Refusal("USER needs a name")
        self._named = argument
        self._ok("send PASS")

    async def _pass(self, argument: str) -> None:
        self._demand_login_allowed()
        name, self._named = self._named, None
        if name is None:
            raise Refusal("USER first")
        self._login(name, argument)

    async def _auth(self, argument: str) -> None:
        self._demand_login_allowed()
        mechanism, separator, response = argument.partition(" ")
        if mechanism.upper() != "PLAIN":
            raise Refusal("mechanism not supported")
        if not separator:
            self._wire.write(b"+ \r\n")
            line = await self._read(AUTH_LIMIT)
            if line is None:
                self.close()
                return
            if line == "*":
                raise Refusal("AUTH cancelled")
            response = line
        try:
            identity, name, password = base64.b64decode(response, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            raise Refusal("malformed response") from None
        if identity not in ("", name):
            raise Refusal("[AUTH] no one may act for another")
        self._login(name, password)

    def _demand_login_allowed(self) -> None:
        if not self._may_login:
            raise Refusal("[AUTH] STLS first")

    def _login(self, name: str, password: str) -> None:
        account = self.server.accounts.get(name)
        if account is None or account[0] != password:
            raise Refusal("[AUTH] wrong name or password")
        maildrop = account[1].open()
        if maildrop is None:
            raise Refusal("[IN-USE] another session has this mailbox open")
        self.user, self._mailbox, self._maildrop = name, account[1], maildrop
        self._ok(f"{len(maildrop)} messages")

    async def _leave(self, argument: str) -> None:
        self._ok("bye")
        self.close()

    # TRANSACTION state.

    def _message(self, argument: str) -> tuple[int, str, MessageLike]:
        if not (argument.isascii() and argument.isdigit() and len(argument) < 20):
            raise Refusal("a message number is expected")
        number = int(argument)
        if not 0 < number <= len(self._maildrop) or number in self._deleted:
            raise Refusal("no such message")
        return number, *self._maildrop[number - 1]

    def _live(self) -> Iterable[tuple[int, str, MessageLike]]:
        for number, (uid, message) in enumerate(self._maildrop, 1):
            if number not in self._deleted:
                yield number, uid, message

    async def _stat(self, argument: str) -> None:
        sizes = [octets(message) for _, _, message in self._live()]
        self._ok(f"{len(sizes)} {sum(sizes)}")

    async def _list(self, argument: str) -> None:
        await self._listing(argument, lambda number, uid, message: f"{number} {octets(message)}")

    async def _uidl(self, argument: str) -> None:
        await self._listing(argument, lambda number, uid, message: f"{number} {uid}")

    async def _listing(self, argument: str, line: Callable[[int, str, MessageLike], str]) -> None:
        if argument:
            self._ok(line(*self._message(argument)))
            return
        self._ok("listing follows")
        for entry in self._live():
            self._wire.write(line(*entry).encode() + b"\r\n")
            await self._wire.drain_if_full()
        self._wire.write(b".\r\n")

    async def _retr(self, argument: str) -> None:
        _, _, message = self._message(argument)
        self._ok(f"{octets(message)} octets")
        await self._body(wire_chunks(message))

    async def _top(self, argument: str) -> None:
        number, _, lines = argument.partition(" ")
        _, _, message = self._message(number)
        if not (lines.isascii() and lines.isdigit() and len(lines) < 20):
            raise Refusal("a number of lines is expected")
        self._ok("the top follows")
        await self._body(top(wire_chunks(message), int(lines)))

    async def _body(self, chunks: Iterable[bytes]) -> None:
        for chunk in stuff(chunks):
            self._wire.write(chunk)
            await self._wire.drain_if_full()
        self._wire.write(b".\r\n")

    async def _dele(self, argument: str) -> None:
        number, _, _ = self._message(argument)
        self._deleted.add(number)
        self._ok(f"message {number} marked")

    async def _noop(self, argument: str) -> None:
        self._ok("nothing done")

    async def _rset(self, argument: str) -> None:
        self._deleted.clear()
        self._ok(f"{len(self._maildrop)} messages")

    async def _update(self, argument: str) -> None:
        # The lock is gone before the answer is out: who has read it may log in again.
        self._release([self._maildrop[number - 1][0] for number in self._deleted])
        await self._leave(argument)


CommandHook: TypeAlias = Callable[[Session, str, str], Awaitable[bool | None]]
_Handlers: TypeAlias = Mapping[str, Callable[[Session, str], Awaitable[None]]]

_AUTHORIZATION: _Handlers = {
    "CAPA": Session._capa,
    "STLS": Session._stls,
    "USER": Session._user,
    "PASS": Session._pass,
    "AUTH": Session._auth,
    "QUIT": Session._leave,
}
_TRANSACTION: _Handlers = {
    "CAPA": Session._capa,
    "STAT": Session._stat,
    "LIST": Session._list,
    "UIDL": Session._uidl,
    "RETR": Session._retr,
    "TOP": Session._top,
    "DELE": Session._dele,
    "NOOP": Session._noop,
    "RSET": Session._rset,
    "QUIT": Session._update,
}
