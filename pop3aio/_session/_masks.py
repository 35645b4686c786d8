"""Secrets that a server might echo, and what it said without them."""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import replace

from pop3core import Reply

__all__ = ("Masks",)


class Masks:
    """What must get into no log and no exception, although a server may say it.

    It is masked as it is and in base64, padded or not. It stays known until `forget`: the answer to a login that was
    cancelled or refused may still come, or a second one behind it.
    """

    __slots__ = ("_secrets",)

    def __init__(self) -> None:
        self._secrets: set[bytes] = set()

    def hide(self, *secrets: bytes) -> None:
        """Mask these from now on."""
        for secret in secrets:
            # Shorter ones stand in any text by chance, so that masking them would give them away.
            if len(secret) >= 4:
                encoded = b2a_base64(secret, newline=False)
                self._secrets |= {secret, encoded, encoded.rstrip(b"=")}

    def forget(self) -> None:
        """Mask nothing any more: the login is over."""
        self._secrets.clear()

    def octets(self, octets: bytes) -> bytes:
        """Return what the server said without the secrets in it."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            octets = octets.replace(secret, b"***")
        return octets

    def text(self, text: str) -> str:
        """Return a text that the server gave without the secrets in it."""
        return self.octets(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def reply(self, reply: Reply) -> Reply:
        """Return a reply without the secrets in it; the same one if there are none."""
        if not self._secrets or (raw := self.octets(reply.raw)) == reply.raw:
            return reply
        return replace(reply, raw=raw, text=raw.partition(b" ")[2].decode("utf-8", "replace"))
