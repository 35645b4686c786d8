"""Every way to log in, by our client and by one that does it wrong; UTF8 and LANG."""

from __future__ import annotations

import base64
import ssl

import pytest

import pop3aio
from pop3aio.testing import Certificates, Server, make_certificates
from pop3core import sasl
from tests.testing.client import RawClient

PASSWORDS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
TOKENS = ("XOAUTH2", "OAUTHBEARER")
ALL = (*PASSWORDS, *TOKENS)
USERS = {"jürgen": "geheim ß", "a,b=c": "pencil"}


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates()


async def connected(server: Server, certificates: Certificates) -> pop3aio.Client:
    return await pop3aio.connect("localhost", server.port, ssl_context=certificates.client_context())


def server_with(mechanism: str, certificates: Certificates) -> Server:
    return Server(
        [b"x"], users=USERS, sasl=[mechanism], tls="implicit", ssl_context=certificates.server_context()
    )


async def log_in(client: pop3aio.Client, mechanism: str, user: str, secret: str) -> None:
    if mechanism in TOKENS:
        await client.login_oauth(user, secret, mechanism=mechanism)
    else:
        await client.login(user, secret, mechanism=mechanism)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("mechanism", ALL)
async def test_the_right_secret(mechanism: str, user: str, certificates: Certificates) -> None:
    # A token is ASCII.
    secret = "pencil" if mechanism in TOKENS else USERS[user]
    async with server_with(mechanism, certificates) as server:
        server.accounts[user] = (secret, server.mailbox)
        async with await connected(server, certificates) as client:
            assert client.capabilities is not None
            assert client.capabilities.sasl == (mechanism,)
            await log_in(client, mechanism, user, secret)
            assert server.sessions[0].user == user
            assert f"AUTH {mechanism}" in [text[: 5 + len(mechanism)] for text in server.commands]


@pytest.mark.parametrize("user", ["a,b=c", "nobody"])
@pytest.mark.parametrize("mechanism", ALL)
async def test_a_wrong_secret(mechanism: str, user: str, certificates: Certificates) -> None:
    async with server_with(mechanism, certificates) as server:
        async with await connected(server, certificates) as client:
            with pytest.raises(pop3aio.AuthenticationError) as caught:
                await log_in(client, mechanism, user, "wrong")
            assert caught.value.code == "AUTH"
            if mechanism in TOKENS:
                assert caught.value.status in ("400", "invalid_token")
        assert server.sessions[0].user is None


@pytest.mark.parametrize("mechanism", ALL)
@pytest.mark.parametrize(
    "response", [b"", b"x", b"\xff\xff", b"a\0b", b"n,,", b"y,,n=a,r=b,c", b"\1\1", b"n=a"]
)
async def test_nonsense_is_refused(mechanism: str, response: bytes) -> None:
    async with Server(sasl=[mechanism]) as server, RawClient(server) as client:
        await client.line()
        answer = await client.ask(f"AUTH {mechanism}".encode())
        for _ in range(4):
            if not answer.startswith(b"+ "):
                break
            answer = await client.ask(base64.b64encode(response))
        assert answer.startswith(b"-ERR ")
        assert await client.ask(b"STAT") == b"-ERR not in this state\r\n"


async def test_a_binding_that_is_not_there_is_refused() -> None:
    async with Server(sasl=["SCRAM-SHA-256"]) as server, RawClient(server) as client:
        await client.line()
        first = base64.b64encode(b"p=tls-unique,,n=user,r=abc")
        assert await client.ask(b"AUTH SCRAM-SHA-256 " + first) == (
            b"-ERR [AUTH] there is no channel binding here\r\n"
        )


async def test_an_initial_response_where_the_server_begins_is_refused() -> None:
    async with Server(sasl=["CRAM-MD5"]) as server, RawClient(server) as client:
        await client.line()
        assert await client.ask(b"AUTH CRAM-MD5 dXNlcg==") == b"-ERR the server speaks first\r\n"


STAMP = b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n"


async def test_apop() -> None:
    async with Server(greeting=STAMP) as server:
        async with pop3aio.connect(server.host, server.port, tls="none") as client:
            await client.login("user", "password", mechanism="APOP", allow_insecure=True)
            assert server.sessions[0].user == "user"
        async with RawClient(server) as raw:
            await raw.line()
            digest = sasl.apop_digest(b"<1896.697170952@dbc.mtview.ca.us>", "wrong").encode()
            for argument in (b"user " + digest, b"nobody " + digest, b"user", b""):
                assert await raw.ask(b"APOP " + argument) == b"-ERR [AUTH] wrong name or password\r\n"


async def test_after_stls_a_time_stamp_counts_no_more(certificates: Certificates) -> None:
    context: ssl.SSLContext = certificates.server_context()
    async with (
        Server(greeting=STAMP, tls="starttls", ssl_context=context) as server,
        RawClient(server) as client,
    ):
        await client.line()
        await client.ask(b"STLS")
        await client.starttls(certificates.client_context())
        digest = sasl.apop_digest(b"<1896.697170952@dbc.mtview.ca.us>", "password").encode()
        assert await client.ask(b"APOP user " + digest) == b"-ERR unknown command\r\n"


async def test_utf8_and_lang() -> None:
    server = Server(users={"jürgen": "ß"}, utf8=True, languages=["en", "de"])
    async with server, pop3aio.connect(server.host, server.port, tls="none") as client:
        assert client.capabilities is not None
        assert client.capabilities.utf8_user
        assert await client.lang() == ["en", "de"]
        assert await client.lang("de") == ["de it is"]
        assert await client.lang("*") == ["en it is"]
        with pytest.raises(pop3aio.CommandError):
            await client.lang("fr")
        assert not server.sessions[0].utf8
        await client.utf8()
        assert server.sessions[0].utf8
        await client.login("jürgen", "ß", allow_insecure=True)
        assert await client.lang("en") == ["en it is"]


async def test_utf8_and_lang_are_not_there_unless_asked_for() -> None:
    async with Server() as server, RawClient(server) as client:
        await client.line()
        for command in (b"UTF8", b"LANG", b"LANG de"):
            assert await client.ask(command) == b"-ERR unknown command\r\n"


async def test_after_utf8_there_is_no_stls(certificates: Certificates) -> None:
    context = certificates.server_context()
    async with Server(utf8=True, tls="starttls", ssl_context=context) as server, RawClient(server) as client:
        await client.line()
        assert (await client.ask(b"UTF8")).startswith(b"+OK")
        assert (await client.ask(b"STLS")).startswith(b"-ERR")


def test_a_mechanism_that_is_none() -> None:
    with pytest.raises(ValueError, match="NTLM is no mechanism here; these are: PLAIN, LOGIN, "):
        Server(sasl=["NTLM"])
