"""The parser alone: answers to RETR in memory, through pop3core's state machine and through poplib's loop."""

from __future__ import annotations

import io
import poplib

from benchmarks.jobs import Job, Work, simple
from benchmarks.load import Kind, Mail, body, wire
from pop3core import BodyChunk, Connection, Pass, Retr, User

__all__ = ("core", "lines")

CHUNK = 262144


def _answer(job: Job) -> bytes:
    kind: Kind = "base64" if job.kind == "base64" else "text"
    return b"+OK\r\n" + wire(body(Mail(1, job.octets, kind, job.stuffed)))


def core(job: Job) -> Work:
    """`Connection`, fed in pieces of 256 KiB as a socket would."""
    answer = _answer(job)
    pieces = [answer[start : start + CHUNK] for start in range(0, len(answer), CHUNK)]
    connection = Connection()
    connection.receive_data(b"+OK\r\n")
    connection.next_event()
    for command in (User("user"), Pass("password")):
        connection.send(command)
        connection.data_to_send()
        connection.receive_data(b"+OK\r\n")
        connection.next_event()

    def run() -> int:
        total = 0
        for number in range(1, job.count + 1):
            connection.send(Retr(number))
            connection.data_to_send()
            for piece in pieces:
                connection.receive_data(piece)
                while (event := connection.next_event()) is not None:
                    if isinstance(event, BodyChunk):
                        total += len(event.data)
                    elif connection.outstanding == 0:
                        break
        return total

    return simple(run)


class _InMemory(poplib.POP3):
    def __init__(self) -> None:
        self._debugging = 0


def lines(job: Job) -> Work:
    """poplib's own method for multi-line answers, reading from memory."""
    answer = _answer(job)
    session = _InMemory()

    def run() -> int:
        total = 0
        for _ in range(job.count):
            session.file = io.BytesIO(answer)
            _, lines, _ = session._getlongresp()  # type: ignore[attr-defined]
            total += sum(map(len, lines)) + 2 * len(lines)
        return total

    return simple(run)
