"""The server's side of the SASL mechanisms, each one generator: it yields challenges and is sent the responses.

A generator returns the name of the account whose credentials were proved. It raises Refusal for wrong credentials, and
ValueError for a response that cannot be understood.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Mapping
from typing import TypeAlias

from pop3aio.testing._dialogue import Refusal

__all__ = ("MECHANISMS", "Exchange", "apop", "check")

Exchange: TypeAlias = Generator[bytes, bytes, str]
Passwords: TypeAlias = Mapping[str, str]

_ITERATIONS = 4096


def check(passwords: Passwords, name: str, password: str) -> str:
    """Return the name; raises Refusal if it is no user's, or the password another."""
    if passwords.get(name) != password:
        raise Refusal("[AUTH] wrong name or password")
    return name


def apop(passwords: Passwords, stamp: bytes, argument: str) -> str:
    """Return who a digest over the greeting's time stamp proves (RFC 1939 section 7)."""
    name, _, digest = argument.partition(" ")
    expected = hashlib.md5(stamp + passwords.get(name, "").encode()).hexdigest()  # noqa: S324 - as the RFC says
    if name not in passwords or digest != expected:
        raise Refusal("[AUTH] wrong name or password")
    return name


def _plain(passwords: Passwords) -> Exchange:
    identity, name, password = (yield b"").decode().split("\0")
    if identity not in ("", name):
        raise Refusal("[AUTH] no one may act for another")
    return check(passwords, name, password)


def _login(passwords: Passwords) -> Exchange:
    name = (yield b"Username:").decode()
    return check(passwords, name, (yield b"Password:").decode())


def _cram_md5(passwords: Passwords) -> Exchange:
    challenge = f"<{secrets.token_hex(8)}@pop3aio.testing>".encode()
    name, digest = (yield challenge).decode().rsplit(" ", 1)
    expected = hmac.new(passwords.get(name, "").encode(), challenge, "md5").hexdigest()
    if name not in passwords or digest != expected:
        raise Refusal("[AUTH] wrong name or password")
    return name


def _scram(algorithm: str, passwords: Passwords) -> Exchange:
    """SCRAM without channel binding (RFC 5802 section 3)."""
    flag, _, bare = (yield b"").decode().split(",", 2)
    if flag not in ("n", "y"):
        raise Refusal("[AUTH] there is no channel binding here")
    name, nonce, *_ = (attribute[2:] for attribute in bare.split(","))
    name = name.replace("=2C", ",").replace("=3D", "=")
    salt = secrets.token_bytes(16)
    nonce += secrets.token_urlsafe(18)
    first = f"r={nonce},s={b64encode(salt).decode()},i={_ITERATIONS}"
    final = (yield first.encode()).decode()
    without_proof, _, proof = final.rpartition(",p=")
    binding, _, echoed = without_proof.partition(",")
    password = passwords.get(name, "")
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), salt, _ITERATIONS)
    signed = f"{bare},{first},{without_proof}".encode()
    key = hmac.digest(salted, b"Client Key", algorithm)
    signature = hmac.digest(hashlib.new(algorithm, key).digest(), signed, algorithm)
    expected = bytes(one ^ other for one, other in zip(key, signature, strict=True))
    if (
        name not in passwords
        or binding != "c=" + b64encode(f"{flag},,".encode()).decode()
        or echoed != f"r={nonce}"
        or b64decode(proof) != expected
    ):
        raise Refusal("[AUTH] wrong name or password")
    server_signature = hmac.digest(hmac.digest(salted, b"Server Key", algorithm), signed, algorithm)
    yield b"v=" + b64encode(server_signature)
    return name


def _bearer(passwords: Passwords, name: str, token: str, scheme: str, status: str) -> Exchange:
    """Take the account's password for the token; tell a refusal as a challenge first (RFC 7628 section 3.2.2)."""
    try:
        return check(passwords, name, token)
    except Refusal:
        yield json.dumps({"status": status, "schemes": scheme, "scope": "mail"}).encode()
        raise


def _xoauth2(passwords: Passwords) -> Exchange:
    fields = dict(field.split("=", 1) for field in (yield b"").decode().rstrip("\x01").split("\x01"))
    token = fields.get("auth", "").removeprefix("Bearer ")
    return (yield from _bearer(passwords, fields.get("user", ""), token, "Bearer", "400"))


def _oauthbearer(passwords: Passwords) -> Exchange:
    header, *pairs = (yield b"").decode().rstrip("\x01").split("\x01")
    _, identity, _ = header.split(",")
    name = identity.removeprefix("a=").replace("=2C", ",").replace("=3D", "=")
    fields = dict(pair.split("=", 1) for pair in pairs)
    token = fields.get("auth", "").removeprefix("Bearer ")
    return (yield from _bearer(passwords, name, token, "bearer", "invalid_token"))


MECHANISMS: Mapping[str, Callable[[Passwords], Exchange]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "SCRAM-SHA-1": lambda passwords: _scram("sha1", passwords),
    "SCRAM-SHA-256": lambda passwords: _scram("sha256", passwords),
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}
"""What the server can do, by name."""
