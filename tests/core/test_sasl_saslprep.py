"""SASLprep."""

from __future__ import annotations

import pytest

from pop3core import LocalProtocolError
from pop3core.sasl import saslprep

from .test_sasl import assert_secret_free


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("text", "prepared"),
    # RFC 4013 section 3.
    [("I\xadX", "IX"), ("user", "user"), ("USER", "USER"), ("\xaa", "a"), ("\u2168", "IX")],
)
def test_examples(text: str, prepared: str, stored: bool) -> None:
    assert saslprep(text, stored=stored) == prepared


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(("text", "why"), [("\x07", "prohibits"), ("\u06271", "right-to-left")])
def test_examples_of_errors(text: str, why: str, stored: bool) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        saslprep(text, stored=stored)


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("", ""),
        ("\xad\u200d\ufeff", ""),
        ("a\xa0b\u3000c\u2003d", "a b c d"),
        # In both tables: a space, as RFC 4013 section 2.1 has it first.
        ("a\u200bb", "a b"),
        ("e\u0301", "\xe9"),
        ("\ufb01", "fi"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("\u06271\u0628", "\u06271\u0628"),
        # CJK COMPATIBILITY IDEOGRAPH as Unicode 3.2 maps it; Corrigendum 4 changed it later.
        ("\U0002f868", "\U0002136a"),
    ],
)
def test_mapping(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize(
    "character",
    [
        "\0", "\r", "\n", "\x1f", "\x7f", "\x80", "\x85", "\u06dd", "\u2028", "\U0001d173", "\ue000", "\U0010fffd",
        "\ufdd0", "\uffff", "\U0001fffe", "\ud800", "\ufff9", "\u2ff0", "\u200e",
        "\u202e", "\U000e0001", "\U000e0041",
    ],
)  # fmt: skip
def test_prohibited(character: str) -> None:
    with pytest.raises(LocalProtocolError, match="prohibits") as caught:
        saslprep("tanstaaf" + character)
    assert_secret_free(caught.value, ["tanstaaf"])


@pytest.mark.parametrize("text", ["\u0627a\u0628", "a\u0627", "\u0627a", "1\u0627", "\u06271"])
def test_directions(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="right-to-left") as caught:
        saslprep(text)
    assert_secret_free(caught.value, [text])


@pytest.mark.parametrize("character", ["\u0221", "\U0001f600", "\u0d00"])
def test_unassigned(character: str) -> None:
    assert saslprep("tanstaaf" + character) == "tanstaaf" + character
    with pytest.raises(LocalProtocolError, match=r"Unicode 3\.2") as caught:
        saslprep("tanstaaf" + character, stored=True)
    assert_secret_free(caught.value, ["tanstaaf"])
