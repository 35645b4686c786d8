"""Quirks of listings, messages and deletion: what breaks a naive client, and not this one."""

from __future__ import annotations

import asyncio
import poplib
from pathlib import Path

import pytest

import pop3aio
from pop3aio.testing import PROFILES, Server, Session
from tests.kit.pace import stretched
from tests.quirks.naive import Naive, poplib_session
from tests.quirks.profiles import Store, logged_in, server_like, whole

ONE, TWO, THREE = (b"Subject: %d\r\n\r\ntext of %d\r\n" % (number, number) for number in (1, 2, 3))
UNENDED = b"Subject: no end\r\n\r\nthe last line has no end"


def keep_by_uid(server: Server, user: str, seen: set[bytes]) -> list[bytes]:
    """Fetch what is new by its unique-id, and forget what is not listed any more."""
    with poplib_session(server, user) as client:
        uids = {line.split(b" ")[1]: int(line.split(b" ")[0]) for line in client.uidl()[1]}
        seen &= uids.keys()
        new = [b"\r\n".join(client.retr(uids[uid])[1]) for uid in uids if uid not in seen]
        seen |= uids.keys()
        client.quit()
    return new


async def fetch(
    server: Server, name: str, store: Store, folder: Path, **options: object
) -> pop3aio.FetchReport:
    async with logged_in(server, name) as client:
        return await pop3aio.fetch(client, store, journal=folder / "journal", **options)  # type: ignore[arg-type]


async def test_popped_mail_is_hidden_and_comes_back(tmp_path: Path) -> None:
    store = Store()
    runs = ("user", "user", "recent:user")
    with server_like("gmail", [ONE, TWO]) as server:
        for user, (fetched, known) in zip(runs, [(2, 0), (0, 0), (0, 2)], strict=True):
            async with pop3aio.connect(server.host, server.port, tls="none") as client:
                await client.login(user, "password", allow_insecure=True)
                report = await pop3aio.fetch(client, store, journal=tmp_path / "journal", account="me")
                assert (report.fetched, report.known) == (fetched, known)
    with server_like("gmail", [ONE, TWO]) as server:
        seen: set[bytes] = set()
        assert [len(keep_by_uid(server, user, seen)) for user in runs] == [2, 0, 2]


async def test_a_session_is_shown_the_oldest_only(tmp_path: Path) -> None:
    shown = PROFILES["gmail"].shown
    assert shown
    messages = [ONE] * (shown + 50)
    with server_like("gmail", messages) as server:
        store = Store()
        assert [(await fetch(server, "gmail", store, tmp_path)).fetched for _ in range(3)] == [shown, 50, 0]
    with server_like("gmail", messages) as server:
        assert len(keep_by_uid(server, "user", set())) < len(messages)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exchange-2003", ONE),
        ("courier", UNENDED),
        ("cyrus", UNENDED),
        ("dovecot", UNENDED),
        ("wildduck", ONE),
        ("qmail", ONE),
        ("lf-only", ONE),
    ],
)
async def test_sizes_are_no_measure(name: str, message: bytes) -> None:
    with server_like(name, [message]) as server:
        with Naive(server) as naive:
            naive.log_in()
            size = int(naive.ask(b"LIST 1")[0].split()[2])
            assert naive.ask(b"RETR 1\r\nQUIT")[0].startswith(b"+OK")
            assert naive.rest()[:size] != whole(message)
        async with logged_in(server, name) as client:
            assert (await client.list(1)).octets == size
            assert await client.retr(1) == whole(message)


async def test_a_dot_right_behind_the_text_cannot_be_told_from_it() -> None:
    with server_like("exchange-2003", [UNENDED]) as server:
        with poplib_session(server) as naive:
            naive._putcmd("RETR 1")  # type: ignore[attr-defined]
            with pytest.raises(poplib.error_proto, match="EOF"):
                # The answer to QUIT is a line of the message to it.
                naive._longcmd("QUIT")  # type: ignore[attr-defined]
        server.wait_until_idle()
        with pytest.raises(pop3aio.ResponseTimeout, match="dot stands right behind the text"):
            async with pop3aio.connect(
                server.host, server.port, tls="none", timeout=stretched(1.0)
            ) as client:
                await client.login("user", "password", allow_insecure=True)
                await client.retr(1)


