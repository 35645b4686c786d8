"""What the command says and returns when a login fails, by whether the credentials were judged; and `--no-capa`."""

from __future__ import annotations

import pytest

from tests.kit.script import Peer, Script, welcome

from .support import PASSWORD, Cli


def place(server: Script) -> list[str]:
    return ["--insecure-plaintext", f"pop3://user@{server.host}:{server.port}"]


@pytest.mark.parametrize(
    ("answers", "status", "says", "blames"),
    [
        (
            [b"-ERR unknown command"],
            4,
            "nothing secret was sent; check the user name, or name another way",
            False,
        ),
        ([b"-ERR [SYS/TEMP] no"], 75, "try again later", False),
        ([b"+OK", b"-ERR no"], 4, "check the user name and the", True),
        ([b"+OK", b"-ERR [SYS/PERM] no"], 4, "its operator must mend", False),
        ([b"+OK", b"-ERR [IN-USE] no"], 75, "another program has this mailbox open", False),
        ([b"+OK", b"-ERR [LOGIN-DELAY] no"], 75, "the last login was too recent", False),
        ([b"+OK", b""], 3, "try again; the server has not said that the credentials are wrong", False),
        ([b"+OK", b"what?"], 3, "the server has not said that the credentials are wrong", False),
        ([b""], 3, "closed", False),
    ],
)
async def test_a_login_that_fails(
    cli: Cli, answers: list[bytes], status: int, says: str, blames: bool
) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER")
        for answer in answers:
            await peer.line()
            if not answer:
                peer.close()
                return
            peer.send(answer + b"\r\n")

    async with Script(play) as server:
        result = await cli("list", *place(server))
    assert result.status == status
    assert says in result.error
    assert ("check the user name and the" in result.error) == blames


async def test_a_refusal_that_is_not_about_the_credentials(cli: Cli) -> None:
    """The server promised to mark those (RFC 3206 section 6)."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "AUTH-RESP-CODE")
        await peer.answer(b"USER user", b"+OK\r\n")
        await peer.answer(b"PASS " + PASSWORD.encode(), b"-ERR no\r\n")

    async with Script(play) as server:
        result = await cli("list", *place(server))
    assert result.status == 4
    assert result.error.endswith("no; the server has not said that the credentials are wrong")


async def empty(peer: Peer) -> None:
    """Play a maildrop without mail, and without CAPA."""
    peer.send(b"+OK\r\n")
    while (line := await peer.line()) != b"QUIT":
        assert line != b"CAPA"
        peer.send(
            b"+OK 0 0\r\n"
            if line == b"STAT"
            else b"+OK\r\n.\r\n"
            if line in (b"LIST", b"UIDL")
            else b"+OK\r\n"
        )
    peer.send(b"+OK\r\n")


async def hang_up(peer: Peer) -> None:
    peer.send(b"+OK\r\n")
    await peer.answer(b"CAPA", b"-ERR unknown command\r\n")
    peer.close()


async def test_no_capa(cli: Cli) -> None:
    async with Script(empty) as server:
        assert (await cli("list", "--no-capa", *place(server))).status == 0
        assert (await cli("check", "--no-capa", *place(server))).status == 0
        assert b"CAPA" not in server.received


async def test_a_server_that_hangs_up_at_capa(cli: Cli) -> None:
    async with Script(hang_up) as server:
        result = await cli("list", *place(server))
    assert result.status == 3
    assert "if the server cannot answer CAPA, say --no-capa" in result.error
    assert "capa=False" not in result.error


async def test_a_server_that_dies_of_capa(cli: Cli) -> None:
    async def die(peer: Peer) -> None:
        peer.send(b"+OK\r\n")
        await peer.expect(b"CAPA")
        peer.close()

    async with Script(die, empty) as server:
        assert (await cli("list", *place(server))).status == 0
