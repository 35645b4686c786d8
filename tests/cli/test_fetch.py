"""``pop3aio fetch``, when all is well or nearly so."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from pop3aio._cli._output import Output
from pop3aio._cli._progress import show_progress
from pop3aio._fetch._report import Progress
from pop3aio.testing import Server, Session

from .support import JOURNAL, Cli, Result, contents, mails, url


async def test_all_of_it_and_then_nothing(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    messages = mails(3)
    async with Server(messages) as server:
        first = await cli("fetch", *url(server), box)
        second = await cli("fetch", *url(server), box)
        assert len(server.mailbox) == 3
    assert (first.status, first.err) == (0, "")
    assert first.out == (f"fetching 3 new messages, 1.4 kB\nfetched:  3 messages, 1.4 kB, into {box}\n")
    assert (second.status, second.err) == (0, "")
    assert second.out == (
        "fetched:  nothing new among 3 messages\nknown:    3 messages, fetched by an earlier run\n"
    )
    assert contents(box) == messages
    # The journal is no folder to a Maildir reader, and for nobody else to read.
    assert (box / JOURNAL).is_file()
    assert (box / JOURNAL).stat().st_mode & 0o777 == 0o600


async def test_a_quoted_tilde(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    async with Server(mails(1)) as server:
        result = await cli("fetch", *url(server), "~/Mail", "--journal", "~/journal", "--json")
    assert (result.status, result.err) == (0, "")
    assert contents(tmp_path / "Mail") == mails(1)
    assert (tmp_path / "journal").is_file()
    assert not (tmp_path / "~").exists()


async def test_json(cli: Cli, tmp_path: Path) -> None:
    box, journal = tmp_path / "Mail", tmp_path / "journal"
    async with Server(mails(3)) as server:
        server.mailbox.add(b"Subject: more\r\n\r\n", uid="more")
        result = await cli("fetch", *url(server), box, "--json", "--limit", "3", "--journal", journal)
        account = f"user@{server.host}:{server.port}"
    assert result.status == 0
    assert result.err == ""
    assert result.json == {
        "maildir": str(box),
        "journal": str(journal),
        "account": account,
        "listed": 4,
        "fetched": 3,
        "octets": sum(map(len, mails(3))),
        "known": 0,
        "recovered": 0,
        "adopted": 0,
        "postponed": 1,
        "left": 0,
        "put_off": 0,
        "doubtful": 0,
        "failed": [],
        "broken": [],
        "deleted": 0,
        "returned": 0,
        "sessions": 1,
        "commit": None,
        "resolved": None,
        "exit_status": 0,
    }
    assert journal.is_file()
    assert not (box / JOURNAL).exists()


async def test_quiet(cli: Cli, tmp_path: Path) -> None:
    """A run from cron that has nothing to say says nothing."""
    box = tmp_path / "Mail"
    async with Server(mails(2)) as server:
        first = await cli("fetch", *url(server), box, "--quiet")
        second = await cli("fetch", *url(server), box, "-q", "--delete", "--limit", "1")
        third = await cli("fetch", *url(server), box, "--quiet", "--delete")
        as_json = await cli("fetch", *url(server), box, "--quiet", "--json")
        server.mailbox.open()
        failed = await cli("fetch", *url(server), box, "--quiet", "--patience", "0")
    assert (first.status, first.err) == (0, "")
    assert first.out == f"fetched:  2 messages, 962 octets, into {box}\n"
    assert "deleted:  2 messages" in second.out
    assert third == Result(0, "", "")
    assert as_json.json["exit_status"] == 0
    assert failed.status == 75
    assert failed.out == ""
    assert "try again later" in failed.error


async def test_which_messages(cli: Cli, tmp_path: Path) -> None:
    messages = [*mails(1), *mails(1, 4000), b"Date: Mon, 01 Jan 1990 00:00:00 +0000\r\n\r\nold\r\n"]
    async with Server(messages) as server:
        options = ["--max-size", "2K", "--since", "2000-01-31", "--patience", "0.5", "--newest"]
        result = await cli("fetch", *url(server), tmp_path / "Mail", *options)
    assert (result.status, result.err) == (0, "")
    assert contents(tmp_path / "Mail") == messages[:1]
    assert "left:     " in result.out


async def test_a_maildrop_that_looks_new(cli: Cli, tmp_path: Path) -> None:
    """What to do is said in words of the command."""
    box = tmp_path / "Mail"
    messages = [*mails(30, 500), *mails(30, 900)]
    async with Server(messages) as server, Server(messages) as other:
        assert (await cli("fetch", *url(server), box, "--account-name", "user@here")).status == 0
        for uid, message in zip(server.mailbox.uids, server.mailbox.messages, strict=True):
            other.mailbox.remove(other.mailbox.uids[0])
            other.mailbox.add(message, uid=uid)
        moved = await cli("fetch", *url(other), box, "--account-name", "user@there")
        for uid, message in zip(server.mailbox.uids, messages, strict=True):
            server.mailbox.remove(uid)
            server.mailbox.add(message)
        renamed = await cli("fetch", *url(server), box, "--account-name", "user@here")
    assert moved.status == renamed.status == 1
    assert "say --account-name user@here to go on with them, --again to fetch them again" in moved.error
    assert "say --adopt to take them as known, or --again to fetch them again" in renamed.error
    assert "=" not in moved.error + renamed.error


async def test_limit(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    async with Server(mails(3)) as server:
        first = await cli("fetch", *url(server), box, "--limit", "1")
        await cli("fetch", *url(server), box)
    assert "later:    2 messages for the next run\n" in first.out
    assert contents(box) == mails(3)


async def test_delete(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    async with Server(mails(2)) as server:
        await cli("fetch", *url(server), box, "--limit", "1", "--keep")
        result = await cli("fetch", *url(server), box, "--delete")
        assert len(server.mailbox) == 0
        again = await cli("fetch", *url(server), box, "--delete", "--json")
    assert result.status == 0
    assert "deleted:  2 messages on the server, confirmed\n" in result.out
    assert again.json["commit"] is None
    assert contents(box) == mails(2)


async def test_keep_days(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = tmp_path / "Mail"
    async with Server(mails(2)) as server:
        first = await cli("fetch", *url(server), box, "--keep-days", "7")
        assert "deleted:  0 messages on the server\n" in first.out
        assert len(server.mailbox) == 2
        server.mailbox.add(b"Subject: new\r\n\r\n")
        now = time.time()
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda: now + 8 * 86400)
            later = await cli("fetch", *url(server), box, "--keep-days", "7")
        assert len(server.mailbox) == 1
    assert later.status == 0
    assert "deleted:  2 messages on the server, confirmed\n" in later.out


async def test_some_fail(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"

    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "RETR" and argument in ("2", "3"):
            session.write(b"-ERR gone \x1b[31mred\xe2\x80\xae\r\n")
            return True
        return False

    async with Server(mails(3), on_command=refuse) as server:
        uids = server.mailbox.uids
        result = await cli("fetch", *url(server), box)
        as_json = await cli("fetch", *url(server), box, "--json")
        server.on_command = None
        second = await cli("fetch", *url(server), box)
    assert result.status == 1
    assert result.err.splitlines() == [
        f"pop3aio: message {number} (unique-id {uids[number - 1]}): the server refused RETR {number}: "
        "gone \ufffd[31mred\ufffd"
        for number in (2, 3)
    ]
    assert "fetched:  1 message, " in result.out
    assert "failed:   2 messages, named on standard error\n" in result.out
    assert as_json.status == 1
    assert [failure["number"] for failure in as_json.json["failed"]] == [2, 3]
    assert as_json.json["exit_status"] == 1
    assert second.status == 0
    assert sorted(contents(box)) == sorted(mails(3))


async def test_all_fail(cli: Cli, tmp_path: Path) -> None:
    async def neither_id_nor_mail(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "UIDL":
            session.write(b"+OK\r\n1 \r\n.\r\n")
        if keyword == "RETR":
            session.write(b"-ERR not today\r\n")
        return keyword in ("UIDL", "RETR")

    async with Server(mails(1), on_command=neither_id_nor_mail) as server:
        result = await cli("fetch", *url(server), tmp_path / "Mail")
    assert result.status == 1
    assert "message 1: the server refused RETR 1: not today" in result.error
    assert result.out.startswith("fetched:  nothing\n")


async def test_no_unique_ids(cli: Cli, tmp_path: Path) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "UIDL":
            session.write(b"-ERR what is that?\r\n")
        return keyword == "UIDL"

    async with Server(mails(1), on_command=refuse) as server:
        result = await cli("fetch", *url(server), tmp_path / "Mail")
    assert result.status == 1
    assert "without unique-ids it is not known which messages are new" in result.error


async def test_the_commit_is_refused(cli: Cli, tmp_path: Path) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "QUIT":
            session.write(b"-ERR some deleted messages not removed\r\n")
            session.close()
        return keyword == "QUIT"

    box = tmp_path / "Mail"
    async with Server(mails(2), on_command=refuse) as server:
        result = await cli("fetch", *url(server), box, "--delete")
        server.on_command = None
        second = await cli("fetch", *url(server), box, "--delete")
        assert len(server.mailbox) == 0
    assert result.status == 1
    assert "some deleted messages not removed: of 2 messages marked for deletion some or none" in result.error
    assert "deleted:  2 messages on the server, not confirmed\n" in result.out
    assert second.status == 0
    assert contents(box) == mails(2)


async def test_the_commit_is_unknown(cli: Cli, tmp_path: Path) -> None:
    async def vanish(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "QUIT":
            session.abort()
        return keyword == "QUIT"

    box = tmp_path / "Mail"
    async with Server(mails(2), on_command=vanish) as server:
        result = await cli("fetch", *url(server), box, "--delete")
        server.on_command = None
        second = await cli("fetch", *url(server), box, "--delete")
        assert len(server.mailbox) == 0
    assert result.status == 75
    assert "whether 2 messages marked for deletion are deleted is not known" in result.error
    assert (
        "settled:  of 2 messages whose deletion an earlier run saw no end of, 0 are deleted, 2 are"
        in second.out
    )
    assert second.status == 0
    assert contents(box) == mails(2)


async def test_what_a_crash_left_is_found(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    async with Server(mails(2)) as server:
        await cli("fetch", *url(server), box)
        (box / JOURNAL).unlink()
        result = await cli("fetch", *url(server), box)
    assert "found:    2 messages in the Maildir already" in result.out
    assert contents(box) == mails(2)


async def test_messages_that_are_awkward(cli: Cli, tmp_path: Path) -> None:
    """The bar and the lines are content with sizes that are wrong, and with none."""

    async def lie(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "LIST":
            answers = {"1": b"+OK 1 1\r\n", "2": b"-ERR not today\r\n", "": b"+OK\r\n1 1\r\n.\r\n"}
            session.write(answers[argument])
        return keyword == "LIST"

    async with Server(mails(2), on_command=lie) as server:
        result = await cli("fetch", *url(server), tmp_path / "Mail")
    assert result.status == 0
    assert contents(tmp_path / "Mail") == mails(2)


def test_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with show_progress(Output(), lambda: now) as update:
        assert update is not None
        update(Progress(0, 0, 0, 0))
        for now in range(0, 30, 2):
            update(Progress(int(now), 20, int(now) * 1_000_000, 20_000_000))
    assert capsys.readouterr().out.splitlines() == [
        "fetching 20 new messages, 20.0 MB",
        "10 of 20 messages, 10.0 MB of 20.0 MB",
    ]


async def test_several_at_once_do_not_share_a_journal(cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "Mail"
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold(session: Session, keyword: str, argument: str) -> None:
        if keyword == "RETR":
            reached.set()
            await go_on.wait()

    async with Server(mails(1), on_command=hold) as server, Server(mails(1)) as other:
        first = asyncio.create_task(cli("fetch", *url(server), box))
        await reached.wait()
        second = await cli("fetch", *url(other), box)
        go_on.set()
        assert (await first).status == 0
    assert second.status == 1
    assert "another process is using the journal" in second.error
    assert contents(box) == mails(1)
