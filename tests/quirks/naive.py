"""Clients as they are written by those who have met one server only."""

from __future__ import annotations

import contextlib
import poplib
import socket
from collections.abc import Iterator

from pop3aio.testing import Server

__all__ = ("Naive", "poplib_session")


class Naive:
    """Sends commands together, and takes line after line for the answers; an LF is at the end of each, it hopes."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection((server.host, server.port), timeout=60)
        self._file = self._socket.makefile("rb")
        self.greeting = self.line()

    def __enter__(self) -> Naive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send octets in one write."""
        self._socket.sendall(data)

    def line(self) -> bytes:
        """Return the next line, or nothing at the end of the connection."""
        return self._file.readline()

    def ask(self, *commands: bytes) -> list[bytes]:
        """Send commands in one write, and return as many lines."""
        self.send(b"".join(command + b"\r\n" for command in commands))
        return [self.line() for _ in commands]

    def log_in(self) -> None:
        """Log in."""
        self.ask(b"USER user")
        assert self.ask(b"PASS password")[0].startswith(b"+OK")

    def rest(self) -> bytes:
        """Return all that comes until the end of the connection."""
        return self._file.read()


@contextlib.contextmanager
def poplib_session(server: Server, user: str = "user", *, login: bool = True) -> Iterator[poplib.POP3]:
    """Give the standard library's client; QUIT is left to the test."""
    client = poplib.POP3(server.host, server.port, timeout=60)
    try:
        if login:
            client.user(user)
            client.pass_("password")
        yield client
    finally:
        client.close()
