"""The client: the commands of a POP3 session, as coroutines."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Literal, TypeAlias, TypeVar, overload

from pop3aio._errors import CommandError, command_error, printable
from pop3aio._login._authorization import Authorization
from pop3aio._session._call import Call
from pop3aio._session._message import Message
from pop3aio._session._proof import Proof, ProofKind, read_proof
from pop3aio._session._retrieval import PROVEN_OCTETS, Retrieval
from pop3core import (
    Command,
    Dele,
    List,
    LocalProtocolError,
    Noop,
    POP3Error,
    Raw,
    RemoteProtocolError,
    Reply,
    Retr,
    Rset,
    Scan,
    Top,
    Uid,
    Uidl,
    parse_list,
    parse_stat,
    parse_uidl,
)
from pop3core import DropListing as Stat
from pop3core import Stat as StatCommand

__all__ = ("PROVEN_OCTETS", "Client", "Message", "Proof", "ProofKind", "Retrieval")

logger = logging.getLogger("pop3aio")

# Inside the class, `list` is the command.
_List = list
_Scans: TypeAlias = list[Scan]
_Uids: TypeAlias = list[Uid]
_Entry = TypeVar("_Entry", Scan, Uid)


# The commands that have methods, and which.
_METHODS = {
    keyword: keyword.lower()
    for keyword in ("APOP", "CAPA", "DELE", "LANG", "LIST", "NOOP", "QUIT", "RETR", "RSET", "STAT")
}
_METHODS |= {"TOP": "top", "UIDL": "uidl", "UTF8": "utf8", "STLS": "start_tls"}
_METHODS |= dict.fromkeys(("AUTH", "PASS", "USER"), "login")

# So many messages are asked for one by one rather than by a listing of all.
_FEW = 64


class Client(Authorization):
    """A POP3 session; get one from `connect`, or from `from_streams`.

    Any number of tasks may use one client: their commands go out in the order they were asked for, pipelined where
    the server can, and each gets its own answer. Leaving ``async with`` cleanly sends QUIT, which commits the
    deletions; leaving it by an exception drops the connection, so that a run which is half done deletes nothing.

    A call that is cancelled costs no more than its answer, which the next caller reads and drops. After a
    time-out, and after anything the server should not have sent, the connection is closed and every later call
    raises the reason.
    """

    async def stat(self) -> Stat:
        """Return the count of messages and their octets (RFC 1939 section 5); raises CommandError."""
        return parse_stat((await self._ask_status(StatCommand(), _check_stat)).raw)

    @overload
    async def list(self, number: None = None) -> _Scans: ...

    @overload
    async def list(self, number: int) -> Scan: ...

    async def list(self, number: int | None = None) -> _Scans | Scan:
        """Return the scan listing of all messages, or of message `number` (RFC 1939 section 5).

        Sizes are hints. A line that cannot be used is left out of the list, with a warning in the log; so is a message
        that is listed with two different sizes. Raises CommandError, for one message when there is none of that number.
        """
        if number is None:
            return self._complete("LIST", await self._ask_body(List()), parse_list)
        return await self._single(List(number), number, parse_list)

    async def sizes(self, numbers: Iterable[int], *, listing: bool = False) -> dict[int, int]:
        """Return the sizes of these messages, as far as the server lists them (RFC 1939 section 5).

        A few messages are asked for one by one, pipelined; for many, the whole listing is asked for.

        Args:
            numbers: message numbers, from 1.
            listing: ask for the whole listing also for a few messages.

        Returns:
            Octets by message number. A message that the server does not list, or lists without a usable size, is
            left out. Sizes are hints: servers count line ends in different ways.

        Raises:
            POP3Error: what is wrong with the connection. A server that refuses LIST raises nothing: no size is known.

        Cancelling loses nothing.
        """
        wanted = set(numbers)
        if not wanted:
            return {}
        scans: _Scans = []
        if len(wanted) <= _FEW and not listing:
            for reply, _ in await self._ask_all([List(number) for number in sorted(wanted)]):
                scans += parse_list(reply.raw) if reply.ok else ()
        else:
            [(reply, body)] = await self._ask_all([List()])
            scans = self._complete("LIST", body, parse_list) if reply.ok else []
        return {number: octets for number, octets in scans if number in wanted}

    @overload
    async def uidl(self, number: None = None) -> _Uids: ...

    @overload
    async def uidl(self, number: int) -> Uid: ...

    async def uidl(self, number: int | None = None) -> _Uids | Uid:
        """Return the unique-id listing of all messages, or of message `number` (RFC 1939 section 7).

        A line that cannot be used is left out of the list, with a warning in the log; so is a message that is listed
        with two different unique-ids. Raises CommandError, also when the server has no UIDL.
        """
        if number is None:
            return self._complete("UIDL", await self._ask_body(Uidl()), parse_uidl)
        return await self._single(Uidl(number), number, parse_uidl)

    def retr(self, number: int) -> Message:
        """Fetch message `number`: await the result for its octets, or iterate over it (see `Message`)."""
        return Message(self._queue, Retr(number))

    def top(self, number: int, lines: int = 0) -> Message:
        """Fetch the header of message `number` and `lines` lines of its body (RFC 1939 section 7)."""
        return Message(self._queue, Top(number, lines))

    def retrieve(
        self,
        numbers: Iterable[int] | AsyncIterable[int],
        *,
        lines: int | None = None,
        sizes: Mapping[int, int] | None = None,
        proof: Proof | None = None,
    ) -> Retrieval:
        """Fetch many messages, pipelined, and yield them in order (see `Retrieval`).

        With `lines`, only the header and that many lines of the body of each. `sizes` are octets by message number, as
        far as they are known from `list`: with them more short messages, and fewer long ones, are asked for ahead. A
        message that the server refuses is yielded with its `error` set. With a `proof` of what is listed, the session
        is proved to be in step as the messages come; `proven` of the result says for how many. While the loop runs, its
        task must not ask for anything else.
        """
        if proof is not None:
            _check_proof(proof)
        return Retrieval(self._queue, numbers, lines, sizes, proof)

    async def prove(self, proof: Proof) -> bool:
        """Prove that the session is in step: that no earlier answer was cut, or taken for another command's.

        Ask for it after `retr`, before the message is deleted: a server that does not stuff a dot cuts a message, and
        the rest of it can be taken for answers.

        Args:
            proof: what the listing of this session said, without the messages that are marked as deleted:
                ``Proof({number: uid for number, uid in await client.uidl()})``.

        Returns:
            True if the session is in step, False if the server refuses the proof's command, so that nothing is known.

        Raises:
            RemoteProtocolError: an answer is not what the listing said; the connection is closed.
            POP3Error: what is wrong with the connection.

        Cancelling loses nothing.
        """
        _check_proof(proof)
        self._queue.check_free()
        commands = proof.commands()
        calls: _List[Call] = []
        try:
            calls.extend(self._queue.submit_all(commands))
            return await read_proof(self._queue, proof, commands, calls)
        except BaseException:
            for call in reversed(calls):
                self._queue.release(call)
            raise

    async def dele(self, number: int) -> None:
        """Mark message `number` as deleted; `quit` deletes it (RFC 1939 section 5).

        Args:
            number: the message number, from 1.

        Raises:
            CommandError: the server refuses.
            POP3Error: what is wrong with the connection.

        Cancelling may be too late: the server may have marked the message.
        """
        await self._ask_status(Dele(number))

    async def delete(self, numbers: Iterable[int]) -> dict[int, CommandError]:
        """Mark many messages as deleted, pipelined (RFC 1939 section 5).

        Args:
            numbers: the message numbers, from 1.

        Returns:
            The refusals by message number; empty if all are marked.

        Raises:
            POP3Error: what is wrong with the connection.

        Cancelling takes back the commands that were not sent yet; the server may have marked the others.
        """
        commands = [Dele(number) for number in numbers]
        replies = await self._ask_all(commands)
        return {
            command.number: command_error(reply, command.redacted())
            for command, (reply, _) in zip(commands, replies, strict=True)
            if not reply.ok
        }

    async def noop(self) -> None:
        """Keep the session open, and find out whether it is; raises what is wrong with the connection."""
        await self._ask_status(Noop())

    async def rset(self) -> None:
        """Take back all deletion marks of this session; raises CommandError."""
        await self._ask_status(Rset())

    @overload
    async def command(self, raw: str, *, multiline: Literal[False] = False) -> Reply: ...

    @overload
    async def command(self, raw: str, *, multiline: Literal[True]) -> tuple[Reply, bytes]: ...

    async def command(self, raw: str, *, multiline: bool = False) -> Reply | tuple[Reply, bytes]:
        """Send a command that has no method here, and return its Reply; with `multiline`, also its body.

        Args:
            raw: the command line, without its line end.
            multiline: whether lines up to a dot follow the server's ``+OK``.

        Raises:
            CommandError: the server refuses it.
            LocalProtocolError: it cannot be sent, or has a method of its own.
        """
        method = _METHODS.get(raw.partition(" ")[0].upper()) if isinstance(raw, str) else None
        if method is not None:
            raise LocalProtocolError(
                f"{raw.partition(' ')[0]} has a method of its own: use client.{method}()"
            )
        reply, body = await self._ask_accepted(Raw(raw, multiline))
        return (reply, body) if multiline else reply

    def _complete(self, command: str, body: bytes, parse: Callable[[bytes], _List[_Entry]]) -> _List[_Entry]:
        """Parse a whole listing; an odd line costs its own entry and a warning."""
        entries = parse(body)
        missing = body.count(b"\n") - len(entries)
        if missing > 0:
            logger.warning(
                "lines of the answer to %s that were left out, being no listings or listing a message again: %d",
                command,
                missing,
            )
        return entries

    async def _single(self, command: Command, number: int, parse: Callable[[bytes], _List[_Entry]]) -> _Entry:
        """Ask for the listing of one message; anything but that message's means that the answers are out of step."""

        def check(reply: Reply) -> POP3Error | None:
            if not reply.ok or [entry.number for entry in parse(reply.raw)] == [number]:
                return None
            return RemoteProtocolError(
                f"the server's listing of message {number} is {printable(repr(reply.raw))}"
            )

        return parse((await self._ask_status(command, check)).raw)[0]


def _check_stat(reply: Reply) -> POP3Error | None:
    if reply.ok:
        try:
            parse_stat(reply.raw)
        except RemoteProtocolError as error:
            return error
    return None


def _check_proof(proof: object) -> None:
    if not isinstance(proof, Proof):
        raise TypeError(f"proof is a Proof, as in Proof({{number: uid}}), not {proof!r}")
