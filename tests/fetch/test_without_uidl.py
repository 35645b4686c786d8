"""Servers that give no unique-ids, or none that can be used: mail is recognised by what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

import pop3aio
from maildir import Maildir
from pop3aio.testing import CommandHook, Server, Session

from .support import MemoryJournal, Shelf, in_new, mail, opener, session

MAIL = mail(5)
BARE = ["TOP", "USER", "PIPELINING"]


async def no_uidl(session: Session, keyword: str, argument: str) -> bool:
    if keyword == "UIDL":
        session.write(b"-ERR what?\r\n")
    return keyword == "UIDL"


def changing(session: Session, keyword: str, argument: str) -> bytes | None:
    """The answer of a server that notes in each message how often it was read."""
    if keyword != "RETR":
        return None
    count = sum(command == f"RETR {argument}" for command in session.server.commands)
    return b"+OK\r\nX-Read: %d\r\n\r\n.\r\n" % count


@pytest.mark.parametrize("policy", [pop3aio.Keep(), pop3aio.Delete()])
async def test_each_message_comes_once(tmp_path: Path, policy: pop3aio.Policy) -> None:
    twins = [MAIL[0], MAIL[0]]
    messages = [*MAIL, *twins]
    async with Server(messages, capabilities=BARE, on_command=no_uidl) as server, Maildir(tmp_path) as box:
        for new, known, limit in ((3, 0, 3), (4, 3, None), (0, 7, None)):
            async with session(server) as client:
                report = await pop3aio.fetch(client, box, journal=tmp_path / "journal", limit=limit)
            assert (report.fetched, report.known, report.failed) == (new, known, [])
        server.mailbox.add(b"Subject: late\r\n\r\n")
        async with session(server) as client:
            report = await pop3aio.fetch(client, box, journal=tmp_path / "journal", delete=policy)
        assert report.fetched == 1
        assert len(server.mailbox) == (8 if policy == pop3aio.Keep() else 0)
        assert in_new(tmp_path) == sorted([*messages, b"Subject: late\r\n\r\n"])


async def test_a_lost_quit_costs_no_second_copy(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "QUIT" and server.connections == 1:
            session.abort()
            return True
        return await no_uidl(session, keyword, argument)

    shelf = Shelf()
    async with Server(MAIL, capabilities=BARE, on_command=hook) as server:
        for commit in ("unknown", "committed"):
            async with session(server) as client:
                report = await pop3aio.fetch(
                    client, shelf, journal=tmp_path / "journal", delete=pop3aio.Delete()
                )
            assert report.commit == commit
    assert report.resolved == pop3aio.Resolved(0, 5)
    assert shelf.contents() == sorted(MAIL)


async def test_only_what_has_no_unique_id_is_retrieved_to_know_it() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "UIDL" and argument:
            session.write(b"+OK %s %s\r\n" % (argument.encode(), {"1": b"good", "4": b"fine"}[argument]))
        elif keyword == "UIDL":
            session.write(b"+OK\r\n1 good\r\n2 not good\r\n3 \r\n4 fine\r\n.\r\n")
        return keyword == "UIDL"

    journal, shelf = MemoryJournal(), Shelf()
    async with Server(MAIL[:4], on_command=hook) as server:
        for fetched in (4, 0):
            async with session(server) as client:
                report = await pop3aio.fetch(client, shelf, journal=journal)
            assert (report.fetched, report.failed) == (fetched, [])
        retrieved = [command for command in server.sessions[1].commands if command.startswith("RETR")]
    assert retrieved == ["RETR 2", "RETR 3"]
    assert shelf.contents() == sorted(MAIL[:4])


async def test_a_message_that_never_comes_the_same_twice_cannot_be_kept() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        answer = changing(session, keyword, argument) if argument == "2" else None
        if answer is not None:
            session.write(answer)
            return True
        return await no_uidl(session, keyword, argument)

    journal, shelf = MemoryJournal(), Shelf()
    async with Server(MAIL[:3], capabilities=BARE, on_command=hook) as server:
        async with session(server) as client:
            report = await pop3aio.fetch(client, shelf, journal=journal)
        assert report.fetched == 2
        assert [(failure.number, failure.uid) for failure in report.failed] == [(2, None)]
        assert "does not come the same twice" in str(report.failed[0].error)
        # To take it and delete it is possible.
        async with session(server) as client:
            report = await pop3aio.fetch(client, shelf, journal=journal, delete=pop3aio.Delete())
        assert (report.fetched, report.failed, len(server.mailbox)) == (1, [], 0)
    assert shelf.contents() == sorted([MAIL[0], MAIL[2], b"X-Read: 4\r\n\r\n"])


async def test_a_message_that_is_refused_is_reported() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and argument == "2":
            session.write(b"-ERR not today\r\n")
            return True
        return await no_uidl(session, keyword, argument)

    async with (
        Server(MAIL[:3], capabilities=BARE, on_command=hook) as server,
        session(server) as client,
    ):
        report = await pop3aio.fetch(client, Shelf(), journal=MemoryJournal(), delete=pop3aio.Delete())
    assert (report.fetched, report.deleted) == (2, 2)
    assert [(failure.number, failure.uid) for failure in report.failed] == [(2, None)]


async def test_a_message_that_comes_empty_ends_the_session() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and argument == "2":
            session.write(b"+OK\r\n.\r\n+OK\r\nSubject: forged\r\n\r\n.\r\n")
            return True
        return await no_uidl(session, keyword, argument)

    shelf = Shelf()
    async with Server(MAIL[:3], capabilities=BARE, on_command=hook) as server:
        with pytest.raises(pop3aio.RemoteProtocolError, match="message 2 came empty"):
            async with session(server) as client:
                await pop3aio.fetch(client, shelf, journal=MemoryJournal(), delete=pop3aio.Delete())
        assert len(server.mailbox) == 3
    assert shelf.contents() == []


async def test_a_server_that_has_unique_ids_and_refuses_them_is_believed() -> None:
    async with Server(MAIL, on_command=no_uidl) as server:
        with pytest.raises(pop3aio.CommandError, match="UIDL"):
            async with session(server) as client:
                await pop3aio.fetch(client, Shelf(), journal=MemoryJournal())
        assert "RETR 1" not in server.commands


@pytest.mark.parametrize("hook", [no_uidl, None])
async def test_an_empty_message_is_one(hook: CommandHook | None) -> None:
    shelf = Shelf()
    async with (
        Server([b"", *MAIL[:2]], capabilities=BARE, on_command=hook) as server,
        session(server) as client,
    ):
        report = await pop3aio.fetch(client, shelf, journal=MemoryJournal(), delete=pop3aio.Delete())
        assert (report.fetched, report.failed, report.commit) == (3, [], "committed")
    assert shelf.contents() == [b"", *sorted(MAIL[:2])]


@pytest.mark.parametrize("culprit", [1, 3, 5])
async def test_a_message_that_breaks_the_session_keeps_no_other(tmp_path: Path, culprit: int) -> None:
    bad = MAIL[culprit - 1]

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and server.mailbox.messages[int(argument) - 1] == bad:
            session.abort()
            return True
        return await no_uidl(session, keyword, argument)

    async with Server(MAIL, capabilities=BARE, on_command=hook) as server, Maildir(tmp_path) as box:
        journal = tmp_path / "journal"
        report = await pop3aio.collect(opener(server), box, journal=journal, delete=pop3aio.Delete())
        assert server.mailbox.messages == [bad]
        assert (report.fetched, report.put_off) == (4, 1)
        [failure] = report.failed
        assert (failure.uid, failure.kind) == (None, "broke")
        assert failure.retry_at is not None
        assert "broke its session 2 times" in str(failure.error)
        sessions = server.connections
        await pop3aio.collect(opener(server), box, journal=journal, delete=pop3aio.Delete())
        assert server.connections == sessions + 1, "the message rests"
        assert in_new(tmp_path) == sorted(set(MAIL) - {bad})


async def test_a_message_without_a_name_above_the_size_is_left(tmp_path: Path) -> None:
    large = b"Subject: large\r\n\r\n" + b"x" * 5000 + b"\r\n"
    messages = [*MAIL, large]
    async with Server(messages, capabilities=BARE, on_command=no_uidl) as server, Maildir(tmp_path) as box:
        async with session(server) as client:
            report = await pop3aio.fetch(client, box, journal=tmp_path / "journal", max_size=5000)
        assert (report.fetched, report.left, report.failed) == (5, 1, [])
        assert "RETR 6" not in server.commands


async def test_a_server_that_begins_to_answer_the_proof_otherwise(tmp_path: Path) -> None:
    """Each message would seem to be cut, for ever, if the proof were not tried anew."""

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "UIDL" and argument and changed:
            lines = [b"%d %s" % (n, uid.encode()) for n, uid in enumerate(server.mailbox.uids, 1)]
            session.write(b"+OK\r\n" + b"\r\n".join(lines) + b"\r\n.\r\n")
            return True
        return False

    changed = False
    async with Server(MAIL, on_command=hook) as server, Maildir(tmp_path) as box:
        journal = tmp_path / "journal"
        await pop3aio.collect(opener(server), box, journal=journal, delete=pop3aio.Delete())
        changed = True
        for message in MAIL:
            server.mailbox.add(message)
        report = await pop3aio.collect(opener(server), box, journal=journal, delete=pop3aio.Delete())
        assert (report.fetched, report.failed, len(server.mailbox)) == (5, [], 0)
        assert in_new(tmp_path) == sorted(MAIL * 2)
