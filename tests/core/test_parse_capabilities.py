"""CAPA: tags, arguments, and values that count as absent (RFC 2449)."""

from __future__ import annotations

import pytest

from pop3core import Capabilities, parse_capabilities

GMAIL = (
    b"USER\r\nRESP-CODES\r\nEXPIRE 0\r\nLOGIN-DELAY 300\r\nTOP\r\nUIDL\r\nX-GOOGLE-RICO\r\n"
    b"SASL PLAIN XOAUTH2 OAUTHBEARER\r\n"
)


def test_gmail() -> None:
    capabilities = parse_capabilities(GMAIL)
    assert list(capabilities) == [
        "USER", "RESP-CODES", "EXPIRE", "LOGIN-DELAY", "TOP", "UIDL", "X-GOOGLE-RICO", "SASL"
    ]  # fmt: skip
    assert capabilities["SASL"] == capabilities.sasl == ("PLAIN", "XOAUTH2", "OAUTHBEARER")
    assert (capabilities.expire, capabilities.login_delay) == (0, 300)
    assert capabilities.user
    assert capabilities.top
    assert capabilities.uidl
    assert capabilities.resp_codes
    assert not capabilities.pipelining
    assert not capabilities.stls
    assert not capabilities.utf8
    assert not capabilities.auth_resp_code
    assert capabilities.implementation is None
    assert len(capabilities) == 8


def test_example_of_the_rfc() -> None:
    # RFC 2449 section 5.
    capabilities = parse_capabilities(
        b"TOP\r\nUSER\r\nSASL CRAM-MD5 KERBEROS_V4\r\nRESP-CODES\r\nLOGIN-DELAY 900\r\nPIPELINING\r\n"
        b"EXPIRE 60\r\nUIDL\r\nIMPLEMENTATION Shlemazle-Plotz-v302\r\n"
    )
    assert capabilities.sasl == ("CRAM-MD5", "KERBEROS_V4")
    assert capabilities.pipelining
    assert (capabilities.login_delay, capabilities.expire) == (900, 60)
    assert capabilities.implementation == "Shlemazle-Plotz-v302"


def test_empty() -> None:
    capabilities = parse_capabilities(b"")
    assert dict(capabilities) == {}
    assert (capabilities.sasl, capabilities.expire, capabilities.login_delay) == ((), None, None)


def test_tags_are_case_free() -> None:
    capabilities = parse_capabilities(b"top\r\nSasl plain\r\npIpElInInG\r\nUTF8 user\r\n")
    assert set(capabilities) == {"TOP", "SASL", "PIPELINING", "UTF8"}
    assert capabilities.top
    assert capabilities.pipelining
    assert capabilities["sasl"] == ("plain",)
    assert capabilities.sasl == ("PLAIN",)
    assert "Top" in capabilities
    assert capabilities.get("nothing") is None
    nothing: object = 5
    assert nothing not in capabilities
    assert capabilities.utf8
    assert capabilities.utf8_user


def test_blanks_and_blank_lines() -> None:
    assert dict(parse_capabilities(b"\r\n  SASL   PLAIN  LOGIN \r\n\r\n\tTOP\t\r\n   \r\n")) == {
        "SASL": ("PLAIN", "LOGIN"),
        "TOP": (),
    }


def test_repeated_tags() -> None:
    capabilities = parse_capabilities(b"SASL PLAIN\r\nTOP\r\nsasl LOGIN\r\nSASL\r\n")
    assert capabilities["SASL"] == ("PLAIN", "LOGIN")
    assert list(capabilities) == ["SASL", "TOP"]


def test_odd_servers() -> None:
    capabilities = parse_capabilities(
        b"CAPA\r\nEXPIRENEVER\r\nSASL\r\nPIPELINE CELERITY AUSPEX POTENCE\r\nX-\xff\xe4 \xc3\xa4\r\n"
    )
    assert "CAPA" in capabilities
    assert "EXPIRENEVER" in capabilities
    assert capabilities.expire is None
    assert capabilities["SASL"] == capabilities.sasl == ()
    # Not PIPELINING.
    assert not capabilities.pipelining
    assert len(capabilities) == 5


@pytest.mark.parametrize("argument", ["NEVER", "never", "Never USER"])
def test_never_is_not_absent(argument: str) -> None:
    expire = parse_capabilities(f"EXPIRE {argument}\r\n".encode()).expire
    assert expire == float("inf")
    assert expire is not None
    assert expire > 2**31
    assert parse_capabilities(f"LOGIN-DELAY {argument}\r\n".encode()).login_delay is None


