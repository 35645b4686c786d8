"""A bad network: a proxy that stands between a client and a server and does to their octets what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from types import TracebackType
from typing import Literal, NoReturn, Self, TypeAlias, get_args

from pop3aio.testing._server import Server
from pop3aio.testing._wire import stop_listening

__all__ = ("ChaosProxy", "Injected", "Side", "WireFault", "WireFaultKind")

WireFaultKind: TypeAlias = Literal[
    "delay", "split", "merge", "stall", "cut", "reset", "half-close", "corrupt", "duplicate"
]
Side: TypeAlias = Literal["client", "server"]

_CHUNK = 64 * 1024

# How long the end of a connection may take to get out to somebody who does not read.
_GRACE = 1.0


@dataclass(frozen=True, slots=True)
class WireFault:
    """What happens to the octets that travel in one direction, and where.

    Args:
        kind: "delay" waits before it passes on; "split" ends a write here, so that the receiver gets the octets in two
            pieces; "merge" holds the octets back until more have come, so that the receiver gets them in one;
            "stall" passes nothing on from here, while the connection stays open; "cut" closes both connections in good
            order; "reset" drops both by a TCP reset; "half-close" ends this direction only; "corrupt" changes one
            octet; "duplicate" passes the octets just passed once more.
        at: where, as the count of octets of this direction that come before, from 0.
        every: how many octets there are between two of these faults in the mean: for each octet the chance is one
            in so many. One of `at` and `every` is given, not both.
        toward: whose octets it happens to: those on their way to the "client", or to the "server".
        seconds: how long "delay" waits, and "merge" holds back at most; with `every`, chance takes up to so many.
        octets: how many octets "merge" puts together, and "duplicate" repeats; with `every`, chance takes up to so
            many.

    Raises:
        ValueError: an argument is none of these.
    """

    kind: WireFaultKind
    _: KW_ONLY
    at: int | None = None
    every: float | None = None
    toward: Side = "client"
    seconds: float = 0.01
    octets: int = 64

    def __post_init__(self) -> None:
        if self.kind not in get_args(WireFaultKind):
            raise ValueError(f"kind is one of {', '.join(get_args(WireFaultKind))}, not {self.kind!r}")
        if self.toward not in get_args(Side):
            raise ValueError(f'toward is "client" or "server", not {self.toward!r}')
        if (self.at is None) == (self.every is None):
            raise ValueError("a fault needs `at` or `every`, and not both")
        if self.at is not None and self.at < 0:
            raise ValueError(f"at is a count of octets from 0, not {self.at!r}")
        if self.every is not None and not self.every >= 1:
            raise ValueError(f"every is a count of octets from 1, not {self.every!r}")
        if not self.seconds >= 0 or self.octets < 1:
            raise ValueError("seconds are from 0, and octets from 1")


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that happened: to which connection (from 0), toward whom, and how many octets had come before it."""

    connection: int
    toward: Side
    position: int
    kind: WireFaultKind


@dataclass(frozen=True, slots=True, order=True)
class _Planned:
    position: int
    turn: int
    fault: WireFault = field(compare=False)
    seconds: float = field(compare=False)
    octets: int = field(compare=False)
    mask: int = field(compare=False)