@pytest.mark.parametrize("name", ["courier", "dovecot"])
async def test_a_dot_that_is_not_stuffed_ends_the_message(name: str, tmp_path: Path) -> None:
    with server_like(name, [b".\r\n+OK 7 messages\r\n" + ONE]) as server:
        with poplib_session(server) as naive:
            assert naive.retr(1)[1] == []
            # The sender of a mail says what is in the mailbox.
            assert naive._shortcmd("STAT") == b"+OK 7 messages"  # type: ignore[attr-defined]
        server.wait_until_idle()
        store = Store()
        with pytest.raises(pop3aio.RemoteProtocolError, match="does not stuff"):
            await fetch(server, name, store, tmp_path, delete=pop3aio.Delete())
        assert store.messages == {}
        server.wait_until_idle()
        assert len(server.mailbox) == 1


async def test_an_8_bit_header_comes_wrapped_unless_utf8_was_sent() -> None:
    message = "Subject: Grüße\r\n\r\ntext\r\n".encode()
    with server_like("courier", [message]) as server:
        with poplib_session(server) as naive:
            assert naive.retr(1)[1][0] == b"Subject: Cannot display Unicode content"
            naive.quit()
        async with logged_in(server, "courier") as client:
            assert await client.retr(1) == message


async def test_a_message_may_end_at_a_bare_lf() -> None:
    message = b"Subject: x\r\n\r\none\n.two\nthree\n"
    with server_like("cyrus", [message]) as server:
        with Naive(server) as naive:
            naive.log_in()
            naive.ask(b"RETR 1\r\nQUIT")
            assert b"\r\n.\r\n" not in naive.rest()
        async with pop3aio.connect(server.host, server.port, tls="none", bare_lf=True) as client:
            await client.login("user", "password", allow_insecure=True)
            assert await client.retr(1) == message.replace(b"\n", b"\r\n").replace(b"\r\r", b"\r")
        with pytest.raises(pop3aio.ResponseTimeout, match="connect with bare_lf=True"):
            async with pop3aio.connect(
                server.host, server.port, tls="none", timeout=stretched(1.0)
            ) as client:
                await client.login("user", "password", allow_insecure=True)
                await client.retr(1)


async def test_all_lines_may_end_at_a_bare_lf() -> None:
    with server_like("lf-only", [ONE]) as server:
        with Naive(server) as naive:
            naive.log_in()
            naive.ask(b"RETR 1\r\nQUIT")
            assert b"\r\n.\r\n" not in naive.rest()
        async with logged_in(server, "lf-only") as client:
            assert await client.retr(1) == ONE
    with Server([ONE], quirks="lf-only", greeting=b"+OK ready\r\n") as server:
        with pytest.raises(pop3aio.RemoteProtocolError, match="connect with bare_lf=True"):
            await pop3aio.connect(server.host, server.port, tls="none")
        async with pop3aio.connect(server.host, server.port, tls="none", bare_lf=True) as client:
            await client.login("user", "password", allow_insecure=True)
            assert await client.retr(1) == ONE


async def test_listings_are_numbered_anew_after_a_deletion(tmp_path: Path) -> None:
    with server_like("wildduck", [ONE, TWO, THREE]) as server:
        first, second, third = server.mailbox.uids
        with poplib_session(server) as naive:
            naive.dele(1)
            listed = dict(line.split() for line in naive.uidl()[1])
            assert listed == {b"1": second.encode(), b"2": third.encode()}
            # What it takes for the third message is the second.
            assert naive.retr(2)[1][0] == b"Subject: 2"
        server.wait_until_idle()
        store = Store()
        for number in (1, 2, 3):
            report = await fetch(server, "wildduck", store, tmp_path, delete=pop3aio.Delete(), limit=1)
            assert (report.fetched, report.deleted, report.commit) == (1, 1, "committed")
            assert list(store.messages.values())[number - 1] == (ONE, TWO, THREE)[number - 1]
        assert first not in server.mailbox.uids


async def test_equal_headers_have_the_same_unique_id(tmp_path: Path) -> None:
    messages = [ONE, ONE + b"P.S.\r\n"]
    with server_like("popa3d", messages) as server:
        assert len(keep_by_uid(server, "user", set())) == 1
        store = Store()
        assert (await fetch(server, "popa3d", store, tmp_path)).fetched == 2
        assert list(store.messages.values()) == messages
        assert (await fetch(server, "popa3d", store, tmp_path)).known == 2


