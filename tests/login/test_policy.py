"""The policy as a table, read row by row: what is tried, in which order, under which conditions."""

from __future__ import annotations

import pytest

from pop3aio import LocalProtocolError, MechanismUnavailable
from pop3aio._login._order import POLICY, password_ways, token_ways
from pop3core import Capabilities

ALL = (
    "XOAUTH2 USER APOP LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512 SCRAM-SHA-1-PLUS "
    "SCRAM-SHA-256-PLUS SCRAM-SHA-512-PLUS OAUTHBEARER EXTERNAL ANONYMOUS NTLM DIGEST-MD5 GSSAPI KERBEROS_V4 OTP SKEY"
)


def listed(sasl: str = "", *tags: str) -> Capabilities:
    return Capabilities({"SASL": tuple(sasl.split()), **dict.fromkeys(tags, ())})


def ways(
    capabilities: Capabilities | None,
    *,
    user: str = "user",
    password: str = "secret",
    mechanism: str | None = None,
    secure: bool = True,
    bindable: bool = False,
) -> list[str]:
    return password_ways(
        user, password, mechanism=mechanism, capabilities=capabilities, secure=secure, bindable=bindable
    )


def test_the_table() -> None:
    assert [(rule.name, rule.secret, rule.when, rule.bound) for rule in POLICY] == [
        ("SCRAM-SHA-512-PLUS", "password", "always", True),
        ("SCRAM-SHA-256-PLUS", "password", "always", True),
        ("SCRAM-SHA-1-PLUS", "password", "always", True),
        ("SCRAM-SHA-512", "password", "always", False),
        ("SCRAM-SHA-256", "password", "always", False),
        ("SCRAM-SHA-1", "password", "always", False),
        ("CRAM-MD5", "password", "in clear", False),
        ("PLAIN", "password", "always", False),
        ("USER", "password", "always", False),
        ("LOGIN", "password", "last under TLS", False),
        ("APOP", "password", "asked for", False),
        ("OAUTHBEARER", "token", "always", False),
        ("XOAUTH2", "token", "always", False),
    ]


@pytest.mark.parametrize(
    ("secure", "bindable", "expected"),
    [
        (
            True,
            True,
            "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN USER",
        ),
        (True, False, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN USER"),
        (False, False, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN USER"),
    ],
)
def test_a_server_that_offers_everything(secure: bool, bindable: bool, expected: str) -> None:
    """The order is ours and not the server's, and neither LOGIN, APOP nor anything with a token is among them."""
    for offer in (ALL, " ".join(reversed(ALL.split()))):
        assert ways(listed(offer, "USER"), secure=secure, bindable=bindable) == expected.split()


def test_a_bound_mechanism_goes_before_a_stronger_hash() -> None:
    offer = listed("SCRAM-SHA-256 SCRAM-SHA-1-PLUS")
    assert ways(offer, bindable=True) == ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256"]
    assert ways(offer, bindable=False) == ["SCRAM-SHA-256"]


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        # Unknown, or neither SASL nor USER: RFC 1939 servers have USER and PASS; AUTH is not tried unlisted.
        (None, ["USER"]),
        (listed(), ["USER"]),
        (Capabilities({"UIDL": ()}), ["USER"]),
        (listed("GSSAPI NTLM DIGEST-MD5"), ["USER"]),
        (listed("XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS"), ["USER"]),
        # Listed: what is listed, and USER only with its tag.
        (listed("PLAIN"), ["PLAIN"]),
        (listed("plain"), ["PLAIN"]),
        (listed("PLAIN", "USER"), ["PLAIN", "USER"]),
        (listed("LOGIN PLAIN"), ["PLAIN"]),
        (listed("", "USER"), ["USER"]),
        # USER and APOP are no mechanisms, and do not become some by being listed.
        (listed("USER APOP PLAIN"), ["PLAIN"]),
        # Names that look alike, and that RFC 4422 forbids.
        (listed("PLAIN+ SCRAM-SHA-256-PLUSPLUS PLAINER"), ["USER"]),
    ],
)
def test_what_is_listed(capabilities: Capabilities | None, expected: list[str], secure: bool) -> None:
    assert ways(capabilities, secure=secure) == expected


def test_login_is_the_last_way_and_for_tls_alone() -> None:
    assert ways(listed("LOGIN")) == ["LOGIN"]
    assert ways(listed("NTLM LOGIN GSSAPI")) == ["LOGIN"]
    assert ways(listed("LOGIN", "USER")) == ["USER"]
    # What USER cannot carry, LOGIN can.
    assert ways(listed("LOGIN", "USER"), user="two words") == ["LOGIN"]
    assert ways(listed("LOGIN", "USER"), password="geheimß") == ["LOGIN"]
    # A list that names LOGIN and not USER is taken at its word: USER is not tried.
    with pytest.raises(
        MechanismUnavailable, match="offers LOGIN alone, which is not used without TLS"
    ) as caught:
        ways(listed("LOGIN"), secure=False)
    assert caught.value.hint == "mechanism"
    with pytest.raises(LocalProtocolError, match="USER and PASS only"):
        ways(listed("LOGIN", "USER"), user="two words", secure=False)


