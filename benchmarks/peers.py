"""The peers in the standard library, and the floors: what it costs to receive the same octets and drop them, or to make
the same files."""

from __future__ import annotations

import asyncio
import mailbox
import os
import poplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.jobs import PASSWORD, USER, Job, Work, simple
from benchmarks.load import Mail, body
from benchmarks.maildirs import stored

__all__ = (
    "buffered_protocol",
    "files",
    "mailbox_deliver",
    "poplib_listing",
    "poplib_mailboxes",
    "poplib_retrieve",
    "poplib_store",
    "poplib_uidl",
    "stream_reader",
)

# poplib refuses lines of more than 2048 octets and has no other limit; nothing here comes near.


def _login(job: Job, context: ssl.SSLContext | None) -> poplib.POP3:
    session: poplib.POP3
    if context is None:
        session = poplib.POP3("127.0.0.1", job.port)
    else:
        session = poplib.POP3_SSL("localhost", job.port, context=context)
    session.user(USER)
    session.pass_(PASSWORD)
    return session


def _context(job: Job) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=job.authority) if job.authority else None


def _retrieve(job: Job, context: ssl.SSLContext | None) -> int:
    session = _login(job, context)
    total = 0
    for number in range(1, job.count + 1):
        _, lines, _ = session.retr(number)
        total += sum(map(len, lines)) + 2 * len(lines)
    session.quit()
    return total


def poplib_retrieve(job: Job) -> Work:
    """Every message as poplib gives it, a list of lines."""
    context = _context(job)
    return simple(lambda: _retrieve(job, context))


def poplib_mailboxes(job: Job) -> Work:
    """Many sessions at once, each in a thread."""

    def run() -> int:
        with ThreadPoolExecutor(job.mailboxes) as pool:
            return sum(pool.map(lambda _: _retrieve(job, None), range(job.mailboxes)))

    return simple(run)


def poplib_store(job: Job) -> Work:
    """Every message into a `mailbox.Maildir`, which synchronises each file."""

    def run() -> None:
        box = mailbox.Maildir(Path(job.folder, "mail"))
        session = _login(job, None)
        for number in range(1, job.count + 1):
            box.add(b"\n".join(session.retr(number)[1]) + b"\n")
        session.quit()

    return run, lambda _: stored(job)


def poplib_listing(job: Job) -> Work:
    """UIDL and LIST, as dictionaries."""

    def run() -> int:
        session = _login(job, None)
        uids = {int(number): uid for number, uid in (line.split() for line in session.uidl()[1])}
        sizes = {int(number): int(size) for number, size in (line.split() for line in session.list()[1])}
        session.quit()
        return sum(sizes.values()) + sum(map(len, uids.values()))

    return simple(run)


def poplib_uidl(job: Job) -> Work:
    """UIDL alone."""

    def run() -> int:
        session = _login(job, None)
        uids = {int(number): uid for number, uid in (line.split() for line in session.uidl()[1])}
        session.quit()
        return sum(map(len, uids.values()))

    return simple(run)


def mailbox_deliver(job: Job) -> Work:
    """Delivery alone, by `mailbox.Maildir`."""
    message = body(Mail(1, job.octets)).replace(b"\r\n", b"\n")

    def run() -> None:
        box = mailbox.Maildir(Path(job.folder, "mail"))
        for _ in range(job.count):
            box.add(message)

    return run, lambda _: stored(job)


def files(job: Job) -> Work:
    """The floor of delivery: the system calls for the same files, made from memory in groups of 128."""
    message = bytes(job.stored)
    synced = job.durability == "full"

    def run() -> None:
        tmp, new = (os.open(Path(job.folder, "mail", name), os.O_RDONLY) for name in ("tmp", "new"))
        for start in range(0, job.count, 128):
            group = []
            for number in range(start, min(start + 128, job.count)):
                name = f"1700000000.M{number:06d}P1Q{number}R0123456789abcdef.host"
                descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=tmp)
                os.write(descriptor, message)
                if synced:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                group.append((name, descriptor))
            for _, descriptor in group:
                if synced:
                    os.fsync(descriptor)
                os.close(descriptor)
            for name, _ in group:
                os.rename(name, name, src_dir_fd=tmp, dst_dir_fd=new)
            if synced:
                os.fsync(new)
        os.close(tmp)
        os.close(new)

    return run, lambda _: stored(job)


def _requests(job: Job) -> tuple[bytes, int]:
    """Return all commands of a session but QUIT, and the octets of their answers."""
    commands = [
        b"USER user\r\n",
        b"PASS password\r\n",
        *(b"RETR %d\r\n" % n for n in range(1, job.count + 1)),
    ]
    return b"".join(commands), 2 * len(b"+OK\r\n") + job.wire * job.count


def _floor_octets(job: Job, came: int) -> int:
    """Return the octets a client would have seen, if what came is what was due on the wire."""
    _, due = _requests(job)
    return job.octets * job.count if came == due + len(b"+OK load\r\n+OK\r\n") else came


def stream_reader(job: Job) -> Work:
    """The floor of asyncio's streams: a loop over `StreamReader.read`."""
    context = _context(job)
    requests, due = _requests(job)

    async def main() -> int:
        name = "localhost" if context else "127.0.0.1"
        reader, writer = await asyncio.open_connection(name, job.port, ssl=context)
        came = len(await reader.readline())
        writer.write(requests)
        due_in_all = came + due
        while came < due_in_all:
            came += len(await reader.read(262144))
        writer.write(b"QUIT\r\n")
        while data := await reader.read(262144):
            came += len(data)
        writer.close()
        return came

    return lambda: asyncio.run(main()), lambda came: _floor_octets(job, came)


class _Discard(asyncio.BufferedProtocol):
    """Counts octets; asks for everything when the greeting has come, and for the end when the rest has."""

    def __init__(self, requests: bytes, due: int) -> None:
        self.came = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = memoryview(bytearray(262144))
        self._requests = requests
        self._due = due + len(b"+OK load\r\n")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self.came:
            self._transport.write(self._requests)
        self.came += nbytes
        if self.came == self._due:
            self._transport.write(b"QUIT\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


def buffered_protocol(job: Job) -> Work:
    """The floor of asyncio itself: a BufferedProtocol with one buffer of 256 KiB."""
    context = _context(job)
    requests, due = _requests(job)

    async def main() -> int:
        name = "localhost" if context else "127.0.0.1"
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(
            lambda: _Discard(requests, due), name, job.port, ssl=context
        )
        await protocol.over
        return protocol.came

    return lambda: asyncio.run(main()), lambda came: _floor_octets(job, came)
