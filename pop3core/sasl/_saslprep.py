"""SASLprep: one spelling for names and passwords that look the same (RFC 4013, a profile of RFC 3454)."""

from __future__ import annotations

import stringprep
from unicodedata import ucd_3_2_0

from pop3core._errors import LocalProtocolError

__all__ = ("check_trace", "prepare", "saslprep")

# RFC 4505 section 3; SASLprep adds C.1.2, which its mapping has already replaced, and C.7.
_TRACE_PROHIBITED = (
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)
_PROHIBITED = (*_TRACE_PROHIBITED, stringprep.in_table_c12, stringprep.in_table_c7)


def saslprep(text: str, *, stored: bool = False) -> str:
    """Return a name or a password in the one spelling in which it is compared (RFC 4013).

    Args:
        text: the name or the password.
        stored: whether it is prepared as a stored string, which may hold no character that is newer than Unicode 3.2,
            such as an emoji. A query, the default, may (RFC 3454 section 7).

    Returns:
        The text as it is compared. It can be empty.

    Raises:
        LocalProtocolError: the text holds a character that section 2.3 prohibits, or left-to-right text inside
            right-to-left text (RFC 3454 section 6). The error does not show the text.
    """
    return prepare("text", text, stored=stored)


def prepare(what: str, text: str, *, stored: bool = False) -> str:
    """Do what `saslprep` does, and call the text by its name in the error."""
    # U+200B is in both tables; RFC 4013 section 2.1 names the spaces first.
    mapped = (
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if stringprep.in_table_c12(character) or not stringprep.in_table_b1(character)
    )
    # Not the running Python's Unicode: both sides must agree on the tables, whatever their age.
    prepared = ucd_3_2_0.normalize("NFKC", "".join(mapped))
    if any(prohibited(character) for character in prepared for prohibited in _PROHIBITED):
        raise LocalProtocolError(
            f"the {what} holds a character that SASLprep prohibits (RFC 4013 section 2.3)"
        )
    _check_directions(what, prepared)
    if stored and any(map(stringprep.in_table_a1, prepared)):
        raise LocalProtocolError(
            f"the {what} holds a character that Unicode 3.2 does not have, and SASLprep none of its own"
        )
    return prepared


def check_trace(text: str) -> str:
    """Return ANONYMOUS's trace information, which is checked but not changed (RFC 4505 section 3)."""
    if any(prohibited(character) for character in text for prohibited in _TRACE_PROHIBITED):
        raise LocalProtocolError("the trace information holds a character that RFC 4505 section 3 prohibits")
    _check_directions("trace information", text)
    return text


def _check_directions(what: str, text: str) -> None:
    """Raise LocalProtocolError for left-to-right text inside right-to-left text (RFC 3454 section 6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    mixed = any(map(stringprep.in_table_d2, text))
    if mixed or not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise LocalProtocolError(
            f"the {what} mixes right-to-left text with other text, which can look like something else"
            " (RFC 3454 section 6)"
        )
