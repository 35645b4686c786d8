"""`collect`: as many sessions as it takes, and what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import pop3aio
from maildir import Maildir
from pop3aio.testing import Cut, Server, Session
from pop3core import LocalProtocolError, Reply
from tests.kit.pace import stretched

from .support import MemoryJournal, Shelf, mail

MAIL = mail(3)


def refusal(code: str) -> Reply:
    return Reply(0, False, b"-ERR", "", code, False)


async def opened(server: Server, *, login: bool = True, timeout: float = 60.0) -> pop3aio.Client:
    client = await pop3aio.connect(server.host, server.port, tls="none", timeout=timeout)
    if login:
        await client.login("user", "password", allow_insecure=True)
    return client


async def test_a_login_that_comes_too_early_is_waited_for() -> None:
    async with Server(MAIL) as server:
        delays: Iterator[int] = iter([0, 0])

        async def open_session() -> pop3aio.Client:
            for seconds in delays:
                raise pop3aio.LoginDelay(refusal("LOGIN-DELAY"), "PASS", seconds)
            return await opened(server)

        report = await pop3aio.collect(open_session, Shelf(), journal=MemoryJournal(), patience=0)
        assert (report.fetched, report.sessions) == (3, 1)


@pytest.mark.parametrize(
    "error",
    [
        pop3aio.LoginDelay(refusal("LOGIN-DELAY"), "PASS", 61),
        pop3aio.MailboxInUse(refusal("IN-USE"), "PASS"),
    ],
)
async def test_patience_bounds_the_wait(error: pop3aio.POP3Error) -> None:
    async def open_session() -> pop3aio.Client:
        raise error

    with pytest.raises(type(error)):
        await pop3aio.collect(open_session, Shelf(), journal=MemoryJournal(), patience=0.5)


async def test_a_client_that_is_not_logged_in_has_no_account() -> None:
    async with Server(MAIL) as server:
        with pytest.raises(LocalProtocolError, match="logged in"):
            await pop3aio.collect(lambda: opened(server, login=False), Shelf(), journal=MemoryJournal())


async def test_a_session_behind_headway_that_cannot_be_opened_leaves_the_rest_for_the_next_run(
    tmp_path: Path,
) -> None:
    def hook(session: Session, keyword: str, argument: str) -> bool:
        if (keyword, argument) == ("RETR", "3"):
            session.abort()
            return True
        return False

    async def on_command(session: Session, keyword: str, argument: str) -> bool:
        return hook(session, keyword, argument)

    async with Server(MAIL, on_command=on_command) as server, Maildir(tmp_path) as box:

        async def open_session() -> pop3aio.Client:
            if server.connections == 2:
                raise pop3aio.ConnectionLost("the network is gone")
            client = await opened(server)
            client.window = 1
            return client

        report = await pop3aio.collect(open_session, box, journal=tmp_path / "journal")
        assert report.fetched == 2
        assert [type(error) for error in report.broken] == [pop3aio.ConnectionLost] * 2
        assert [failure.kind for failure in report.failed] == ["broke"]


@pytest.mark.parametrize(
    ("command", "fetched", "sessions"),
    [
        # The only message stalls: nothing else is left, and it is waited for once.
        ("RETR 1", 0, 1),
        # The deletion stalls: all messages are fetched.
        ("DELE 1", 1, 1),
    ],
)
async def test_a_stall_is_waited_for_once_where_nothing_else_is_left(
    tmp_path: Path, command: str, fetched: int, sessions: int
) -> None:
    async with (
        Server(MAIL[:1], faults=[Cut(command, how="stall", times=None)]) as server,
        Maildir(tmp_path) as box,
    ):

        async def open_session() -> pop3aio.Client:
            return await opened(server, timeout=stretched(0.3))

        report = pop3aio.FetchReport()
        with pytest.raises(pop3aio.ResponseTimeout):
            await pop3aio.collect(
                open_session, box, journal=tmp_path / "journal", delete=pop3aio.Delete(), report=report
            )
        assert (report.fetched, server.connections) == (fetched, sessions)


async def test_behind_a_stall_the_others_are_fetched_and_deleted(tmp_path: Path) -> None:
    async with (
        Server(MAIL, faults=[Cut("RETR 3", how="stall", times=None)]) as server,
        Maildir(tmp_path) as box,
    ):

        async def open_session() -> pop3aio.Client:
            return await opened(server, timeout=stretched(0.3))

        report = await pop3aio.collect(
            open_session, box, journal=tmp_path / "journal", delete=pop3aio.Delete()
        )
        assert report.fetched == 2
        assert server.mailbox.messages == MAIL[2:]


async def test_a_session_is_kept_open_while_the_store_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pop3aio._fetch._intake._KEEP_OPEN", 0.01)
    asked = asyncio.Event()

    async def hook(session: Session, keyword: str, argument: str) -> None:
        if keyword == "NOOP" and "RETR 3" in session.commands:
            asked.set()

    class Slow:
        """A store that is done when the server was asked for nothing."""

        async def submit(self, source: pop3aio.Incoming, *, key: str) -> asyncio.Future[object]:
            async for _ in source:
                pass
            return asyncio.ensure_future(asked.wait())

    async with Server(MAIL, on_command=hook) as server:
        report = await pop3aio.collect(lambda: opened(server), Slow(), journal=MemoryJournal())
        assert (report.fetched, report.sessions) == (3, 1)


async def test_deletions_of_a_session_that_broke_before_quit_are_not_counted(tmp_path: Path) -> None:
    async with Server(MAIL, faults=[Cut("DELE 3", times=1)]) as server, Maildir(tmp_path) as box:
        report = await pop3aio.collect(
            lambda: opened(server), box, journal=tmp_path / "journal", delete=pop3aio.Delete()
        )
        assert (report.deleted, report.commit, len(server.mailbox)) == (3, "committed", 0)
