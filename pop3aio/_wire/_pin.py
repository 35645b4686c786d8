"""Pins: the one certificate, or the one public key, that is accepted of a server."""

from __future__ import annotations

import hashlib

from pop3aio._wire._certificate import public_key

__all__ = ("digests", "parse_pin")


def parse_pin(pin: str) -> bytes:
    """Return a pin's octets.

    Raises:
        TypeError: `pin` is no str.
        ValueError: it is no SHA-256 in hex. Colons between octets are allowed.
    """
    if not isinstance(pin, str):
        raise TypeError(f"a pin is a SHA-256 in hex, a str, not {type(pin).__name__}")
    try:
        octets = bytes.fromhex(pin.replace(":", ""))
    except ValueError:
        octets = b""
    if len(octets) != 32:
        raise ValueError("a pin is a SHA-256 in hex: 64 digits, with or without colons between octets")
    return octets


def digests(certificate: bytes) -> tuple[bytes, bytes]:
    """Return the SHA-256 of a certificate in DER, and that of its public key."""
    return hashlib.sha256(certificate).digest(), hashlib.sha256(public_key(certificate)).digest()
