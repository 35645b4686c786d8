"""A session from its greeting to QUIT, whatever it is used for."""

# How it works. The core (`Connection`) knows the state of the protocol, the queue knows the callers, the stream has
# the octets; this class joins the three, and adds what concerns the session as a whole: the greeting, the
# capabilities, the change to TLS, and the two ways to end.
#
# Invariants:
# - `_closed` is set once, by `quit` or `abort`; from then on the queue refuses every command with the reason.
# - Stream, queue and core belong to this session alone, and are never replaced. Under STLS the stream replaces its own
#   reader and writer.
# - The window is 1 until the login: a proxy may announce what the server behind it cannot do.

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self, Unpack

from pop3aio._errors import (
    CommandError,
    CommitUncertain,
    ConcurrencyError,
    ConnectionLost,
    ResponseTimeout,
    command_error,
)
from pop3aio._options import (
    Options,
    StreamOptions,
    check_type,
    checked_seconds,
    checked_window,
    shows_options,
    with_changes,
)
from pop3aio._session._call import Check
from pop3aio._session._collect import collect_all
from pop3aio._session._deadline import PATIENCE, Clock
from pop3aio._session._queue import CommandQueue
from pop3aio._session._stls import upgrade
from pop3aio._wire._channel_binding import channel_binding
from pop3aio._wire._stream import Stream
from pop3aio._wire._tls import shared_ssl_context
from pop3core import (
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
    State,
    UnsolicitedResponse,
    parse_capabilities,
    sasl,
)

__all__ = ("Session",)

logger = logging.getLogger("pop3aio")

_BEFORE_LOGIN = frozenset({State.GREETING, State.AUTHORIZATION, State.TLS_HANDSHAKE})


