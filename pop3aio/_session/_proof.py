"""The proof that a session is in step: that each answer belongs to the command it seems to answer."""

# How it works. A server that does not stuff a dot, or that does not end a message strictly, sends octets that can be
# taken for answers. All later answers are shifted then, and a message may have been cut. So the client asks, behind
# the messages, for something that it knows already: the unique-ids of a few messages, as the listing of this session
# gave them. Only a session in step can answer that. The octets of a mail cannot: the sender of a mail does not know
# the unique-ids of other messages, and the messages are drawn at random for each proof.
#
# Invariants:
# - The commands of a proof are drawn anew for each use, and from a seed that cannot be foretold.
# - An answer proves something only if it is equal to the listing. A refusal proves nothing, and is no fault.
# - What is proven is all that was answered before the first command of the proof.

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from typing import Literal, TypeAlias

from pop3aio._errors import counted
from pop3aio._session._call import Call
from pop3aio._session._collect import collect
from pop3aio._session._queue import CommandQueue
from pop3core import Command, List, RemoteProtocolError, Reply, Uid, Uidl, parse_list, parse_uidl

__all__ = ("Proof", "ProofKind", "read_proof")

ProofKind: TypeAlias = Literal["UIDL n", "UIDL", "LIST n", "LIST"]
"""By which command the proof is made: for single messages, or by the whole listing anew."""

# A sender may know the unique-id of his own mail: some servers make it of the header. Three messages cannot all be his
# unless nearly all of the maildrop is.
_ASKED = 3

# Seeded by the system, which no sender of mail can foretell; to ask the system for each draw costs a tenth of a fetch.
_draw = random.Random(secrets.randbits(256))  # noqa: S311 - only the seed need be secret


class Proof:
    """The unique-ids or sizes that this session's listing gave, to be compared with what the server says later.

    Args:
        known: the unique-id (kinds "UIDL n" and "UIDL") or the size in octets (kinds "LIST n" and "LIST") of each
            message that is listed and not marked as deleted, by message number.
        kind: the command that is used.
        every: behind how many messages `Client.retrieve` asks for the proof.
    """

    __slots__ = ("_known", "_numbers", "every", "kind")

    def __init__(
        self,
        known: Mapping[int, str] | Mapping[int, str | None] | Mapping[int, int],
        kind: ProofKind = "UIDL n",
        *,
        every: int = 128,
    ) -> None:
        self.kind: ProofKind = kind
        self.every: int = every
        self._known: Mapping[int, str] | Mapping[int, str | None] | Mapping[int, int] = known
        self._numbers = list(known)

    def __repr__(self) -> str:
        return f"<pop3aio.Proof by {self.kind} of {counted(len(self._numbers))}>"

    @property
    def whole(self) -> bool:
        """Whether the proof asks for the whole listing, which costs as much as a listing does."""
        return self.kind in ("UIDL", "LIST")

    def of_all(self) -> Proof:
        """Return the proof that asks for the whole listing instead of single messages."""
        proof = Proof.__new__(Proof)
        proof.kind = "UIDL" if self.kind == "UIDL n" else "LIST"
        proof.every = self.every
        proof._known, proof._numbers = self._known, self._numbers
        return proof

    def commands(self) -> list[Command]:
        """Return the commands of one proof; none if there is nothing to ask for."""
        if not self._numbers:
            return []
        if self.whole:
            return [Uidl() if self.kind == "UIDL" else List()]
        numbers = _draw.sample(self._numbers, min(_ASKED, len(self._numbers)))
        return [Uidl(number) if self.kind == "UIDL n" else List(number) for number in numbers]

    def holds(self, command: Command, reply: Reply, body: bytes) -> bool:
        """Return whether an accepted answer is equal to what the listing said."""
        try:
            if isinstance(command, Uidl):
                return self._has_uids(command, reply, body)
            assert isinstance(command, List)
            scans = parse_list(body if command.number is None else reply.raw)
        except RemoteProtocolError:
            return False
        if command.number is None:
            return dict(scans) == self._known
        return [*map(tuple, scans)] == [(command.number, self._known[command.number])]

    def _has_uids(self, command: Uidl, reply: Reply, body: bytes) -> bool:
        if command.number is None:
            return dict(parse_uidl(body)) == self._known
        uid = self._known[command.number]
        # Twisted's server leaves the number out.
        return parse_uidl(reply.raw) == [Uid(command.number, str(uid))] or reply.text == uid


async def read_proof(queue: CommandQueue, proof: Proof, commands: list[Command], calls: list[Call]) -> bool:
    """Read the answers to a proof's commands, which were submitted as `calls`.

    Returns:
        True if each is what the listing said, False if the server refuses the command.

    Raises:
        RemoteProtocolError: an answer is another; the connection is closed.
        POP3Error: what is wrong with the connection.
    """
    refused = False
    for command, call in zip(commands, calls, strict=True):
        reply, body = await collect(queue, call)
        if not reply.ok:
            refused = True
        elif not proof.holds(command, reply, body):
            error = RemoteProtocolError(
                f"the session is out of step: the answer to {command.redacted()} is not what the listing said; an "
                "earlier answer was cut or mixed up. The connection was closed"
            )
            queue.fail(error)
            raise error
    return bool(commands) and not refused
