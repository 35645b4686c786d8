"""The server: accounts, a listening socket, and the sessions it has accepted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import pop3aio
from pop3aio._errors import counted
from pop3aio.testing._certificates import Certificates, make_certificates
from pop3aio.testing._faults import CommandFault
from pop3aio.testing._mailbox import Mailbox
from pop3aio.testing._messages import MessageLike
from pop3aio.testing._profiles import find_quirks
from pop3aio.testing._quirks import Quirks
from pop3aio.testing._sasl import MECHANISMS
from pop3aio.testing._session import CommandHook, Session
from pop3aio.testing._thread import ServerThread
from pop3aio.testing._wire import Wire, stop_listening

__all__ = ("Account", "Server")

Account: TypeAlias = str | tuple[str, Mailbox]


class Server:
    """A POP3 server for tests and demonstrations.

    `async with Server(...)` runs it in the running event loop; `with Server(...)` in a thread and a loop of its own,
    for code that is not asyncio's. Leaving the context closes every connection; if a hook raised an exception, the
    first one is raised again. What it tells may be asked in any thread.

    Args:
        messages: what is in `mailbox` at first, or a `Mailbox`.
        users: names with passwords, or with pairs of a password and the user's own `Mailbox`; a user without one
            shares `mailbox`. The default is `user` with the password `password`. A password is also good as
            a token of OAuth.
        host: the address to listen at.
        port: the port to listen at; 0 takes a free one.
        tls: "none" takes logins in clear; "starttls" offers STLS and takes logins under TLS only; "implicit"
            speaks TLS from the first octet.
        ssl_context: presents the server's certificate; by default one is made with trustme, see `certificates`.
        capabilities: the lines of the CAPA answer, in place of the true ones.
        sasl: the mechanisms that AUTH takes: PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2,
            OAUTHBEARER. The default is PLAIN.
        utf8: whether UTF8 is offered, and non-ASCII user names (RFC 6856 section 2).
        languages: the tags that LANG takes, the default language first (RFC 6856 section 3); the texts stay English.
        greeting: the greeting, sent as it is; APOP works if it has a time stamp such as `<1896.697@example.com>`.
        quirks: a server to be like: a name in `PROFILES`, or `Quirks`.
        faults: what goes wrong, see `Refuse`, `Answer` and `Cut`.
        idle_timeout: a session ends, deleting nothing, when its client has sent nothing for so many seconds, or has
            taken nothing of what was sent to it; None is never. Either way the server holds no more than some 400 KiB
            for a client that does not read, and reads no further commands until it does.
        on_command: called with the session, the keyword in upper case and what follows its blank, before each
            command is carried out. It may answer by itself with `session.write`, wait as long as it likes,
            `session.close` or `session.abort`; if it returns True, the server does nothing more about the
            command. Octets that are not UTF-8 stand as surrogate escapes.
        record: whether `commands` and `sessions` are kept; a server that runs for ever should not.

    Attributes:
        host: the address it listens at.
        port: the port it listens at; known once it is started.
        mailbox: the shared mailbox.
        commands: the lines received so far, of all sessions in order, as in `Session.commands`.
        sessions: the sessions accepted so far, open or not; without `record` those that are open.
        connections: how many connections were accepted so far.
        certificates: the authority and certificate made for `ssl_context`, or None.
        faults: may be changed at any time, as may `on_command`.

    Raises:
        ValueError: `tls` is not one of the three words, or it is "none" and there is a context; there is no such
            mechanism, or no such profile.
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
        sasl: Sequence[str] | None = None,
        utf8: bool = False,
        languages: Sequence[str] = (),
        greeting: bytes | None = None,
        quirks: str | Quirks | None = None,
        faults: Iterable[CommandFault] = (),
        idle_timeout: float | None = None,
        on_command: CommandHook | None = None,
        record: bool = True,
    ) -> None:
        _check_tls(tls, ssl_context)
        self.quirks: Quirks = find_quirks(quirks)
        self.sasl: tuple[str, ...] = self.quirks.sasl if sasl is None else tuple(sasl)
        if unknown := set(self.sasl) - MECHANISMS.keys():
            raise ValueError(f"{min(unknown)} is no mechanism here; these are: {', '.join(MECHANISMS)}")
        self.certificates: Certificates | None = None
        if tls != "none" and ssl_context is None:
            self.certificates = make_certificates()
            ssl_context = self.certificates.server_context()
        self.mailbox: Mailbox = messages if isinstance(messages, Mailbox) else Mailbox(messages)
        self.accounts: dict[str, tuple[str, Mailbox]] = _with_mailboxes(users, self.mailbox)
        self.host = host
        self.port: int = port
        self.tls = tls
        self.ssl_context = ssl_context
        self.capabilities: list[str] | None = None if capabilities is None else list(capabilities)
        self.utf8: bool = utf8 or self.quirks.utf8
        self.languages: tuple[str, ...] = tuple(languages)
        self.greeting: bytes = self.quirks.greeting if greeting is None else greeting
        self.faults: Sequence[CommandFault] = list(faults)
        self.idle_timeout = idle_timeout
        self.on_command = on_command
        self.record = record
        self.commands: list[str] = []
        self.sessions: list[Session] = []
        self.connections: int = 0
        self._happened: Counter[CommandFault] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._thread: ServerThread | None = None

    def __repr__(self) -> str:
        return f"<Server {self.host}:{self.port} tls={self.tls}, {counted(self.connections, 'connection')}>"

    def add(self, message: MessageLike, *, uid: str | None = None) -> str:
        """Put a message into `mailbox` and return its unique-id, see `Mailbox.add`."""
        return self.mailbox.add(message, uid=uid)

    @contextlib.asynccontextmanager
    async def client(
        self, user: str | None = None, password: str | None = None, **options: Any
    ) -> AsyncIterator[pop3aio.Client]:
        """Connect to the server, in any loop, and log in; ends as `pop3aio.connect` does.

        Args:
            user: the user's name; the default is the first one.
            password: the default is the right one.
            options: what `pop3aio.connect` takes.
        """
        name = next(iter(self.accounts)) if user is None else user
        word = self.accounts[name][0] if password is None else password
        if self.certificates is not None:
            options = {
                "ssl_context": self.certificates.client_context(),
                "server_hostname": "localhost",
                **options,
            }
        async with pop3aio.connect(self.host, self.port, tls=self.tls, **options) as client:
            await client.login(name, word, allow_insecure=self.tls == "none")
            yield client

    async def start(self) -> None:
        """Listen and serve, until `aclose`.

        Raises:
            RuntimeError: it is running already.
            OSError: it cannot listen at this address.
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
            await stop_listening(server)
            for task in self._tasks:
                task.cancel()
            while self._tasks:
                await asyncio.wait(self._tasks)
            for session in list(self.sessions):
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

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        self._thread = ServerThread(self)
        try:
            self._thread.start_serving()
        except BaseException:
            self._thread = None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._thread is not None
        thread, self._thread = self._thread, None
        try:
            thread.stop_serving()
        except Exception:
            if error is None:
                raise

    def wait_until_idle(self, timeout: float = 10.0) -> None:
        """Wait until no session is open: what clients did without saying QUIT is then done, too.

        It is for a server that runs in a thread of its own. Raises TimeoutError after so many seconds.
        """
        assert self._thread is not None, "this is for `with Server(...)`"
        self._thread.run(self._idle(), timeout)

    async def _idle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
        for session in list(self.sessions):
            await session.wait_closed()

    def _protocol(self) -> Wire:
        return Session(self)._wire

    def _due(self, keyword: str, argument: str) -> Iterator[CommandFault]:
        """Return the faults that are to happen at a command, and count them."""
        for fault in self.faults:
            if fault.concerns(keyword, argument) and self._happened[fault] != fault.times:
                self._happened[fault] += 1
                yield fault

    def _accepted(self, session: Session) -> None:
        self.connections += 1
        session.number = self.connections
        self.sessions.append(session)
        if not self.record:
            session._wire.closed.add_done_callback(lambda _: self.sessions.remove(session))
        task = asyncio.get_running_loop().create_task(session._run())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()


def _check_tls(tls: str, ssl_context: ssl.SSLContext | None) -> None:
    if tls not in ("none", "starttls", "implicit"):
        raise ValueError('tls is "none", "starttls" or "implicit"')
    if tls == "none" and ssl_context is not None:
        raise ValueError('ssl_context needs tls="starttls" or tls="implicit"')


def _with_mailboxes(users: Mapping[str, Account] | None, shared: Mailbox) -> dict[str, tuple[str, Mailbox]]:
    """Return password and mailbox of each user; a user without a mailbox gets the shared one."""
    return {
        name: (account, shared) if isinstance(account, str) else account
        for name, account in ({"user": "password"} if users is None else users).items()
    }
