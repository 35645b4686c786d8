"""Messages with a line in them that looks like an answer: quoted by a person, or swallowed from the next command."""

from __future__ import annotations

from pathlib import Path

import pytest

import pop3aio
from maildir import Maildir
from pop3aio.testing import Server, Session
from tests.kit.pace import stretched

from .support import Copies, MemoryJournal, opener, session

QUOTED = b"Subject: quoted\r\n\r\nIt says:\r\n+OK 2 messages\r\nWhat now?\r\n"
PLAIN = [b"Subject: %d\r\n\r\nbody of %d\r\n" % (number, number) for number in range(6)]


async def test_a_quoted_answer_costs_nothing_where_the_size_is_right() -> None:
    async with Server([QUOTED, *PLAIN]) as server, session(server) as client:
        report = await pop3aio.fetch(client, Copies(), journal=MemoryJournal(), delete=pop3aio.Delete())
        assert (report.fetched, report.doubtful, report.more) == (7, 0, False)


async def test_a_quoted_answer_is_taken_alone_where_no_size_is_listed(tmp_path: Path) -> None:
    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "LIST":
            session.write(b"-ERR not today\r\n")
        return keyword == "LIST"

    async with Server([*PLAIN[:2], QUOTED, *PLAIN[2:]], on_command=hook) as server:
        async with session(server) as client, Maildir(tmp_path / "other") as box:
            report = await pop3aio.fetch(client, box, journal=MemoryJournal())
            assert (report.fetched, report.doubtful, report.more) == (2, 5, True)
        async with Maildir(tmp_path / "box", newline="crlf") as box:
            report = await pop3aio.collect(
                opener(server), box, journal=tmp_path / "journal", delete=pop3aio.Delete()
            )
        assert (report.fetched, report.failed, len(server.mailbox)) == (7, [], 0)
    stored = [path.read_bytes() for path in (tmp_path / "box" / "new").iterdir()]
    assert sorted(stored) == sorted([QUOTED, *PLAIN])


@pytest.mark.parametrize("replaces", [True, False])
async def test_two_faults_that_cancel_each_other_out(tmp_path: Path, *, replaces: bool) -> None:
    """The first message swallows the answer to the second, and the second makes an answer of its own."""
    bare = b"Subject: no end\r\n\r\nthe text ends here"
    forger = b"Subject: forger\r\n\r\nhello\r\n.\r\n+OK\r\nSubject: forged\r\n\r\nforged\r\n"
    messages = [bare, forger, *PLAIN[:2]]

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if keyword != "RETR":
            return False
        message = session.server.mailbox[session.server.mailbox.uids[int(argument) - 1]]
        assert isinstance(message, bytes)
        session.write(b"+OK\r\n" + message + b".\r\n")
        return True

    async with Server(messages, on_command=hook) as server, Maildir(tmp_path / "box") as box:
        store = box if replaces else Copies()
        for _ in range(3):
            try:
                await pop3aio.collect(
                    opener(server, timeout=stretched(0.5)),
                    store,
                    journal=tmp_path / "journal",
                    delete=pop3aio.Delete(),
                )
            except pop3aio.POP3Error:
                continue
        assert server.mailbox.messages == [bare, forger]
