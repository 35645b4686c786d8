"""What a POP3 server does with one client, from the greeting to QUIT (RFC 1939, 2449, 2595, 5034, 6856)."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from pop3aio.testing._authorization import Authorization
from pop3aio.testing._dialogue import AUTH_LIMIT, Dialogue, Idle, Refusal
from pop3aio.testing._transaction import Transaction
from pop3aio.testing._wire import Cut, LineTooLong

__all__ = ("CommandHook", "Session")

# RFC 2449 section 4 counts the CRLF.
COMMAND_LIMIT = 255


class Session(Authorization, Transaction):
    __doc__ = Dialogue.__doc__

    def _connected(self) -> None:
        self.server._accepted(self)

    async def _run(self) -> None:
        try:
            try:
                await self._serve()
            except Cut:
                await self._fall_silent()
            except Idle:
                self._wire.write(self._quirks.idle_notice)
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

    async def _serve(self) -> None:
        if self.server.tls == "implicit":
            await self._start_tls()
        if not self._strike("connect", ""):
            self._wire.write(self.server.greeting)
        errors = 0
        while not self._finished:
            try:
                line = await self._read(COMMAND_LIMIT)
            except LineTooLong:
                self._err("line too long")
                # A client that only sends must not make answers pile up.
                await self._wire.drain_if_full()
                continue
            if line is None:
                break
            keyword, _, argument = line.partition(" ")
            errors += not await self._execute(keyword.upper(), argument)
            if errors == self._quirks.closes_after_errors:
                break
            await self._wire.drain_if_full()

    async def _fall_silent(self) -> None:
        if self._then == "reset":
            self._wire.abort(reset=True)
        while self._then == "stall" and await self._wire.read_line(AUTH_LIMIT) is not None:
            pass

    def _strike(self, keyword: str, argument: str) -> bool:
        """Let the faults happen that are due; return whether one of them has taken the command over."""
        return any(fault.happen(self) for fault in self.server._due(keyword, argument))

    async def _execute(self, keyword: str, argument: str) -> bool:
        """Carry a command out; return False if it was refused."""
        self._keyword = keyword
        if self.server.faults and self._strike(keyword, argument):
            return True
        hook = self.server.on_command
        if hook is not None and await hook(self, keyword, argument):
            return True
        login = self.user is None and keyword in _LOGINS
        try:
            await self._handler(keyword)(self, argument)
        except Refusal as refusal:
            self._err(str(refusal))
            if login and self._quirks.closes_on_refused_login:
                self.close()
            return False
        return True

    def _handler(self, keyword: str) -> Callable[[Session, str], Awaitable[None]]:
        if keyword not in self._quirks.missing:
            handler = (_AUTHORIZATION if self.user is None else _TRANSACTION).get(keyword)
            if handler is not None:
                return handler
            if keyword in _AUTHORIZATION or keyword in _TRANSACTION:
                raise Refusal("not in this state")
        raise Refusal(self._quirks.unknown)


CommandHook: TypeAlias = Callable[[Session, str, str], Awaitable[bool | None]]
_Handlers: TypeAlias = Mapping[str, Callable[[Session, str], Awaitable[None]]]

_LOGINS = frozenset({"PASS", "APOP", "AUTH"})

_AUTHORIZATION: _Handlers = {
    "CAPA": Session._capa,
    "STLS": Session._stls,
    "USER": Session._user,
    "PASS": Session._pass,
    "APOP": Session._apop,
    "AUTH": Session._auth,
    "UTF8": Session._utf8,
    "LANG": Session._lang,
    "QUIT": Session._leave,
}
_TRANSACTION: _Handlers = {
    "CAPA": Session._capa,
    "LANG": Session._lang,
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
