"""Servers that log people in, right or wrong: written from the RFCs, with nothing of pop3core in them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pop3aio
from pop3aio.testing import Certificates
from tests.kit.script import Peer, Play, Script, capa, welcome

__all__ = (
    "GO_ON",
    "PASSWORD",
    "TOKEN",
    "USER",
    "Doorman",
    "ScramServer",
    "challenge",
    "in_clear",
    "scram_play",
    "under_tls",
)

USER = "user"
PASSWORD = "pencil-4711"
TOKEN = "ya29.Token-0815"

GO_ON = b"+ \r\n"
"""The empty challenge."""


def challenge(data: bytes) -> bytes:
    """Return a challenge as a line."""
    return b"+ " + b64encode(data) + b"\r\n"


class ScramServer:
    """The server's side of SCRAM (RFC 5802 section 3); its attributes may be set to lies."""

    def __init__(
        self,
        mechanism: str = "SCRAM-SHA-256",
        *,
        password: str = PASSWORD,
        count: bytes = b"4096",
        nonce: Callable[[bytes], bytes] = lambda nonce: nonce + b"%hvYDpWUa2RaTCAfuxFIlj)hNlF",
    ) -> None:
        self.algorithm = "sha" + mechanism.removesuffix("-PLUS").rpartition("-")[2]
        self.password = password.encode()
        self.count = count
        self.nonce = nonce
        self.binding: bytes | None = b""
        self.salt = b"0123456789abcdef"
        self.flag = b""
        self.accepted = False

    def first(self, message: bytes) -> bytes:
        """Return the answer to the client's first message."""
        self.flag, identity, self._bare = message.split(b",", 2)
        self._header = self.flag + b"," + identity + b","
        name, nonce = self._bare.split(b",")
        assert name == b"n=" + USER.encode()
        self._first = b"r=%b,s=%b,i=%b" % (self.nonce(nonce[2:]), b64encode(self.salt), self.count)
        return self._first

    def final(self, message: bytes) -> bytes:
        """Return the answer to the client's last message: the signature, or an error."""
        without_proof, _, proof = message.rpartition(b",p=")
        channel, nonce = without_proof.split(b",")
        assert nonce == self._first.split(b",")[0]
        if channel != b"c=" + b64encode(self._header + (self.binding or b"")):
            return b"e=channel-bindings-dont-match"
        whole = b",".join((self._bare, self._first, without_proof))
        salted = hashlib.pbkdf2_hmac(self.algorithm, self.password, self.salt, int(self.count))
        client_key = self._mac(salted, b"Client Key")
        signature = self._mac(hashlib.new(self.algorithm, client_key).digest(), whole)
        expected = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        self.accepted = hmac.compare_digest(b64decode(proof), expected)
        if not self.accepted:
            return b"e=invalid-proof"
        return b"v=" + b64encode(self._mac(self._mac(salted, b"Server Key"), whole))

    def _mac(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self.algorithm)


def scram_play(
    mechanism: str,
    server: ScramServer,
    *capabilities: str,
    binding: Callable[[ssl.SSLObject], bytes | None] = lambda _: b"",
) -> Play:
    """Return a play that logs in by SCRAM; `binding` says what the channel's binding is, seen from the server."""

    async def play(peer: Peer) -> None:
        await welcome(peer, *capabilities)
        await peer.answer(f"AUTH {mechanism}".encode(), GO_ON)
        peer.send(challenge(server.first(b64decode(await peer.line()))))
        server.binding = binding(peer.writer.get_extra_info("ssl_object"))
        peer.send(challenge(server.final(b64decode(await peer.line()))))
        await peer.answer(b"", b"+OK\r\n" if server.accepted else b"-ERR [AUTH] no\r\n")

    return play


@contextlib.asynccontextmanager
async def in_clear(*plays: Play, **options: Any) -> AsyncIterator[tuple[pop3aio.Client, Script]]:
    """Give a client without TLS and the server that plays; in the end the connection is dropped."""
    async with Script(*plays) as server:
        client = await pop3aio.connect(server.host, server.port, tls="none", **options)
        try:
            yield client, server
        finally:
            client.abort()
            await server.over.wait()


@contextlib.asynccontextmanager
async def under_tls(
    certificates: Certificates, *plays: Play, version: ssl.TLSVersion | None = None, **options: Any
) -> AsyncIterator[tuple[pop3aio.Client, Script]]:
    """Give a client under TLS and the server that plays; in the end the connection is dropped."""
    context = certificates.server_context()
    if version is not None:
        context.maximum_version = version
    async with Script(*plays, tls=context) as server:
        client = await pop3aio.connect(
            server.host, server.port, ssl_context=certificates.client_context(), **options
        )
        try:
            yield client, server
        finally:
            client.abort()
            await server.over.wait()


