"""SCRAM: both sides prove that they know the password, and neither sends it (RFC 5802, RFC 7677)."""

# Nothing is computed before the server's message has passed every check, and nothing counts as a success before the
# server's signature has.
#
# How it works: `respond` is called three times. The first call returns the client's name and nonce; the second gets the
# server's nonce, salt and iteration count, and returns the proof; the third gets the server's signature and returns an
# empty response.
#
# Invariants:
# - `_step` says which of these is due. It is FAILED while a call is running and after one that raised, so that a second
#   try, which would give a false server a second proof to work on, is refused.
# - The password is forgotten with the proof; `_signature` is what the server must answer, computed with the proof.
# - `done` is true only after a signature that is right. The server's +OK alone proves nothing.

# The arithmetic is a few calls to hashlib and hmac, and not the library scramp's, because scramp
# - refuses tls-exporter, the channel binding of TLS 1.3 (RFC 9266), and has no authorization identity;
# - refuses passwords with characters newer than Unicode 3.2, emoji say, and since 1.5 salts under 12 octets;
# - until 1.5 takes a single iteration and a nonce that is ours alone, and fails on extensions;
# - brings ssl, socket and threading into a core that must not have them.
# Preparing, parsing and checking would be ours in any case; the tests run against its server.

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from enum import Enum, auto
from typing import ClassVar

from pop3core._errors import LocalProtocolError
from pop3core.sasl._base import ChallengeRefused, ServerNotAuthenticated, check_text, escape_name
from pop3core.sasl._saslprep import prepare

__all__ = ("Scram",)

_HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
_PLUS = "-PLUS"

