"""What every real server is to the suite: a context with mailboxes that are full when it is entered."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Self, TypeAlias

import pop3aio
from pop3aio._options import SessionRecorder
from pop3aio.testing import make_certificates
from tests.kit.pace import stretched

from .cell import Cell
from .packages import unpack, version_of

__all__ = (
    "APOP_USER",
    "HOST",
    "PASSWORD",
    "RealServer",
    "Tls",
    "free_ports",
    "wait_until_up",
    "write_maildir",
    "write_mbox",
)

HOST = "127.0.0.1"
PASSWORD = "opens-All-2-mailboxes"
APOP_USER = "apop"
"""The user who has a secret for APOP, where a server wants that set."""

DEADLINE = stretched(30)

# Cyrus syncs every message to the disk.
_MEMORY = "/dev/shm"

Tls: TypeAlias = Literal["implicit", "starttls", "none"]


class RealServer:
    """A server with one mailbox a user, all with the same password; a context manager.

    Args:
        roots: the folder with the unpacked packages of all servers, a folder each.
        mailboxes: for each user the messages of his mailbox, with CRLF; they are stored in the server's own way.

    Attributes:
        port: where it begins in clear.
        tls_port: where it speaks TLS from the first octet; 0 if it does not.
        version: its version, for the table.
        refused: why the server did not take a message, by user and message number.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    ways: ClassVar[tuple[Tls, ...]] = ("implicit", "starttls")
    apop: ClassVar[bool] = False

    def __init__(self, roots: Path, mailboxes: Mapping[str, Sequence[bytes]]) -> None:
        self.root = roots / self.name.replace(" ", "-")
        self.mailboxes = mailboxes
        self.certificates = make_certificates()
        self.port = self.tls_port = 0
        self.version = ""
        self.refused: dict[tuple[str, int], str] = {}

    @classmethod
    def fetch(cls, roots: Path) -> None:
        """Get what it takes to run; raises NotToBeHad."""
        unpack(cls.packages, roots / cls.name.replace(" ", "-"))

    def connect(
        self,
        tls: Tls | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        timeout: float = DEADLINE,
        record: SessionRecorder | None = None,
    ) -> pop3aio.Connect:
        """Connect to it, by default in the best way that it has."""
        tls = self.ways[0] if tls is None else tls
        port = self.tls_port if tls == "implicit" else self.port
        context = self.certificates.client_context() if ssl_context is None else ssl_context
        return pop3aio.connect(
            HOST,
            port,
            tls=tls,
            ssl_context=None if tls == "none" else context,
            timeout=timeout,
            record=record,
        )

    def url(self, user: str) -> str:
        """Return its URL for the command line."""
        scheme, port = ("pop3s", self.tls_port) if self.ways[0] == "implicit" else ("pop3", self.port)
        return f"{scheme}://{user}@{HOST}:{port}"

    def launch(self, cell: Cell, folder: Path) -> str:
        """Fill the mailboxes and return the script that runs the server, on `port` and `tls_port`."""
        raise NotImplementedError

    def fill(self) -> None:
        """Fill the mailboxes of a server that takes mail only while it runs."""

    def start(self, folder: Path, stack: ExitStack) -> None:
        """Start the server with `folder` for its state; it ends with the stack."""
        self.version = version_of(self.packages[0], self.root)
        self.port, self.tls_port = free_ports(2)
        (folder / "server.pem").write_bytes(self.certificates.server_pem)
        cell = Cell(self.root, folder, self.mailboxes)
        script = self.launch(cell, folder)
        if "implicit" not in self.ways:
            self.tls_port = 0
        stack.callback(cell.stop)
        cell.start(script, PASSWORD)
        ports = (self.port, self.tls_port) if self.tls_port else (self.port,)
        wait_until_up(self.name, ports, lambda: cell.running, cell.log)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(
                tempfile.mkdtemp(prefix="interop-", dir=_MEMORY if os.path.isdir(_MEMORY) else None)
            )
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.chmod(0o755)
            self.start(folder, stack)
            self.fill()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


def wait_until_up(name: str, ports: Sequence[int], running: Callable[[], bool], log: Path) -> None:
    """Wait until a server greets at the first port, and listens at the others, which are for TLS."""
    deadline = time.monotonic() + DEADLINE
    waiting = list(ports)
    while waiting:
        try:
            with socket.create_connection((HOST, waiting[0]), timeout=DEADLINE) as connection:
                # One that speaks TLS waits for us.
                if waiting[0] != ports[0] or connection.recv(3) == b"+OK":
                    del waiting[0]
                    continue
        except OSError:
            pass
        if not running() or time.monotonic() > deadline:
            raise RuntimeError(f"{name} does not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Return so many ports that nobody listens at."""
    with ExitStack() as stack:
        # All are taken at once, lest any be the same.
        listeners = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def write_maildir(path: Path, messages: Sequence[bytes], *, terminated: bool = False) -> None:
    """Make a Maildir of these messages, with line ends of LF as deliveries write them.

    With `terminated`, a file that has no line end at its end gets one.
    """
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    for number, message in enumerate(messages, 1):
        file = path / "new" / f"{1700000000 + number}.M0P1.localhost"
        text = message.replace(b"\r\n", b"\n")
        file.write_bytes(text + b"\n" if terminated and not text.endswith(b"\n") else text)
        # Some order by the time of arrival.
        os.utime(file, (1700000000 + number, 1700000000 + number))


def write_mbox(path: Path, messages: Sequence[bytes]) -> None:
    """Make an mbox of these messages as deliveries write them: LF, a blank line behind each, and `>From `."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for message in messages:
            text = message.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
            if b"\n\n" not in text and not text.startswith(b"\n"):
                # Without the end of the header, the blank line behind the message would be taken for it.
                text += b"\n" if text.endswith(b"\n") else b"\n\n"
            file.write(b"From sender@example.com Mon Jan  1 00:00:00 2024\n" + text)
            file.write(b"\n" if text.endswith(b"\n") else b"\n\n")
