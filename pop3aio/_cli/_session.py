"""From a URL to a session that is logged in."""

from __future__ import annotations

import argparse
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar, Unpack

from pop3aio._cli._errors import Failed, describe
from pop3aio._cli._exit_codes import ExitStatus, status_of
from pop3aio._cli._logins import ByCertificate, ByPassword, ByToken, Login
from pop3aio._cli._mechanisms import EXTERNAL, TOKEN_MECHANISMS
from pop3aio._cli._output import Output
from pop3aio._cli._passwords import WAYS, PasswordSource, find_password
from pop3aio._cli._tls import OLD_VERSIONS, lenient_contexts, make_ssl_context, old_context, weak_context
from pop3aio._cli._tokens import TokenCommand
from pop3aio._cli._url import ServerUrl, Tls, parse_url
from pop3aio._client import Client
from pop3aio._connect import Connect, connect
from pop3aio._errors import TlsError, TlsRequired
from pop3aio._options import ConnectOptions, Options
from pop3aio._record._recorder import Recorder
from pop3core import POP3Error

__all__ = ("Target", "find_target")

# These are what a server with old TLS looks like.
_MAYBE_OLD = frozenset({"version", "handshake", "closed"})

# Behind these a server's certificate can be looked at.
_CERTIFICATE_FAULTS = frozenset({"certificate", "name", "expired", "pin"})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Target:
    """A server, how to reach it, and what to log in by, if there is anything."""

    url: ServerUrl
    login: Login | None
    options: Options = field(default_factory=Options)
    ca_file: str | None = None

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
        return await _attempt(self._reach(), ExitStatus.CONNECTION, output)

    async def look(self, error: BaseException | None) -> Client | None:
        """After an `error` of TLS, connect without what failed, or return None.

        This is to see what there is. The server that answers is not verified, and must get nothing that is secret.
        """
        ways: list[tuple[Tls, ssl.SSLContext | None]] = []
        if isinstance(error, TlsError) and error.reason in _CERTIFICATE_FAULTS:
            ways = [(self.url.tls, context) for context in lenient_contexts(self.ca_file)]
        elif isinstance(error, TlsError | TlsRequired) and self.url.tls == "starttls":
            ways = [("none", None)]
        for tls, context in ways:
            with suppress(POP3Error):
                return await self._connect(tls=tls, ssl_context=context, pin=None, pin_only=False)
        return None

    @asynccontextmanager
    async def sessions(self, output: Output) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
        """Give a function that connects and logs in, as often as it is called; what it raises leaves as Failed."""
        status: ExitStatus | None = None

        async def open_session() -> Client:
            nonlocal status
            status = ExitStatus.CONNECTION
            client = await self._reach()
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

    async def _reach(self) -> Client:
        """Connect; raises Failed where the server's TLS is too old or too weak, else what the client does."""
        try:
            return await self._connect()
        except TlsError as error:
            if error.reason in _MAYBE_OLD and (what := await self._old_tls()) is not None:
                raise Failed(f"{self.url.host} offers {what}", ExitStatus.CONNECTION) from error
            raise

    async def _old_tls(self) -> str | None:
        """Try what is not accepted otherwise; returns what the server has and which option takes it, or None.

        Nothing secret is sent: the connection is dropped behind the greeting.
        """
        for version in OLD_VERSIONS:
            if await self._answers(old_context(version)):
                return (
                    f"TLS {version} only, which is broken: its operator should bring it up to date; --tls-min "
                    f"{version} takes it, and anyone on the way may then read mail and password"
                )
        if await self._answers(weak_context()):
            return (
                "only ciphers or keys that are weak: its operator should bring its TLS up to date; --ciphers "
                "ALL:@SECLEVEL=0 takes them, and anyone on the way may then read mail and password"
            )
        return None

    async def _answers(self, context: ssl.SSLContext) -> bool:
        with suppress(POP3Error):
            client = await self._connect(ssl_context=context, pin=None, pin_only=False, record=None)
            client.abort()
            return True
        return False

    def _connect(self, **changes: Unpack[ConnectOptions]) -> Connect:
        return connect(self.url.host, self.url.port, options=self.options, **changes)


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
    if url.user is None and login:
        raise Failed("the URL names no user: write pop3s://user@host", ExitStatus.USAGE)
    context = None if url.tls == "none" else make_ssl_context(arguments, output)
    way = None if url.user is None else _find_login(url, mechanism, arguments, output)
    if way is None and login:
        raise Failed(f"there is no password for {url}: it comes from {WAYS}", ExitStatus.USAGE)
    options = Options(
        tls=url.tls,
        ssl_context=context,
        server_hostname=arguments.tls_name,
        window=arguments.window,
        bare_lf=arguments.bare_lf,
        capa=not arguments.no_capa,
        pin=arguments.pin,
        pin_only=arguments.pin_only,
        record=_open_recording(arguments),
    )
    if arguments.timeout is not None:
        options = replace(options, timeout=arguments.timeout, connect_timeout=arguments.timeout)
    return Target(replace(url, mechanism=mechanism), way, options, arguments.ca_file)


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