class Doorman:
    """Plays a server that takes every mechanism, one session after the other, until the client goes.

    `echo` makes what it answers to credentials: it gets the lines that the client sent since AUTH, USER or APOP, and
    whether they are right. `logged_in` is about the latest session.
    """

    STAMP = b"<1896.697170952@postoffice.example>"

    def __init__(
        self,
        *capabilities: str,
        echo: Callable[[list[bytes], bool], bytes] = lambda _, ok: (
            b"+OK\r\n" if ok else b"-ERR [AUTH] no\r\n"
        ),
    ) -> None:
        self.capabilities = capabilities or (
            "SASL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2 EXTERNAL",
            "USER",
            "STLS",
        )
        self.echo = echo
        self.sent: list[bytes] = []
        self.logged_in = False

    async def __call__(self, peer: Peer) -> None:
        self.logged_in = False
        peer.send(b"+OK ready " + self.STAMP + b"\r\n")
        while True:
            line = await peer.line()
            keyword, _, rest = line.partition(b" ")
            if keyword == b"CAPA":
                peer.send(capa(self.capabilities))
            elif keyword == b"QUIT":
                peer.send(b"+OK\r\n")
                peer.close()
                return
            elif keyword == b"USER":
                self.sent = [line]
                peer.send(b"+OK\r\n")
            elif keyword in (b"PASS", b"APOP", b"AUTH"):
                if keyword != b"PASS":
                    self.sent = []
                self.sent.append(line)
                ok = await self._credentials(peer, keyword, rest)
                if ok is None:
                    peer.send(b"-ERR cancelled\r\n")
                else:
                    answer = self.echo(self.sent, ok)
                    self.logged_in = answer.startswith(b"+OK")
                    peer.send(answer)
            else:
                peer.send(b"+OK\r\n")

    async def _credentials(self, peer: Peer, keyword: bytes, rest: bytes) -> bool | None:
        if keyword == b"PASS":
            return rest == PASSWORD.encode()
        if keyword == b"APOP":
            digest = hashlib.md5(self.STAMP + PASSWORD.encode()).hexdigest()
            return rest == f"{USER} {digest}".encode()
        by: dict[str, Callable[[Peer], Awaitable[bool | None]]] = {
            "PLAIN": self._plain,
            "LOGIN": self._login,
            "CRAM-MD5": self._cram,
            "XOAUTH2": self._xoauth2,
            "OAUTHBEARER": self._bearer,
            "EXTERNAL": self._external,
        }
        name = rest.decode()
        return await (self._scram(peer, name) if name.startswith("SCRAM") else by[name](peer))

    async def _ask(self, peer: Peer, data: bytes) -> bytes | None:
        peer.send(challenge(data))
        line = await peer.line()
        self.sent.append(line)
        return None if line == b"*" else b64decode(line, validate=True)

    async def _plain(self, peer: Peer) -> bool | None:
        message = await self._ask(peer, b"")
        return None if message is None else message == f"\0{USER}\0{PASSWORD}".encode()

    async def _external(self, peer: Peer) -> bool | None:
        message = await self._ask(peer, b"")
        return None if message is None else message == b""

    async def _login(self, peer: Peer) -> bool | None:
        user = await self._ask(peer, b"Username:")
        password = None if user is None else await self._ask(peer, b"Password:")
        return None if password is None else (user, password) == (USER.encode(), PASSWORD.encode())

    async def _cram(self, peer: Peer) -> bool | None:
        message = await self._ask(peer, self.STAMP)
        digest = hmac.new(PASSWORD.encode(), self.STAMP, "md5").hexdigest()
        return None if message is None else message == f"{USER} {digest}".encode()

    async def _token(self, peer: Peer, expected: bytes, reasons: dict[str, str]) -> bool | None:
        message = await self._ask(peer, b"")
        if message is None or message == expected:
            return None if message is None else True
        return None if await self._ask(peer, json.dumps(reasons).encode()) is None else False

    async def _xoauth2(self, peer: Peer) -> bool | None:
        expected = f"user={USER}\x01auth=Bearer {TOKEN}\x01\x01".encode()
        return await self._token(peer, expected, {"status": "401", "scope": "mail"})

    async def _bearer(self, peer: Peer) -> bool | None:
        host, port = peer.writer.get_extra_info("sockname")[:2]
        expected = f"n,a={USER},\x01host={host}\x01port={port}\x01auth=Bearer {TOKEN}\x01\x01".encode()
        return await self._token(peer, expected, {"status": "invalid_token", "scope": "mail"})

    async def _scram(self, peer: Peer, name: str) -> bool | None:
        server = ScramServer(name)
        first = await self._ask(peer, b"")
        final = None if first is None else await self._ask(peer, server.first(first))
        if final is None:
            return None
        return server.accepted if await self._ask(peer, server.final(final)) is not None else None