async def test_blanks_before_the_unique_id(tmp_path: Path) -> None:
    with server_like("maillennium", [ONE, TWO]) as server:
        # Cut at the first blank, all unique-ids are the same empty one.
        assert len(keep_by_uid(server, "user", set())) == 1
        async with logged_in(server, "maillennium") as client:
            assert [uid for _, uid in await client.uidl()] == server.mailbox.uids
            assert (await client.uidl(2)).uid == server.mailbox.uids[1]


async def test_top_is_cut(tmp_path: Path) -> None:
    message = ONE + b"a line\r\n" * 20_000
    with server_like("maillennium", [message]) as server:
        with poplib_session(server) as naive:
            assert len(b"\r\n".join(naive.top(1, 999_999)[1])) < len(message) // 2
        server.wait_until_idle()
        store = Store()
        await fetch(server, "maillennium", store, tmp_path)
        assert list(store.messages.values()) == [message]


async def test_uidl_works_though_it_is_not_announced(tmp_path: Path) -> None:
    with server_like("aol", [ONE]) as server:
        with poplib_session(server) as naive:
            assert "UIDL" not in naive.capa()
        server.wait_until_idle()
        assert (await fetch(server, "aol", Store(), tmp_path)).fetched == 1


async def test_there_is_no_uidl(tmp_path: Path) -> None:
    with server_like("no-uidl", [ONE, ONE]) as server:
        with pytest.raises(poplib.error_proto):
            keep_by_uid(server, "user", set())
        server.wait_until_idle()
        async with logged_in(server, "no-uidl") as client:
            with pytest.raises(pop3aio.CommandError):
                await client.uidl()
        store = Store()
        for fetched in (2, 0):
            assert (await fetch(server, "no-uidl", store, tmp_path)).fetched == fetched


async def test_only_so_many_messages_come_in_a_session(tmp_path: Path) -> None:
    limit = PROFILES["163"].retrievals
    assert limit
    with server_like("163", [ONE] * (limit + 2)) as server:
        with pytest.raises(poplib.error_proto, match="Download exceed"):
            keep_by_uid(server, "user", set())
        server.wait_until_idle()
        store = Store()
        report = await fetch(server, "163", store, tmp_path, delete=pop3aio.Delete())
        assert (report.fetched, len(report.failed), report.commit) == (limit, 2, "committed")
        assert (await fetch(server, "163", store, tmp_path)).fetched == 2


@pytest.mark.parametrize("name", ["dovecot", "wildduck", "hmailserver"])
async def test_a_notice_before_the_end_is_no_answer(name: str) -> None:
    notice = PROFILES[name].idle_notice.rstrip().decode()
    with server_like(name, [ONE]) as server:
        with poplib_session(server) as naive:
            server.idle_timeout = 0.01
            naive.noop()
            server.wait_until_idle()
            # "No such message", it understands.
            with pytest.raises(poplib.error_proto, match=notice):
                naive.list(1)
        server.idle_timeout = None
        with pytest.raises(pop3aio.ConnectionLost, match=notice):
            async with logged_in(server, name) as client:
                server.idle_timeout = 0.01
                await client.noop()
                await asyncio.to_thread(server.wait_until_idle)
                await client.list(1)
        assert len(server.mailbox) == 1


async def test_quit_is_not_answered_if_mail_came_meanwhile(tmp_path: Path) -> None:
    async def deliver(session: Session, keyword: str, argument: str) -> None:
        if keyword == "QUIT":
            server.mailbox.add(TWO)

    with server_like("popa3d", [ONE], on_command=deliver) as server:
        with Naive(server) as naive:
            naive.log_in()
            assert naive.ask(b"DELE 1", b"QUIT") == [b"+OK\r\n", b""]
        server.wait_until_idle()
        # Who does not wait for the answer to QUIT takes it for deleted.
        assert len(server.mailbox) == 2
        store = Store()
        report = await fetch(server, "popa3d", store, tmp_path, delete=pop3aio.Delete())
        assert (report.fetched, report.commit) == (2, "unknown")
        server.on_command = None
        report = await fetch(server, "popa3d", store, tmp_path, delete=pop3aio.Delete())
        assert (report.fetched, report.known, report.commit) == (1, 2, "committed")
        assert len(server.mailbox) == 0
