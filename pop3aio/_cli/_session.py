"""From a URL to a session that is logged in."""

from __future__ import annotations

import argparse
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from pop3aio._client import Client
from pop3aio._connect import Connect, connect
from pop3aio._errors import ConnectionLost, ResponseTimeout
from pop3aio._stream import default_ssl_context
from pop3core import POP3Error

from ._errors import ExitStatus, Failed, describe
from ._output import Output
from ._passwords import WAYS, PasswordSource, find_password
from ._url import ServerUrl, parse_url

__all__ = ("Target", "find_target")

_ANSWER_TIMEOUT = 60.0
_CONNECT_TIMEOUT = 30.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Target:
    """A server, how to reach it, and the password for the user of its URL, if there is one."""

    url: ServerUrl
    password: str | None
    ssl_context: ssl.SSLContext | None = None
    timeout: float | None = None
    bare_lf: bool = False

    def __repr__(self) -> str:
        return f"Target({str(self.url)!r})"

    @asynccontextmanager
    async def connected(self, output: Output) -> AsyncIterator[Client]:
        """Connect; raises Failed. Leaving the context ends the session as that of a client does."""
        async with await _attempt(self._connect(), ExitStatus.CONNECTION, output) as client:
            yield client

    @asynccontextmanager
    async def logged_in(self, output: Output) -> AsyncIterator[Client]:
        """Connect and log in; raises Failed."""
        async with self.connected(output) as client:
            await self.login(client, output)
            yield client

    async def login(self, client: Client, output: Output) -> None:
        """Log in by the password there is; raises Failed."""
        assert self.url.user is not None
        assert self.password is not None
        login = client.login(
            self.url.user, self.password, mechanism=self.url.mechanism, allow_insecure=self.url.tls == "none"
        )
        await _attempt(login, ExitStatus.LOGIN, output)

    def _connect(self) -> Connect:
        return connect(
            self.url.host,
            self.url.port,
            tls=self.url.tls,
            ssl_context=self.ssl_context,
            timeout=_ANSWER_TIMEOUT if self.timeout is None else self.timeout,
            connect_timeout=_CONNECT_TIMEOUT if self.timeout is None else self.timeout,
            bare_lf=self.bare_lf,
        )


async def _attempt(step: Awaitable[_T], status: ExitStatus, output: Output) -> _T:
    try:
        return await step
    except (ConnectionLost, ResponseTimeout) as error:
        # Also in the middle of a login: there was no answer to it.
        raise Failed(output.masked(describe(error)), ExitStatus.CONNECTION) from error
    except POP3Error as error:
        raise Failed(output.masked(describe(error)), status) from error


def find_target(arguments: argparse.Namespace, output: Output, *, login: bool = True) -> Target:
    """Make out the server and the password, before an event loop runs.

    With `login`, there must be a user and a password. Raises Failed.
    """
    url = parse_url(arguments.url, plaintext=arguments.plaintext)
    context = None if url.tls == "none" else _ssl_context(arguments.ca_file)
    if url.user is None:
        if login:
            raise Failed("the URL names no user: write pop3s://user@host", ExitStatus.USAGE)
        password = None
    else:
        source = PasswordSource(arguments.password_file, arguments.password_command)
        password = find_password(source, str(url), output.warn)
        if password is not None:
            output.hide(password)
        elif login:
            raise Failed(f"there is no password for {url}: it comes from {WAYS}", ExitStatus.USAGE)
    return Target(url, password, context, arguments.timeout, arguments.bare_lf)


def _ssl_context(ca_file: str | None) -> ssl.SSLContext:
    context = default_ssl_context()
    if ca_file is None:
        return context
    try:
        only = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise Failed(f"there are no certificates in PEM form in {ca_file}", ExitStatus.USAGE) from error
    except OSError as error:
        raise Failed(
            f"cannot read the certificates in {ca_file}: {error.strerror}", ExitStatus.USAGE
        ) from error
    only.hostname_checks_common_name = context.hostname_checks_common_name
    only.minimum_version = context.minimum_version
    return only
