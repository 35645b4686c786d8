"""Logins that the server refuses: the exception's class says what to do."""

from __future__ import annotations

import pytest

import pop3aio
from pop3aio.testing import Server
from tests.kit.script import Peer, Script, welcome


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[IN-USE] locked", pop3aio.MailboxInUse),
        ("[in-use] locked", pop3aio.MailboxInUse),
        ("[LOGIN-DELAY] wait", pop3aio.LoginDelay),
        ("[SYS/TEMP] later", pop3aio.ServerTemporaryError),
        ("[SYS/TEMP/DISK] later", pop3aio.ServerTemporaryError),
        ("[SYS/PERM] broken", pop3aio.ServerPermanentError),
        ("[AUTH] who?", pop3aio.AuthenticationError),
        ("[AUTH/EXPIRED] who?", pop3aio.AuthenticationError),
        ("[X-OTHER] hm", pop3aio.AuthenticationError),
        ("wrong password", pop3aio.AuthenticationError),
        ("", pop3aio.AuthenticationError),
    ],
)
async def test_the_class_is_chosen_by_the_response_code(text: str, kind: type[pop3aio.CommandError]) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "LOGIN-DELAY 120")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", f"-ERR {text}\r\n".encode())
        # Some servers hang up on a wrong password; that does not hide the refusal.
        peer.close()

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        with pytest.raises(pop3aio.CommandError) as caught:
            await client.login("user", "secret", allow_insecure=True)
        assert type(caught.value) is kind
        assert caught.value.command == "PASS ***"
        assert caught.value.text == text
        if isinstance(caught.value, pop3aio.LoginDelay):
            assert caught.value.seconds == 120
        with pytest.raises(pop3aio.ConnectionLost):
            while True:
                await client.capa(refresh=True)
        await client.quit()


async def test_the_delay_is_not_always_known() -> None:
    async def play(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.answer(b"CAPA", b"-ERR\r\n")
        await peer.answer(b"USER user", b"-ERR [LOGIN-DELAY]\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        with pytest.raises(pop3aio.LoginDelay) as caught:
            await client.login("user", "secret", allow_insecure=True)
        assert caught.value.seconds is None
        client.abort()


async def test_a_refusal_without_code_is_not_about_the_credentials_where_those_are_marked() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "AUTH-RESP-CODE")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS secret", b"-ERR the cat sits on the mailbox\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        with pytest.raises(pop3aio.CommandError, match="the cat") as caught:
            await client.login("user", "secret", allow_insecure=True)
        assert type(caught.value) is pop3aio.CommandError
        client.abort()


async def test_no_password_after_a_refused_user() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        await peer.answer(b"USER user", b"-ERR never heard\r\n")

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        with pytest.raises(pop3aio.AuthenticationError):
            await client.login("user", "secret", allow_insecure=True)
        client.abort()
        await server.over.wait()
        assert server.received == [b"CAPA", b"USER user"]


async def test_the_end_of_the_connection_is_not_a_wrong_password() -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.expect(b"PASS secret")
        peer.close()

    async with Script(play) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none")
        with pytest.raises(pop3aio.ConnectionLost, match=r"where the answer to PASS \*\*\* was due"):
            await client.login("user", "secret", allow_insecure=True)


async def test_a_second_attempt_with_the_right_password() -> None:
    async with Server() as server, pop3aio.connect(server.host, server.port, tls="none") as client:
        with pytest.raises(pop3aio.AuthenticationError):
            await client.login("user", "wrong", allow_insecure=True)
        await client.login("user", "password", allow_insecure=True)


async def test_a_mailbox_in_use() -> None:
    async with Server() as server, pop3aio.connect(server.host, server.port, tls="none") as first:
        await first.login("user", "password", allow_insecure=True)
        async with pop3aio.connect(server.host, server.port, tls="none") as second:
            with pytest.raises(pop3aio.MailboxInUse):
                await second.login("user", "password", allow_insecure=True)
