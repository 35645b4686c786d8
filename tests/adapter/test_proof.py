"""The proof that a session is in step: what holds, what does not, and what is proven when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

import pop3aio
from pop3aio import Proof
from pop3aio.testing import Server
from tests.kit.script import Peer, session

KNOWN = {1: "uid1", 2: "uid2", 3: "uid3"}
BODY = b"+OK\r\nSubject: x\r\n\r\ntext\r\n.\r\n"
LISTING = b"+OK\r\n1 uid1\r\n2 uid2\r\n3 uid3\r\n.\r\n"


async def answer_uidl(peer: Peer, count: int = 3, form: bytes = b"+OK %d uid%d\r\n") -> None:
    for _ in range(count):
        number = int((await peer.line()).removeprefix(b"UIDL "))
        peer.send(form % ((number, number) if form.count(b"%d") == 2 else (number,)))


async def test_a_session_in_step() -> None:
    async with session(answer_uidl) as (client, server):
        assert await client.prove(Proof(KNOWN))
    assert sorted(server.received[-3:]) == [b"UIDL 1", b"UIDL 2", b"UIDL 3"]


async def test_a_server_that_leaves_the_number_out() -> None:
    async def play(peer: Peer) -> None:
        await answer_uidl(peer, form=b"+OK uid%d\r\n")

    async with session(play) as (client, _):
        assert await client.prove(Proof(KNOWN))


async def test_the_messages_are_drawn_at_random_and_from_all_of_the_listing() -> None:
    known = {number: f"uid{number}" for number in range(1, 1001)}
    asked = {command for _ in range(20) for command in Proof(known).commands()}
    assert len(asked) > 50
    assert any(command.number > 500 for command in asked)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "answer",
    [
        b"+OK\r\n",
        b"+OK 1 forged\r\n",
        b"+OK 7 uid1\r\n",
        b"+OK 1 uid1 and more\r\n",
        b"+OK Subject: 1 uid1\r\n",
        b"+OK uid2\r\n",
    ],
)
async def test_another_answer_closes_the_connection(answer: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"UIDL 1", answer)

    async with session(play) as (client, _):
        with pytest.raises(pop3aio.RemoteProtocolError, match="out of step"):
            await client.prove(Proof({1: "uid1"}))
        with pytest.raises(pop3aio.RemoteProtocolError, match="out of step"):
            await client.noop()


async def test_a_refusal_proves_nothing() -> None:
    async def play(peer: Peer) -> None:
        for _ in range(3):
            await peer.line()
            peer.send(b"-ERR no such command\r\n")

    async with session(play) as (client, _):
        assert not await client.prove(Proof(KNOWN))


async def test_nothing_listed_proves_nothing() -> None:
    async with session(Peer.rest) as (client, _):  # type: ignore[arg-type]
        assert not await client.prove(Proof({}))


@pytest.mark.parametrize(
    ("kind", "known", "line", "good", "bad"),
    [
        ("UIDL", KNOWN, b"UIDL", LISTING, LISTING.replace(b"uid3", b"uid4")),
        ("UIDL", KNOWN, b"UIDL", LISTING, LISTING.replace(b"3 uid3\r\n", b"")),
        ("LIST", {1: 10, 2: 20}, b"LIST", b"+OK\r\n1 10\r\n2 20\r\n.\r\n", b"+OK\r\n1 10\r\n.\r\n"),
        ("LIST n", {1: 10}, b"LIST 1", b"+OK 1 10\r\n", b"+OK 1 11\r\n"),
        ("LIST n", {1: 10}, b"LIST 1", b"+OK 1 10\r\n", b"+OK 10\r\n"),
    ],
)
async def test_other_kinds(
    kind: pop3aio.ProofKind, known: dict[int, str] | dict[int, int], line: bytes, good: bytes, bad: bytes
) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(line, good)
        await peer.answer(line, bad)

    async with session(play) as (client, _):
        assert await client.prove(Proof(known, kind))
        with pytest.raises(pop3aio.RemoteProtocolError, match="out of step"):
            await client.prove(Proof(known, kind))


@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_retrieval_is_proven_behind_its_end(pipelining: bool) -> None:
    async with (
        Server([b"Subject: %d\r\n\r\n.\r\n" % n for n in range(300)]) as server,
        server.client() as client,
    ):
        client.window = 256 if pipelining else 1
        proof = Proof({number: uid for number, uid in await client.uidl() if uid is not None})
        proven = []
        async with client.retrieve(range(1, 301), proof=proof) as messages:
            async for message in messages:
                await message
                proven.append(messages.proven)
        assert messages.proven == 300
    assert proven[127:129] == [0, 128]
    assert proven[-1] == 256


async def test_long_messages_are_proven_more_often() -> None:
    mail = b"Subject: long\r\n\r\n" + b"x" * 70 * 30_000 + b"\r\n"
    async with Server([mail] * 8) as server, server.client() as client:
        proof = Proof({number: uid for number, uid in await client.uidl() if uid is not None})
        sizes = (
            await client.sizes(range(1, 9))
            if hasattr(client, "sizes")
            else {n: len(mail) for n in range(1, 9)}
        )
        proven = []
        async with client.retrieve(range(1, 9), sizes=sizes, proof=proof) as messages:
            async for message in messages:
                await message
                proven.append(messages.proven)
    # Each of them has its proof directly behind it.
    assert proven == [0, 1, 2, 3, 4, 5, 6, 7]
    assert messages.proven == 8


async def test_numbers_that_come_one_by_one_are_proven_too() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(1, 4):
            await asyncio.sleep(0)
            yield number

    async with Server([b"Subject: x\r\n\r\n"] * 3) as server, server.client() as client:
        proof = Proof({number: uid for number, uid in await client.uidl() if uid is not None})
        async with client.retrieve(numbers(), proof=proof) as messages:
            assert [len(await message) async for message in messages] == [14, 14, 14]
        assert messages.proven == 3


async def test_a_server_that_refuses_single_messages_is_asked_for_all_at_the_end() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", BODY)
        for _ in range(3):
            await peer.line()
            peer.send(b"-ERR\r\n")
        await peer.answer(b"UIDL", LISTING)

    async with session(play) as (client, _):
        async with client.retrieve([1], proof=Proof(KNOWN)) as messages:
            async for message in messages:
                await message
        assert messages.proven == 1


async def test_a_server_that_refuses_both_proves_nothing() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"RETR 1", BODY)
        for _ in range(4):
            await peer.line()
            peer.send(b"-ERR\r\n")

    async with session(play) as (client, _):
        async with client.retrieve([1], proof=Proof(KNOWN)) as messages:
            async for message in messages:
                await message
        assert messages.proven == 0
        assert client.state is pop3aio.State.TRANSACTION


async def test_a_cut_message_is_noticed() -> None:
    async def play(peer: Peer) -> None:
        # The server does not stuff the dot in the middle, and the mail holds answers that were made up.
        await peer.answer(
            b"RETR 1", b"+OK\r\nfirst\r\n.\r\n+OK 1 made up\r\n+OK 2 made up\r\n+OK 3 made up\r\n.\r\n"
        )

    async with session(play) as (client, _):
        messages = client.retrieve([1], proof=Proof(KNOWN))
        with pytest.raises(pop3aio.RemoteProtocolError, match="out of step"):
            async for message in messages:
                await message
        assert messages.proven == 0


async def test_leaving_the_loop_early_leaves_the_session_in_step() -> None:
    async with Server([b"Subject: %d\r\n\r\n" % n for n in range(5)]) as server, server.client() as client:
        proof = Proof({number: uid for number, uid in await client.uidl() if uid is not None})
        async with client.retrieve(range(1, 6), proof=proof) as messages:
            async for message in messages:
                await message
                break
        assert messages.proven == 0
        assert await client.prove(proof)


async def test_cancelled_while_the_proof_is_waited_for() -> None:
    release = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.expect(b"UIDL 1")
        await release.wait()
        peer.send(b"+OK 1 uid1\r\n")
        await peer.answer(b"NOOP", b"+OK\r\n")

    async with session(play) as (client, server):
        task = asyncio.ensure_future(client.prove(Proof({1: "uid1"})))
        while b"UIDL 1" not in server.received:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        await client.noop()


def test_its_repr_tells_no_unique_ids() -> None:
    assert repr(Proof(KNOWN)) == "<pop3aio.Proof by UIDL n of 3 messages>"
