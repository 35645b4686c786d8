"""The command as a process of its own that kills itself at a chosen step, and can note what it does to its files.

``python -m tests.crash.victim ARGUMENTS`` runs ``python -m pop3aio ARGUMENTS`` with its calls of the system wrapped, so
that the product needs no hooks. The environment says what for:

CRASH_AT=STEP:N    kill the process, by SIGKILL, the N-th time it comes to a step
CRASH_RECORD=FILE  append what is done to files and sent to the server, for `tests.crash.power`
CRASH_WITHOUT=NAME take a step of the job out (see `tests.crash.mutants`)
"""

from __future__ import annotations

import itertools
import os
import pickle
import runpy
import signal
import socket
import sqlite3
import stat
import threading
from collections.abc import Callable
from typing import Any

from tests.crash import mutants

__all__ = ("STEPS",)

STEPS = (
    "start",  # before the command's modules are loaded
    "login",  # before the first command is sent
    "mkdir",
    "UIDL",
    "RETR",
    "create",  # before a file is made in tmp/
    "write",
    "fsync",  # before a message is synchronised
    "rename",
    "renamed",
    "fsync-directory",
    "journal",  # before the commit of a group in the journal
    "journalled",
    "memo",  # before it is noted what is going to be deleted
    "DELE",
    "QUIT",
    "QUIT-sent",
    "QUIT-answered",
)
"""Where a run that fetches and deletes can be made to die, in the order in which it comes there."""


class Tracer:
    """Counts the steps, and notes operations in the order in which they are done."""

    def __init__(self) -> None:
        step, _, count = os.environ.get("CRASH_AT", "").partition(":")
        self._step = step
        self._left = int(count or 1)
        self._lock = threading.Lock()
        path = os.environ.get("CRASH_RECORD")
        # A descriptor of our own: what was written survives the process.
        self._log = -1 if not path else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._write = os.write

    def reach(self, step: str) -> None:
        """Kill the process if it is this step's turn."""
        with self._lock:
            if step and step == self._step:
                self._left -= 1
                if not self._left:
                    os.kill(os.getpid(), signal.SIGKILL)
                    signal.pause()

    def note(self, *operation: object) -> None:
        """Note an operation: before it is done if it may have an effect, after it if it gives a guarantee."""
        if self._log >= 0:
            with self._lock:
                self._write(self._log, pickle.dumps(operation))


class Files:
    """Wraps what is done to files by way of the module `os`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        # What a descriptor stands for: the path of a directory, or the number of a file.
        self._directories: dict[int, str] = {}
        self._files: dict[int, str] = {}
        self._numbers = itertools.count()
        self._real: dict[str, Callable[..., Any]] = {}
        for name in ("open", "write", "fsync", "close", "rename", "unlink", "mkdir"):
            self._real[name] = getattr(os, name)
            setattr(os, name, getattr(self, f"_{name}"))

    def _path(self, path: object, handle: int | None) -> str:
        text = os.fspath(path)  # type: ignore[call-overload]
        return os.path.join(self._directories[handle] if handle is not None else os.getcwd(), text)

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        created = flags & os.O_CREAT and dir_fd is not None
        if created:
            self._tracer.reach("create")
        fd: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        if created:
            self._files[fd] = f"{os.getpid()}.{next(self._numbers)}"
            self._tracer.note("create", self._files[fd], self._path(path, dir_fd))
        elif stat.S_ISDIR(os.fstat(fd).st_mode):
            self._directories[fd] = self._path(path, dir_fd)
        return fd

    def _write(self, fd: int, data: bytes) -> int:
        if fd in self._files:
            self._tracer.reach("write")
            self._tracer.note("write", self._files[fd], bytes(data))
        written: int = self._real["write"](fd, data)
        return written

    def _fsync(self, fd: int) -> None:
        self._tracer.reach("fsync" if fd in self._files else "fsync-directory")
        self._real["fsync"](fd)
        if fd in self._files:
            self._tracer.note("sync", self._files[fd])
        elif fd in self._directories:
            self._tracer.note("sync-directory", self._directories[fd])

    def _close(self, fd: int) -> None:
        self._files.pop(fd, None)
        self._directories.pop(fd, None)
        self._real["close"](fd)

    def _rename(
        self, source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        self._tracer.reach("rename")
        self._tracer.note("rename", self._path(source, src_dir_fd), self._path(target, dst_dir_fd))
        self._real["rename"](source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        self._tracer.reach("renamed")

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._tracer.note("unlink", self._path(path, dir_fd))
        self._real["unlink"](path, dir_fd=dir_fd)

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._tracer.reach("mkdir")
        self._real["mkdir"](path, mode, dir_fd=dir_fd)
        self._tracer.note("mkdir", self._path(path, dir_fd))


def watch_journal(tracer: Tracer) -> None:
    """Wrap the commits of SQLite; what it does to its files is its own affair, and trusted."""

    class Connection(sqlite3.Connection):
        step = ""

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if "INTO memo" in sql and "deleting" in str(parameters):
                self.step = "memo"
            return super().execute(sql, *parameters)

        def executemany(self, sql: str, parameters: Any) -> sqlite3.Cursor:
            if "INTO fetched" in sql:
                self.step = "journal"
            return super().executemany(sql, parameters)

        def __exit__(self, *error: Any) -> Any:
            step, self.step = self.step, ""
            tracer.reach(step)
            tracer.note("commit")
            done = super().__exit__(*error)
            tracer.note("committed", self.serialize())
            if step == "journal":
                tracer.reach("journalled")
            return done

    real = sqlite3.connect

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return real(*arguments, factory=Connection, **options)

    sqlite3.connect = connect  # type: ignore[assignment]


def watch_wire(tracer: Tracer) -> None:
    """Wrap what is sent and received by any socket."""
    send, receive = socket.socket.send, socket.socket.recv_into
    has_quit = False

    def watched_send(self: socket.socket, data: Any, *flags: int) -> int:
        nonlocal has_quit
        commands = [line.partition(b" ")[0] for line in bytes(data).splitlines()]
        if b"CAPA" in commands or b"USER" in commands:
            tracer.reach("login")
        for command in (b"UIDL", b"RETR", b"DELE", b"QUIT"):
            if command in commands:
                tracer.reach(command.decode())
        if data != b"\0":  # with which asyncio wakes itself
            tracer.note("sent", bytes(data))
        sent = send(self, data, *flags)
        if b"QUIT" in commands:
            has_quit = True
            tracer.reach("QUIT-sent")
        return sent

    def watched_receive(self: socket.socket, *arguments: Any) -> int:
        received = receive(self, *arguments)
        if has_quit:
            tracer.note("answered")
            tracer.reach("QUIT-answered")
        return received

    sockets: Any = socket.socket
    sockets.send, sockets.recv_into = watched_send, watched_receive


def main() -> None:
    """Run the command."""
    tracer = Tracer()
    tracer.reach("start")
    Files(tracer)
    watch_journal(tracer)
    watch_wire(tracer)
    if missing := os.environ.get("CRASH_WITHOUT"):
        mutants.apply(missing)
    runpy.run_module("pop3aio", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
