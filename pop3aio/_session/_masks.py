"""Secrets that a server might echo, and what the server said without them."""

# How it works. A text of the server's that holds a secret is replaced by ``***`` as a whole. To replace the secret
# alone would show where it stood: in "-ERR *** ready" a reader who knows the server finds the password "Dovecot".
#
# A secret is looked for as it is, as Python writes octets, and in base64, by itself or as part of something longer.
# Upper and lower case are the same.
#
# What is masked: the log, refusals, and errors about answers that break the protocol. An answer that is data, such as
# ``+OK 2 4345`` to STAT, is never changed, even if the password is "4345".
#
# Invariants:
# - A secret stays known until the session ends. The server may echo it in the answer to any later command.
# - The log shows no text of an answer to a step of a login, whatever it holds (see `CommandQueue`).

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import replace

from pop3aio._errors import KNOWN_CODES
from pop3core import Reply

__all__ = ("Masks", "masked")

# Shorter secrets stand in any text by chance; they are looked for in the answers to a login alone, and as words.
_SHORTEST = 4
_MASK = b"***"


class Masks:
    """The secrets that were used in this session."""

    __slots__ = ("_secrets", "_words")

    def __init__(self) -> None:
        # All in lower case.
        self._secrets: set[bytes] = set()
        self._words: set[bytes] = set()

    def hide(self, *secrets: bytes) -> None:
        """Mask these from now on."""
        self.hide_sent(*secrets)
        for secret in secrets:
            if 0 < len(secret) < _SHORTEST:
                self._words |= {secret.lower(), b2a_base64(secret, newline=False).rstrip(b"=").lower()}

    def hide_sent(self, *parts: bytes) -> None:
        """Mask these parts of what was sent from now on, unless they are so short that they are hardly secret."""
        for part in parts:
            if len(part) >= _SHORTEST:
                self._secrets |= {form.lower() for form in _forms(part)}

    def shows(self, octets: bytes) -> bool:
        """Tell whether the server said a secret, or the beginning of a secret where its words were cut (``...``)."""
        octets = octets.lower()
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

    def answer(self, reply: Reply) -> Reply:
        """Return the refusal of a login without its text if there is a secret in it, however short."""
        if any(_stands_in(word, reply.raw.lower()) for word in self._words):
            return masked(reply)
        return self.refusal(reply)


def masked(reply: Reply) -> Reply:
    """Return a reply of which only the status and a well-known response code are left."""
    code = reply.code or ""
    known = next((name for name in KNOWN_CODES if code == name or code.startswith(f"{name}/")), None)
    text = f"[{known}] ***" if known else "***"
    # Not the first word of what came: some servers leave out the space behind the status.
    return replace(reply, raw=f"{'+OK' if reply.ok else '-ERR'} {text}".encode(), text=text, code=known)


def _forms(secret: bytes) -> Iterator[bytes]:
    """Yield the forms in which a secret may be shown."""
    yield secret
    # An error shows octets as Python writes them.
    yield repr(secret)[2:-1].encode()
    # Within a longer text in base64, a secret begins at one of three places in a group of four characters. The
    # characters at its ends depend on what stands beside it, and are left out.
    for before in range(3):
        encoded = b2a_base64(bytes(before) + secret, newline=False)
        yield encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]


def _stands_in(word: bytes, text: bytes) -> bool:
    """Tell whether a text holds a word, and not only as a part of longer words."""
    begin = rb"(?<![a-z0-9])" if word[:1].isalnum() else b""
    end = rb"(?![a-z0-9])" if word[-1:].isalnum() else b""
    return re.search(begin + re.escape(word) + end, text) is not None
