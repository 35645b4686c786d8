"""A server that says again what one said, to a client that must do again what that one did."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from pop3aio._record._format import HIDDEN, Event, Mark, Received, Sent, read_events
from pop3aio.testing._certificates import Certificates, make_certificates
from pop3aio.testing._dialogue import Refusal
from pop3aio.testing._sasl import MECHANISMS, Exchange
from pop3aio.testing._wire import LineTooLong, Wire
from pop3core import POP3Error

__all__ = ("ReplayMismatch", "replay")

_Script: TypeAlias = Sequence[tuple[int, Event]]

# Of a SASL response, which may hold a long token.
_LINE_LIMIT = 1 << 20

# The command of a proof (see `pop3aio.Proof`), and an entry of the listing that it is about.
_DRAWN = re.compile(rb"UIDL ([0-9]+)")
_ENTRY = re.compile(rb"^([0-9]+) (\S+)\r\n", re.MULTILINE)


class ReplayMismatch(AssertionError):
    """The client did not do what the recorded one did."""


class replay:  # noqa: N801 - it reads as what it does: async with replay(path) as server
    """A server that replays what ``pop3aio --record`` has written; an async context manager.

    The first connection is answered as the first recorded one was, and so on: each piece is sent as it was received,
    when the client has sent what it had sent before it. Where the recording hides something, such as credentials,
    anything will do, and a proof is answered for the messages that the client draws this time. The pieces reach a
    client in the same event loop as they are, if it keeps up with them; one in another thread or process
    may receive several at once.

    Args:
        path: the recording.
        password: the one for SCRAM, in which the server must know it; the user's name may be any.
        host: the address to listen at.
        port: the port to listen at; 0 takes a free one.

    Attributes:
        host: the address it listens at.
        port: the port it listens at; known once it is started.
        tls: what to connect with: "none", "starttls" or "implicit", as it was in the first connection.
        certificates: the authority and certificate made for TLS, or None.

    Raises:
        OSError: the recording cannot be read.
        ValueError: it is none.
        ReplayMismatch: on leaving, if the client sent another thing, or connected less often; also in place of
            an error of the connection that came of it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        password: str = "password",  # noqa: S107
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.host = host
        self.port: int = port
        self._path = Path(os.path.expanduser(path))
        with self._path.open(encoding="ascii", newline="\n") as file:
            self._scripts = _split(list(read_events(file)))
        self._passwords = _Anyone(password)
        self.tls = _tls(self._scripts[0]) if self._scripts else "none"
        self.certificates: Certificates | None = None
        self._context: ssl.SSLContext | None = None
        if any(event is Mark.TLS for script in self._scripts for _, event in script):
            self.certificates = make_certificates()
            self._context = self.certificates.server_context()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._wires: list[Wire] = []
        # The lines of the recording at which the connections are.
        self._waiting: dict[int, int] = {}
        self._mismatch: BaseException | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        # What has been sent to each other already is to be seen.
        for _ in range(10):
            await asyncio.sleep(0)
        if self._mismatch is None and error is None:
            self._mismatch = self._missing()
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        for wire in self._wires:
            wire.abort()
            await wire.closed
        await self._server.wait_closed()
        if self._mismatch is not None and (error is None or isinstance(error, POP3Error | OSError)):
            raise self._mismatch

    def _missing(self) -> ReplayMismatch | None:
        """Return what the client did not do."""
        for number in self._waiting.values():
            return ReplayMismatch(f"{self._path}, line {number}: the client left off before this")
        if len(self._wires) < len(self._scripts):
            return ReplayMismatch(
                f"{self._path} has {len(self._scripts)} connections, and the client made {len(self._wires)}"
            )
        return None

    def _accept(self) -> Wire:
        wire = Wire(lambda: self._serve(wire), lambda: None)
        return wire

    def _serve(self, wire: Wire) -> None:
        self._wires.append(wire)
        task = asyncio.get_running_loop().create_task(self._play(wire, len(self._wires)))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._mismatch = self._mismatch or error

    async def _play(self, wire: Wire, connection: int) -> None:
        try:
            if connection > len(self._scripts):
                raise ReplayMismatch(f"{self._path} has no connection {connection}")
            actor = _Actor(wire, self._passwords, f"{self._path}, line ")
            for place, (number, event) in enumerate(self._scripts[connection - 1]):
                self._waiting[connection] = number
                if isinstance(event, Sent):
                    await actor.expect(event.data, number)
                elif isinstance(event, Received):
                    following = self._scripts[connection - 1][place + 1 : place + 2]
                    # Behind these octets the TLS handshake begins, which must not be waited for.
                    if not following or following[0][1] is not Mark.TLS:
                        await actor.say(event.data, number)
                elif event is Mark.TLS:
                    assert self._context is not None
                    _, before = self._scripts[connection - 1][place - 1] if place else (0, Mark.CONNECTED)
                    await wire.start_tls(self._context, before.data if isinstance(before, Received) else b"")
                elif event is Mark.END:
                    wire.close()
                else:
                    wire.abort(reset=True)
            self._waiting.pop(connection, None)
            await actor.end()
        except OSError:
            # The client is gone, or refused the handshake; what it says about that is its own affair.
            self._waiting.pop(connection, None)
            wire.abort()
        except BaseException:
            wire.abort()
            raise


