"""Messages as a server holds them: in memory, in a file, or made as they are sent; and their form on the wire."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TypeAlias

__all__ = (
    "CRLF",
    "FileMessage",
    "GeneratedMessage",
    "Message",
    "MessageLike",
    "chunks_of",
    "octets",
    "stuff",
    "terminate",
    "to_lf",
    "top",
    "wire_chunks",
)

CRLF = b"\r\n"
CHUNK = 256 * 1024


class Message(ABC):
    """A message whose octets are produced while they are sent, so that its size costs no memory."""

    blocking = False
    """Whether producing them may wait, as reading a file does: they are then produced in a thread."""

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """Return the octets of the message from its beginning, in pieces of any size; called anew for every RETR."""

    @cached_property
    def octets(self) -> int:
        """The size that STAT and LIST announce, in octets, with the final CRLF; counted once."""
        return sum(map(len, terminate(self.chunks())))


MessageLike: TypeAlias = bytes | Message


class FileMessage(Message):
    """A message read from a file as it is sent; line ends become CRLF on the wire whether the file has LF or CRLF.

    The file is read in a thread, in pieces of 256 KiB.

    Args:
        path: the file; it must not change while a session has it in its maildrop.
    """

    blocking = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = os.path.expanduser(path)

    def __repr__(self) -> str:
        return f"FileMessage({self.path!r})"

    def chunks(self) -> Iterator[bytes]:
        """Return the contents of the file with every line end as CRLF."""
        with open(self.path, "rb", buffering=0) as file:
            held = b""
            while chunk := file.read(CHUNK):
                chunk = held + chunk
                # A CR at the border may be half of a line end.
                held = chunk[-1:] if chunk.endswith(b"\r") else b""
                chunk = chunk[: len(chunk) - len(held)]
                yield chunk.replace(CRLF, b"\n").replace(b"\n", CRLF)
            if held:
                yield held


class GeneratedMessage(Message):
    """A message that is made while it is sent: one of a given size, or whatever a function yields.

    Args:
        source: the size in octets (at least 64; the message is a header and a text of 76-octet lines), or a
            function that returns the chunks of the message, the same ones at every call.

    Raises:
        ValueError: the size is below 64.
    """

    _HEADER = b"Subject: generated\r\nContent-Type: text/plain\r\n\r\n"
    _LINE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/ABCDEFGHIJ" + CRLF
    _BLOCK = _LINE * (CHUNK // len(_LINE))

    def __init__(self, source: int | Callable[[], Iterable[bytes]]) -> None:
        if isinstance(source, int) and source < 64:
            raise ValueError("a generated message has at least 64 octets")
        self._source = source

    def __repr__(self) -> str:
        return f"GeneratedMessage({self._source!r})"

    @cached_property
    def octets(self) -> int:
        """The size that STAT and LIST announce, in octets, with the final CRLF."""
        return self._source if isinstance(self._source, int) else super().octets

    def chunks(self) -> Iterator[bytes]:
        """Return the message, in pieces of about 256 KiB if it was given by its size."""
        return self._sized(self._source) if isinstance(self._source, int) else iter(self._source())

    def _sized(self, size: int) -> Iterator[bytes]:
        yield self._HEADER
        blocks, rest = divmod(size - len(self._HEADER) - len(CRLF), len(self._BLOCK))
        for _ in range(blocks):
            yield self._BLOCK
        # A CR cut off from its LF would be a lone one: a letter takes its place.
        yield self._BLOCK[:rest].removesuffix(b"\r").ljust(rest, b"A") + CRLF


def octets(message: MessageLike) -> int:
    """Return the size of a message on the wire in octets, with the final CRLF and without dot-stuffing."""
    if isinstance(message, bytes):
        return len(message) + (0 if not message or message.endswith(CRLF) else len(CRLF))
    return message.octets


def chunks_of(message: MessageLike) -> Iterator[bytes]:
    """Return the octets of a message in pieces, as they are."""
    if not isinstance(message, bytes):
        return message.chunks()
    if len(message) <= CHUNK:
        return iter((message,))
    return (message[start : start + CHUNK] for start in range(0, len(message), CHUNK))


def wire_chunks(message: MessageLike) -> Iterator[bytes]:
    """Return the octets of a message in pieces, with a final CRLF where it lacks one; dots are not stuffed."""
    return terminate(chunks_of(message))


def terminate(chunks: Iterable[bytes], line_end: bytes = CRLF) -> Iterator[bytes]:
    """Return the chunks, and a CRLF behind the last one if they do not end in a line end; nothing stays nothing."""
    tail = CRLF
    for chunk in chunks:
        yield chunk
        tail = (tail + chunk[-2:])[-2:]
    if not tail.endswith(line_end):
        yield CRLF


def to_lf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the chunks with LF in place of every CRLF."""
    held = b""
    for chunk in chunks:
        chunk = held + chunk
        held = chunk[-1:] if chunk.endswith(b"\r") else b""
        yield chunk[: len(chunk) - len(held)].replace(CRLF, b"\n")
    if held:
        yield held


def stuff(chunks: Iterable[bytes], line_end: bytes = CRLF, *, first: bool = True) -> Iterator[bytes]:
    """Return the chunks with a dot put before every dot that begins a line, wherever the chunks are cut.

    Args:
        chunks: the message in pieces of any size.
        line_end: what ends a line, CRLF or LF.
        first: whether the very first octet begins a line.
    """
    tail = line_end if first else b""
    for chunk in chunks:
        stuffed = chunk.replace(line_end + b".", line_end + b"..")
        if tail == line_end and chunk.startswith(b"."):
            stuffed = b"." + stuffed
        elif line_end == CRLF and tail.endswith(b"\r") and chunk.startswith(b"\n."):
            stuffed = b"\n." + stuffed[1:]
        yield stuffed
        tail = (tail + chunk[-2:])[-len(line_end) :]


def top(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """Return the header, the blank line and the first lines of the body, as TOP sends them.

    Args:
        chunks: the message in pieces of any size.
        lines: how many lines of the body, from 0.
    """
    in_header = True
    # The line before the first one has ended, so a message may begin with its blank line.
    tail = CRLF
    for chunk in chunks:
        window = tail + chunk
        end = 0
        if in_header:
            end = window.find(b"\r\n\r\n")
            if end < 0:
                tail = window[-3:]
                yield chunk
                continue
            end += 4
            in_header = False
        while lines:
            found = window.find(CRLF, end)
            if found < 0:
                break
            end = found + 2
            lines -= 1
        if not lines:
            yield window[len(tail) : end]
            return
        tail = b"\r" if window.endswith(b"\r") else b""
        yield chunk
