"""What a server says it can do: the answer to CAPA (RFC 2449)."""

# How it works: a line is a tag and its arguments, separated by spaces. The value is immutable, and each property reads
# one tag. Nothing is decided here: whether a tag is believed is up to the caller.

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pop3core._replies import MAX_NUMBER, decode_text

__all__ = ("Capabilities", "parse_capabilities")

_ASCII_UPPER = {ord("a") + n: ord("A") + n for n in range(26)}
_MECHANISM = re.compile(r"[A-Z0-9_-]{1,20}")
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)


class Capabilities(Mapping[str, tuple[str, ...]]):
    """What a server says it can do (RFC 2449): upper-case tag -> its arguments.

    Tags that are not known are kept, arguments of repeated tags are joined in order. Only the letters of ASCII have an
    upper case here: "\u017fASL", which begins with a long s, is not the tag SASL.

    Args:
        tags: the tags in upper case, each with its arguments.
    """

    __slots__ = ("_sasl", "_tags")

    def __init__(self, tags: Mapping[str, tuple[str, ...]]) -> None:
        self._tags = MappingProxyType(dict(tags))
        # Looked at several times in a login, and a server may list a million names.
        self._sasl: tuple[str, ...] | None = None

    def __getitem__(self, tag: str) -> tuple[str, ...]:
        return self._tags[_fold(tag) if isinstance(tag, str) else tag]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tags)

    def __len__(self) -> int:
        return len(self._tags)

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, str) and _fold(tag) in self._tags

    def __repr__(self) -> str:
        return f"Capabilities({dict(self._tags)!r})"

    @property
    def sasl(self) -> tuple[str, ...]:
        """The SASL mechanisms offered, each once and in upper case, in the order of the server.

        Names that RFC 4422 section 3.1 forbids are left out.
        """
        if self._sasl is None:
            names = dict.fromkeys(map(_fold, dict.fromkeys(self._tags.get("SASL", ()))))
            self._sasl = tuple(filter(_MECHANISM.fullmatch, names))
        return self._sasl

    @property
    def pipelining(self) -> bool:
        """Whether several commands may be in flight at once (RFC 2449 section 6.6)."""
        return "PIPELINING" in self._tags

    @property
    def stls(self) -> bool:
        """Whether STLS is offered (RFC 2595 section 4)."""
        return "STLS" in self._tags

    @property
    def user(self) -> bool:
        """Whether USER and PASS are offered."""
        return "USER" in self._tags

    @property
    def top(self) -> bool:
        """Whether TOP is offered."""
        return "TOP" in self._tags

    @property
    def uidl(self) -> bool:
        """Whether UIDL is offered."""
        return "UIDL" in self._tags

    @property
    def resp_codes(self) -> bool:
        """Whether a text that begins with a bracket is known to begin with a response code."""
        return "RESP-CODES" in self._tags

    @property
    def auth_resp_code(self) -> bool:
        """Whether only refusals with the code AUTH are about the credentials (RFC 3206 section 6)."""
        return "AUTH-RESP-CODE" in self._tags

    @property
    def utf8(self) -> bool:
        """Whether the UTF8 command is offered (RFC 6856 section 2)."""
        return "UTF8" in self._tags

    @property
    def utf8_user(self) -> bool:
        """Whether names and passwords may be UTF-8 (RFC 6856 section 2.2)."""
        return "USER" in map(_fold, self._tags.get("UTF8", ()))

    @property
    def login_delay(self) -> int | None:
        """The least seconds between two logins (RFC 2449 section 6.5); None where absent or no sane number."""
        return _small_number(self._tags.get("LOGIN-DELAY", ()))

    @property
    def expire(self) -> float | None:
        """The least days that a message is kept (RFC 2449 section 6.7).

        An int, or infinity where the server says NEVER, so that both compare with a number of days; None where the tag
        is absent or its argument is no sane number.
        """
        arguments = self._tags.get("EXPIRE", ())
        if arguments and _fold(arguments[0]) == "NEVER":
            return float("inf")
        return _small_number(arguments)

    @property
    def implementation(self) -> str | None:
        """What the server calls itself; for a log and nothing else (RFC 2449 section 6.9)."""
        return " ".join(self._tags["IMPLEMENTATION"]) if "IMPLEMENTATION" in self._tags else None


def _fold(text: str) -> str:
    """Return a text with the letters of ASCII in upper case, and all others as they are."""
    # str.upper() alone makes an ASCII word out of others: a long s becomes S, a dotless i becomes I.
    return text.upper() if text.isascii() else text.translate(_ASCII_UPPER)


def _small_number(arguments: tuple[str, ...]) -> int | None:
    """Return the first argument as a number, or None if it is none or too large for one."""
    if not arguments or not _NUMBER.fullmatch(arguments[0]):
        return None
    value = int(arguments[0])
    return value if value <= MAX_NUMBER else None


def parse_capabilities(data: bytes) -> Capabilities:
    """Parse the answer to CAPA (RFC 2449 section 5).

    Blank lines and surplus spaces are ignored, arguments of a tag that is repeated are joined.

    Args:
        data: the multi-line response without its status line and its terminator.

    Returns:
        The capabilities; there is no answer that cannot be parsed.
    """
    # Lists, because a tuple that grows is copied each time: with a tag that is repeated that took quadratic time.
    tags: dict[str, list[str]] = {}
    for line in data.split(b"\r\n"):
        # Spaces separate, and nothing else: in Latin-1 and in Unicode there are octets and characters that
        # str.split() takes for blanks. Tabs around a line are forgiven.
        words = [word for word in decode_text(line.strip(b" \t")).split(" ") if word]
        if words:
            tags.setdefault(_fold(words[0]), []).extend(words[1:])
    return Capabilities({tag: tuple(arguments) for tag, arguments in tags.items()})
