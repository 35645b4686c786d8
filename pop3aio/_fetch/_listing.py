"""The listing of a maildrop: which messages there are, under which names, and how the session proves to be in step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from pop3aio._client import Client, Proof, ProofKind
from pop3aio._errors import CommandError, counted
from pop3aio._fetch._content import ContentHash
from pop3aio._fetch._journal import Identity, identities
from pop3core import LimitExceeded, POP3Error, Uid

__all__ = ("Item", "Listing", "take_listing", "too_large")

# The next way to prove that a session is in step, where a server broke a session over this one.
NEXT_PROOF: dict[ProofKind, ProofKind] = {
    "UIDL n": "UIDL",
    "UIDL": "LIST n",
    "LIST n": "LIST",
    "LIST": "UIDL n",
}


# A listing that lacks more messages than this, between the first and the last, is taken as it is.
_MOST_GAPS = 1000

# Generations from here on are a time, for stores that cannot say which keys they hold.
_TIME = 1_000_000


@dataclass(slots=True, eq=False)
class Item:
    """A message of this session.

    Attributes:
        number: its number in this session, from 1.
        identity: its unique-id, and its place among those that share it.
        generation: how many other messages had this identity before, as far as the store tells.
        size: the octets that the server lists, or None.
        held: whether the store may have a copy that is not proved to be whole.
        like: keys in the store of messages that had the same identity: perhaps of this one.
    """

    number: int
    identity: Identity
    generation: int = 0
    size: int | None = None
    held: bool = False
    like: tuple[str, ...] = ()

    def key(self, account: str) -> str:
        """Return the key of the message in the store."""
        return self.identity.key(account, self.generation)

    def set_generation(self, generation: int, account: str) -> None:
        """Take a key of this generation; the message may be one that an earlier generation names."""
        self.generation = generation
        # A generation that was made of the time has no earlier ones.
        earlier = range(generation if generation < _TIME else 0)
        self.like = tuple(self.identity.key(account, number) for number in earlier)

    def name_anew(self, account: str, held: Container[str]) -> None:
        """Take a key that the store does not hold.

        A unique-id may have been used before, for a message that is gone (RFC 1939 section 7); or the journal was put
        back to an older state, and the store has this very message.
        """
        while self.key(account) in held:
            self.set_generation(self.generation + 1, account)


@dataclass(slots=True)
class Listing:
    """What the server lists, in its order.

    Attributes:
        count: how many messages are listed, those without a name included.
        numbers: the numbers of the messages that have a name.
        uids: the name of each of these.
        unnamed: the messages that could not be named, and why.
        given: the unique-ids that the server gave, by number.
        said: the same, with None for a message whose unique-id cannot be used; empty where the server has no UIDL.
        nameless: the messages that the server gave none.
        sizes: the octets that the server lists, by number, as far as they were asked for.
    """

    count: int
    numbers: list[int]
    uids: list[str]
    unnamed: dict[int, POP3Error] = field(default_factory=dict)
    given: dict[int, str] = field(default_factory=dict)
    said: dict[int, str | None] = field(default_factory=dict)
    nameless: list[int] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)

    def present(self) -> Container[Identity]:
        """Return what tells whether a message is listed."""
        return _Present(self.uids)

    @property
    def complete(self) -> bool:
        """Whether each message has a name, so that what is not listed is gone."""
        return len(self.uids) == self.count

    def items(self, positions: list[int] | None = None) -> list[Item]:
        """Return the messages at these positions, or all of them."""
        if positions is None:
            positions = list(range(len(self.uids)))
        if not positions:
            return []
        first = positions[0]
        found = identities(self.uids, first)
        return [Item(self.numbers[position], found[position - first]) for position in positions]

    def proof(self, kind: ProofKind, *, every: int = 128) -> Proof:
        """Return what proves this session to be in step; by sizes where the server gives no unique-ids.

        Args:
            kind: the command that is wished for; the next one, if this listing has no answers for it.
            every: behind how many messages the proof is asked for.
        """
        for _ in NEXT_PROOF:
            if kind == "UIDL n" and self.given:
                return Proof(self.given, kind, every=every)
            if kind == "UIDL" and self.said:
                return Proof(self.said, kind, every=every)
            if kind == "LIST n" or (kind == "LIST" and len(self.sizes) == self.count):
                return Proof(self.sizes, kind, every=every)
            kind = NEXT_PROOF[kind]
        raise AssertionError("LIST n is always there, if only with nothing to ask for")


class _Present(Container[Identity]):
    """Tells which messages are listed, without an object for each of them."""

    def __init__(self, uids: list[str]) -> None:
        self._uids = uids
        self._once = set(uids)
        self._counts: Counter[str] | None = None

    def __contains__(self, identity: object) -> bool:
        assert isinstance(identity, Identity)
        if identity.uid not in self._once:
            return False
        if not identity.ordinal:
            return True
        if self._counts is None:
            self._counts = Counter(self._uids)
        return self._counts[identity.uid] > identity.ordinal


async def take_listing(client: Client) -> Listing:
    """Ask for the unique-ids of all messages.

    Raises:
        CommandError: the server refuses to list its messages, or says that it has UIDL and refuses that
            (RFC 2449 section 6.3: that will pass).
        POP3Error: what is wrong with the connection.
    """
    sizes: dict[int, int] = {}
    said: dict[int, str | None] = {}
    listed = await _list(client, sizes, said)
    given = {number: uid for number, uid in listed if uid is not None}
    return Listing(
        len(listed),
        list(given),
        list(given.values()),
        given=given,
        said=said,
        sizes=sizes,
        nameless=[number for number, uid in listed if uid is None] if len(given) < len(listed) else [],
    )


async def _list(client: Client, sizes: dict[int, int], said: dict[int, str | None]) -> list[Uid]:
    try:
        listed = await client.uidl()
    except CommandError:
        if client.capabilities is not None and "UIDL" in client.capabilities:
            raise
        sizes.update(await client.list())
        return [Uid(number, None) for number in sizes]
    # Messages are numbered from 1, without a gap (RFC 1939 section 5). A line of the listing that could not be read, or
    # that contradicts another one, leaves its message without a name.
    named = dict(listed)
    said.update(named)
    last = max(named, default=0)
    if last == len(named) or last > len(named) + _MOST_GAPS:
        return listed
    return [Uid(number, named.get(number)) for number in range(1, last + 1)]


def too_large(number: int, octets: int, most: int) -> LimitExceeded:
    """Return what says that a message is listed with more octets than are wanted."""
    return LimitExceeded(
        f"message {number} is listed with {counted(octets, 'octet')}, and {most} at most are wanted"
    )


def is_made(item: Item) -> bool:
    """Return whether the name of a message was made of its content."""
    return ContentHash.made(item.identity.uid)
