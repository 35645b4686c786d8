"""A run of messages: many RETR or TOP in flight, yielded in order."""

# How it works. `_fill` asks for messages ahead: up to the window, up to 4 MiB of them by their listed sizes, and only
# when half of that has been read, so that one write carries many commands. `__anext__` passes the rest of the last
# message, fills up, and hands out the next one; most have come whole by then, and are taken without waiting. The
# commands of a proof stand in the same queue between the messages, and their answers are compared when their turn
# comes.
#
# Invariants:
# - `_in_flight` has the messages and proofs in the order of their commands. The message that was handed out last is
#   not in it, but in `_current`.
# - `_ahead` is the sum of the sizes of the messages in `_in_flight`.
# - When `_closed` is set, every message that was asked for has been handed out and read, or was given up.
# - At an await another task may call `aclose`; so `_closed` is looked at by what follows, and `_busy` keeps a second
#   task from asking for the next message.

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self, cast

from pop3aio._errors import ConcurrencyError
from pop3aio._session._call import Call
from pop3aio._session._message import Message
from pop3aio._session._numbers import Numbers
from pop3aio._session._proof import Proof, read_proof
from pop3aio._session._queue import CommandQueue
from pop3core import Command, Retr, Top

__all__ = ("PROVEN_OCTETS", "Retrieval")

# Octets of messages that may be asked for ahead: enough for a long path, and little to read where one is cancelled.
_AHEAD = 4 << 20

# Octets of messages behind which the proof is asked for: what is lost with a session that breaks is small.
PROVEN_OCTETS = 1 << 20
# What a message of unknown size counts as: so 64 of them are asked for ahead.
_UNKNOWN = 1 << 16


