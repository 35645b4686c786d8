"""Bearer tokens, and how a server says that it does not take one."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from pop3core import LocalProtocolError, sasl

from .test_sasl import ACCEPT, CANCEL, assert_secret_free, login, plus, scripted

TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
REFUSE = b"-ERR [AUTH] no\r\n"

# Google, "OAuth 2.0 mechanism".
GOOGLE_TOKEN = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
GOOGLE_LINE = (
    b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRj"
    b"Mk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==\r\n"
)
GOOGLE_ERROR = (
    b"+ eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9t"
    b"YWlsLmdvb2dsZS5jb20vIn0K\r\n"
)

# RFC 7628 section 4.1 and 4.3.
RFC_LINE = (
    b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQz"
    b"AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB\r\n"
)
RFC_ERROR = (
    b"+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNv"
    b"bmZpZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0=\r\n"
)


def xoauth2() -> sasl.XOAuth2:
    return sasl.XOAuth2("someuser@example.com", GOOGLE_TOKEN)


def oauthbearer() -> sasl.OAuthBearer:
    return sasl.OAuthBearer("user@example.com", TOKEN, host="server.example.com", port=143)


def test_xoauth2() -> None:
    mechanism = xoauth2()
    outcome = login(mechanism, scripted(b"+ \r\n", ACCEPT))
    assert outcome.ok
    assert not mechanism.failed
    assert outcome.lines == [GOOGLE_LINE]


def test_xoauth2_refused() -> None:
    mechanism = xoauth2()
    outcome = login(mechanism, scripted(b"+ \r\n", GOOGLE_ERROR, REFUSE))
    assert not outcome.ok
    # The empty line, and not a cancel: the server's -ERR is what the caller wants to read.
    assert outcome.lines == [GOOGLE_LINE, b"\r\n"]
    assert outcome.refused is None
    assert mechanism.failed
    assert (mechanism.status, mechanism.scope) == ("401", "https://mail.google.com/")
    assert mechanism.openid_configuration is None


def test_xoauth2_user_is_utf8() -> None:
    assert sasl.XOAuth2("m\xfcller", "t").respond(b"") == b"user=m\xc3\xbcller\x01auth=Bearer t\x01\x01"


def test_oauthbearer() -> None:
    outcome = login(oauthbearer(), scripted(b"+ \r\n", ACCEPT))
    assert outcome.ok
    assert outcome.lines == [RFC_LINE]
    assert outcome.messages == [
        b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer "
        + TOKEN.encode()
        + b"\x01\x01"
    ]


def test_oauthbearer_refused() -> None:
    mechanism = oauthbearer()
    outcome = login(mechanism, scripted(b"+ \r\n", RFC_ERROR, REFUSE))
    assert not outcome.ok
    assert outcome.lines == [RFC_LINE, b"AQ==\r\n"]
    assert outcome.refused is None
    assert mechanism.failed
    assert (mechanism.status, mechanism.scope) == ("invalid_token", "example_scope")
    assert mechanism.openid_configuration == "https://example.com/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("user", "options", "message"),
    [
        ("", {}, b"n,,\x01auth=Bearer t\x01\x01"),
        ("a,b=c", {}, b"n,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01"),
        ("m\xfcller", {"port": 995}, b"n,a=m\xc3\xbcller,\x01port=995\x01auth=Bearer t\x01\x01"),
        ("u", {"host": "h"}, b"n,a=u,\x01host=h\x01auth=Bearer t\x01\x01"),
    ],
)
def test_oauthbearer_messages(user: str, options: dict[str, Any], message: bytes) -> None:
    assert sasl.OAuthBearer(user, "t", **options).respond(b"") == message


@pytest.mark.parametrize("token", [f"Bearer {TOKEN}", f"{TOKEN} ", f"{TOKEN}\xfc", f"\u20ac{TOKEN}"])
@pytest.mark.parametrize("kind", [sasl.XOAuth2, sasl.OAuthBearer])
def test_a_token_is_one_word(kind: type[sasl.XOAuth2 | sasl.OAuthBearer], token: str) -> None:
    with pytest.raises(LocalProtocolError, match="token") as caught:
        kind("user", token)
    assert_secret_free(caught.value, [TOKEN])


@pytest.mark.parametrize(
    "options",
    [
        {"host": "a b"}, {"host": "h\x01auth=Bearer x"}, {"host": "h\r\n"}, {"host": "m\xfcller.example"},
        {"host": b"h"}, {"port": 0}, {"port": 65536}, {"port": -1}, {"port": True}, {"port": "995"}, {"port": 99.5},
    ],
)  # fmt: skip
def test_oauthbearer_host_and_port(options: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        sasl.OAuthBearer("user", TOKEN, **options)
    assert_secret_free(caught.value, [TOKEN])


@pytest.mark.parametrize(
    "challenge",
    [
        b"", b"no", b"[]", b'"invalid_token"', b"401", b"null", b"{", b'{"status":"x"}}', b"\xff\xfe{\0}\0",
        b"\xef\xbb\xbf{}", b'{"status":"\xff"}', b"[" * 40_000, b'{"a":' * 9_000, b'{"status":' + b"9" * 5000 + b"}",
    ],
    ids=lambda challenge: repr(challenge[:12]),
)  # fmt: skip
@pytest.mark.parametrize("make", [xoauth2, oauthbearer])
def test_a_failure_that_is_no_json(make: Any, challenge: bytes) -> None:
    mechanism = make()
    outcome = login(mechanism, scripted(b"+ \r\n", plus(challenge)))
    assert not outcome.ok
    assert not mechanism.done
    assert outcome.lines[1:] == [CANCEL]
    assert outcome.refused is not None
    assert_secret_free(outcome.refused, [TOKEN, GOOGLE_TOKEN])
    assert mechanism.status is None


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (b"{}", None),
        (b'{"status":400}', "400"),
        (b'{"status":99}', None),
        (b'{"status":600}', None),
        (b'{"status":true}', None),
        (b'{"status":["401"]}', None),
        (b'{"status":null}', None),
        (b'{"status":NaN}', None),
        (b'{"status":"\\ud800"}', "?"),
        (b'{"status":"caf\xc3\xa9"}', "caf\xe9"),
        (b'{"status":"a","status":"b"}', "b"),
    ],
)
def test_what_a_failure_may_say(report: bytes, status: str | None) -> None:
    mechanism = oauthbearer()
    outcome = login(mechanism, scripted(b"+ \r\n", plus(report), REFUSE))
    assert outcome.lines[1:] == [b"AQ==\r\n"]
    assert mechanism.failed
    assert mechanism.status == status


@pytest.mark.parametrize("make", [xoauth2, oauthbearer])
def test_a_success_after_a_failure_is_none(make: Any) -> None:
    outcome = login(make(), scripted(b"+ \r\n", RFC_ERROR, ACCEPT))
    assert not outcome.ok


@pytest.mark.parametrize("make", [xoauth2, oauthbearer])
def test_a_failure_is_acknowledged_once(make: Any) -> None:
    mechanism = make()
    outcome = login(mechanism, scripted(b"+ \r\n", RFC_ERROR, RFC_ERROR))
    assert not outcome.ok
    assert outcome.lines[2:] == [CANCEL]
    assert b64decode(outcome.lines[1]) in (b"", b"\x01")


@pytest.mark.parametrize("make", [xoauth2, oauthbearer])
def test_what_is_shown_of_a_token(make: Any) -> None:
    mechanism = make()
    mechanism.respond(b"")
    assert "***" in repr(mechanism)
    assert TOKEN not in repr(mechanism)
    assert GOOGLE_TOKEN not in repr(mechanism)
