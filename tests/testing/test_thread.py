"""The server in a thread of its own, as those who have no event loop run it."""

from __future__ import annotations

import contextlib
import poplib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pop3aio
from pop3aio.testing import FileMessage, Mailbox, Server, Session


def dial(server: Server) -> poplib.POP3:
    client = poplib.POP3(server.host, server.port, timeout=60)
    client.user("user")
    client.pass_("password")
    return client


def test_a_whole_session() -> None:
    before = threading.active_count()
    with Server([b"Subject: one\r\n\r\n"]) as server:
        client = dial(server)
        server.add(b"later\r\n")
        assert client.stat() == (1, 16)
        client.dele(1)
        client.quit()
        assert server.mailbox.messages == [b"later\r\n"]
        client = dial(server)
        assert client.retr(1)[1] == [b"later"]
        client.close()
    assert threading.active_count() == before
    assert not server.mailbox.locked


def test_who_vanishes_is_waited_for() -> None:
    with Server([b"x"]) as server:
        client = dial(server)
        client.dele(1)
        with pytest.raises(TimeoutError):
            server.wait_until_idle(0.01)
        client.close()
        server.wait_until_idle()
        assert not server.mailbox.locked
        assert len(server.mailbox) == 1


async def test_a_loop_may_be_elsewhere() -> None:
    with Server([b"x\r\n"], tls="starttls") as server:
        async with server.client() as client:
            assert await client.retr(1) == b"x\r\n"


def test_what_a_hook_raises_is_raised_at_the_end() -> None:
    async def hook(session: Session, keyword: str, argument: str) -> None:
        raise LookupError(keyword)

    def break_it(server: Server) -> None:
        with socket.create_connection((server.host, server.port), timeout=60) as connection:
            connection.sendall(b"FIRST\r\n")
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(100):
                    pass

    with pytest.raises(LookupError, match="FIRST"), Server(on_command=hook) as server:
        break_it(server)
    with pytest.raises(ZeroDivisionError), Server(on_command=hook) as server:
        break_it(server)
        raise ZeroDivisionError


def test_a_port_that_is_taken() -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"), server:
            raise AssertionError
    assert threading.active_count() == before
    # Nothing is left of that.
    with server:
        assert server.port


def test_it_starts_once_at_a_time() -> None:
    server = Server()
    with server:
        with pytest.raises(RuntimeError, match="running"), server:
            raise AssertionError
        dial(server).quit()
    with server:
        dial(server).quit()


def test_the_mailbox_may_be_changed_from_any_thread() -> None:
    mailbox = Mailbox()
    halves = [threading.Thread(target=lambda: [mailbox.add(b"x") for _ in range(2000)]) for _ in range(2)]
    for thread in halves:
        thread.start()
    while any(thread.is_alive() for thread in halves):
        assert mailbox.open() is not None
        assert len(mailbox.uids) <= 4000
        mailbox.close(mailbox.uids[:10])
    for thread in halves:
        thread.join()
    assert len(set(mailbox.uids)) == len(mailbox)


class Noted(FileMessage):
    """A file that tells in which threads it was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.threads: list[threading.Thread] = []

    def chunks(self) -> Iterator[bytes]:
        for chunk in super().chunks():
            self.threads.append(threading.current_thread())
            yield chunk


async def test_files_are_not_read_in_the_loop(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(b"0123456789\r\n" * 50_000)
    message = Noted(tmp_path / "mail")
    async with Server([message]) as server, server.client() as client:
        assert await client.list(1) == (1, 600_000)
        assert await client.retr(1) == (tmp_path / "mail").read_bytes()
        assert len(message.threads) == 6
        assert threading.current_thread() not in message.threads


async def test_without_a_record_nothing_grows() -> None:
    async with Server([b"x"], record=False) as server:
        for _ in range(3):
            async with server.client() as client:
                await client.stat()
                assert len(server.sessions) == 1
                session = server.sessions[0]
            await session.wait_closed()
        assert (server.commands, session.commands) == ([], [])
        assert (server.sessions, server.connections, session.number) == ([], 3, 3)


async def test_an_idle_session_ends_and_deletes_nothing() -> None:
    async with Server([b"x"]) as server:
        with pytest.raises(pop3aio.ConnectionLost):
            async with server.client() as client:
                await client.dele(1)
                server.idle_timeout = 0.01
                await client.noop()
                await server.sessions[0].wait_closed()
                await client.noop()
        assert len(server.mailbox) == 1
        assert not server.mailbox.locked


def test_a_profile_that_is_none() -> None:
    with pytest.raises(ValueError, match="'gmial' is no profile; these are: gmail, exchange-online"):
        Server(quirks="gmial")