class ChaosProxy:
    """Listens on a port of its own and passes octets to a server and back, with faults; an async context manager.

    Chance is seeded: each fault comes before the same octets of the same connection whenever the seed is the same,
    however TCP cuts the stream. What is said under TLS passes as it is; what chance does to it, TLS notices.

    Args:
        upstream: the `Server` to stand in front of, or host and port of another one.
        faults: what shall happen to each connection; may be set anew, for the connections that come after.
        seed: what chance starts from.
        host: the address to listen at.

    Attributes:
        host: the address it listens at.
        port: the port it listens at; known once it is started.
        connections: how many connections were accepted so far.
        injected: the faults that happened so far, of all connections in order.
    """

    def __init__(
        self,
        upstream: Server | tuple[str, int],
        faults: Iterable[WireFault] = (),
        *,
        seed: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self._upstream = upstream
        self.faults: list[WireFault] = list(faults)
        self.seed = seed
        self.host = host
        self.port: int = 0
        self.connections: int = 0
        self.injected: list[Injected] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<ChaosProxy {self.host}:{self.port} seed={self.seed}, {self.connections} connections>"

    async def start(self) -> None:
        """Listen and pass on, until `aclose`; raises RuntimeError when it is running, OSError when it cannot listen."""
        if self._server is not None:
            raise RuntimeError("the proxy is running already")
        self._server = await asyncio.start_server(self._accepted, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening and drop every connection; it is safe to call twice."""
        server, self._server = self._server, None
        if server is None:
            return
        await stop_listening(server)
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await server.wait_closed()
        # What was dropped just now is told so in the loop's next turn.
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._link(self.connections, reader, writer))
        self.connections += 1
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _link(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass octets between a client and the server until both have hung up, or a fault parts them."""
        writers = [writer]
        broken = True
        try:
            upstream = self._upstream
            host, port = upstream if isinstance(upstream, tuple) else (upstream.host, upstream.port)
            from_server, to_server = await asyncio.open_connection(host, port)
            writers.append(to_server)
            broken = await _run_both(
                _Pump(reader, to_server, self._plan(number, "server")),
                _Pump(from_server, writer, self._plan(number, "client")),
            )
        except OSError:
            # The server cannot be reached: the client is dropped.
            pass
        finally:
            await _end(writers, reset=broken)

    def _plan(self, number: int, toward: Side) -> _Plan:
        return _Plan(self.faults, self.seed, number, toward, self.injected)


class _Plan:
    """The faults of one direction of one connection, in the order of their positions."""

    def __init__(
        self, faults: Iterable[WireFault], seed: int, connection: int, toward: Side, injected: list[Injected]
    ) -> None:
        self.toward = toward
        self._connection = connection
        self._injected = injected
        chosen = [(turn, fault) for turn, fault in enumerate(faults) if fault.toward == toward]
        self._faults = heapq.merge(
            *(
                _positions(turn, fault, random.Random(f"{seed} {connection} {toward} {turn}"))  # noqa: S311
                for turn, fault in chosen
            )
        )
        self._next = next(self._faults, None)
        # What "duplicate" may have to repeat.
        self.memory = max((fault.octets for _, fault in chosen if fault.kind == "duplicate"), default=0)

    def before(self, position: int) -> Iterator[_Planned]:
        """Yield the faults that come before so many octets have passed, and note that they happened."""
        while self._next is not None and self._next.position < position:
            planned, self._next = self._next, next(self._faults, None)
            kind = planned.fault.kind
            self._injected.append(Injected(self._connection, self.toward, planned.position, kind))
            yield planned


def _positions(turn: int, fault: WireFault, chance: random.Random) -> Iterator[_Planned]:
    mask = chance.randrange(1, 256)
    if fault.at is not None:
        yield _Planned(fault.at, turn, fault, fault.seconds, fault.octets, mask)
        return
    assert fault.every is not None
    position = -1
    while True:
        position += 1 + int(chance.expovariate(1 / fault.every))
        seconds = chance.uniform(0, fault.seconds)
        octets = chance.randint(1, fault.octets)
        yield _Planned(position, turn, fault, seconds, octets, mask)
        mask = chance.randrange(1, 256)


class _Parted(Exception):
    """A fault, or one of the two sides, has ended the connection; the argument says whether by a reset."""


class _Pump:
    """Passes octets in one direction."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, plan: _Plan) -> None:
        self._reader = reader
        self._writer = writer
        self._plan = plan
        self._position = 0
        self._recent = b""
        # What "merge" holds back, until it is so much or so old.
        self._held = bytearray()
        self._hold_octets = 0
        self._hold_seconds = 0.0
        self._silent = False

    async def run(self) -> None:
        """Pass on until this side hangs up; raises _Parted and OSError when both are to be dropped."""
        while data := await self._read():
            await self._pass(data)
        if not self._silent:
            self._release()
            self._writer.write_eof()
        elif self._plan.toward == "server":
            # Nobody else would tell the server that the client has gone.
            raise _Parted(False)

    async def _read(self) -> bytes:
        if self._held:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._hold_seconds):
                    return await self._reader.read(_CHUNK)
            self._release()
        return await self._reader.read(_CHUNK)

    async def _pass(self, data: bytes) -> None:
        octets = bytearray(data)
        start = self._position
        done = 0
        for planned in self._plan.before(start + len(data)):
            here = planned.position - start
            self._write(octets[done:here])
            done = here
            if planned.fault.kind == "corrupt":
                octets[here] ^= planned.mask
            else:
                await self._inject(planned)
        self._write(octets[done:])
        self._position = start + len(data)
        await self._writer.drain()

    async def _inject(self, planned: _Planned) -> None:
        match planned.fault.kind:
            case "delay":
                await asyncio.sleep(planned.seconds)
            case "split":
                self._release()
                await self._writer.drain()
                # The receiver may live in this loop: it gets two turns to take what it was sent.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            case "merge":
                self._hold_octets, self._hold_seconds = planned.octets, planned.seconds
            case "duplicate":
                self._write(self._recent[-planned.octets :])
            case "stall":
                self._silent = True
            case "half-close":
                self._release()
                if not self._silent:
                    self._writer.write_eof()
                self._silent = True
            case "cut" | "reset" as kind:
                self._part(reset=kind == "reset")

    def _part(self, *, reset: bool) -> NoReturn:
        self._release()
        raise _Parted(reset)

    def _write(self, octets: bytes | bytearray) -> None:
        if self._silent or not octets:
            return
        if self._plan.memory:
            self._recent = (self._recent + octets)[-self._plan.memory :]
        self._held += octets
        if len(self._held) >= self._hold_octets:
            self._release()

    def _release(self) -> None:
        if self._held and not self._silent:
            if self._writer.is_closing():
                raise ConnectionResetError("the receiver has gone")
            self._writer.write(bytes(self._held))
        self._held.clear()
        self._hold_octets = 0


async def _run_both(*pumps: _Pump) -> bool:
    """Run until both sides have hung up or they are to be parted; return whether that is to be by a reset."""
    tasks = [asyncio.ensure_future(pump.run()) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    reset = False
    for outcome in outcomes:
        match outcome:
            case _Parted():
                reset = reset or outcome.args[0]
            case OSError():
                # One side has reset the connection, which the other side is told in the same way.
                reset = True
            case Exception():
                raise outcome
    return reset


async def _end(writers: Iterable[asyncio.StreamWriter], *, reset: bool) -> None:
    loop = asyncio.get_running_loop()
    transports = [writer.transport for writer in writers]
    for transport in transports:
        if reset:
            sock = transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    timers = [loop.call_later(_GRACE, transport.abort) for transport in transports]
    try:
        for writer in writers:
            # How the peer takes it does not matter.
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    finally:
        for timer in timers:
            timer.cancel()
        for transport in transports:
            transport.abort()
