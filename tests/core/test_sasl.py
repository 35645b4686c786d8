"""The mechanisms."""

from __future__ import annotations

import pytest

from pop3core import LocalProtocolError, sasl


def test_plain() -> None:
    plain = sasl.Plain("tim", "tanstaaftanstaaf")
    assert isinstance(plain, sasl.Mechanism)
    assert (plain.name, plain.client_first, plain.done) == ("PLAIN", True, False)
    # RFC 4616 section 4.
    assert plain.respond(b"") == b"\0tim\0tanstaaftanstaaf"
    assert plain.done
    assert repr(plain) == "Plain(***)"


def test_plain_as_somebody_else() -> None:
    assert sasl.Plain("Kurt", "xipj3plmq", "Ursel").respond(b"") == b"Ursel\0Kurt\0xipj3plmq"


def test_plain_is_utf8_of_any_length() -> None:
    assert (
        sasl.Plain("\xfc" * 127, "\u20ac" * 85).respond(b"")
        == b"\0" + b"\xc3\xbc" * 127 + b"\0" + b"\xe2\x82\xac" * 85
    )


def test_plain_answers_one_empty_challenge() -> None:
    plain = sasl.Plain("tim", "x")
    with pytest.raises(sasl.ChallengeRefused):
        plain.respond(b"realm")
    assert not plain.done
    plain.respond(b"")
    with pytest.raises(sasl.ChallengeRefused):
        plain.respond(b"")


@pytest.mark.parametrize(
    "parts",
    [
        ("", "x"),
        ("x", ""),
        ("a\0b", "x"),
        ("a", "x\0"),
        ("a", "x", "\0"),
        ("a\ud800", "x"),
        ("a", "\udfff"),
        ("a", "b", "\udc80"),
    ],
)
def test_plain_refuses(parts: tuple[str, ...]) -> None:
    with pytest.raises(LocalProtocolError):
        sasl.Plain(*parts)
