"""Lines of a listing that are none: each costs its message, for this run, and a warning; never the run."""

from __future__ import annotations

import pytest

import pop3aio
from pop3aio.testing import Server, Session

from .support import MemoryJournal, Shelf, mail, session

MAIL = mail(6)

BROKEN = {
    "UIDL": b"1 a\r\ntwo b\r\n3\r\n4 d d\r\n\r\n5 \xff\x00\r\n6 f\r\n+OK 7\r\n",
    "LIST": b"1 ten\r\n\r\n3 99999999999999999999\r\n-ERR\r\n6 1_0\r\n",
}


async def test_lines_that_are_none_cost_a_message_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    broken = True

    async def hook(session: Session, keyword: str, argument: str) -> bool:
        if broken and keyword in BROKEN and not argument:
            session.write(b"+OK\r\n" + BROKEN[keyword] + b".\r\n")
            return True
        if broken and keyword == "UIDL":
            session.write(b"+OK %s %s\r\n" % (argument.encode(), {"1": b"a", "6": b"f"}[argument]))
            return True
        return False

    journal, shelf = MemoryJournal(), Shelf()
    async with Server(MAIL, on_command=hook) as server:
        async with session(server) as client:
            assert await client.list() == []
            report = await pop3aio.fetch(client, shelf, journal=journal, delete=pop3aio.Delete())
        assert report.commit == "committed"
        # A message whose line is none, or has lost its number, is named by its content.
        assert (report.listed, report.fetched, report.failed) == (6, 6, [])
        assert caplog.messages == [
            "lines of the answer to LIST that were left out, being no listings or listing a message again: 5",
            "lines of the answer to UIDL that were left out, being no listings or listing a message again: 3",
            "lines of the answer to LIST that were left out, being no listings or listing a message again: 5",
        ]
        broken = False
        async with session(server) as client:
            report = await pop3aio.fetch(client, shelf, journal=journal, delete=pop3aio.Delete())
        assert report.failed == []
        assert len(server.mailbox) == 0
    assert shelf.contents() == sorted(MAIL)
