"""The server: accounts, a listening socket, and the sessions it has accepted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Literal, Self, TypeAlias

from ._certificates import Certificates, make_certificates
from ._mailbox import Mailbox
from ._messages import MessageLike
from ._session import CommandHook, Session
from ._wire import Wire

__all__ = ("Account", "Server")

Account: TypeAlias = str | tuple[str, Mailbox]


class Server:
    """A POP3 server in the running event loop, for tests and demonstrations; an async context manager.

    Leaving the context closes every connection; if a hook raised an exception, the first one is raised again.

    Args:
        messages: what is in `mailbox` at first, or a `Mailbox`.
        users: names with passwords, or with pairs of a password and the user's own `Mailbox`; who has none of
            his own shares `mailbox`. The default is `user` with the password `password`.
        host: the address to listen at.
        port: the port to listen at; 0 takes a free one.
        tls: "none" takes logins in clear; "starttls" offers STLS and takes logins under TLS only; "implicit"
            speaks TLS from the first octet.
        ssl_context: presents the server's certificate; by default one is made with trustme, see `certificates`.
        capabilities: the lines of the CAPA answer, in place of the true ones.
        greeting: the greeting, sent as it is.
        on_command: called with the session, the keyword in upper case and what follows its blank, before each
            command is carried out. It may answer by itself with `session.write`, wait as long as it likes,
            `session.close` or `session.abort`; if it returns True, the server does nothing more about the
            command. Octets that are not UTF-8 stand as surrogate escapes. It may be set anew at any time.

    Attributes:
        host: the address it listens at.
        port: the port it listens at; known once it is started.
        mailbox: the shared mailbox.
        commands: the lines received so far, of all sessions in order, as in `Session.commands`.
        sessions: the sessions accepted so far, open or not.
        certificates: the authority and certificate made for `ssl_context`, or None.

    Raises:
        ValueError: `tls` is not one of the three words, or it is "none" and there is a context.
    """

    def __init__(
        self,
        messages: Iterable[MessageLike] | Mailbox = (),
        *,
        users: Mapping[str, Account] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: Literal["none", "starttls", "implicit"] = "none",
        ssl_context: ssl.SSLContext | None = None,
        capabilities: Iterable[str] | None = None,
        greeting: bytes = b"+OK pop3aio.testing ready\r\n",
        on_command: CommandHook | None = None,
    ) -> None:
        if tls not in ("none", "starttls", "implicit"):
            raise ValueError('tls is "none", "starttls" or "implicit"')
        if tls == "none" and ssl_context is not None:
            raise ValueError('ssl_context needs tls="starttls" or tls="implicit"')
        self.certificates: Certificates | None = None
        if tls != "none" and ssl_context is None:
            self.certificates = make_certificates()
            ssl_context = self.certificates.server_context()
        self.mailbox = messages if isinstance(messages, Mailbox) else Mailbox(messages)
        self.accounts: dict[str, tuple[str, Mailbox]] = {
            name: (account, self.mailbox) if isinstance(account, str) else account
            for name, account in ({"user": "password"} if users is None else users).items()
        }
        self.host = host
        self.port = port
        self.tls = tls
        self.ssl_context = ssl_context
        self.capabilities = None if capabilities is None else list(capabilities)
        self.greeting = greeting
        self.on_command = on_command
        self.commands: list[str] = []
        self.sessions: list[Session] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Server {self.host}:{self.port} tls={self.tls}, {self.connections} connections>"

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return len(self.sessions)

    async def start(self) -> None:
        """Listen and serve, until `aclose`.

        Raises:
            RuntimeError: it is running already.
            OSError: the address is not to be had.
        """
        if self._server is not None:
            raise RuntimeError("the server is running already")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening and drop every connection; it is safe to call twice.

        Raises:
            Exception: the first one that a hook raised.
        """
        server, self._server = self._server, None
        if server is not None:
            # asyncio drops a connection on the floor, open, if its server is closed between the accept and
            # connection_made, which come one turn of the loop after another.
            with contextlib.suppress(NotImplementedError):
                for listener in server.sockets:
                    asyncio.get_running_loop().remove_reader(listener.fileno())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            server.close()
            for task in self._tasks:
                task.cancel()
            while self._tasks:
                await asyncio.wait(self._tasks)
            for session in self.sessions:
                session._wire.abort()
                await session.wait_closed()
            await server.wait_closed()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except Exception:
            # What ended the caller's block is nearer to the cause than what a hook made of it.
            if error is None:
                raise

    def _protocol(self) -> Wire:
        return Session(self)._wire

    def _accepted(self, session: Session) -> None:
        self.sessions.append(session)
        task = asyncio.get_running_loop().create_task(session._run())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()