@pytest.mark.parametrize("tag", ["\u017fasl", "SA\u017fL", "P\u0131PELINING", "U\u017fER", "\u017ftls"])
def test_only_ascii_has_an_upper_case(tag: str) -> None:
    capabilities = parse_capabilities(f"{tag} PLAIN\r\n".encode())
    assert tag in capabilities
    assert not capabilities.sasl
    assert not any((capabilities.pipelining, capabilities.user, capabilities.stls))
    assert tag not in parse_capabilities(b"SASL PLAIN\r\nPIPELINING\r\nUSER\r\nSTLS\r\n")


def test_arguments_are_folded_in_ascii_only() -> None:
    capabilities = parse_capabilities("SASL PLA\u0131N \u017fcram plain\r\nUTF8 u\u017fer\r\n".encode())
    assert capabilities.sasl == ("PLAIN",)
    assert not capabilities.utf8_user
    assert parse_capabilities("EXPIRE \u0274EVER\r\n".encode()).expire is None


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\x85", "\x1c", "\x0b", "\t", "\n"])
def test_only_a_space_separates(blank: str) -> None:
    for octets in (
        f"SASL{blank}PLAIN\r\n".encode(),
        f"SASL{blank}PLAIN \xff\r\n".encode("latin-1", "replace"),
    ):
        assert not parse_capabilities(octets).sasl
    assert parse_capabilities(f"SASL A{blank}B C\r\n".encode())["SASL"] == (f"A{blank}B", "C")


def test_a_mechanism_that_is_listed_twice_is_offered_once() -> None:
    capabilities = parse_capabilities(b"SASL PLAIN LOGIN plain\r\nSASL LOGIN CRAM-MD5\r\n")
    assert capabilities.sasl == ("PLAIN", "LOGIN", "CRAM-MD5")
    assert capabilities.sasl is capabilities.sasl


def test_mechanism_names() -> None:
    # RFC 4422 section 3.1: 1 to 20 of A-Z 0-9 - _
    data = b"SASL PLAIN SCRAM-SHA-256 " + b"A" * 20 + b" " + b"A" * 21 + b" X.509 B\xc3\x84 =\r\n"
    assert parse_capabilities(data).sasl == ("PLAIN", "SCRAM-SHA-256", "A" * 20)


@pytest.mark.parametrize("tag", ["LOGIN-DELAY", "EXPIRE"])
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("0", 0),
        ("30", 30),
        ("30 USER", 30),
        ("2147483647", 2**31 - 1),
        ("2147483649", None),
        ("9999999999", None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1_0", None),
        ("\u00b2", None),
        ("\u0661", None),
        ("soon", None),
        ("1.5", None),
    ],
)
def test_numbers(tag: str, argument: str, value: int | None) -> None:
    capabilities = parse_capabilities(f"{tag} {argument}\r\n".encode())
    assert tag in capabilities
    assert (capabilities.login_delay, capabilities.expire) == (
        (value, None) if tag == "LOGIN-DELAY" else (None, value)
    )


@pytest.mark.parametrize(("argument", "both"), [("USER", True), ("user", True), ("", False), ("X", False)])
def test_utf8(argument: str, both: bool) -> None:
    capabilities = parse_capabilities(f"UTF8 {argument}\r\n".encode())
    assert (capabilities.utf8, capabilities.utf8_user) == (True, both)


@pytest.mark.parametrize(
    ("tag", "attribute"),
    [
        ("STLS", "stls"),
        ("AUTH-RESP-CODE", "auth_resp_code"),
        ("RESP-CODES", "resp_codes"),
        ("USER", "user"),
        ("UIDL", "uidl"),
    ],
)
def test_flags(tag: str, attribute: str) -> None:
    assert getattr(parse_capabilities(tag.encode() + b"\r\n"), attribute) is True
    assert getattr(parse_capabilities(b"X" + tag.encode() + b"\r\n"), attribute) is False


def test_a_value_of_its_own() -> None:
    tags = {"TOP": ()}
    capabilities = Capabilities(tags)
    tags.clear()
    assert "TOP" in capabilities
    assert repr(capabilities) == "Capabilities({'TOP': ()})"
    assert capabilities == {"TOP": ()}


def test_implementation_of_several_words() -> None:
    assert parse_capabilities(b"IMPLEMENTATION A B  C\r\n").implementation == "A B C"
    assert parse_capabilities(b"IMPLEMENTATION\r\n").implementation == ""
