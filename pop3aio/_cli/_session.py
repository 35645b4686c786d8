"""From a URL to a session that is logged in."""

from __future__ import annotations

import argparse
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from pop3aio._cli._errors import Failed, describe
from pop3aio._cli._exit_codes import ExitStatus, status_of
from pop3aio._cli._logins import ByCertificate, ByPassword, ByToken, Login
from pop3aio._cli._mechanisms import EXTERNAL, TOKEN_MECHANISMS
from pop3aio._cli._output import Output
from pop3aio._cli._passwords import WAYS, PasswordSource, find_password
from pop3aio._cli._tls import lenient_contexts, make_ssl_context
from pop3aio._cli._tokens import TokenCommand
from pop3aio._cli._url import ServerUrl, Tls, parse_url
from pop3aio._client import Client
from pop3aio._connect import Connect, connect
from pop3aio._errors import TlsError, TlsRequired
from pop3aio._record._recorder import Recorder
from pop3core import POP3Error

__all__ = ("Target", "find_target")

_ANSWER_TIMEOUT = 60.0
_CONNECT_TIMEOUT = 30.0

# Behind these a server's certificate can be looked at.
_CERTIFICATE_FAULTS = frozenset({"certificate", "name", "expired", "pin"})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Target:
    """A server, how to reach it, and what to log in by, if there is anything."""

    url: ServerUrl
    login: Login | None
    ssl_context: ssl.SSLContext | None = None
    timeout: float | None = None
    bare_lf: bool = False
    pin: str | None = None

    ca_file: str | None = None
    recorder: Recorder | None = None
    window: int = 256
    capa: bool = True

    def __repr__(self) -> str:
        return f"Target({str(self.url)!r})"

    @property
    def account(self) -> str | None:
        """The maildrop's name in a journal, where the library does not know the user; else None."""
        return self.url.account if isinstance(self.login, ByCertificate) else None

    @asynccontextmanager
    async def connected(self, output: Output) -> AsyncIterator[Client]:
        """Connect; raises Failed. Leaving the context ends the session as that of a client does."""
        async with await self.connect(output) as client:
            yield client

    async def connect(self, output: Output) -> Client:
        """Connect; raises Failed."""
        return await _attempt(
            self._connect(self.url.tls, self.ssl_context, self.pin), ExitStatus.CONNECTION, output
        )

    async def look(self, error: BaseException | None) -> Client | None:
        """After an `error` of TLS, connect without what failed, or return None.

        This is to see what there is: whoever answers may be anyone, and must get nothing that is secret.
        """
        ways: list[tuple[Tls, ssl.SSLContext | None]] = []
        if isinstance(error, TlsError) and error.reason in _CERTIFICATE_FAULTS:
            ways = [(self.url.tls, context) for context in lenient_contexts(self.ca_file)]
        elif isinstance(error, TlsError | TlsRequired) and self.url.tls == "starttls":
            ways = [("none", None)]
        for tls, context in ways:
            with suppress(POP3Error):
                return await self._connect(tls, context, None)
        return None

    @asynccontextmanager
    async def sessions(self, output: Output) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
        """Give a function that connects and logs in, as often as it is called; what it raises leaves as Failed."""
        status: ExitStatus | None = None

        async def open_session() -> Client:
            nonlocal status
            status = ExitStatus.CONNECTION
            client = await self._connect(self.url.tls, self.ssl_context, self.pin)
            try:
                assert self.url.user is not None
                assert self.login is not None
                status = ExitStatus.LOGIN
                await self.login.log_in(client, self.url.user)
            except BaseException:
                client.abort()
                raise
            status = None
            return client

        try:
            yield open_session
        except POP3Error as error:
            if status is None:
                raise
            raise _failed(error, status, output) from error

    @asynccontextmanager
    async def logged_in(self, output: Output) -> AsyncIterator[Client]:
        """Connect and log in; raises Failed."""
        async with self.connected(output) as client:
            await self.log_in(client, output)
            yield client

    async def log_in(self, client: Client, output: Output) -> None:
        """Log in by what there is; raises Failed."""
        assert self.url.user is not None
        assert self.login is not None
        await _attempt(self.login.log_in(client, self.url.user), ExitStatus.LOGIN, output)

    def _connect(self, tls: Tls, context: ssl.SSLContext | None, pin: str | None) -> Connect:
        return connect(
            self.url.host,
            self.url.port,
            tls=tls,
            ssl_context=context,
            timeout=_ANSWER_TIMEOUT if self.timeout is None else self.timeout,
            connect_timeout=_CONNECT_TIMEOUT if self.timeout is None else self.timeout,
            window=self.window,
            bare_lf=self.bare_lf,
            capa=self.capa,
            pin=pin,
            record=self.recorder,
        )


