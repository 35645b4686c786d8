"""The commands of the TRANSACTION state: listings, messages, deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial

from pop3aio._errors import counted
from pop3aio.testing._dialogue import Dialogue, Refusal
from pop3aio.testing._messages import CRLF, MessageLike, chunks_of, stuff, terminate, to_lf, top
from pop3aio.testing._quirks import cut_off, wrapped

__all__ = ("Transaction",)


def _blocks(message: MessageLike) -> bool:
    # Not the other way round: that a thing is no instance of an abstract class takes long to find out.
    return not isinstance(message, bytes) and message.blocking


class Transaction(Dialogue):
    """A dialogue, and what it does with a maildrop (RFC 1939 section 5)."""

    def _message(self, argument: str) -> tuple[int, str, MessageLike]:
        if not (argument.isascii() and argument.isdigit() and len(argument) < 20):
            raise Refusal("a message number is expected")
        number = int(argument)
        if not 0 < number <= len(self._maildrop) or number in self._deleted:
            raise Refusal("no such message")
        return number, *self._maildrop[number - 1]

    def _live(self) -> Iterator[tuple[str, MessageLike]]:
        for number, entry in enumerate(self._maildrop, 1):
            if number not in self._deleted:
                yield entry

    def _numbers(self) -> Iterable[int]:
        live = len(self._maildrop) - len(self._deleted)
        if self._quirks.renumbers:
            return range(1, live + 1)
        return (number for number in range(1, len(self._maildrop) + 1) if number not in self._deleted)

    async def _size(self, message: MessageLike) -> int:
        if _blocks(message):
            return await asyncio.to_thread(self._quirks.size, message)
        return self._quirks.size(message)

    def _uid(self, uid: str, message: MessageLike) -> str:
        return uid if self._quirks.uid is None else self._quirks.uid(message)

    async def _stat(self, argument: str) -> None:
        sizes = [await self._size(message) for _, message in self._live()]
        self._ok_always(f"{len(sizes)} {sum(sizes)}")

    async def _list(self, argument: str) -> None:
        if argument:
            number, _, message = self._message(argument)
            self._ok_always(f"{number} {await self._size(message)}")
            return
        sizes = [await self._size(message) for _, message in self._live()]
        self._ok("listing follows")
        await self._lines(f"{number} {size}" for number, size in zip(self._numbers(), sizes, strict=True))

    async def _uidl(self, argument: str) -> None:
        blank = self._quirks.uidl_blank
        if argument:
            number, uid, message = self._message(argument)
            self._ok_always(f"{number}{blank}{self._uid(uid, message)}")
            return
        self._ok("listing follows")
        entries = zip(self._numbers(), self._live(), strict=True)
        await self._lines(f"{number}{blank}{self._uid(*entry)}" for number, entry in entries)

    def _ok_always(self, text: str) -> None:
        """Answer by what even the tersest server says, since the client asked for it."""
        self._line(f"+OK {text}")

    async def _retr(self, argument: str) -> None:
        number, _, message = self._message(argument)
        if self._quirks.retrievals is not None and len(self._retrieved) >= self._quirks.retrievals:
            raise Refusal(f"Download exceed. msg={number}")
        self._retrieved.add(number)
        self._ok(counted(await self._size(message), "octet"))
        await self._body(message, self._wire_chunks(message))

    async def _top(self, argument: str) -> None:
        number, _, lines = argument.partition(" ")
        _, _, message = self._message(number)
        if not (lines.isascii() and lines.isdigit() and len(lines) < 20):
            raise Refusal("a number of lines is expected")
        self._ok("the top follows")
        chunks = top(self._wire_chunks(message), int(lines))
        if self._quirks.top_octets is not None:
            chunks = terminate(cut_off(chunks, self._quirks.top_octets))
        await self._body(message, chunks)

    def _wire_chunks(self, message: MessageLike) -> Iterator[bytes]:
        """Return the message as it goes out, but for the stuffing of dots."""
        quirks = self._quirks
        if quirks.wraps_8bit and not self.utf8:
            message = wrapped(message)
        chunks = chunks_of(message)
        if not quirks.final_line_end:
            return chunks
        return terminate(chunks, b"\n" if quirks.lf_ends_lines else CRLF)

    async def _body(self, message: MessageLike, chunks: Iterable[bytes]) -> None:
        quirks = self._quirks
        if quirks.line_end != CRLF:
            chunks = to_lf(chunks)
        stuffed = stuff(chunks, b"\n" if quirks.lf_ends_lines else CRLF, first=quirks.stuffs_first_octet)
        produce = partial(next, stuffed, None)
        blocking = _blocks(message)
        while (chunk := await asyncio.to_thread(produce) if blocking else produce()) is not None:
            self._wire.write(chunk)
            await self._wire.drain_if_full()
        self._line(".")

    async def _dele(self, argument: str) -> None:
        number, _, _ = self._message(argument)
        self._deleted.add(number)
        self._ok(f"message {number} marked")

    async def _noop(self, argument: str) -> None:
        self._ok("nothing done")

    async def _rset(self, argument: str) -> None:
        self._deleted.clear()
        self._ok(counted(len(self._maildrop)))

    async def _update(self, argument: str) -> None:
        assert self._mailbox is not None
        uids = [uid for uid, _ in self._maildrop]
        if self._quirks.mute_if_changed and uids != self._mailbox.uids:
            self.close()
            return
        popped = self._retrieved if self._quirks.hides_popped else ()
        self.removed: list[str] = [uids[number - 1] for number in self.deleted]
        # Release the lock before the answer is written: a client that has read the answer may log in again at once.
        self._release(self.removed, popped=[uids[number - 1] for number in popped])
        self._ok("bye")
        self.close()
