"""The recorder: sessions as they went over the wire, in a file, without what is secret.

How it works. `Recorder.tap` puts a stream of its own in place of the session's. Reader and writer of that stream pass
every octet on, and let the redactor say what is written of it.

Invariants:
- Nothing reaches the file but through `Redactor`; octets that it holds back are written before the next event.
- What the session sends and receives is never changed, and never waits for more than a write to a file. A file that
  cannot be written any more ends the recording, not the session.
- The file is for its owner alone before the first octet is in it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import stat
from contextlib import suppress
from typing import IO, Any, cast

from pop3aio._record._format import HEADER, Event, Mark, Received, Sent, write_event
from pop3aio._record._redactor import Redactor
from pop3aio._wire._stream import Stream

__all__ = ("Recorder",)

logger = logging.getLogger("pop3aio")


class Recorder:
    """Writes sessions down, for a bug report: ``connect(host, record=Recorder("session.txt"))``.

    User names, passwords, tokens, and what the server answers to them are not written; ``***`` stands there. The file
    can be read, and replayed by `pop3aio.testing.replay`. What is in it otherwise (greeting, sizes, unique-ids) is what
    the server said: read it before you show it to others.

    A file has one session behind the other. For sessions that run at the same time make a recorder for each.

    Args:
        path: the file, which is begun anew now, and is for its owner alone; ``~`` is expanded.
        mail: whether mail is written as it is. Otherwise every letter and digit of it is an ``x``.
        bare_lf: whether the server ends its lines by LF alone, as for `connect`.

    Raises:
        OSError: the file cannot be written.
        TypeError: an argument is of the wrong type.
    """

    def __init__(self, path: str | os.PathLike[str], *, mail: bool = False, bare_lf: bool = False) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"path is the name of a file, as in 'session.txt', not {path!r}")
        for name, value in (("mail", mail), ("bare_lf", bare_lf)):
            if type(value) is not bool:
                raise TypeError(f"{name} is True or False, not {value!r}")
        self._path = os.path.expanduser(path)
        self._mail = mail
        self._bare_lf = bare_lf
        with self._open("w") as file:
            _keep_to_owner(file.fileno())
            file.write(HEADER + "\n")

    def __repr__(self) -> str:
        return f"Recorder({self._path!r})"

    def _open(self, mode: str) -> IO[str]:
        return open(
            self._path, mode, encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)
        )

    def tap(self, stream: Stream, /) -> Stream:
        """Return a stream in place of this one that writes down what goes over it; `connect` calls this.

        Raises:
            OSError: the file cannot be written any more.
        """
        return _TappedStream(stream, Redactor(keep_mail=self._mail, bare_lf=self._bare_lf), self._open("a"))


def _keep_to_owner(descriptor: int) -> None:
    """Take a file that was there before away from everybody but its owner; a device or a pipe stays as it is."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        # Some file systems have no permissions.
        with suppress(OSError, AttributeError):
            os.fchmod(descriptor, 0o600)


class _TappedStream(Stream):
    """A stream whose octets are written down."""

    def __init__(self, stream: Stream, redactor: Redactor, file: IO[str]) -> None:
        super().__init__(stream.reader, stream.writer)
        self._redactor = redactor
        self._file = file
        self._replaced.append(stream)
        self.note(Mark.CONNECTED)
        self._tap()

    def _tap(self) -> None:
        self.reader = cast(asyncio.StreamReader, _TappedReader(self.reader, self))
        self.writer = cast(asyncio.StreamWriter, _TappedWriter(self.writer, self))

    def note(self, *events: Event) -> None:
        held = self._redactor.flush()
        self._write(*([Received(held)] if held else ()), *events)

    def _write(self, *events: Event) -> None:
        if self._file.closed:
            return
        try:
            for event in events:
                self._file.write(write_event(event))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Write no more: what the recorder lacks must not end the session."""
        logger.warning("the recording ends here: %s", error.strerror or error)
        with suppress(OSError):
            self._file.close()

    def received(self, data: bytes) -> None:
        if data:
            if shown := self._redactor.received(data):
                self._write(Received(shown))
        else:
            self.note(Mark.END)

    def sent(self, data: bytes) -> None:
        self.note(Sent(self._redactor.sent(data)))

    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str, timeout: float, pin: bytes | None = None
    ) -> None:
        before = self.reader, self.writer
        try:
            await super().start_tls(context, server_hostname, timeout, pin)
        finally:
            self.note(Mark.TLS)
        if before != (self.reader, self.writer):
            self._tap()

    async def close(self, grace: float = 1.0) -> None:
        try:
            await super().close(grace)
        finally:
            self.note()
            try:
                self._file.close()
            except OSError as error:
                self._give_up(error)


class _TappedReader:
    def __init__(self, reader: asyncio.StreamReader, stream: _TappedStream) -> None:
        self._reader = reader
        self._stream = stream

    async def read(self, n: int = -1) -> bytes:
        try:
            data = await self._reader.read(n)
        except OSError:
            self._stream.note(Mark.RESET)
            raise
        self._stream.received(data)
        return data


class _TappedWriter:
    def __init__(self, writer: asyncio.StreamWriter, stream: _TappedStream) -> None:
        self._writer = writer
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.sent(data)
        self._writer.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)
