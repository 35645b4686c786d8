"""OAuth 2.0 tokens: two lines each way, the reasons of a refusal, and a new token where the old one expired."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio.testing import Certificates
from tests.kit.script import Peer, welcome
from tests.login.doubles import GO_ON, TOKEN, USER, Doorman, challenge, under_tls

ACKNOWLEDGEMENT = {"XOAUTH2": b"", "OAUTHBEARER": b"AQ=="}


def first_message(peer: Peer, mechanism: str, token: str = TOKEN) -> bytes:
    """Return the line that carries a token."""
    host, port = peer.writer.get_extra_info("sockname")[:2]
    message = {
        "XOAUTH2": f"user={USER}\x01auth=Bearer {token}\x01\x01",
        "OAUTHBEARER": f"n,a={USER},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01",
    }
    return b64encode(message[mechanism].encode())


class Purse:
    """Tokens, handed out one after the other."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        return self._tokens.pop(0)


async def refuse(
    peer: Peer, mechanism: str, token: str, reasons: object, answer: bytes = b"-ERR [AUTH] no\r\n"
) -> None:
    await peer.answer(f"AUTH {mechanism}".encode(), GO_ON)
    await peer.answer(first_message(peer, mechanism, token), challenge(json.dumps(reasons).encode()))
    await peer.answer(ACKNOWLEDGEMENT[mechanism], answer)


@pytest.mark.parametrize(
    ("listed", "mechanism"),
    [
        ("PLAIN XOAUTH2 OAUTHBEARER", "XOAUTH2"),
        ("PLAIN OAUTHBEARER XOAUTH2", "OAUTHBEARER"),
        ("OAUTHBEARER", "OAUTHBEARER"),
    ],
)
async def test_a_token_in_two_lines(certificates: Certificates, listed: str, mechanism: str) -> None:
    """No initial response is sent, though both fit: Exchange Online closes the connection on one."""

    async def play(peer: Peer) -> None:
        await welcome(peer, f"SASL {listed}", "USER", "PIPELINING")
        await peer.answer(f"AUTH {mechanism}".encode(), GO_ON)
        await peer.answer(first_message(peer, mechanism), b"+OK\r\n")

    async with under_tls(certificates, play) as (client, _):
        await client.login_oauth(USER, TOKEN)
        assert client.state is pop3aio.State.TRANSACTION


async def test_a_mechanism_that_is_asked_for(certificates: Certificates) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "USER", "PIPELINING")
        await peer.answer(b"AUTH XOAUTH2", GO_ON)
        await peer.answer(first_message(peer, "XOAUTH2"), b"+OK\r\n")

    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(pop3aio.MechanismUnavailable, match="none of OAUTHBEARER, XOAUTH2"):
            await client.login_oauth(USER, TOKEN)
        with pytest.raises(pop3aio.MechanismUnavailable):
            await client.login_oauth(USER, TOKEN, mechanism="PLAIN")
        assert server.received == [b"CAPA"]
        await client.login_oauth(USER, TOKEN, mechanism="xoauth2")


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("closes", [False, True])
async def test_the_reasons_of_a_refusal(certificates: Certificates, mechanism: str, closes: bool) -> None:
    """They come in a challenge, which is answered; the -ERR behind it is the refusal. No password way is tried."""

    async def play(peer: Peer) -> None:
        await welcome(peer, f"SASL PLAIN {mechanism}", "USER")
        reasons = {"status": "insufficient_scope", "scope": "mail.pop", "schemes": "bearer"}
        await refuse(peer, mechanism, TOKEN, reasons)
        if closes:
            peer.close()

    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(pop3aio.AuthenticationError, match=r"no \(status insufficient_scope\)") as caught:
            await client.login_oauth(USER, TOKEN)
        assert (caught.value.status, caught.value.scope) == ("insufficient_scope", "mail.pop")
        assert caught.value.code == "AUTH"
        client.abort()
        await server.over.wait()
        assert len(server.received) == 4
        assert server.received[-1] == ACKNOWLEDGEMENT[mechanism]


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_a_refusal_without_reasons(certificates: Certificates, mechanism: str) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, f"SASL PLAIN {mechanism}", "USER")
        await peer.answer(f"AUTH {mechanism}".encode(), GO_ON)
        await peer.answer(first_message(peer, mechanism), b"-ERR [AUTH] no\r\n")

    purse = Purse(TOKEN)
    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(pop3aio.AuthenticationError) as caught:
            await client.login_oauth(USER, purse)
        assert (caught.value.status, caught.value.scope) == (None, None)
        client.abort()
        await server.over.wait()
        assert len(server.received) == 3
        assert purse.calls == 1


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("status", ["invalid_token", "401", "400", 401])
async def test_a_new_token_where_the_old_one_expired(
    certificates: Certificates, mechanism: str, status: str | int
) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, f"SASL {mechanism}", "PIPELINING")
        await refuse(peer, mechanism, "old", {"status": status})
        await peer.answer(f"AUTH {mechanism}".encode(), GO_ON)
        await peer.answer(first_message(peer, mechanism, "new"), b"+OK\r\n")

    purse = Purse("old", "new")
    async with under_tls(certificates, play) as (client, _):
        await client.login_oauth(USER, purse)
        assert client.state is pop3aio.State.TRANSACTION
        assert purse.calls == 2


