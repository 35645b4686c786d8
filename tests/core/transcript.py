"""Transcripts of sessions, and a player that cuts the server's octets in every way the network may.

A transcript is a text file of lines

    # a comment
    open window=4 bare_lf=1     how the connection is made (the first line, if at all)
    S: +OK ready                the server sends this line and CRLF
    S| octets                   the server sends just these octets, no line end
    ---                         what follows comes in a later receive
    C: STAT                     the client sends this; it must go out at once, and look like this
    Q: STAT                     the client sends this; it must stay in the queue
    W: STAT                     what was queued goes out now (several lines: in one write)
    A: text                     the challenge is answered by this
    A*                          the exchange is cancelled
    T                           TLS is established
    EOF                         the server closes the connection
    E: Reply 1 ok 'x'           an event that has come since the last action
    E! LimitExceeded            the error that has
    = TRANSACTION               the state now

Escapes are those of a Python string. Lines of the server in a row are one burst.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pop3core import Connection, Event, RemoteProtocolError, State

from .wire import command_of, describe, pump

FOLDER = Path(__file__).with_name("transcripts")


def _unescape(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


@dataclass
class Burst:
    """What the server sends between two actions of the client."""

    octets: bytes


@dataclass
class Act:
    """Something the client does, or that becomes of the connection."""

    kind: str
    text: str = ""


@dataclass
class Expect:
    """What must have come of it."""

    events: list[str] = field(default_factory=list)
    error: str | None = None


Step: TypeAlias = Burst | Act | Expect


@dataclass
class Transcript:
    name: str
    options: dict[str, int]
    steps: list[Step]

    @property
    def bursts(self) -> list[bytes]:
        return [step.octets for step in self.steps if isinstance(step, Burst)]


_LINE = re.compile(r"(S: ?|S\| ?|C: |Q: |W: |A: ?|A\*|T|EOF|E: |E! |= |---)(.*)")


def parse(name: str, text: str) -> Transcript:
    options: dict[str, int] = {}
    steps: list[Step] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("open "):
            assert not steps
            options = {key: int(value) for key, value in (word.split("=") for word in line.split()[1:])}
            continue
        match = _LINE.fullmatch(line)
        assert match, f"{name}: {line!r}"
        mark, rest = match[1].rstrip(), match[2]
        last = steps[-1] if steps else None
        if mark in ("S:", "S|"):
            octets = _unescape(rest) + (b"\r\n" if mark == "S:" else b"")
            if isinstance(last, Burst):
                last.octets += octets
            else:
                steps.append(Burst(octets))
        elif mark in ("E:", "E!"):
            if not isinstance(last, Expect):
                last = Expect()
                steps.append(last)
            assert last.error is None
            if mark == "E!":
                last.error = rest
            else:
                last.events.append(rest)
        elif mark == "W:" and isinstance(last, Act) and last.kind == "W:":
            last.text += "\n" + rest
        else:
            steps.append(Act(mark, rest))
    return Transcript(name, options, steps)


def load_all() -> list[Transcript]:
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        # A file may hold several sessions, each under a title "== name".
        for part in re.split(r"^== ", path.read_text("ascii"), flags=re.MULTILINE)[1:]:
            title, _, text = part.partition("\n")
            found.append(parse(f"{path.stem}: {title}", text))
    return found


def cuttings(transcript: Transcript) -> Iterator[dict[int, list[int]]]:
    """Every way to cut that is tried: burst -> positions; whole first, then every octet, then every two-way split."""
    bursts = transcript.bursts
    yield {}
    yield {n: list(range(1, len(burst))) for n, burst in enumerate(bursts)}
    for n, burst in enumerate(bursts):
        for position in range(1, len(burst)):
            yield {n: [position]}


def play(transcript: Transcript, cuts: dict[int, list[int]], *, eager: bool) -> None:
    """Replay a session; `eager` takes events after each receive, otherwise after all that come in a burst."""
    session = _Session(transcript, eager)
    burst = 0
    for step in transcript.steps:
        if isinstance(step, Burst):
            ends = [*cuts.get(burst, ()), len(step.octets)]
            start = 0
            for end in ends:
                session.receive(step.octets[start:end])
                start = end
            burst += 1
            session.take()
        elif isinstance(step, Act):
            session.act(step)
        else:
            session.compare(step, exact=not cuts)
    session.finish()


class _Session:
    def __init__(self, transcript: Transcript, eager: bool) -> None:
        options = transcript.options
        self.connection = Connection(
            window=options.get("window", 1),
            bare_lf=bool(options.get("bare_lf", 0)),
            secure=bool(options.get("secure", 0)),
        )
        self.eager = eager
        self.handles: list[int] = []
        self.events: list[Event] = []
        self.error: RemoteProtocolError | None = None

    def receive(self, octets: bytes) -> None:
        if self.error is None:
            self.connection.receive_data(octets)
            if self.eager:
                self.take()

    def take(self) -> None:
        if self.error is None:
            try:
                for event in pump(self.connection):
                    self.events.append(event)
            except RemoteProtocolError as error:
                self.error = error

    def act(self, step: Act) -> None:
        if step.kind == "---":
            return
        if step.kind == "=":
            assert self.connection.state.name == step.text
            return
        assert not self.events, f"nobody expected {self.events}"
        assert self.error is None
        connection = self.connection
        if step.kind in ("C:", "Q:"):
            self.handles.append(connection.send(command_of(step.text)))
            line = re.sub(r"^RAW\*? ", "", step.text).encode() + b"\r\n"
            assert connection.data_to_send() == (line if step.kind == "C:" else b"")
        elif step.kind == "W:":
            assert connection.data_to_send() == step.text.replace("\n", "\r\n").encode() + b"\r\n"
        elif step.kind == "A:":
            response = _unescape(step.text)
            connection.answer(response)
            assert connection.data_to_send() == b64encode(response) + b"\r\n"
        elif step.kind == "A*":
            connection.answer(None)
            assert connection.data_to_send() == b"*\r\n"
        elif step.kind == "T":
            try:
                connection.tls_established()
            except RemoteProtocolError as error:
                self.error = error
        else:
            assert step.kind == "EOF"
            connection.receive_eof()
            self.take()

    def compare(self, expected: Expect, *, exact: bool) -> None:
        got = describe(self.events, lambda handle: self.handles.index(handle) + 1)
        assert (type(self.error).__name__ if self.error else None) == expected.error
        if exact or self.error is None:
            assert got == expected.events
        else:
            # Octets that came before the offending ones, in a receive of their own, have had their effect.
            *head, last = expected.events or [""]
            assert got[: len(head)] == head
            assert not last or got[len(head)].startswith(last.removesuffix("'"))
        self.events = []

    def finish(self) -> None:
        if self.error is None and self.connection.state is not State.CLOSED:
            self.take()
        assert not self.events
        assert self.connection.data_to_send() == b""
