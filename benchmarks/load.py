"""The load server: a process of its own that serves answers made before the clock starts.

It takes any user and password, announces PIPELINING, and holds one mailbox: so many messages, all alike. Threads and
blocking sockets, since they serve faster than an event loop here. `delay` is the round trip it pretends, in seconds.
"""

from __future__ import annotations

import base64
import queue
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from multiprocessing import Process, Queue
from typing import Literal

__all__ = ("LoadServer", "Mail", "Sizes", "body", "wire")

Kind = Literal["text", "base64"]


@dataclass(frozen=True)
class Mail:
    """What is in the mailbox: `count` messages of `octets` octets, with one stuffed line in `stuffed` octets.

    No line is stuffed if `stuffed` is 0. Every line of text has two dots that need no stuffing, base64 has none.
    """

    count: int
    octets: int
    kind: Kind = "text"
    stuffed: int = 10_000


@dataclass(frozen=True)
class Sizes:
    """Octets of one message: as a client should see it, as it crosses the wire with its status line, and with LF alone
    at the line ends, as it stands in a Maildir."""

    seen: int
    wire: int
    stored: int


def body(mail: Mail) -> bytes:
    """Return one message as a client should see it."""
    head = (
        b"From: a@example.org\r\nTo: b@example.org\r\nSubject: load\r\nMessage-ID: <1@example.org>\r\n"
        b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n"
    )
    if mail.kind == "base64":
        line = base64.b64encode(bytes(range(57))) + b"\r\n"
    else:
        line = b"This is a line of text, as people write them. It has two sentences.\r\n"
    lines = max(1, (mail.octets - len(head)) // len(line))
    if not mail.stuffed:
        return head + line * lines
    every = min(max(1, mail.stuffed // len(line)), lines)
    block = b"." + line[1:] + line * (every - 1)
    whole = head + block * (lines // every + 1)
    return whole[: len(head) + lines * len(line)]


def wire(octets: bytes) -> bytes:
    """Return a message as it crosses the wire, less its status line."""
    return octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"


class _Mailbox:
    """The answers, made once."""

    def __init__(self, mail: Mail) -> None:
        message = body(mail)
        size = len(message)
        self.retr = b"+OK %d octets\r\n" % size + wire(message)
        self.top = b"+OK\r\n" + wire(message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        self.stat = b"+OK %d %d\r\n" % (mail.count, mail.count * size)
        self.scan = (
            b"+OK\r\n" + b"".join(b"%d %d\r\n" % (n, size) for n in range(1, mail.count + 1)) + b".\r\n"
        )
        self.uidl = (
            b"+OK\r\n" + b"".join(b"%d uid%017x\r\n" % (n, n) for n in range(1, mail.count + 1)) + b".\r\n"
        )
        self.size = size
        self.sizes = Sizes(size, len(self.retr), size - message.count(b"\r\n"))

    def answer(self, line: bytes) -> bytes:
        keyword, _, argument = line.partition(b" ")
        keyword = keyword.upper()
        if keyword == b"RETR":
            return self.retr
        if keyword == b"TOP":
            return self.top
        if keyword == b"CAPA":
            return b"+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n"
        if keyword == b"STAT":
            return self.stat
        if keyword == b"LIST":
            return b"+OK %s %d\r\n" % (argument, self.size) if argument else self.scan
        if keyword == b"UIDL":
            return b"+OK %s uid%017x\r\n" % (argument, int(argument)) if argument else self.uidl
        if keyword in (b"USER", b"PASS", b"DELE", b"NOOP", b"RSET", b"QUIT"):
            return b"+OK\r\n"
        return b"-ERR\r\n"


def _talk(sock: socket.socket, mailbox: _Mailbox) -> None:
    rest = b""
    sock.sendall(b"+OK load\r\n")
    while data := sock.recv(65536):
        *lines, rest = (rest + data).split(b"\r\n")
        answers = [mailbox.answer(line) for line in lines]
        # Small answers leave together, large ones without another copy.
        if len(mailbox.retr) < 65536:
            sock.sendall(b"".join(answers))
        else:
            for answer in answers:
                sock.sendall(answer)
        if lines and lines[-1].upper() == b"QUIT":
            return


def _talk_slowly(sock: socket.socket, mailbox: _Mailbox, delay: float) -> None:
    due: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def send() -> None:
        while True:
            at, data = due.get()
            if not data:
                sock.shutdown(socket.SHUT_RDWR)
                return
            if (wait := at - time.monotonic()) > 0:
                time.sleep(wait)
            sock.sendall(data)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    due.put((time.monotonic() + delay, b"+OK load\r\n"))
    rest = b""
    while data := sock.recv(65536):
        *lines, rest = (rest + data).split(b"\r\n")
        at = time.monotonic() + delay
        if lines:
            due.put((at, b"".join(mailbox.answer(line) for line in lines)))
        if lines and lines[-1].upper() == b"QUIT":
            break
    due.put((0, b""))
    sender.join()


def _serve(mail: Mail, delay: float, certificate: str | None, ready: Queue[tuple[int, Sizes]]) -> None:
    mailbox = _Mailbox(mail)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def handle(sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wrapped = sock if context is None else context.wrap_socket(sock, server_side=True)
            with wrapped:
                if delay:
                    _talk_slowly(wrapped, mailbox, delay)
                else:
                    _talk(wrapped, mailbox)
        except OSError:
            pass

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        ready.put((listener.getsockname()[1], mailbox.sizes))
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=handle, args=(sock,), daemon=True).start()


class LoadServer:
    """The server's process: ``with LoadServer(mail) as server: server.port, server.sizes``.

    `delay` is in seconds; `certificate` is a PEM file of key and chain, and turns implicit TLS on.
    """

    port: int
    sizes: Sizes

    def __init__(self, mail: Mail, *, delay: float = 0.0, certificate: str | None = None) -> None:
        self._ready: Queue[tuple[int, Sizes]] = Queue()
        self._process = Process(target=_serve, args=(mail, delay, certificate, self._ready), daemon=True)

    def __enter__(self) -> LoadServer:
        self._process.start()
        self.port, self.sizes = self._ready.get(timeout=300)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