async def test_the_new_token_has_expired_too(certificates: Certificates) -> None:
    """It is asked for once more and not for ever."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL OAUTHBEARER")
        await refuse(peer, "OAUTHBEARER", "old", {"status": "invalid_token", "scope": "one"})
        await refuse(peer, "OAUTHBEARER", "new", {"status": "invalid_token", "scope": "two"})

    purse = Purse("old", "new", "newest")
    async with under_tls(certificates, play) as (client, _):
        with pytest.raises(pop3aio.AuthenticationError) as caught:
            await client.login_oauth(USER, purse)
        assert caught.value.scope == "two"
        assert purse.calls == 2


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        ("403", b"-ERR [AUTH] no\r\n", pop3aio.AuthenticationError),
        ("insufficient_scope", b"-ERR no\r\n", pop3aio.AuthenticationError),
        ("invalid_request", b"-ERR [AUTH] no\r\n", pop3aio.AuthenticationError),
        ("500", b"-ERR no\r\n", pop3aio.AuthenticationError),
        ("invalid_token", b"-ERR [SYS/TEMP] no\r\n", pop3aio.ServerTemporaryError),
        ("invalid_token", b"-ERR [IN-USE] no\r\n", pop3aio.MailboxInUse),
    ],
)
async def test_no_new_token_on_other_refusals(
    certificates: Certificates, status: str, answer: bytes, kind: type[pop3aio.CommandError]
) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL XOAUTH2 PLAIN", "USER")
        await refuse(peer, "XOAUTH2", "old", {"status": status}, answer)

    purse = Purse("old", "new")
    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(kind):
            await client.login_oauth(USER, purse)
        client.abort()
        await server.over.wait()
        assert purse.calls == 1
        assert len(server.received) == 4


async def test_a_token_that_is_a_string_is_used_once(certificates: Certificates) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL XOAUTH2 PLAIN", "USER")
        await refuse(peer, "XOAUTH2", TOKEN, {"status": "401"})

    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(pop3aio.AuthenticationError):
            await client.login_oauth(USER, TOKEN)
        client.abort()
        await server.over.wait()
        assert len(server.received) == 4


async def test_a_server_that_closes_on_an_expired_token(certificates: Certificates) -> None:
    """There is nobody to give the new token to: what is reported is the refusal, not the end of the connection."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL XOAUTH2 PLAIN", "USER")
        await refuse(peer, "XOAUTH2", "old", {"status": "401", "scope": "mail"})
        peer.close()

    async with under_tls(certificates, play) as (client, server):

        async def token(tokens: list[str] = ["old", "new"]) -> str:  # noqa: B006 - each is for one call
            if len(tokens) == 1:
                await server.over.wait()
            return tokens.pop(0)

        with pytest.raises(pop3aio.AuthenticationError) as caught:
            await client.login_oauth(USER, token)
        assert caught.value.scope == "mail"


async def test_a_callable_that_fails(certificates: Certificates) -> None:
    """Its error is the caller's, and the session stays usable."""

    async def fail() -> str:
        raise ZeroDivisionError

    async with under_tls(certificates, Doorman()) as (client, server):
        with pytest.raises(ZeroDivisionError):
            await client.login_oauth(USER, fail)
        assert server.received == [b"CAPA"]
        await client.login_oauth(USER, TOKEN)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("report", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 30000])
async def test_reasons_that_are_none(certificates: Certificates, mechanism: str, report: bytes) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, f"SASL PLAIN {mechanism}", "USER")
        await peer.answer(f"AUTH {mechanism}".encode(), GO_ON)
        await peer.answer(first_message(peer, mechanism), challenge(report))
        await peer.answer(b"*", b"-ERR\r\n")

    async with under_tls(certificates, play) as (client, server):
        with pytest.raises(sasl.ChallengeRefused, match="no JSON object"):
            await client.login_oauth(USER, Purse(TOKEN))
        client.abort()
        await server.over.wait()
        assert server.received[-1] == b"*"


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_success_after_a_failure_is_none(certificates: Certificates, mechanism: str) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, f"SASL {mechanism}")
        await refuse(peer, mechanism, TOKEN, {"status": "401"}, b"+OK\r\n")

    async with under_tls(certificates, play) as (client, _):
        with pytest.raises(sasl.ServerNotAuthenticated, match=f"before {mechanism} was finished"):
            await client.login_oauth(USER, Purse(TOKEN, "new"))
        with pytest.raises(sasl.ServerNotAuthenticated):
            await client.capa(refresh=True)


def echo_of(what: Callable[[str], str]) -> dict[str, str]:
    return {"status": what(TOKEN), "scope": what(TOKEN)}


@pytest.mark.parametrize(
    "what",
    [lambda token: token, lambda token: b64encode(token.encode()).decode(), lambda token: f"no: {token}!"],
)
async def test_reasons_that_hold_the_token(certificates: Certificates, what: Callable[[str], str]) -> None:
    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL XOAUTH2")
        await refuse(peer, "XOAUTH2", TOKEN, echo_of(what))

    async with under_tls(certificates, play) as (client, _):
        with pytest.raises(pop3aio.AuthenticationError) as caught:
            await client.login_oauth(USER, TOKEN)
        for shown in (str(caught.value), repr(vars(caught.value)), repr(caught.value)):
            assert what(TOKEN).strip("no: !") not in shown
        assert "***" in str(caught.value.status)


async def test_an_auth_line_that_is_refused(certificates: Certificates) -> None:
    """There is no other way with a token; it was not sent, and a second one is not asked for."""

    async def play(peer: Peer) -> None:
        await welcome(peer, "SASL XOAUTH2 OAUTHBEARER PLAIN", "USER")
        await peer.answer(b"AUTH XOAUTH2", b"-ERR not for you\r\n")

    async with under_tls(certificates, play) as (client, server):
        purse = Purse(TOKEN, "new")
        with pytest.raises(pop3aio.MechanismUnavailable, match="not for you") as caught:
            await client.login_oauth(USER, purse)
        assert caught.value.credentials == "unsent"
        assert purse.calls == 1
        assert server.received == [b"CAPA", b"AUTH XOAUTH2"]
