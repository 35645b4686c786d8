"""The line of callers, without a loop and without sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pop3aio
from pop3aio._session._call import Call
from pop3aio._session._line import Line
from pop3core import Noop


class Turn:
    """A future in as far as the line uses it."""

    def __init__(self) -> None:
        self.given = False

    def done(self) -> bool:
        return self.given

    def set_result(self, _: None) -> None:
        assert not self.given
        self.given = True


class Holder:
    """A task in as far as the line uses it."""

    def __init__(self) -> None:
        self.failed = False
        self.callbacks: list[Callable[[Any], object]] = []

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        self.callbacks.append(callback)

    def remove_done_callback(self, callback: Callable[[Any], object]) -> None:
        self.callbacks.remove(callback)

    def cancelled(self) -> bool:
        return False

    def get_stack(self, limit: int) -> list[object]:
        return [None] * self.failed

    def end(self, *, failed: bool) -> None:
        self.failed = failed
        for callback in self.callbacks:
            callback(self)


class World:
    """A line, the handles that the core has not written yet, and what is to be called soon."""

    def __init__(self) -> None:
        self.unwritten: set[int] = set()
        self.soon: list[Callable[[], None]] = []
        self.line = Line(self.withdraw, self.soon.append)
        self.handles = 0

    def withdraw(self, handle: int) -> bool:
        if handle not in self.unwritten:
            return False
        self.unwritten.discard(handle)
        return True

    def join(self, reader: Any = None, *, written: bool = True) -> Call:
        self.handles += 1
        if not written:
            self.unwritten.add(self.handles)
        call = Call(self.handles, Noop(), 5.0)
        self.line.join(call, reader)
        return call

    def wait(self, call: Call) -> Turn:
        turn: Any = Turn()
        self.line.await_turn(call, turn)
        return turn  # type: ignore[no-any-return]


def test_the_turn_goes_from_the_first_to_the_next() -> None:
    world = World()
    first, second, third = (world.join() for _ in range(3))
    turns = [world.wait(second), world.wait(third)]
    assert world.line.first_live() is first
    world.line.leave(first)
    assert first.done
    assert [turn.given for turn in turns] == [True, False]
    world.line.end_wait(second)
    world.line.leave(second)
    assert [turn.given for turn in turns] == [True, True]
    world.line.end_wait(third)
    world.line.leave(third)
    assert world.line.oldest() is world.line.first_live() is None


def test_a_command_that_was_not_written_is_taken_back() -> None:
    world = World()
    first, second = world.join(), world.join(written=False)
    world.line.release(second)
    assert second.done
    assert not second.abandoned
    assert [*world.line.calls.values()] == [first]


def test_a_command_that_was_written_stays_until_its_answer_is_dropped() -> None:
    world = World()
    first, second = world.join(), world.join()
    turn = world.wait(second)
    world.line.release(first)
    assert first.abandoned
    assert not first.done
    assert turn.given
    assert world.line.oldest() is first
    assert world.line.first_live() is second


def test_one_whose_call_is_released_while_it_waits_is_woken() -> None:
    world = World()
    world.join()
    second = world.join(written=False)
    turn = world.wait(second)
    world.line.release(second)
    assert turn.given
    assert second.done


def test_a_finalizer_only_leaves_a_note() -> None:
    world = World()
    first, second = world.join(), world.join(written=False)
    for call in (first, second, second):
        world.line.disown(call)
    assert [*world.line.calls.values()] == [first, second]
    for later in world.soon:
        later()
    assert [*world.line.calls.values()] == [first]
    assert second.done


def test_a_finalizer_after_the_loop_is_closed() -> None:
    def closed(_: Callable[[], None]) -> None:
        raise RuntimeError("Event loop is closed")

    line = Line(lambda _: True, closed)
    call = Call(1, Noop(), 5.0)
    line.join(call, None)
    line.disown(call)
    assert call.abandoned


def test_a_task_holds_what_it_opened_until_it_has_read_all_of_it() -> None:
    world = World()
    holder: Any = Holder()
    first, second = world.join(holder), world.join(holder)
    assert holder in world.line.held
    world.line.let_go(first)
    assert holder in world.line.held
    world.line.let_go(second)
    world.line.let_go(second)
    assert holder not in world.line.held


@pytest.mark.parametrize("failed", [True, False])
def test_a_task_that_fails_with_a_message_open_is_not_waited_for(failed: bool) -> None:
    world = World()
    holder: Any = Holder()
    first, written, unwritten = world.join(holder), world.join(holder), world.join(holder, written=False)
    last = world.join()
    turn = world.wait(last)
    assert len(holder.callbacks) == 1
    holder.end(failed=failed)
    assert (first.abandoned, written.abandoned, unwritten.done) == (failed,) * 3
    assert turn.given is failed
    assert (holder in world.line.held) is not failed


def test_only_the_holder_of_the_first_message_is_watched() -> None:
    world = World()
    holders: list[Any] = [Holder(), Holder()]
    calls = [world.join(holder) for holder in holders]
    world.wait(world.join())
    assert [len(holder.callbacks) for holder in holders] == [1, 0]
    world.line.let_go(calls[0])
    world.line.leave(calls[0])
    assert [len(holder.callbacks) for holder in holders] == [0, 1]
    world.line.close()
    assert [len(holder.callbacks) for holder in holders] == [0, 0]


def test_a_message_goes_to_another_task_unless_one_waits_for_it() -> None:
    world = World()
    holders: list[Any] = [Holder(), Holder()]
    call = world.join(holders[0])
    world.line.take_over(call, holders[1])
    assert call.reader is holders[1]
    assert holders[0] not in world.line.held
    world.line.reading = call
    with pytest.raises(pop3aio.ConcurrencyError, match="another task is waiting"):
        world.line.take_over(call, holders[0])
    world.line.reading = None
    world.wait(call)
    with pytest.raises(pop3aio.ConcurrencyError):
        world.line.take_over(call, holders[0])
    world.line.end_wait(call)
    world.line.take_over(call, None)
    assert call.reader is None


def test_the_end_wakes_all() -> None:
    world = World()
    calls = [world.join() for _ in range(3)]
    turns = [world.wait(call) for call in calls]
    world.line.close()
    assert all(call.done for call in calls)
    assert all(turn.given for turn in turns)
    assert not world.line.calls
