"""Every public coroutine, cancelled at every place where it waits.

Afterwards the connection works and gives the right answers, or says why it does not; in no case does anything hang,
and nothing is left.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import pop3aio
from pop3aio import sasl
from pop3aio.testing import Certificates, Mailbox, Server
from tests.kit.cancelling import Through, When, cancelled_at
from tests.kit.leaks import Leaks

MESSAGES = [b"Subject: %d\r\n\r\nbody of %d\r\n" % (n, n) + b"z" * 20000 + b"\r\n" for n in range(1, 9)]


async def iterate(client: pop3aio.Client) -> None:
    async for _ in client.retr(3):
        pass


async def hold(client: pop3aio.Client) -> None:
    async with client.retr(3) as message:
        await anext(message)


async def retrieve(client: pop3aio.Client) -> None:
    async for message in client.retrieve(range(1, 9)):
        assert await message == MESSAGES[message.number - 1]


async def skip(client: pop3aio.Client) -> None:
    async for _ in client.retrieve(range(1, 9)):
        pass


async def feed() -> AsyncIterator[int]:
    for number in range(1, 9):
        yield number


async def retrieve_from_feed(client: pop3aio.Client) -> None:
    async for message in client.retrieve(feed()):
        assert await message == MESSAGES[message.number - 1]


async def break_off(client: pop3aio.Client) -> None:
    async with client.retrieve(range(1, 9)) as messages:
        async for message in messages:
            if message.number == 3:
                break
        await messages.aclose()


async def known(client: pop3aio.Client) -> pop3aio.Proof:
    return pop3aio.Proof({number: uid for number, uid in await client.uidl() if uid is not None})


async def prove(client: pop3aio.Client) -> None:
    assert await client.prove(await known(client))


async def retrieve_and_prove(client: pop3aio.Client) -> None:
    async for message in client.retrieve(range(1, 9), proof=await known(client)):
        await message


Use = Callable[[pop3aio.Client], Awaitable[Any]]

TRANSACTION: dict[str, Use] = {
    "capa": lambda client: client.capa(refresh=True),
    "stat": lambda client: client.stat(),
    "list": lambda client: client.list(),
    "list_one": lambda client: client.list(2),
    "uidl": lambda client: client.uidl(),
    "uidl_one": lambda client: client.uidl(2),
    "sizes": lambda client: client.sizes([1, 2]),
    "retr": lambda client: client.retr(3).read(),
    "top": lambda client: client.top(3, 1).read(),
    "iterate": iterate,
    "hold": hold,
    "retrieve": retrieve,
    "retrieve_from_feed": retrieve_from_feed,
    "prove": prove,
    "retrieve_and_prove": retrieve_and_prove,
    "skip": skip,
    "break_off": break_off,
    "dele": lambda client: client.dele(1),
    "delete": lambda client: client.delete(range(1, 5)),
    "noop": lambda client: client.noop(),
    "rset": lambda client: client.rset(),
    "command": lambda client: client.command("XYZ", multiline=True),
    "quit": lambda client: client.quit(),
}


async def log_in_by_steps(client: pop3aio.Client) -> None:
    await client.user("user")
    await client.pass_("password", allow_insecure=True)


AUTHORIZATION: dict[str, Use] = {
    "login_plain": lambda client: client.login("user", "password", allow_insecure=True),
    "login_user": lambda client: client.login("user", "password", mechanism="USER", allow_insecure=True),
    "authenticate": lambda client: client.authenticate(sasl.Plain("user", "password"), allow_insecure=True),
    "user": lambda client: client.user("user"),
    "pass": log_in_by_steps,
    "apop": lambda client: client.apop("user", "password", allow_insecure=True),
    "lang": lambda client: client.lang(),
    "utf8": lambda client: client.utf8(),
    "quit": lambda client: client.quit(),
}


async def says_the_same(client: pop3aio.Client, error: pop3aio.POP3Error) -> None:
    """Check that an error is about the connection, and that the connection repeats it."""
    assert not isinstance(error, pop3aio.CommandError | pop3aio.ResponseTimeout)
    with pytest.raises(type(error)) as caught:
        await client.capa(refresh=True)
    assert str(caught.value) == str(error)


async def cancel_everywhere(
    server: Server, use: Use, when: When, prepare: Use, check: Use, **options: Any
) -> None:
    for suspension in itertools.count(1):
        leaks = Leaks()
        client = await pop3aio.connect("127.0.0.1", server.port, **options)
        await prepare(client)
        through = False
        try:
            await cancelled_at(use(client), suspension, when)
        except Through:
            through = True
        except pop3aio.CommandError:
            pass
        try:
            await check(client)
        except pop3aio.POP3Error as error:
            await says_the_same(client, error)
            client.abort()
        else:
            await client.quit()
        for session in server.sessions:
            await session.wait_closed()
        assert not await leaks.settled(), suspension
        if through:
            return


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("name", TRANSACTION)
async def test_in_a_session(name: str, when: When) -> None:
    async with Server(Mailbox(MESSAGES)) as server:

        async def log_in(client: pop3aio.Client) -> None:
            await client.login("user", "password", allow_insecure=True)

        async def check(client: pop3aio.Client) -> None:
            # Message 8 is marked by none of them.
            assert (await client.list(8)).number == 8
            await client.noop()
            assert await client.retr(8) == MESSAGES[7]
            await client.noop()
            assert client._queue.marked == len(server.sessions[-1].deleted)
            await client.rset()

        await cancel_everywhere(server, TRANSACTION[name], when, log_in, check, tls="none", window=4)


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("name", AUTHORIZATION)
async def test_before_the_login(name: str, when: When) -> None:
    async with Server(greeting=b"+OK <1@h>\r\n") as server:

        async def nothing(client: pop3aio.Client) -> None:
            pass

        async def check(client: pop3aio.Client) -> None:
            assert await client.capa(refresh=True)
            logged_in = server.sessions[-1].user is not None
            assert (client.state is pop3aio.State.TRANSACTION) == logged_in

        await cancel_everywhere(server, AUTHORIZATION[name], when, nothing, check, tls="none")


@pytest.mark.parametrize("when", ["early", "late"])
async def test_stls(certificates: Certificates, when: When) -> None:
    async with Server(tls="starttls", ssl_context=certificates.server_context()) as server:

        async def nothing(client: pop3aio.Client) -> None:
            pass

        async def check(client: pop3aio.Client) -> None:
            assert await client.capa(refresh=True)
            assert client.secure == server.sessions[-1].secure

        await cancel_everywhere(
            server,
            lambda client: client.start_tls(certificates.client_context()),
            when,
            nothing,
            check,
            tls="none",
        )


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("name", ["retrieve", "skip", "hold", "quit"])
async def test_under_tls(certificates: Certificates, name: str, when: When) -> None:
    async with Server(MESSAGES, tls="implicit", ssl_context=certificates.server_context()) as server:

        async def log_in(client: pop3aio.Client) -> None:
            await client.login("user", "password")

        async def check(client: pop3aio.Client) -> None:
            assert (await client.list(8)).number == 8

        context = certificates.client_context()
        await cancel_everywhere(server, TRANSACTION[name], when, log_in, check, ssl_context=context)
