"""CRAM-MD5 and APOP, and a Python without MD5."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, NoReturn

import pytest

from pop3core import Apop, LocalProtocolError, sasl

from .test_sasl import ACCEPT, CANCEL, PASSWORD, assert_secret_free, login, plus, scripted

CHALLENGE = b"<1896.697170952@postoffice.reston.mci.net>"
STAMP = b"<1896.697170952@dbc.mtview.ca.us>"

NO_STAMPS = (
    b"", b"<>", b"<@>", b"<a@>", b"<@b>", b"<a>", b"a@b", b"<a@b", b"a@b>", b"<a@b@c>", b"<a b@c>", b"<a@b>\r\n",
    b" <a@b>", b"<a@b> ", b"<a@b><a@b>", b"<<a@b>>", b"<a\0@b>", b"<a\xff@b>", b"<a@b\x7f>", b"<1.2@h>tanstaaf",
)  # fmt: skip


def test_cram_md5() -> None:
    # RFC 2195 section 2.
    mechanism = sasl.CramMd5("tim", PASSWORD)
    outcome = login(mechanism, scripted(plus(CHALLENGE), ACCEPT))
    assert outcome.ok
    assert outcome.messages == [b"tim b913a602c7eda7a495b4e6e7334d3890"]
    assert outcome.lines == [b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"]
    assert PASSWORD not in repr(mechanism)


def test_cram_md5_is_utf8_as_it_is() -> None:
    answer = sasl.CramMd5("m\xfcller", "\u2168").respond(CHALLENGE)
    digest = hmac.new("\u2168".encode(), CHALLENGE, hashlib.md5).hexdigest()
    assert answer == b"m\xc3\xbcller " + digest.encode()


@pytest.mark.parametrize("challenge", NO_STAMPS)
def test_cram_md5_answers_a_msg_id_only(challenge: bytes) -> None:
    mechanism = sasl.CramMd5("tim", PASSWORD)
    outcome = login(mechanism, scripted(plus(challenge)))
    assert not mechanism.done
    assert outcome.lines == [CANCEL]
    assert outcome.refused is not None
    assert_secret_free(outcome.refused, [PASSWORD])


def test_cram_md5_answers_once() -> None:
    outcome = login(sasl.CramMd5("tim", PASSWORD), scripted(plus(CHALLENGE), plus(CHALLENGE)))
    assert not outcome.ok
    assert outcome.lines[1:] == [CANCEL]


def test_apop() -> None:
    # RFC 1939 section 7.
    digest = sasl.apop_digest(STAMP, "tanstaaf")
    assert digest == "c4c9334bac560ecc979e58001b3e22fb"
    assert Apop("mrose", digest).encode() == b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"


def test_apop_keeps_an_ascii_secret_as_it_is() -> None:
    assert sasl.apop_digest(STAMP, " a  b ") == hashlib.md5(STAMP + b" a  b ").hexdigest()


@pytest.mark.parametrize(
    ("secret", "prepared"), [("m\xfcller", "m\xfcller"), ("I\xadX", "IX"), ("\u2168", "IX")]
)
def test_apop_prepares_what_is_not_ascii(secret: str, prepared: str) -> None:
    assert sasl.apop_digest(STAMP, secret) == hashlib.md5(STAMP + prepared.encode()).hexdigest()


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "tan\r\nstaaf",
        "tan\0staaf",
        "tanstaaf\ud800",
        "tanstaaf\ue000",
        "\u0627tanstaaf",
        "tanstaaf\u0221",
        "\xad",
    ],
)
def test_apop_refuses_a_secret(secret: str) -> None:
    with pytest.raises(LocalProtocolError, match="secret") as caught:
        sasl.apop_digest(STAMP, secret)
    assert_secret_free(caught.value, ["tanstaaf"])


@pytest.mark.parametrize("stamp", NO_STAMPS)
def test_apop_refuses_a_stamp(stamp: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashlib, "md5", lambda *_: pytest.fail("a digest was made"))
    with pytest.raises(LocalProtocolError, match="msg-id") as caught:
        sasl.apop_digest(stamp, "tanstaaf")
    assert_secret_free(caught.value, ["tanstaaf"])


def forbidden(*_: Any, **__: Any) -> NoReturn:
    raise ValueError("[digital envelope routines] unsupported")


def test_python_without_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac, "new", forbidden)
    monkeypatch.setattr(hashlib, "md5", forbidden)
    # Known before anything is sent.
    with pytest.raises(sasl.MechanismUnusable, match="CRAM-MD5 needs MD5") as caught:
        sasl.CramMd5("tim", PASSWORD)
    assert_secret_free(caught.value, [PASSWORD])
    with pytest.raises(sasl.MechanismUnusable, match="APOP needs MD5") as caught:
        sasl.apop_digest(STAMP, PASSWORD)
    assert_secret_free(caught.value, [PASSWORD])
