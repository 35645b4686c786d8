"""A session from its greeting to QUIT, whatever it is used for."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeAlias

from pop3aio._errors import (
    CommandError,
    CommitUncertain,
    ConcurrencyError,
    ConnectionLost,
    ResponseTimeout,
    TlsError,
    command_error,
)
from pop3aio._session._queue import PATIENCE, CommandQueue
from pop3aio._wire._stream import Stream
from pop3aio._wire._tls import default_ssl_context
from pop3core import (
    BodyChunk,
    BodyEnd,
    Capa,
    Capabilities,
    Command,
    Connection,
    Greeting,
    LimitExceeded,
    Limits,
    LocalProtocolError,
    POP3Error,
    Quit,
    RemoteProtocolError,
    Reply,
    StartTls,
    State,
    Stls,
    parse_capabilities,
)

__all__ = ("Session", "checked_window")

logger = logging.getLogger("pop3aio")

_BEFORE_LOGIN = frozenset({State.GREETING, State.AUTHORIZATION, State.TLS_HANDSHAKE})


def checked_window(window: int) -> int:
    """Return `window`; raises ValueError if it cannot be one."""
    if type(window) is not int or window < 1:
        raise ValueError(f"the window is a count of commands from 1, not {window!r}")
    return window


_Answers: TypeAlias = list[tuple[Reply, bytes]]


class Session:
    """What every session has: greeting, capabilities, TLS, the exchange of commands and answers, and an end."""

    capabilities: Capabilities | None
    """What the server says it can do, as last asked; None where it does not say."""

    greeting: Greeting
    """The server's first line. After STLS it is text that anyone may have written."""

    def __init__(
        self,
        stream: Stream,
        *,
        address: str,
        server_hostname: str | None,
        timeout: float,
        connect_timeout: float,
        window: int,
        limits: Limits,
        bare_lf: bool,
        secure: bool,
        pin: bytes | None = None,
    ) -> None:
        self._stream = stream
        self._address = address
        self._user: str | None = None
        self._pin = pin
        self._core = Connection(limits=limits, secure=secure, bare_lf=bare_lf)
        self._queue = CommandQueue(self._core, stream, timeout)
        self._server_hostname = server_hostname
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._window = checked_window(window)
        self._window_forced = False
        self._closed = False
        self.capabilities = None

    @classmethod
    async def from_streams(
        cls,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        secure: bool = False,
        server_hostname: str | None = None,
        timeout: float = 60.0,
        connect_timeout: float = 30.0,
        window: int = 256,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        bare_lf: bool = False,
    ) -> Self:
        """Start a session on a connection that exists already: a tunnel, a proxy, a test's double.

        `secure` says that it is as good as TLS; `server_hostname` is the name to verify should `start_tls` be
        called. The other arguments, and what is raised, are those of `connect`.
        """
        client = cls(
            Stream(reader, writer),
            address=server_hostname or "",
            server_hostname=server_hostname,
            timeout=timeout,
            connect_timeout=connect_timeout,
            window=window,
            limits=limits,
            bare_lf=bare_lf,
            secure=secure,
        )
        try:
            await client._greet()
            await client.capa()
        except BaseException:
            client.abort()
            raise
        return client

    def __repr__(self) -> str:
        return f"<pop3aio.Client {self._address or 'of streams'} {self._core.state.value}>"

    # -- the session

    @property
    def secure(self) -> bool:
        """Whether the session is under TLS."""
        return self._core.secure

    @property
    def tls_version(self) -> str | None:
        """The TLS version in use, such as ``"TLSv1.3"``, or None."""
        return self._stream.tls_version

    @property
    def account(self) -> str | None:
        """A name for the maildrop, made of user name and host; None before the login."""
        if self._user is None or self._core.state in _BEFORE_LOGIN:
            return None
        return f"{self._user}@{self._address}"

    @property
    def state(self) -> State:
        """The session's state, in RFC 1939's words."""
        return self._core.state

    @property
    def window(self) -> int:
        """How many commands may be in flight: 1, until the server announces PIPELINING; set it to force one."""
        return self._core.window

    @window.setter
    def window(self, value: int) -> None:
        self._core.window = self._window = value
        self._window_forced = True

    def get_extra_info(self, name: str) -> object:
        """Return what the transport knows: ``"peername"``, ``"ssl_object"`` and the like (asyncio's names)."""
        return self._stream.writer.get_extra_info(name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None:
                await self.quit()
        finally:
            self.abort()
            # Let the transport see its end, so that nothing of it outlives this block.
            await self._stream.close(0)

    async def quit(self) -> None:
        """End the session; this is what deletes the messages that were marked (RFC 1939 section 6).

        Returns when the server confirmed it, or at once when the session is over already. Raises CommandError when
        the server refuses, so that some or none are deleted; CommitUncertain when the answer does not come (waited
        for five times the `timeout`) and there was something to delete; and what is wrong with the connection if
        that kept QUIT from being sent while there was something to delete. Cancelling drops the connection: it is
        then unknown whether the messages are deleted.
        """
        if self._closed:
            return
        try:
            await self._quit()
        except (ConcurrencyError, LocalProtocolError):
            # Nothing was sent, and nothing has changed.
            raise
        except BaseException:
            self.abort()
            raise
        self.abort()

    async def _quit(self) -> None:
        failure = self._queue.failure
        if failure is None:
            self._queue.check_free()
            call = None
            try:
                call = self._queue.submit(Quit())
                reply = await self._queue.next_event(call, timeout=PATIENCE * self._timeout)
            except (ConnectionLost, ResponseTimeout, RemoteProtocolError) as error:
                if call is not None and self._queue.marked and not self._core.withdraw(call.handle):
                    raise CommitUncertain(
                        f"no answer to QUIT: it is not known whether the {self._queue.marked} marked messages were "
                        f"deleted ({error})"
                    ) from error
                failure = error
        if failure is not None:
            if self._queue.marked or isinstance(failure, RemoteProtocolError):
                raise failure
            logger.debug("the session had ended before QUIT: %s", failure)
            return
        assert isinstance(reply, Reply)
        self._closed = True
        self._queue.close("the session was ended by quit()")
        await self._stream.close()
        if not reply.ok:
            raise command_error(reply, "QUIT")

    def abort(self, reason: POP3Error | None = None) -> None:
        """Drop the connection at once; nothing is deleted.

        Args:
            reason: what every task that waits for an answer, and every later call, raises. Give it where the answers
                cannot be trusted any more. Without it, they raise ConnectionLost, and `quit` returns at once.
        """
        if reason is not None:
            self._queue.fail(reason)
        elif not self._closed:
            self._closed = True
            self._queue.close("the connection was dropped by abort()")
            self._stream.abort()

    # -- before the login

    async def _greet(self) -> None:
        self.greeting = await self._queue.greeting()
        if not self.greeting.ok:
            raise command_error(self.greeting, "the connection")

    async def capa(self, *, refresh: bool = False) -> Capabilities:
        """Return the server's capabilities, asking for them if they are not known or `refresh` is set (RFC 2449).

        A server that does not answer by ``+OK`` has none that are known: the mapping is empty then, and
        `capabilities` None. Raises what is wrong with the connection. Cancelling loses nothing.
        """
        if self.capabilities is None or refresh:
            try:
                self.capabilities = parse_capabilities(await self._listing(Capa()))
            except CommandError:
                self.capabilities = None
            self._set_window()
        return self.capabilities if self.capabilities is not None else Capabilities({})

    def _set_window(self) -> None:
        if self._window_forced:
            return
        # Only after the login: what a proxy announces before it may not hold for the server behind.
        offered = self.capabilities is not None and self.capabilities.pipelining
        self._core.window = self._window if offered and self._core.state is State.TRANSACTION else 1

    async def start_tls(self, ssl_context: ssl.SSLContext | None = None) -> Capabilities:
        """Continue under TLS by STLS, and return the capabilities as they are then (RFC 2595 section 4).

        Without an `ssl_context`, one that verifies the server's certificate and name is made. Raises CommandError
        when the server refuses STLS, StartTlsInjection when octets came in clear behind its ``+OK``, TlsError when
        the handshake fails; after the last two, and after a cancel, the connection is closed.
        """
        if self._server_hostname is None:
            raise LocalProtocolError("start_tls needs a name to verify: give from_streams a server_hostname")
        self._queue.check_free()
        call = self._queue.submit(Stls())
        try:
            reply = await self._queue.next_event(call)
            assert isinstance(reply, Reply)
            if not reply.ok:
                raise command_error(reply, "STLS")
            event = await self._queue.next_event(call)
            assert isinstance(event, StartTls)
        except BaseException:
            self._queue.release(call)
            raise
        try:
            early = self._stream.poll()
            if early is not None:
                self._core.receive_data(early)
                if not early:
                    raise TlsError(f"{self._server_hostname} closed the connection in the TLS handshake")
            self._core.next_event()
            await self._handshake(ssl_context)
            self._core.tls_established()
        except (RemoteProtocolError, TlsError) as error:
            self._queue.fail(error)
            raise
        except OSError as error:
            lost = TlsError(f"{self._server_hostname} closed the connection before the TLS handshake")
            self._queue.fail(lost)
            raise lost from error
        except BaseException:
            self._queue.fail(ConnectionLost("the TLS handshake was broken off"))
            raise
        self.capabilities = None
        # What was said in clear may be anyone's: an APOP time stamp least of all is to be used (RFC 2595 section 4).
        self.greeting = replace(self.greeting, apop_timestamp=None)
        self._queue.finish(call)
        return await self.capa()

    async def _handshake(self, ssl_context: ssl.SSLContext | None) -> None:
        assert self._server_hostname is not None
        context = ssl_context if ssl_context is not None else default_ssl_context()
        await self._stream.start_tls(context, self._server_hostname, self._connect_timeout, self._pin)

    # -- one command, and many

    async def _plain(self, command: Command) -> Reply:
        return (await self._accepted(command))[0]

    async def _listing(self, command: Command) -> bytes:
        return (await self._accepted(command))[1]

    async def _accepted(self, command: Command) -> tuple[Reply, bytes]:
        """Return the answer to a command; raises CommandError when the server refuses it."""
        reply, body = await self._exchange(command)
        if not reply.ok:
            raise command_error(reply, command.redacted(), self.capabilities)
        return reply, body

    async def _exchange(self, command: Command) -> tuple[Reply, bytes]:
        return (await self._batch([command]))[0]

    async def _batch(self, commands: Iterable[Command]) -> _Answers:
        """Send commands as one batch and collect their answers; a cancel takes back what was not written."""
        self._queue.check_free()
        calls = []
        answers: _Answers = []
        limit = self._core.limits.message_in_memory
        try:
            for command in commands:
                calls.append(self._queue.submit(command))  # noqa: PERF401 - what was sent must be released
            for call in calls:
                reply = await self._queue.next_event(call)
                assert isinstance(reply, Reply)
                chunks = []
                octets = 0
                while not call.done:
                    event = await self._queue.next_event(call)
                    if isinstance(event, BodyChunk):
                        chunks.append(event.data)
                        octets += len(event.data)
                        if octets > limit:
                            error = LimitExceeded(
                                f"the answer to {call.command.redacted()} is longer than {limit} octets"
                            )
                            self._queue.fail(error)
                            raise error
                    else:
                        assert isinstance(event, BodyEnd)
                answers.append((reply, b"".join(chunks)))
        except BaseException:
            for call in reversed(calls):
                self._queue.release(call)
            raise
        return answers
