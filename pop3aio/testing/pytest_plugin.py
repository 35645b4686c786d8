"""Fixtures for pytest: a POP3 server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import pytest

from pop3aio import Client
from pop3aio.testing._server import Server

__all__ = ("Pop3Client", "pop3_client", "pop3_server", "pytest_configure")

Pop3Client: TypeAlias = Callable[..., AbstractAsyncContextManager[Client]]
"""What the fixture `pop3_client` is: `Server.client`."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "pop3_server(messages, **options): what the fixture pop3_server is made with, see pop3aio.testing.Server",
    )


@pytest.fixture
def pop3_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A running `pop3aio.testing.Server`, without mail, without TLS, for the user `user` with the password `password`.

    `@pytest.mark.pop3_server(messages, tls="implicit", quirks="gmail")` makes it another. It runs in a thread of its
    own, so that tests of every kind can use it: plain functions, pytest-asyncio's and anyio's coroutines.
    """
    marker = request.node.get_closest_marker("pop3_server")
    with Server(*(marker.args if marker else ()), **(marker.kwargs if marker else {})) as server:
        yield server


@pytest.fixture
def pop3_client(pop3_server: Server) -> Pop3Client:
    """Open clients of the server: `async with pop3_client() as client:`; the arguments are those of `Server.client`."""
    return pop3_server.client
