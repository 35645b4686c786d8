"""Every way to log in, and connecting with a pin or a client certificate, cancelled at every place where it waits."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio.testing import Certificates
from tests.kit.cancelling import Through, When, cancelled_at
from tests.kit.leaks import Leaks
from tests.kit.script import Peer, Script, capa
from tests.login.doubles import PASSWORD, TOKEN, USER, Doorman

Use: TypeAlias = Callable[[pop3aio.Client], Awaitable[None]]
Tls: TypeAlias = Literal["implicit", "starttls", "none"]


def by(mechanism: str, password: str = PASSWORD) -> Use:
    return lambda client: client.login(USER, password, mechanism=mechanism, allow_insecure=True)


def renewed(mechanism: str) -> Use:
    """Log in by a token that has expired, and another one."""

    async def use(client: pop3aio.Client) -> None:
        tokens = ["expired", TOKEN]

        async def fresh() -> str:
            return tokens.pop(0)

        await client.login_oauth(USER, fresh, mechanism=mechanism)

    return use


async def external(client: pop3aio.Client) -> None:
    await client.authenticate(sasl.External(), allow_insecure=True)


IN_CLEAR: dict[str, Use] = {
    **{
        name: by(name)
        for name in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "APOP", "USER")
    },
    "wrong SCRAM-SHA-256": by("SCRAM-SHA-256", "wrong"),
    "wrong LOGIN": by("LOGIN", "wrong"),
    "EXTERNAL": external,
}
UNDER_TLS: dict[str, Use] = {
    "SCRAM-SHA-256": by("SCRAM-SHA-256"),
    "XOAUTH2": lambda client: client.login_oauth(USER, TOKEN, mechanism="XOAUTH2"),
    "OAUTHBEARER": lambda client: client.login_oauth(USER, TOKEN, mechanism="OAUTHBEARER"),
    "XOAUTH2 renewed": renewed("XOAUTH2"),
    "OAUTHBEARER renewed": renewed("OAUTHBEARER"),
}


async def cancel_everywhere(server: Script, doorman: Doorman, use: Use, when: When, **options: Any) -> None:
    for suspension in itertools.count(1):
        leaks = Leaks()
        server.over.clear()
        client = await pop3aio.connect(server.host, server.port, **options)
        through = False
        try:
            await cancelled_at(use(client), suspension, when)
        except Through:
            through = True
        except pop3aio.AuthenticationError:
            pass
        # The session goes on, and both sides agree on whether the login came about.
        await client.capa(refresh=True)
        assert (client.state is pop3aio.State.TRANSACTION) == doorman.logged_in
        if doorman.logged_in:
            await client.noop()
        else:
            await client.login(USER, PASSWORD, mechanism="PLAIN", allow_insecure=True)
        await client.quit()
        await server.over.wait()
        assert not await leaks.settled(), suspension
        if through:
            assert suspension > 2
            return


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("way", IN_CLEAR)
async def test_in_clear(way: str, when: When) -> None:
    doorman = Doorman()
    async with Script(doorman) as server:
        await cancel_everywhere(server, doorman, IN_CLEAR[way], when, tls="none")


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("way", UNDER_TLS)
async def test_under_tls(certificates: Certificates, way: str, when: When) -> None:
    doorman = Doorman()
    async with Script(doorman, tls=certificates.server_context()) as server:
        context = certificates.client_context()
        await cancel_everywhere(server, doorman, UNDER_TLS[way], when, ssl_context=context)


class Stls(Doorman):
    """A doorman behind STLS."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self.context = certificates.server_context()

    async def __call__(self, peer: Peer) -> None:
        peer.send(b"+OK ready\r\n")
        await peer.answer(b"CAPA", capa(["STLS"]))
        await peer.answer(b"STLS", b"+OK\r\n")
        await peer.start_tls(self.context)
        while await peer.line() != b"QUIT":
            peer.send(capa(["USER"]))
        peer.send(b"+OK\r\n")


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("pin", ["right", "wrong"])
async def test_connecting_with_a_pin(certificates: Certificates, tls: Tls, pin: str, when: When) -> None:
    """The connection is there, or was cancelled, or was refused; nothing is left of it."""
    doorman = Doorman() if tls == "implicit" else Stls(certificates)
    context = certificates.server_context() if tls == "implicit" else None
    trusting = certificates.client_context()
    async with Script(doorman, tls=context) as server:
        pins = {"wrong": "00" * 32, "right": ""}
        try:
            await pop3aio.connect(server.host, server.port, tls=tls, ssl_context=trusting, pin="00" * 32)
        except pop3aio.TlsError as error:
            pins["right"] = str(error).rpartition(" ")[2]

        async def attempt() -> pop3aio.Client:
            return await pop3aio.connect(
                server.host, server.port, tls=tls, ssl_context=trusting, pin=pins[pin]
            )

        for suspension in itertools.count(1):
            leaks = Leaks()
            through = False
            client: pop3aio.Client | None = None
            try:
                client = await cancelled_at(attempt(), suspension, when)
            except Through as done:
                through = True
                outcome = done.args[0]
                client = outcome if isinstance(outcome, pop3aio.Client) else None
            except pop3aio.TlsError:
                assert pin == "wrong"
            assert client is None or pin == "right"
            assert client is not None or pin == "wrong" or not through
            if client is not None:
                await client.quit()
            # The server's side is not ours to count: it goes when it has seen the end.
            while server._tasks:
                await asyncio.wait(server._tasks)
            assert not await leaks.settled(), suspension
            if through:
                assert suspension > 2
                return
