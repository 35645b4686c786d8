"""The two things Python does not say about a certificate: its public key and its signature's hash (RFC 5280)."""

from __future__ import annotations

import hashlib

__all__ = ("public_key", "server_end_point")

_SEQUENCE = 0x30
_VERSION = 0xA0

# RFC 5929 section 4.1: MD5 and SHA-1 are replaced by SHA-256. PSS and EdDSA name no hash here, and bind nothing.
_HASHES = {
    "2a864886f70d010104": "sha256",  # md5WithRSAEncryption
    "2a864886f70d010105": "sha256",  # sha1WithRSAEncryption
    "2a864886f70d01010b": "sha256",
    "2a864886f70d01010c": "sha384",
    "2a864886f70d01010d": "sha512",
    "2a8648ce3d0401": "sha256",  # ecdsa-with-SHA1
    "2a8648ce3d040302": "sha256",
    "2a8648ce3d040303": "sha384",
    "2a8648ce3d040304": "sha512",
}


def public_key(certificate: bytes) -> bytes:
    """Return the subjectPublicKeyInfo of a certificate, both DER.

    Raises ValueError when the octets are no certificate.
    """
    _, body, _ = _element(certificate, 0)
    _, to_be_signed, _ = _element(body, 0)
    position = 0
    tag, _, after = _element(to_be_signed, 0)
    if tag == _VERSION:
        position = after
    # Serial number, signature algorithm, issuer, validity, subject.
    for _ in range(5):
        _, _, position = _element(to_be_signed, position)
    tag, _, after = _element(to_be_signed, position)
    if tag != _SEQUENCE:
        raise ValueError("these octets are no certificate")
    return to_be_signed[position:after]


def server_end_point(certificate: bytes) -> bytes | None:
    """Return the channel binding tls-server-end-point of a certificate in DER, or None if it has none (RFC 5929).

    Raises ValueError when the octets are no certificate.
    """
    _, body, _ = _element(certificate, 0)
    _, _, position = _element(body, 0)
    _, algorithm, _ = _element(body, position)
    _, identifier, _ = _element(algorithm, 0)
    name = _HASHES.get(identifier.hex())
    return hashlib.new(name, certificate).digest() if name is not None else None


def _element(octets: bytes, position: int) -> tuple[int, bytes, int]:
    """Return tag, content and end of the element at `position`."""
    try:
        tag, length = octets[position], octets[position + 1]
        position += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(octets[position : position + count])
            position += count
    except IndexError:
        raise ValueError("these octets are no certificate") from None
    end = position + length
    if end > len(octets):
        raise ValueError("these octets are no certificate")
    return tag, octets[position:end], end
