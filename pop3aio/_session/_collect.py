"""Whole answers: the status line and the body of each command, collected in memory and bounded."""

from __future__ import annotations

from collections.abc import Iterable

from pop3aio._session._call import Call, Check
from pop3aio._session._queue import CommandQueue
from pop3core import BodyChunk, BodyEnd, Command, LimitExceeded, Reply

__all__ = ("collect", "collect_all")


async def collect(queue: CommandQueue, call: Call) -> tuple[Reply, bytes]:
    """Return status line and body of the answer to a call that was submitted.

    Raises LimitExceeded, and closes the connection, when the body is longer than ``limits.message_in_memory``; else
    what is wrong with the connection. Cancelling leaves the call to be released.
    """
    reply = await queue.next_event(call)
    assert isinstance(reply, Reply)
    limit = queue.core.limits.message_in_memory
    chunks = []
    octets = 0
    while not call.done:
        event = await queue.next_event(call)
        if isinstance(event, BodyChunk):
            chunks.append(event.data)
            octets += len(event.data)
            if octets > limit:
                error = LimitExceeded(
                    f"the answer to {call.command.redacted()} is longer than {limit} octets"
                )
                queue.fail(error)
                raise error
        else:
            assert isinstance(event, BodyEnd)
    return reply, b"".join(chunks)


async def collect_all(
    queue: CommandQueue, commands: Iterable[Command], check: Check | None = None
) -> list[tuple[Reply, bytes]]:
    """Send commands as one batch, and return their answers; a cancel takes back what was not written.

    `check` looks at each status line, as in `CommandQueue.submit`.
    """
    queue.check_free()
    calls: list[Call] = []
    try:
        for command in commands:
            calls.append(queue.submit(command, check=check))  # noqa: PERF401 - what was sent must be released
        return [await collect(queue, call) for call in calls]
    except BaseException:
        for call in reversed(calls):
            queue.release(call)
        raise