def test_cram_md5_is_better_than_nothing_and_pointless_under_tls() -> None:
    assert ways(listed("CRAM-MD5 PLAIN"), secure=False) == ["CRAM-MD5", "PLAIN"]
    assert ways(listed("CRAM-MD5 PLAIN"), secure=True) == ["PLAIN"]
    # But a server that offers nothing else is not sent a USER that it does not list.
    assert ways(listed("CRAM-MD5"), secure=True) == ["CRAM-MD5"]
    assert ways(listed("LOGIN CRAM-MD5"), secure=True) == ["CRAM-MD5", "LOGIN"]
    assert ways(listed("CRAM-MD5", "USER"), secure=True) == ["USER"]


@pytest.mark.parametrize("mechanism", [rule.name for rule in POLICY if rule.secret == "password"])
@pytest.mark.parametrize("capabilities", [None, listed(), listed(ALL, "USER")])
@pytest.mark.parametrize("secure", [True, False])
def test_a_way_that_is_asked_for_is_the_only_one(
    mechanism: str, capabilities: Capabilities | None, secure: bool
) -> None:
    for spelling in (mechanism, mechanism.lower()):
        assert ways(capabilities, mechanism=spelling, secure=secure, bindable=True) == [mechanism]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
def test_a_bound_way_is_not_to_be_had_without_a_binding(mechanism: str) -> None:
    with pytest.raises(MechanismUnavailable, match=f"{mechanism} needs a channel binding"):
        ways(listed(mechanism), mechanism=mechanism)
    assert ways(listed(mechanism)) == ["USER"]


@pytest.mark.parametrize(
    "mechanism", ["", "NTLM", "DIGEST-MD5", "EXTERNAL", "XOAUTH2", "oauthbearer", "PLAIN "]
)
def test_a_way_that_takes_no_password(mechanism: str) -> None:
    with pytest.raises(MechanismUnavailable, match="is no way to log in by a password; these are: SCRAM"):
        ways(listed(ALL), mechanism=mechanism)


@pytest.mark.parametrize(
    ("user", "password", "tags", "user_can"),
    [
        ("user", "two words", (), True),
        ("two words", "secret", (), False),
        ("two words", "secret", ("UTF8",), False),
        ("jürgen", "secret", (), False),
        ("user", "geheimß", (), False),
        ("jürgen", "geheimß", ("UTF8",), True),
    ],
)
def test_what_user_and_pass_can_carry(
    user: str, password: str, tags: tuple[str, ...], user_can: bool
) -> None:
    utf8 = {"UTF8": ("USER",)} if tags else {}
    both = Capabilities({"SASL": ("PLAIN",), "USER": (), **utf8})
    only = Capabilities({"USER": (), **utf8})
    assert ways(both, user=user, password=password) == (["PLAIN", "USER"] if user_can else ["PLAIN"])
    if user_can:
        assert ways(only, user=user, password=password) == ["USER"]
    else:
        for capabilities in (only, None) if not tags else (only,):
            with pytest.raises(LocalProtocolError, match="USER and PASS only") as caught:
                ways(capabilities, user=user, password=password)
            assert user == "user" or user not in str(caught.value)
            assert password not in str(caught.value)
    # Asked for is asked for; whether the command can carry it is the command's to say.
    assert ways(only, user=user, password=password, mechanism="USER") == ["USER"]


def test_utf8_without_user_is_not_enough() -> None:
    with pytest.raises(LocalProtocolError):
        ways(Capabilities({"USER": (), "UTF8": ()}), user="jürgen")


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        ("XOAUTH2", ["XOAUTH2"]),
        ("PLAIN XOAUTH2 OAUTHBEARER", ["XOAUTH2", "OAUTHBEARER"]),
        ("oauthbearer SCRAM-SHA-256 xoauth2", ["OAUTHBEARER", "XOAUTH2"]),
    ],
)
def test_a_token_goes_the_way_that_the_server_lists_first(offer: str, expected: list[str]) -> None:
    assert token_ways(None, listed(offer, "USER")) == expected


@pytest.mark.parametrize(
    "capabilities", [None, listed(), listed("PLAIN LOGIN SCRAM-SHA-256 EXTERNAL", "USER")]
)
def test_a_token_never_falls_back_to_a_password(capabilities: Capabilities | None) -> None:
    with pytest.raises(MechanismUnavailable, match="none of OAUTHBEARER, XOAUTH2; name one"):
        token_ways(None, capabilities)
    for asked in ("XOAUTH2", "oauthbearer"):
        assert token_ways(asked, capabilities) == [asked.upper()]
    for asked in ("PLAIN", "USER", "LOGIN", "EXTERNAL", "", "SCRAM-SHA-256-PLUS"):
        with pytest.raises(MechanismUnavailable, match="is no way to log in by a token"):
            token_ways(asked, capabilities)
