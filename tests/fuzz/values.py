"""The parsers and the SASL mechanisms, given the octets of a fuzzer and held against slow ways to the same result."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence

from pop3core import (
    RemoteProtocolError,
    parse_apop_timestamp,
    parse_capabilities,
    parse_list,
    parse_response_code,
    parse_stat,
    parse_uidl,
)
from pop3core.sasl import (
    Anonymous,
    ChallengeRefused,
    CramMd5,
    External,
    Login,
    Mechanism,
    OAuthBearer,
    Plain,
    Scram,
    XOAuth2,
)

__all__ = ("fuzz_mechanisms", "fuzz_parsers")

LARGEST = 2**31 - 1


def fuzz_parsers(data: bytes) -> None:
    """Give one input to all parsers; raises AssertionError, or whatever else must not come out of them."""
    _check_listing(parse_list, _scan_of, data)
    _check_listing(parse_uidl, _uid_of, data)
    _check_stat(data)
    _check_capabilities(data)
    _check_code(data)
    _check_timestamp(data)


def _check_listing(
    parse: Callable[[bytes], Sequence[tuple[int, object]]],
    entry_of: Callable[[list[bytes]], tuple[int, object] | None],
    data: bytes,
) -> None:
    """A line that cannot be understood costs its own entry, and no other line; a number twice is once."""
    lines = data.split(b"\r\n")
    if len(lines) == 1:
        # A single line may be the status line that answers LIST n.
        lines = [data.removeprefix(b"+OK")]
    elif not lines[-1]:
        lines.pop()
    words = [[word for word in line.replace(b"\t", b" ").split(b" ") if word] for line in lines]
    entries = [entry for line in words if (entry := entry_of(line)) is not None]
    said = {number: {entry for entry in entries if entry[0] == number} for number, _ in entries}
    if parse is parse_uidl:
        # A message whose lines do not agree is there, and its unique-id cannot be used.
        expected = [
            (number, entry[1] if len(said[number]) == 1 else None)
            for number in said
            for entry in said[number]
        ]
        assert parse(data) == list(dict.fromkeys(expected))
    else:
        assert parse(data) == [entry for entry in dict.fromkeys(entries) if len(said[entry[0]]) == 1]


def _scan_of(words: list[bytes]) -> tuple[int, object] | None:
    number, octets = (_number(word, most) for word, most in zip((*words, b"", b""), (10, 19), strict=False))
    if number is None or octets is None or not 1 <= number <= LARGEST or octets >= 2**63:
        return None
    # A bare CR or LF among the words behind the size makes the line none.
    return None if any(b"\r" in word or b"\n" in word for word in words) else (number, octets)


def _uid_of(words: list[bytes]) -> tuple[int, object] | None:
    number = _number(words[0] if words else b"", 10)
    if number is None or not 1 <= number <= LARGEST:
        return None
    usable = len(words) == 2 and len(words[1]) <= 1024 and all(0x20 < o != 0x7F for o in words[1])
    return number, words[1].decode("latin-1") if usable else None


def _number(word: bytes, most: int) -> int | None:
    return int(word) if word.isdigit() and len(word) <= most else None


def _check_stat(data: bytes) -> None:
    try:
        stat = parse_stat(data)
    except RemoteProtocolError:
        return
    assert 0 <= stat.count <= LARGEST
    assert stat.octets is None or 0 <= stat.octets < 2**63
    words = data.removesuffix(b"\r\n").removeprefix(b"+OK").replace(b"\t", b" ").split(b" ")
    words = [word for word in words if word]
    assert words[0].isdigit()
    assert int(words[0]) == stat.count
    if stat.octets is not None:
        assert words[1].isdigit()
        assert int(words[1]) == stat.octets


def _check_capabilities(data: bytes) -> None:
    capabilities = parse_capabilities(data)
    for name in dir(type(capabilities)):
        getattr(capabilities, name)
    repr(capabilities)
    for tag, arguments in capabilities.items():
        # Tags are folded in ASCII alone.
        assert not any(letter.isascii() and letter.islower() for letter in tag)
        assert "".join(c.lower() if c.isascii() else c for c in tag) in capabilities
        assert all(arguments)
    # Said twice, everything is joined.
    again = parse_capabilities(data + b"\r\n" + data)
    assert list(again) == list(capabilities)
    assert all(again[tag] == 2 * arguments for tag, arguments in capabilities.items())


def _check_code(data: bytes) -> None:
    code = parse_response_code(data)
    if code is None:
        return
    line = data.removesuffix(b"\r\n")
    for status in (b"+OK", b"-ERR"):
        if line.startswith(status):
            line = line.removeprefix(status).removeprefix(b" ")
            break
    assert line.upper().startswith(b"[" + code.encode() + b"]")
    assert all(code.split("/"))


def _check_timestamp(data: bytes) -> None:
    stamp = parse_apop_timestamp(data)
    candidates = [b"<" + rest.partition(b">")[0] + b">" for rest in data.split(b"<")[1:] if b">" in rest]
    visible = [c for c in candidates if all(0x21 <= octet <= 0x7E for octet in c)]
    well_formed = [c for c in visible if c.count(b"@") == 1 and c[1:2] != b"@" and c[-2:-1] != b"@"]
    assert stamp == (well_formed[0] if well_formed else None)


MECHANISMS: tuple[Callable[[], Mechanism], ...] = (
    lambda: Scram("user", "pencil", "SCRAM-SHA-1", min_iterations=1, max_iterations=40),
    lambda: Scram(
        "u,=", "pencil", "SCRAM-SHA-256-PLUS", authzid="a", channel_binding=("tls-exporter", b"\0\xff"),
        min_iterations=1, max_iterations=40,
    ),
    lambda: CramMd5("user", "pencil"),
    lambda: Login("user", "pencil"),
    lambda: XOAuth2("user", "pencil"),
    lambda: OAuthBearer("user", "pencil", host="mail.example", port=995),
    lambda: Plain("user", "pencil"),
    lambda: External(),
    lambda: Anonymous("trace"),
)  # fmt: skip


def fuzz_mechanisms(data: bytes) -> None:
    """Let a mechanism answer challenges, which ESC separates; the first octet says which.

    In a challenge to SCRAM ``%r`` stands for the client's nonce, ``%v`` for the signature that only a server which
    knows the password can make, and ``%w`` for one that is nearly right. ``%d`` is JSON that nests too deep.
    """
    if not data:
        return
    mechanism = MECHANISMS[data[0] % len(MECHANISMS)]()
    challenges = data[1:].split(b"\x1b")
    if isinstance(mechanism, Scram):
        _fuzz_scram(mechanism, challenges)
        return
    told = 0
    refused: list[str] = []
    for challenge in challenges[:6]:
        try:
            response = mechanism.respond(challenge.replace(b"%d", b"[" * 100_000))
        except ChallengeRefused as error:
            refused.append(str(error))
            continue
        assert type(response) is bytes
        told += b"pencil" in response
    # The secret is told once, if at all, whatever the server asks.
    assert told <= 1
    assert not any("pencil" in text for text in (repr(mechanism), *refused))


def _fuzz_scram(mechanism: Scram, challenges: list[bytes]) -> None:
    said: list[bytes] = []
    heard: list[bytes] = []
    signature = b""
    for challenge in challenges[:6]:
        if said:
            nonce = said[0].rpartition(b"r=")[2]
            nearly = signature[:-1] + bytes([signature[-1] ^ 1]) if signature else b""
            challenge = challenge.replace(b"%r", nonce)
            challenge = challenge.replace(b"%v", b64encode(signature)).replace(b"%w", b64encode(nearly))
        try:
            response = mechanism.respond(challenge)
        except ChallengeRefused:
            # Whatever comes behind a success takes nothing back.
            assert mechanism.done == (len(heard) == 3 and _is_proof(heard[2], signature))
            continue
        said.append(response)
        heard.append(challenge)
        if len(heard) == 2 and response:
            signature = _server_signature(mechanism.name, said, challenge)
        # Nothing but the right signature, as the third thing the server says, is a success.
        assert mechanism.done == (len(heard) == 3 and _is_proof(challenge, signature))


def _is_proof(challenge: bytes, signature: bytes) -> bool:
    # The octets count and not their spelling: base64 has spare bits.
    match = re.match(rb"v=([^,]+)", challenge)
    return bool(signature) and match is not None and b64decode(match[1]) == signature


def _server_signature(name: str, said: list[bytes], server_first: bytes) -> bytes:
    """Do what RFC 5802 section 3 says of the server's side."""
    algorithm = "sha256" if "256" in name else "sha1"
    salt, count = (part[2:] for part in server_first.split(b",")[1:3])
    salted = hashlib.pbkdf2_hmac(algorithm, b"pencil", b64decode(salt), int(count))
    bare = said[0].split(b",", 2)[2]
    without_proof = said[1].rpartition(b",p=")[0]
    key = hmac.digest(salted, b"Server Key", algorithm)
    return hmac.digest(key, b",".join((bare, server_first, without_proof)), algorithm)