class Session:
    """What every session has: greeting, capabilities, TLS, the exchange of commands and answers, and an end."""

    capabilities: Capabilities | None
    """What the server says it can do, as last asked; None where it does not say."""

    greeting: Greeting
    """The server's first line. It may have been forged where TLS began after it."""

    def __init__(
        self,
        stream: Stream,
        options: Options,
        *,
        address: str,
        secure: bool,
        clock: Clock | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._options = options
        self._address = address
        self._user: str | None = None
        self._core = Connection(limits=options.limits, secure=secure, bare_lf=options.bare_lf)
        self._queue = CommandQueue(self._core, stream, options.timeout, clock)
        self._window = options.window
        self._window_forced = False
        self._closed = False
        self.capabilities = None

    @classmethod
    @shows_options(StreamOptions)
    async def from_streams(
        cls,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        secure: bool = False,
        options: Options | None = None,
        **changes: Unpack[StreamOptions],
    ) -> Self:
        """Start a session on a connection that exists already: a tunnel, a proxy, a test's double.

        Args:
            reader: the receiving half; its task is the client's from now on.
            writer: the sending half.
            secure: whether the connection is as good as TLS already.
            options: how to go on, instead of the defaults. How to connect is not asked for.
            changes: single options, in place of those of `options`. `server_hostname` is the name to verify should
                `start_tls` be called.

        Raises:
            POP3Error: what `connect` raises once there is a connection.
            TypeError, ValueError: an option cannot be what it is.

        Cancelling drops the connection.
        """
        if other := changes.keys() - StreamOptions.__annotations__.keys():
            raise TypeError(
                f"from_streams() has no option {sorted(other)[0]!r}: there is a connection already"
            )
        if type(secure) is not bool:
            raise TypeError(f"secure is True or False, not {secure!r}")
        chosen = with_changes(options, changes)
        return await cls.begin(
            Stream(reader, writer), chosen, address=chosen.server_hostname or "", secure=secure
        )

    @classmethod
    async def begin(
        cls,
        stream: Stream,
        options: Options,
        *,
        address: str,
        secure: bool,
        handshake: bool = False,
        clock: Clock | None = None,
    ) -> Self:
        """Start a session on a stream: the greeting, and the capabilities. `connect` and `from_streams` call this.

        Args:
            stream: the connection.
            options: how to go on; `server_hostname` is the certificate's name.
            address: the server's part of the name of the account.
            secure: whether the octets travel under TLS, once the `handshake` is done.
            handshake: whether TLS starts before the greeting.
            clock: what tells the time, if not the running loop.

        Raises what `connect` does; then, and after a cancel, nothing is left open.
        """
        if options.record is not None:
            stream = options.record.tap(stream)
        client = cls(stream, options, address=address, secure=secure, clock=clock)
        try:
            if handshake:
                await client._handshake(options.context or await shared_ssl_context())
            client.greeting = await client._queue.greeting()
            client._queue.pump.stage = "login"
            if not client.greeting.ok:
                raise command_error(client.greeting, "the connection")
            await client._learn()
        except BaseException:
            await client.drop()
            raise
        return client

    def __repr__(self) -> str:
        return f"<pop3aio.Client {self._address or 'of streams'} {self.state.value}>"

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
        """The session's state, in RFC 1939's words; ERROR once an answer showed that the server is wrong."""
        if isinstance(self._queue.pump.failed, RemoteProtocolError | sasl.ServerNotAuthenticated):
            # The core has read a +OK and gone on; what was wrong with it was found here.
            return State.ERROR
        return self._core.state

    @property
    def limits(self) -> Limits:
        """How much the server may send; see `Limits`."""
        return self._core.limits

    @property
    def window(self) -> int:
        """How many commands may be in flight: 1, until the server announces PIPELINING; set it to force one."""
        return self._core.window

    @window.setter
    def window(self, value: int) -> None:
        self._core.window = self._window = checked_window(value)
        self._window_forced = True

    @property
    def timeout(self) -> float:
        """Seconds for a status line, and for each piece of an answer; set it to wait longer or shorter from now on."""
        return self._queue.pump.timeout

    @timeout.setter
    def timeout(self, value: float) -> None:
        self._queue.pump.timeout = checked_seconds("timeout", value)

    def channel_binding(self, *, end_point: bool = False) -> tuple[str, bytes] | None:
        """Return the type and data that a login can be bound to, or None where there is none (RFC 5056).

        Args:
            end_point: whether to bind to the server's certificate if there is nothing better, as under TLS 1.3.
        """
        return channel_binding(self._stream.writer, end_point=end_point)

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
            await self.drop()

    async def drop(self) -> None:
        """Drop the connection, and let the transport see its end, so that nothing of it is left."""
        self.abort()
        await self._stream.close(0)

    async def quit(self) -> None:
        """End the session; this is what deletes the messages that were marked (RFC 1939 section 6).

        It returns when the server has confirmed it, or at once when the session is over already. The answer is waited
        for five times as long as `timeout` says, since the server deletes files meanwhile.

        Raises:
            CommandError: the server refuses; some or none of the messages are deleted.
            CommitUncertain: there was something to delete, QUIT was sent, and the answer did not come.
            POP3Error: what is wrong with the connection, if QUIT was not sent and there was something to delete.

        Cancelling drops the connection: it is then unknown whether the messages are deleted.
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
                reply = await self._queue.next_event(call, timeout=PATIENCE * self.timeout)
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
        if reason is not None and not isinstance(reason, POP3Error):
            raise TypeError(f"reason is a POP3Error for later calls to raise, or None, not {reason!r}")
        try:
            if reason is not None:
                self._queue.fail(reason)
            elif not self._closed:
                self._closed = True
                self._queue.close("the connection was dropped by abort()")
                self._stream.abort()
        except RuntimeError:
            # A closed loop has no task left that could be woken.
            if not self._loop.is_closed():
                raise

    # -- before the login

    async def capa(self, *, refresh: bool = False) -> Capabilities:
        """Return the server's capabilities, asking for them if they are not known or `refresh` is set (RFC 2449).

        Args:
            refresh: whether to ask again.

        Returns:
            The capabilities; an empty mapping if the server refuses to tell, or must not be asked (the option
            ``capa=False``). `capabilities` is None then.

        Raises:
            POP3Error: what is wrong with the connection.

        Cancelling loses nothing.
        """
        if self._options.capa and (self.capabilities is None or refresh):
            try:
                self.capabilities = parse_capabilities(await self._ask_body(Capa()))
            except CommandError:
                self.capabilities = None
            self._set_window()
        return self.capabilities if self.capabilities is not None else Capabilities({})

    async def _learn(self) -> Capabilities:
        """Ask for the capabilities as a part of connecting or of a login; an error says if it was CAPA that failed."""
        self._queue.check_usable()
        try:
            return await self.capa(refresh=True)
        except (ConnectionLost, ResponseTimeout, RemoteProtocolError) as error:
            # What breaks a limit, or came unasked, is no inability to answer.
            other = isinstance(error, LimitExceeded | UnsolicitedResponse) or error.hint is not None
            if not other and not self._closed:
                error.hint = "capa"
            raise

    def _set_window(self) -> None:
        if self._window_forced:
            return
        # Only after the login: what a proxy announces before it may not hold for the server behind.
        offered = self.capabilities is not None and self.capabilities.pipelining
        self._core.window = self._window if offered and self._core.state is State.TRANSACTION else 1

    async def start_tls(self, ssl_context: ssl.SSLContext | None = None) -> Capabilities:
        """Continue under TLS by STLS, and return the capabilities as they are then (RFC 2595 section 4).

        Args:
            ssl_context: what verifies the server's certificate and name, if not the context of the options.

        Raises:
            CommandError: the server refuses STLS; the session goes on in clear.
            StartTlsInjection: octets came in clear behind the server's ``+OK``; the connection is closed.
            TlsError: the handshake fails; the connection is closed.
            LocalProtocolError: TLS is active already, or there is no name to verify.

        Cancelling closes the connection.
        """
        if self._options.server_hostname is None:
            raise LocalProtocolError("start_tls needs a name to verify: give from_streams a server_hostname")
        check_type("ssl_context", ssl_context, ssl.SSLContext, "an ssl.SSLContext")
        self._queue.check_free()
        context = ssl_context or self._options.context
        name = str(self._options.server_hostname)
        await upgrade(self._queue, self._stream, name, context, self._handshake)
        self.capabilities = None
        # The greeting came in clear and may be forged: its APOP time stamp must not be used (RFC 2595 section 4).
        self.greeting = replace(self.greeting, apop_timestamp=None)
        return await self._learn()

    async def _handshake(self, context: ssl.SSLContext) -> None:
        options = self._options
        assert options.server_hostname is not None
        await self._stream.start_tls(
            context, options.server_hostname, options.connect_timeout, options.pin_octets
        )

    # -- one command, and many

    async def _ask_status(self, command: Command, check: Check | None = None) -> Reply:
        """Return the status line of a command that has no body; raises CommandError when the server refuses it.

        `check` looks at the status line where it is read, also if the caller is cancelled (see `CommandQueue.submit`).
        """
        return (await self._ask_accepted(command, check))[0]

    async def _ask_body(self, command: Command) -> bytes:
        """Return the body that answers a command; raises CommandError when the server refuses it."""
        return (await self._ask_accepted(command))[1]

    async def _ask_accepted(self, command: Command, check: Check | None = None) -> tuple[Reply, bytes]:
        """Return status line and body of the answer to a command; raises CommandError when the server refuses it."""
        reply, body = await self._ask(command, check)
        if not reply.ok:
            raise command_error(reply, command.redacted(), self.capabilities)
        return reply, body

    async def _ask(self, command: Command, check: Check | None = None) -> tuple[Reply, bytes]:
        """Return status line and body of the answer to a command, whether the server accepts it or not."""
        return (await self._ask_all([command], check))[0]

    async def _ask_all(
        self, commands: Iterable[Command], check: Check | None = None
    ) -> list[tuple[Reply, bytes]]:
        """Send commands as one batch and collect their answers; a cancel takes back what was not written."""
        return await collect_all(self._queue, commands, check)
