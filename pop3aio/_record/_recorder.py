"""``--record``: the session as it went over the wire, without what is secret."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import IO, Any, cast

from pop3aio._record._format import HEADER, Event, Mark, Received, Sent, write_event
from pop3aio._record._redactor import Redactor
from pop3aio._wire._stream import Stream

__all__ = ("Recorder",)


class Recorder:
    """Writes sessions into a file, anew each time it is made; raises OSError if it cannot.

    With `mail`, the mail is written as it is, else with every letter and digit as x. `bare_lf` says how the server
    ends its lines.
    """

    def __init__(self, path: str, *, mail: bool, bare_lf: bool = False) -> None:
        self._path = path
        self._mail = mail
        self._bare_lf = bare_lf
        with self._open("w") as file:
            file.write(HEADER + "\n")

    def _open(self, mode: str) -> IO[str]:
        return open(
            self._path, mode, encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)
        )

    def tap(self, stream: Stream) -> Stream:
        """Return a stream in place of this one that writes down what goes over it."""
        return _TappedStream(stream, Redactor(keep_mail=self._mail, bare_lf=self._bare_lf), self._open("a"))


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
        if not self._file.closed:
            for event in (*map(Received, self._redactor.flush()), *events):
                self._file.write(write_event(event))

    def received(self, data: bytes) -> None:
        if data:
            if pieces := self._redactor.received(data):
                self.note(*map(Received, pieces))
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
            self._file.close()


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
