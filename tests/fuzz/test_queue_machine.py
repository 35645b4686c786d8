"""Callers come, wait, and go; answers come in pieces: each who stays gets his own answer, and nobody waits for ever.

A client on a connection in memory, driven step by step: after each step the event loop runs until nothing is left to
do. Every call has a message number of its own, and the server's answer to it says that number, so that an answer
which reached the wrong caller is seen.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

import pop3aio

from .loopback import Loopback

GREETING = b"+OK\r\n"
LOGIN = (b"+OK\r\nPIPELINING\r\n.\r\n", b"+OK\r\n", b"+OK\r\n")


@dataclass(eq=False)
class Caller:
    """A task, what it must come back with, and what lets it go on when it holds a message open."""

    numbers: range
    wanted: object
    task: asyncio.Task[object] = field(init=False)
    given_up: bool = False
    # Leaves it to the collector to give up what was not read, so that it may be asked for all the same.
    untidy: bool = False
    retrieval: pop3aio.Retrieval | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)


LARGEST = 400


def body_of(number: int) -> bytes:
    return b"Subject: %d\r\n\r\n.%d\r\n" % (number, number) + b"x" * (number % 7 * 50) + b"\r\n"


def answer_to(line: bytes, *, ok: bool) -> bytes:
    """Answer as a server would that has every message: by the number that was asked for."""
    keyword, _, rest = line.partition(b" ")
    number = int(rest.split(b" ")[0] or 0)
    if keyword == b"QUIT":
        return b"+OK\r\n"
    if not ok:
        return b"-ERR %d\r\n" % number
    if keyword in (b"RETR", b"TOP"):
        return b"+OK\r\n" + body_of(number).replace(b"\r\n.", b"\r\n..") + b".\r\n"
    if keyword in (b"LIST", b"UIDL"):
        return b"+OK %d %d\r\n" % (number, number)
    return b"+OK %d\r\n" % number


class Machine(RuleBasedStateMachine):
    """The model: what the server has been asked and not answered, what is on the way, and who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        # It would take ten times as long, and look for what cannot be here.
        self.loop.set_debug(False)
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, context: self.complaints.append(context))
        self.callers: list[Caller] = []
        self.refused: set[int] = set()
        self.written: set[int] = set()
        self.taken_back: set[int] = set()
        self.asked: list[bytes] = []
        self.on_the_way = b""
        self.number = 0

    def settle(self) -> None:
        """Run the loop until it has nothing to do, and take what was written."""
        while self.loop._ready:  # type: ignore[attr-defined]
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        written, self.wire.written = self.wire.written, b""
        self.asked += written.split(b"\r\n")[:-1]
        self.written |= set(map(int, re.findall(rb" ([0-9]+)\r\n", written)))
        assert not self.written & self.taken_back, "written for one who had gone"

    @initialize(
        window=st.sampled_from([1, 2, 5, 64]),
        abandoned=st.sampled_from([LARGEST, LARGEST, 200]),
        ending=st.sampled_from(["answers", "answers", "closes", "breaks", "forges"]),
    )
    def log_in(self, window: int, abandoned: int, ending: str) -> None:
        self.ending = ending
        self.may_drop = abandoned < LARGEST

        async def connect() -> pop3aio.Client:
            self.wire = Loopback(self.loop)
            client = await pop3aio.Client.from_streams(
                self.wire.reader, self.wire.writer, window=window, limits=pop3aio.Limits(abandoned=abandoned)
            )
            await client.login("user", "password", mechanism="USER", allow_insecure=True)
            return client

        task = self.loop.create_task(connect())
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        for octets in (GREETING, *LOGIN):
            self.settle()
            self.wire.feed(octets)
        self.settle()
        self.client = task.result()
        assert self.client.window == window
        self.asked.clear()

    # -- callers

    def call(self, work: Callable[[Caller], Awaitable[object]], numbers: range, wanted: object) -> None:
        caller = Caller(numbers, wanted)
        caller.task = self.loop.create_task(_outcome(work(caller)))
        self.callers.append(caller)
        self.settle()

    def new_numbers(self, count: int) -> range:
        self.number += count
        return range(self.number - count + 1, self.number + 1)

    @rule(what=st.sampled_from(["list", "uidl", "dele", "command", "read", "iterate"]))
    def ask(self, what: str) -> None:
        client = self.client
        numbers = self.new_numbers(1)
        number = numbers[0]

        async def iterate() -> bytes:
            return b"".join([chunk async for chunk in client.retr(number)])

        async def read() -> bytes:
            return await client.retr(number)

        async def command() -> bytes:
            return (await client.command(f"XTND {number}")).raw

        calls: dict[str, tuple[Callable[[], Awaitable[object]], object]] = {
            "list": (lambda: client.list(number), (number, number)),
            "uidl": (lambda: client.uidl(number), (number, str(number))),
            "dele": (lambda: client.dele(number), None),
            "command": (command, b"+OK %d" % number),
            "read": (read, body_of(number)),
            "iterate": (iterate, body_of(number)),
        }
        work, wanted = calls[what]
        self.call(lambda caller: work(), numbers, wanted)

    @rule()
    def hold(self) -> None:
        """Open a message, read its first piece, let the others wait, and ask for something else."""

        async def hold(caller: Caller) -> tuple[bool, object]:
            number, another = caller.numbers
            async with self.client.retr(number) as message:
                first = await anext(message)
                await caller.open.wait()
            return body_of(number).startswith(first), await self.client.list(another)

        numbers = self.new_numbers(2)
        self.call(hold, numbers, (True, (numbers[1], numbers[1])))

    @rule(count=st.integers(1, 6), leave=st.integers(1, 8), close=st.booleans())
    def retrieve(self, count: int, leave: int, close: bool) -> None:
        """Fetch several, and break off after `leave` of them: in good order, or leaving it to the collector."""

        async def take(messages: AsyncIterable[pop3aio.Message]) -> list[bytes]:
            came = []
            async for message in messages:
                came.append(b"" if message.error else await message)
                if len(came) == leave:
                    break
            return came

        async def retrieve(caller: Caller) -> list[bytes]:
            if not close:
                caller.untidy = True
                return await take(self.client.retrieve(caller.numbers))
            async with self.client.retrieve(caller.numbers) as caller.retrieval:
                return await take(caller.retrieval)

        numbers = self.new_numbers(count)
        self.call(retrieve, numbers, [(number, body_of(number)) for number in numbers][:leave])

    @rule(who=st.integers(0, 50))
    def close(self, who: int) -> None:
        """Another task gives up what somebody is reading."""
        live = [caller for caller in self.callers if caller.retrieval is not None]
        if live:
            caller = live[who % len(live)]
            assert caller.retrieval is not None
            self._give_up(caller)
            self.loop.create_task(caller.retrieval.aclose())
            self.settle()

    def _give_up(self, caller: Caller) -> None:
        caller.given_up = True
        if not caller.untidy:
            self.taken_back |= set(caller.numbers) - self.written

    @rule(who=st.integers(0, 50))
    def cancel(self, who: int) -> None:
        live = [caller for caller in self.callers if not caller.task.done()]
        if live:
            caller = live[who % len(live)]
            self._give_up(caller)
            caller.task.cancel()
            self.settle()
            # Nobody waits for the wire to be allowed to go.
            assert caller.task.done()

    @rule(who=st.integers(0, 50))
    def go_on(self, who: int) -> None:
        if self.callers:
            self.callers[who % len(self.callers)].open.set()
            self.settle()

    # -- the server

    @precondition(lambda self: self.asked)
    @rule(ok=st.booleans() | st.just(True))
    def answer(self, ok: bool) -> None:
        line = self.asked.pop(0)
        if not ok:
            self.refused.add(int(line.split(b" ")[1]))
        self.on_the_way += answer_to(line, ok=ok)

    @precondition(lambda self: self.on_the_way)
    @rule(octets=st.sampled_from([1, 3, 20, 60, 10_000]))
    def arrive(self, octets: int) -> None:
        self.wire.feed(self.on_the_way[:octets])
        self.on_the_way = self.on_the_way[octets:]
        self.settle()

    # -- the end

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            self.loop.close()
            return
        try:
            self._finish()
        finally:
            self.client.abort()
            self.settle()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
        assert not self.complaints

    def _finish(self) -> None:
        """Answer everything, or break off: whoever is still there gets what is his, or learns what happened."""
        for caller in self.callers:
            caller.open.set()
        self.settle()
        if self.ending != "answers":
            self._break_off()
        # Reads what others have left, if it is the only one to come.
        self.ask("list")
        while self.asked or self.on_the_way:
            if self.asked:
                self.answer(True)
            self.arrive(10_000)
        failure = self.client._queue.failure
        if not self.may_drop:
            assert (failure is None) == (self.ending == "answers")
        for caller in self.callers:
            assert caller.task.done(), "somebody waits for ever"
            self._check(caller, failure)
        assert not asyncio.all_tasks(self.loop)
        # The answers of those who have gone are read when somebody comes.
        assert all(call.abandoned for call in self.client._queue.line.calls.values())

    def _break_off(self) -> None:
        """The connection ends, or is not to be trusted any more, in the middle of whatever is going on."""
        self.arrive(len(self.on_the_way) // 2)
        if self.ending == "closes":
            self.wire.end()
        elif self.ending == "breaks":
            self.wire.lose()
        else:
            self.arrive(len(self.on_the_way))
            while self.asked:
                self.answer(True)
                self.arrive(len(self.on_the_way))
            # The answer to the next command, before it is asked for.
            self.wire.feed(answer_to(b"LIST %d" % (self.number + 1), ok=True))
        self.settle()
        self.asked.clear()
        self.on_the_way = b""

    def _check(self, caller: Caller, failure: Exception | None) -> None:
        if caller.given_up:
            return
        outcome = caller.task.result()
        if isinstance(outcome, pop3aio.CommandError):
            assert int(outcome.text) in self.refused
        elif isinstance(outcome, Exception):
            assert (type(outcome), str(outcome)) == (type(failure), str(failure))
        elif isinstance(caller.wanted, list):
            assert outcome == [b"" if number in self.refused else body for number, body in caller.wanted]
        else:
            assert outcome == caller.wanted


async def _outcome(work: Awaitable[object]) -> object:
    try:
        return await work
    except pop3aio.POP3Error as error:
        return error


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.soak
def test_machine_for_long() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=3000, stateful_step_count=80, deadline=None)
    )