class Retrieval:
    """The messages of `Client.retrieve`, in the order in which the numbers were given; an async iterator of `Message`.

    Commands are kept in flight up to the connection's window, for 4 MiB of messages and at least one beside that which
    is being read; one of unknown size counts as 64 KiB. A refused message is yielded like any other, with its `error`
    set. Going on to the next message drops what was not read of the last one. Leaving the loop early,
    `aclose`, and a cancel give up all that is not read: commands not yet written are taken back.

    With a `proof` the session is proved to be in step behind every 128 messages or 1 MiB, and at the end: see `Proof`.
    That costs no round trip. An answer that is not what the listing said raises RemoteProtocolError, and the connection
    is closed.
    """

    # Until __init__ is through, there is nothing that __del__ could close.
    _closed = True

    def __init__(
        self,
        queue: CommandQueue,
        numbers: Iterable[int] | AsyncIterable[int],
        lines: int | None,
        sizes: Mapping[int, int] | None,
        proof: Proof | None = None,
    ) -> None:
        self._queue = queue
        self._lines = lines
        # The size of a message tells nothing of how long its head is.
        self._sizes = sizes if sizes is not None and lines is None else {}
        self._ahead = 0
        self._numbers = Numbers(numbers)
        self._in_flight: deque[Message | _Asked] = deque()
        self._proof = proof
        self._sent = 0
        # Messages asked for since the last proof was, and their octets.
        self._since = 0
        self._since_octets = 0
        self.proven: int = 0
        """How many of the messages, from the first on, are proved to have come whole and under their own number."""
        self._current: Message | None = None
        self._busy = False
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if self._closed:
            raise StopAsyncIteration
        if self._busy:
            raise ConcurrencyError("another task is waiting for the next message of this retrieve()")
        self._busy = True
        try:
            if self._current is not None:
                if not self._current.over:
                    await self._current.skip()
                self._current = None
            else:
                self._queue.check_free()
            await self._fill()
            while self._in_flight and isinstance(asked := self._in_flight[0], _Asked):
                self._in_flight.popleft()
                await self._take_proof(asked)
                await self._fill()
            if not self._in_flight:
                raise StopAsyncIteration
            self._current = cast(Message, self._in_flight.popleft())
            self._ahead -= self._sizes.get(self._current.number, _UNKNOWN)
            if not self._current.is_here():
                await self._current.open()
        except BaseException:
            await self.aclose()
            raise
        finally:
            self._busy = False
        return self._current

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give up all messages that are not read yet, and close the async generator of the numbers."""
        if not self._closed:
            self._close()
            await self._numbers.aclose()

    def __del__(self) -> None:
        if self._closed:
            return
        # The messages in flight are freed with this object, and each gives itself up. The current one may still be
        # held by the caller: it is given up here.
        if self._current is not None:
            self._current.disown()
        self._numbers.disown()

    def _close(self) -> None:
        self._closed = True
        self._numbers.stop()
        if self._current is not None:
            self._current.give_up()
        # From the end, so that the commands which were not written leave the line before their turn comes.
        for waiting in reversed(self._in_flight):
            if isinstance(waiting, _Asked):
                self._give_up_proof(waiting)
            else:
                waiting.give_up()
        self._in_flight.clear()

    async def _fill(self) -> None:
        """Ask for more messages, as far as window, octets and numbers allow; wait only where nothing is in flight."""
        numbers = self._numbers
        window = self._queue.core.window
        # Refill only when half of the window is free, so that many commands share a write and a packet.
        if len(self._in_flight) > window // 2 or self._ahead > _AHEAD // 2:
            return
        while not numbers.exhausted and self._ahead < _AHEAD and (room := window - len(self._in_flight)) > 0:
            if self._proof is not None and not self._proof.whole:
                room = min(room, self._proof.every - self._since)
            sent = self._send(self._within(room))
            self._ask_if_due()
            if not sent and not await numbers.wait(idle=not self._in_flight):
                return
        self._ask_at_the_end()

    def _send(self, numbers: Iterable[int]) -> int:
        """Ask for these messages; return how many they are."""
        commands = [Retr(n) if self._lines is None else Top(n, self._lines) for n in numbers]
        for command, call in zip(commands, self._queue.submit_all(commands, body=True), strict=False):
            self._in_flight.append(Message(self._queue, command, call))
        self._sent += len(commands)
        self._since += len(commands)
        return len(commands)

    def _within(self, room: int) -> Iterator[int]:
        """Yield numbers that are at hand, while the octets that are asked for ahead are not too many."""
        for number in self._numbers.take(room):
            octets = self._sizes.get(number, _UNKNOWN)
            self._ahead += octets
            self._since_octets += octets if number in self._sizes else _UNKNOWN // 8
            yield number
            if self._ahead >= _AHEAD or self._since_octets >= PROVEN_OCTETS:
                # A long message is the last one before a proof.
                return

    # -- the proof

    def _ask_if_due(self) -> None:
        # The whole listing costs as much as all of its messages together: once, at the end, is enough.
        if self._proof is None or self._proof.whole:
            return
        if self._since >= self._proof.every or self._since_octets >= PROVEN_OCTETS:
            self._ask()

    def _ask_at_the_end(self) -> None:
        if self._numbers.exhausted and self._since and self._proof is not None:
            self._ask()

    def _ask(self) -> None:
        """Put the commands of a proof behind the messages that were asked for."""
        assert self._proof is not None
        commands = self._proof.commands()
        asked = _Asked(commands, self._sent)
        self._in_flight.append(asked)
        asked.calls.extend(self._queue.submit_all(commands))
        self._since = self._since_octets = 0

    async def _take_proof(self, asked: _Asked) -> None:
        """Read the answers of a proof, and compare them with the listing."""
        assert self._proof is not None
        try:
            verdict = await read_proof(self._queue, self._proof, asked.commands, asked.calls)
        except BaseException:
            self._give_up_proof(asked)
            raise
        if verdict:
            self.proven = asked.covers
        elif not self._proof.whole:
            # The server refuses to be asked about one message: it is asked for all of them, once, at the end.
            self._proof = self._proof.of_all()
            self._since = max(1, self._since)
        else:
            self._proof = None

    def _give_up_proof(self, asked: _Asked) -> None:
        for call in reversed(asked.calls):
            self._queue.release(call)


class _Asked:
    """A proof that was asked for: its commands, their calls, and how many messages it covers."""

    __slots__ = ("calls", "commands", "covers")

    def __init__(self, commands: list[Command], covers: int) -> None:
        self.commands = commands
        self.covers = covers
        self.calls: list[Call] = []
