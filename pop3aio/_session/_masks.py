"""Secrets that a server might echo, and what the server said without them."""

# How it works. A text of the server's that holds a secret is replaced by ``***`` as a whole. To replace the secret
# alone would show where it stood: in "-ERR *** ready" a reader who knows the server finds the password "Dovecot".
#
# What is masked: the log, refusals, and errors about answers that break the protocol. An answer that is data, such as
# ``+OK 2 4345`` to STAT, is never changed, even if the password is "4345".
#
# Invariant: a secret stays known until the session ends. The server may echo it in the answer to any later command.

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import replace

from pop3aio._errors import KNOWN_CODES
from pop3core import Reply

__all__ = ("Masks", "masked")

# Shorter secrets stand in any text by chance.
_SHORTEST = 4
_MASK = b"***"


class Masks:
    """The secrets that were used in this session; each is looked for as it is and in base64, padded or not."""

    __slots__ = ("_secrets",)

    def __init__(self) -> None:
        self._secrets: set[bytes] = set()

    def hide(self, *secrets: bytes) -> None:
        """Mask these from now on."""
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                encoded = b2a_base64(secret, newline=False)
                # An error shows octets as Python writes them.
                self._secrets |= {secret, encoded, encoded.rstrip(b"="), repr(secret)[2:-1].encode()}

    def shows(self, octets: bytes) -> bool:
        """Tell whether the server said a secret, or the beginning of a secret where its words were cut (``...``)."""
        if any(secret in octets for secret in self._secrets):
            return True
        cut, dots, _ = octets.rpartition(b"...")
        return bool(dots) and any(
            cut.endswith(secret[:length])
            for secret in self._secrets
            for length in range(_SHORTEST, len(secret))
        )

    def octets(self, octets: bytes) -> bytes:
        """Return what the server said, or the mask if there is a secret in it."""
        return _MASK if self.shows(octets) else octets

    def text(self, text: str) -> str:
        """Return a text that the server gave, or the mask if there is a secret in it."""
        return self.octets(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def refusal(self, reply: Reply) -> Reply:
        """Return a refusal without its text if there is a secret in it; other replies as they are."""
        return masked(reply) if not reply.ok and self._secrets and self.shows(reply.raw) else reply


def masked(reply: Reply) -> Reply:
    """Return a reply of which only the status and a well-known response code are left."""
    code = reply.code or ""
    known = next((name for name in KNOWN_CODES if code == name or code.startswith(f"{name}/")), None)
    raw = reply.raw.partition(b" ")[0] + (f" [{known}] ***" if known else " ***").encode()
    return replace(reply, raw=raw, text=raw.partition(b" ")[2].decode(), code=known)