# RFC 5802 section 7. A value is never empty.
_ATTRIBUTE = re.compile("([A-Za-z])=(.+)", re.DOTALL)
_NONCE = re.compile(r"[!-+\--~]+")
_COUNT = re.compile("[1-9][0-9]*")
_BINDING_TYPE = re.compile("[A-Za-z0-9.-]+")
_BASE64 = re.compile("(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class _Step(Enum):
    CLIENT_FIRST = auto()
    SERVER_FIRST = auto()
    SERVER_FINAL = auto()
    DONE = auto()
    FAILED = auto()


class Scram:
    """SCRAM-SHA-1, -256 and -512, and each with -PLUS, bound to the TLS channel (RFC 5802, RFC 7677).

    Name, password and identity are prepared by SASLprep. They are prepared as queries, though RFC 5802 section 2.2
    calls the password a stored string: a server that refuses it as a stored string never stored it, and other servers
    know passwords with emoji.

    Args:
        user: the user name.
        password: the password.
        mechanism: the mechanism's name.
        authzid: the identity to act as, empty for the user's own.
        channel_binding: the binding's type and data, such as ``("tls-exporter", octets)``. A -PLUS mechanism needs it
            and sends ``p=type``. Another mechanism takes it to mean that the client could bind but the server does not
            offer to, and sends ``y``, by which a server finds out that its offer was stripped. Without it the flag is
            ``n``.
        min_iterations: the least iteration count that the server may ask for.
        max_iterations: the greatest.

    Raises:
        LocalProtocolError: a text is empty or cannot be prepared, the mechanism is unknown, or a -PLUS mechanism has no
            channel binding.
    """

    client_first: ClassVar[bool] = True

    def __init__(
        self,
        user: str,
        password: str,
        mechanism: str = "SCRAM-SHA-256",
        *,
        authzid: str = "",
        channel_binding: tuple[str, bytes] | None = None,
        min_iterations: int = 4096,
        max_iterations: int = 1_000_000,
    ) -> None:
        basis = mechanism.removesuffix(_PLUS)
        if basis not in _HASHES:
            raise LocalProtocolError(f"SCRAM is known here as {', '.join(_HASHES)}, each also with {_PLUS}")
        if not 1 <= min_iterations <= max_iterations:
            raise LocalProtocolError("SCRAM needs 1 <= min_iterations <= max_iterations")
        self.name = mechanism
        self.error: str | None = None
        self._hash = _HASHES[basis]
        self._min_iterations = min_iterations
        self._max_iterations = max_iterations
        name = _prepared(mechanism, "user name", user)
        self._password = _prepared(mechanism, "password", password).encode()
        flag, data = _binding(mechanism, channel_binding)
        identity = ""
        if authzid:
            identity = f"a={escape_name(_prepared(mechanism, 'authorization identity', authzid))}"
        header = f"{flag},{identity},".encode()
        self._header = header
        self._channel = b"c=" + b2a_base64(header + data, newline=False)
        self._nonce = _new_nonce()
        self._client_first_bare = f"n={escape_name(name)},r={self._nonce}".encode()
        self._signature = b""
        self._step = _Step.CLIENT_FIRST

    def __repr__(self) -> str:
        return f"Scram(***, {self.name!r})"

    @property
    def done(self) -> bool:
        """Whether the server has proved that it knows the password."""
        return self._step is _Step.DONE

    @property
    def slow(self) -> bool:
        """Whether the next `respond` iterates a hash, for up to a second: run it in a thread."""
        return self._step is _Step.SERVER_FIRST

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What a log must not show; empty once the proof is made."""
        return (self._password,) if self._password else ()

    @property
    def secret_sent(self) -> bool:
        """Whether the proof was returned, which depends on the password; the first message holds the name alone."""
        return not self._password

    def respond(self, challenge: bytes) -> bytes:
        """Return the first message, then the proof, then an empty answer to the server's signature.

        When the server reports an error (``e=``) the answer is empty, `error` is what it said, and `done` stays false.

        Args:
            challenge: the server's message without base64; empty for the first.

        Raises:
            ChallengeRefused: RFC 5802 forbids the message, or the iteration count is out of bounds; nothing was
                computed.
            ServerNotAuthenticated: the signature is wrong or missing.
        """
        # FAILED stays if anything below raises.
        step, self._step = self._step, _Step.FAILED
        if step is _Step.CLIENT_FIRST:
            if challenge:
                raise ChallengeRefused(f"{self.name} has an empty first challenge; the server sent another")
            self._step = _Step.SERVER_FIRST
            return self._header + self._client_first_bare
        if step is _Step.SERVER_FIRST:
            return self._prove(challenge)
        if step is _Step.SERVER_FINAL:
            return self._verify(challenge)
        self._step = step
        raise ChallengeRefused(f"{self.name} was over; the server sent another challenge")

    def _prove(self, challenge: bytes) -> bytes:
        """Check the server's first message, and return the client's final message with the proof."""
        attributes = _attributes(challenge)
        if attributes is None:
            raise ChallengeRefused(f"the server's first message in {self.name} is malformed")
        if attributes[0][0] == "e":
            self.error = attributes[0][1]
            return b""
        if any(letter == "m" for letter, _ in attributes):
            raise ChallengeRefused(f"the server demands an extension (m=) that {self.name} does not have")
        if [letter for letter, _ in attributes[:3]] != ["r", "s", "i"]:
            raise ChallengeRefused(f"the server's first message in {self.name} does not hold r=, s= and i=")
        # A nonce that is ours alone would let an attacker replay an old exchange (RFC 5802 section 5.1).
        nonce, salt_text, count = (value for _, value in attributes[:3])
        if not _NONCE.fullmatch(nonce) or not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ChallengeRefused(f"the server's nonce in {self.name} does not continue ours: a replay?")
        salt = _decode(salt_text)
        if not salt:
            raise ChallengeRefused(f"the server's salt in {self.name} is not valid base64")
        iterations = self._iterations(count)

        without_proof = self._channel + b",r=" + nonce.encode()
        message = b",".join((self._client_first_bare, challenge, without_proof))
        computed = _compute(self._hash, self._password, salt, iterations, message)
        if computed is None:
            raise ChallengeRefused(f"this build of Python refuses PBKDF2 with what {self.name} needs")
        proof, self._signature = computed
        self._password = b""
        self._step = _Step.SERVER_FINAL
        return without_proof + b",p=" + b2a_base64(proof, newline=False)

    def _iterations(self, count: str) -> int:
        """Return the iteration count; raises ChallengeRefused if it is out of bounds."""
        # int() fails on thousands of digits, and is only asked about as many as the bound has.
        if _COUNT.fullmatch(count) and len(count) <= len(str(self._max_iterations)):
            iterations = int(count)
            if self._min_iterations <= iterations <= self._max_iterations:
                return iterations
        raise ChallengeRefused(
            f"the server's iteration count in {self.name} is not from {self._min_iterations} to"
            f" {self._max_iterations}: too few make the password easy to guess, too many stop the client"
        )

    def _verify(self, challenge: bytes) -> bytes:
        """Check the server's signature, and return the empty response."""
        from hmac import compare_digest

        attributes = _attributes(challenge) or [("", "")]
        letter, value = attributes[0]
        if letter == "e":
            self.error = value
            return b""
        signature = _decode(value) if letter == "v" else None
        if any(other == "m" for other, _ in attributes) or not signature:
            raise ServerNotAuthenticated(f"the server's last message in {self.name} holds no signature")
        # In constant time: how long it takes would tell how much of a forged signature is right.
        if not compare_digest(signature, self._signature):
            raise ServerNotAuthenticated(
                f"the server's signature in {self.name} is wrong: it does not know the password, or somebody is between"
            )
        self._step = _Step.DONE
        return b""


def _prepared(mechanism: str, what: str, text: str) -> str:
    """Return a name or a password after SASLprep; it must not be empty before or after."""
    return check_text(mechanism, what, prepare(what, check_text(mechanism, what, text)))


def _binding(mechanism: str, channel_binding: tuple[str, bytes] | None) -> tuple[str, bytes]:
    """Return the gs2 flag, and the data that it makes part of the proof (RFC 5802 section 6)."""
    if channel_binding is None:
        if mechanism.endswith(_PLUS):
            raise LocalProtocolError(f"{mechanism} needs a channel binding")
        return "n", b""
    kind, data = channel_binding
    if not _BINDING_TYPE.fullmatch(kind) or not data:
        raise LocalProtocolError(
            f"{mechanism} needs a channel binding's type and its data; one is not usable"
        )
    return (f"p={kind}", data) if mechanism.endswith(_PLUS) else ("y", b"")


def _new_nonce() -> str:
    """Return a nonce of 192 random bits; no other exchange may ever have the same."""
    import secrets

    return secrets.token_urlsafe(24)


def _attributes(message: bytes) -> list[tuple[str, str]] | None:
    """Take a server's message apart, or return None if it is no list of attributes."""
    try:
        parts = message.decode().split(",")
    except UnicodeDecodeError:
        return None
    matches = [match for part in parts if (match := _ATTRIBUTE.fullmatch(part))]
    return [(match[1], match[2]) for match in matches] if len(matches) == len(parts) else None


def _decode(text: str) -> bytes | None:
    """Return what a text in base64 encodes, or None for what is none."""
    return a2b_base64(text) if _BASE64.fullmatch(text) else None


def _compute(
    algorithm: str, password: bytes, salt: bytes, count: int, message: bytes
) -> tuple[bytes, bytes] | None:
    """Return the client's proof and the signature expected of the server (RFC 5802 section 3), None if forbidden."""
    import hmac
    from hashlib import new, pbkdf2_hmac

    try:
        salted = pbkdf2_hmac(algorithm, password, salt, count)
    except (ValueError, OverflowError):
        # OpenSSL's FIPS provider has least lengths for the salt and the password.
        return None
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    server_key = hmac.digest(salted, b"Server Key", algorithm)
    client_signature = hmac.digest(new(algorithm, client_key).digest(), message, algorithm)
    proof = bytes(key ^ mask for key, mask in zip(client_key, client_signature, strict=True))
    return proof, hmac.digest(server_key, message, algorithm)