async def _attempt(step: Awaitable[_T], status: ExitStatus, output: Output) -> _T:
    try:
        return await step
    except POP3Error as error:
        raise _failed(error, status, output) from error


def _failed(error: POP3Error, status: ExitStatus, output: Output) -> Failed:
    return Failed(output.masked(describe(error)), status_of(error, status))


def find_target(arguments: argparse.Namespace, output: Output, *, login: bool = True) -> Target:
    """Make out the server and what to log in by, before an event loop runs.

    With `login`, there must be a user and a password or the like. Raises Failed.
    """
    url = parse_url(arguments.url, plaintext=arguments.plaintext)
    mechanism = _mechanism(url, arguments)
    context = None
    if url.tls != "none":
        context = make_ssl_context(arguments.ca_file, arguments.client_cert, output.warn)
    if url.user is None and login:
        raise Failed("the URL names no user: write pop3s://user@host", ExitStatus.USAGE)
    way = None if url.user is None else _find_login(url, mechanism, arguments, output)
    if way is None and login:
        raise Failed(f"there is no password for {url}: it comes from {WAYS}", ExitStatus.USAGE)
    return Target(
        replace(url, mechanism=mechanism),
        way,
        context,
        arguments.timeout,
        arguments.bare_lf,
        arguments.pin,
        arguments.ca_file,
        _open_recording(arguments),
        arguments.window,
        not arguments.no_capa,
    )


def _open_recording(arguments: argparse.Namespace) -> Recorder | None:
    if arguments.record is None:
        return None
    try:
        return Recorder(arguments.record, mail=arguments.record_mail, bare_lf=arguments.bare_lf)
    except OSError as error:
        raise Failed(f"--record {arguments.record}: {error.strerror}", ExitStatus.USAGE) from error


def _mechanism(url: ServerUrl, arguments: argparse.Namespace) -> str | None:
    """Return the way to log in that was asked for, if any, and make sure that it fits the rest."""
    asked: str | None = arguments.auth
    if asked is not None and url.mechanism not in (None, asked):
        raise Failed(f"--auth {asked} contradicts the URL, which says {url.mechanism}", ExitStatus.USAGE)
    mechanism = asked or url.mechanism
    password = arguments.password_file is not None or arguments.password_command is not None
    token = arguments.token_command is not None
    why = None
    if mechanism == EXTERNAL and arguments.client_cert is None:
        why = "needs --client-cert, the certificate that says who you are"
    elif mechanism == EXTERNAL and (password or token):
        why = "takes no password and no token: the client certificate says who you are"
    elif mechanism in TOKEN_MECHANISMS and not token:
        why = "needs --token-command, which prints the token"
    elif mechanism is not None and mechanism not in TOKEN_MECHANISMS and token:
        why = f"takes no token; what takes one: {', '.join(TOKEN_MECHANISMS)}"
    elif mechanism is not None and mechanism.endswith("-PLUS") and url.tls == "none":
        why = "makes no sense with --insecure-plaintext: it binds the login to TLS"
    if why is not None:
        raise Failed(f"{mechanism} {why}", ExitStatus.USAGE)
    return mechanism


def _find_login(
    url: ServerUrl, mechanism: str | None, arguments: argparse.Namespace, output: Output
) -> Login | None:
    if mechanism == EXTERNAL:
        return ByCertificate()
    if arguments.token_command is not None:
        return ByToken(TokenCommand(arguments.token_command, output.hide), mechanism)
    source = PasswordSource(arguments.password_file, arguments.password_command)
    password = find_password(source, str(url), output.warn)
    if password is None:
        return None
    output.hide(password)
    return ByPassword(password, mechanism)