class _Actor:
    """Plays one connection."""

    def __init__(self, wire: Wire, passwords: _Anyone, where: str) -> None:
        self._wire = wire
        self._passwords = passwords
        self._where = where
        self._exchange: Exchange | None = None
        self._mechanism = ""
        self._response = b""
        # The proof that a session is in step asks for messages that are drawn at random: what was listed, by number,
        # whether such a listing is being answered, and which number was asked for in place of which.
        self._listed: dict[bytes, bytes] = {}
        self._listing = False
        self._drawn: deque[tuple[bytes, bytes]] = deque()

    async def expect(self, data: bytes, number: int) -> None:
        """Read as many lines as `data` has and compare them."""
        for wanted in data.splitlines():
            try:
                line = await self._wire.read_line(_LINE_LIMIT)
            except LineTooLong as error:
                raise ReplayMismatch(f"{self._where}{number}: the client sent a line without end") from error
            if line is None:
                raise ReplayMismatch(f"{self._where}{number}: {wanted!r} was sent, and the client hung up")
            pattern = b"[^\r\n]*".join(map(re.escape, wanted.split(HIDDEN)))
            drawn, recorded = _DRAWN.fullmatch(line), _DRAWN.fullmatch(wanted)
            if drawn is not None and recorded is not None and drawn[1] in self._listed:
                self._drawn.append((recorded[1], drawn[1]))
                pattern = re.escape(line)
            if re.fullmatch(pattern, line) is None:
                raise ReplayMismatch(
                    f"{self._where}{number}: {wanted!r} was sent, and the client sent {line!r}"
                )
            self._note(line)

    def _note(self, line: bytes) -> None:
        """Follow an exchange of SCRAM, whose challenges are not in the recording."""
        keyword, _, rest = line.partition(b" ")
        self._listing = line == b"UIDL"
        if keyword == b"AUTH":
            mechanism, _, initial = rest.partition(b" ")
            self._mechanism, self._response = mechanism.decode(), initial
            begin = MECHANISMS.get(self._mechanism)
            self._exchange = None if begin is None else begin(self._passwords)
            if self._exchange is not None:
                next(self._exchange)
        else:
            self._response = line

    async def say(self, data: bytes, number: int) -> None:
        """Send one piece, and let a client in the same loop receive it before there is another."""
        if data == b"+ " + HIDDEN + b"\r\n":
            # Of SCRAM the client verifies every octet. To the others an empty object of JSON says nothing.
            scram = self._mechanism.startswith("SCRAM-")
            data = b"+ " + b64encode(self._challenge(number) if scram else b"{}") + b"\r\n"
        if self._listing:
            self._listed |= dict(_ENTRY.findall(data))
        self._wire.write(self._redrawn(data))
        await self._wire.drain()
        # One turn to see that there is something to read, one to read it, one for the task that waits for it.
        for _ in range(3):
            await asyncio.sleep(0)

    def _redrawn(self, data: bytes) -> bytes:
        """Return the recorded answers to a proof as answers for the messages that the client has drawn this time."""
        lines = data.splitlines(keepends=True) if self._drawn else [data]
        for place, line in enumerate(lines):
            if self._drawn and line.startswith(b"+OK %s " % self._drawn[0][0]):
                _, drawn = self._drawn.popleft()
                lines[place] = b"+OK %s %s\r\n" % (drawn, self._listed[drawn])
        return b"".join(lines)

    def _challenge(self, number: int) -> bytes:
        if self._exchange is None:
            raise ReplayMismatch(f"{self._where}{number}: a login by {self._mechanism} cannot be replayed")
        try:
            return self._exchange.send(b64decode(self._response))
        except (Refusal, StopIteration, ValueError) as error:
            raise ReplayMismatch(
                f"{self._where}{number}: {self._mechanism}: the password is not the one that replay was given"
            ) from error

    async def end(self) -> None:
        """Wait for the client's end of the connection, behind which the recording says nothing."""
        line = await self._wire.read_line(_LINE_LIMIT)
        if line is not None:
            raise ReplayMismatch(
                f"{self._where}the last one: nothing was sent any more, and the client sent {line!r}"
            )


class _Anyone(dict[str, str]):
    """A password that is right for every user."""

    def __init__(self, password: str) -> None:
        super().__init__()
        self._password = password

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: object = None) -> str:
        return self._password


def _split(events: _Script) -> list[_Script]:
    scripts: list[list[tuple[int, Event]]] = []
    for number, event in events:
        if event is Mark.CONNECTED:
            scripts.append([])
        elif not scripts:
            raise ValueError(f"line {number}: this stands in front of the first '= connected'")
        else:
            scripts[-1].append((number, event))
    return [*scripts]


def _tls(script: _Script) -> Literal["none", "starttls", "implicit"]:
    marks = [place for place, (_, event) in enumerate(script) if event is Mark.TLS]
    return "none" if not marks else "starttls" if marks[0] else "implicit"
