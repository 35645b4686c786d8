"""The protocol without asyncio: pop3core driven over a blocking socket.

POP3AIO_PASSWORD=... python core_over_socket.py pop.example.org me
"""

from __future__ import annotations

import os
import socket
import ssl
import sys

from pop3core import (
    BodyChunk,
    BodyEnd,
    Command,
    Connection,
    Event,
    Greeting,
    List,
    Pass,
    Quit,
    Reply,
    Retr,
    User,
    parse_list,
)


class BlockingSession:
    """A POP3 session for people who do not await. All it does is move octets."""

    def __init__(self, sock: socket.socket, *, secure: bool) -> None:
        self._sock = sock
        self._core = Connection(secure=secure)
        greeting = self._next_event()
        assert isinstance(greeting, Greeting)
        if not greeting.ok:
            raise ConnectionRefusedError(greeting.text)

    def _next_event(self) -> Event:
        while (event := self._core.next_event()) is None:
            self._sock.sendall(self._core.data_to_send())
            data = self._sock.recv(65536)
            if data:
                self._core.receive_data(data)
            else:
                self._core.receive_eof()
        return event

    def ask(self, command: Command) -> bytes:
        """Send a command and return the text of its answer, or the lines of a multi-line one."""
        self._core.send(command)
        reply = self._next_event()
        assert isinstance(reply, Reply)
        if not reply.ok:
            raise RuntimeError(f"{command.redacted()}: {reply.text}")
        if not reply.more:
            return reply.text.encode()
        chunks = []
        while not isinstance(event := self._next_event(), BodyEnd):
            assert isinstance(event, BodyChunk)
            chunks.append(event.data)
        return b"".join(chunks)


def read_all(sock: socket.socket, user: str, password: str, *, secure: bool = True) -> list[bytes]:
    session = BlockingSession(sock, secure=secure)
    session.ask(User(user))
    session.ask(Pass(password))
    messages = [session.ask(Retr(scan.number)) for scan in parse_list(session.ask(List()))]
    session.ask(Quit())
    return messages


if __name__ == "__main__":
    _, host, user = sys.argv
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, 995), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=host) as sock,
    ):
        for message in read_all(sock, user, os.environ["POP3AIO_PASSWORD"]):
            print(f"{len(message)} octets")
