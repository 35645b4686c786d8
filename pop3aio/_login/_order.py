"""The login policy: which ways to log in are tried, in which order, and when to stop. Read the table."""

# How it works. `POLICY` has a row for each way. `password_ways` and `token_ways` go through the rows and return the
# names of the ways that apply, in order; `mechanism_for` makes the mechanism of a row. Nothing here sends anything.
#
# Invariants:
# - Without TLS nothing at all is sent unless the caller allows it.
# - A way that the caller names is the only one that is tried.
# - A way is tried when the server lists it. The next one follows only while nothing was answered: when the server
#   refuses the bare AUTH line, which carries no secret, without saying why. After a password, a proof or a token was
#   sent, and after any response code, the server's word is final: another try could lock the account, and a downgrade
#   is what an attacker would hope for.
#
# How to add a SASL mechanism: a class in a file of its own in `pop3core/sasl/`, and a row in `POLICY`.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pop3aio._errors import CredentialsNotCarried, MechanismUnavailable
from pop3core import Capabilities, POP3Error, sasl

__all__ = ("POLICY", "Given", "Kind", "Rule", "mechanism_for", "password_ways", "token_ways", "utf8_allowed")

Kind: TypeAlias = Literal["password", "token"]
"""What a way to log in needs."""

When: TypeAlias = Literal["always", "in clear", "last under TLS", "asked for"]
"""When a way is tried that the caller does not name.

- "always": where the server lists it.
- "in clear": without TLS, where it is better than what follows; under TLS only where nothing else can be used.
- "last under TLS": only under TLS, and only where nothing else can be used.
- "asked for": never.
"""


@dataclass(frozen=True, slots=True)
class Given:
    """What a mechanism is made of.

    Attributes:
        user: the user's name.
        secret: the password or the token.
        binding: the channel binding's type and data, or None where there is none.
        plus: whether the server lists a mechanism with channel binding.
        host: the server's name, empty if it is not known.
        port: the server's port, or None.
    """

    user: str
    secret: str = field(repr=False)
    binding: tuple[str, bytes] | None = field(default=None, repr=False)
    plus: bool = False
    host: str = ""
    port: int | None = None


# The makers. Each gets the name of its row, for those that stand in several rows.


def _scram(given: Given, name: str) -> sasl.Mechanism:
    binding = given.binding
    if given.plus and not name.endswith("-PLUS"):
        # To say that we could have bound would accuse the server of hiding what it offers.
        binding = None
    return sasl.Scram(given.user, given.secret, name, channel_binding=binding)


def _plain(given: Given, _: str) -> sasl.Mechanism:
    return sasl.Plain(given.user, given.secret)


def _login(given: Given, _: str) -> sasl.Mechanism:
    return sasl.Login(given.user, given.secret)


def _cram_md5(given: Given, _: str) -> sasl.Mechanism:
    return sasl.CramMd5(given.user, given.secret)


def _xoauth2(given: Given, _: str) -> sasl.Mechanism:
    return sasl.XOAuth2(given.user, given.secret)


def _oauthbearer(given: Given, _: str) -> sasl.Mechanism:
    return sasl.OAuthBearer(given.user, given.secret, host=given.host, port=given.port)


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to log in, and when it is tried.

    Attributes:
        name: the SASL mechanism's name, or USER (which stands for USER and PASS) or APOP.
        secret: what the way needs.
        when: when it is tried without being named.
        make: makes the mechanism; None for the ways that are commands of their own.
        bound: whether it needs a channel binding.
    """

    name: str
    secret: Kind
    when: When
    make: Callable[[Given, str], sasl.Mechanism] | None = None
    bound: bool = False


# After RFC 4422 section 6.1.2, RFC 5802 section 9, RFC 8314 section 5.2. The first that applies is tried first. A bound
# mechanism stands before a stronger hash: what it adds is known to stop an attack, the longer hash is not.
POLICY: tuple[Rule, ...] = (
    Rule("SCRAM-SHA-512-PLUS", "password", "always", _scram, bound=True),
    Rule("SCRAM-SHA-256-PLUS", "password", "always", _scram, bound=True),
    Rule("SCRAM-SHA-1-PLUS", "password", "always", _scram, bound=True),
    Rule("SCRAM-SHA-512", "password", "always", _scram),
    Rule("SCRAM-SHA-256", "password", "always", _scram),
    Rule("SCRAM-SHA-1", "password", "always", _scram),
    Rule("CRAM-MD5", "password", "in clear", _cram_md5),
    Rule("PLAIN", "password", "always", _plain),
    Rule("USER", "password", "always"),
    Rule("LOGIN", "password", "last under TLS", _login),
    Rule("APOP", "password", "asked for"),
    Rule("OAUTHBEARER", "token", "always", _oauthbearer),
    Rule("XOAUTH2", "token", "always", _xoauth2),
)
"""All ways that `login` and `login_oauth` know."""


def mechanism_for(way: str, given: Given) -> sasl.Mechanism:
    """Return the mechanism of a way that is one.

    Raises:
        LocalProtocolError: the mechanism cannot carry the name or the secret.
        sasl.MechanismUnusable: this Python lacks what the mechanism is made of.
    """
    make = next(rule.make for rule in POLICY if rule.name == way)
    assert make is not None
    return make(given, way)


def password_ways(
    user: str,
    password: str,
    *,
    mechanism: str | None,
    capabilities: Capabilities | None,
    secure: bool,
    bindable: bool,
) -> list[str]:
    """Return the ways to try with a password, in order.

    Args:
        user: the user's name; the ways differ in what they can carry.
        password: the password, likewise.
        mechanism: the only way to try, if the caller names one.
        capabilities: what the server offers, None if that is not known.
        secure: whether the session is under TLS.
        bindable: whether there is a channel binding.

    Raises:
        MechanismUnavailable: `mechanism` is not known or cannot be used here, or what the server offers is used only
            when it is named.
        LocalProtocolError: no way that is offered can carry the credentials.
    """
    if mechanism is not None:
        return [_asked_for(mechanism, "password", bindable)]
    offered = _offered(capabilities)
    ways = [
        rule.name
        for rule in offered
        if (rule.when == "always" or (rule.when == "in clear" and not secure))
        and (bindable or not rule.bound)
    ]
    last = [
        rule.name for rule in offered if rule.when == "last under TLS" or (rule.when == "in clear" and secure)
    ]
    # Servers from before CAPA have USER and PASS, and some lists lack them. But a list that names another way to send
    # the password is taken at its word.
    user_offered = capabilities is None or capabilities.user or not (ways or last)
    if user_offered and _user_can_carry(user, password, capabilities):
        ways.append("USER")
    if not ways and secure:
        ways = last
    if not ways:
        raise _no_way(user_offered, last)
    return ways


def _offered(capabilities: Capabilities | None) -> list[Rule]:
    """Return the rows of the mechanisms with a password that the server lists, in the order of the table."""
    listed = capabilities.sasl if capabilities is not None else ()
    # A mechanism that a server lists as USER or APOP is none: those rows have no maker.
    return [
        rule
        for rule in POLICY
        if rule.secret == "password" and rule.make is not None and rule.name in listed  # noqa: S105 - a kind
    ]


def _no_way(user_offered: bool, last: list[str]) -> POP3Error:
    """Return the error that says why nothing can be tried with a password, and what can be done about it."""
    if user_offered:
        return CredentialsNotCarried(
            "this server takes the login by USER and PASS only, which must not carry a space in the user name nor, "
            "unless the server announces UTF8 USER, other characters than ASCII (RFC 6856 section 2.2). AUTH PLAIN "
            "carries them, but the server does not list it"
        )
    return MechanismUnavailable(
        f"the server offers {', '.join(last)} alone, which is not used without TLS", hint="mechanism"
    )


def token_ways(mechanism: str | None, capabilities: Capabilities | None) -> list[str]:
    """Return the ways to try with a token, in the order in which the server lists them; never one with a password.

    Args:
        mechanism: the only way to try, if the caller names one.
        capabilities: what the server offers, None if that is not known.

    Raises:
        MechanismUnavailable: the server offers none, or `mechanism` is none.
    """
    if mechanism is not None:
        return [_asked_for(mechanism, "token", bindable=False)]
    known = [rule.name for rule in POLICY if rule.secret == "token"]  # noqa: S105 - a kind, not a token
    ways = [name for name in (capabilities.sasl if capabilities is not None else ()) if name in known]
    if not ways:
        raise MechanismUnavailable(f"the server offers none of {', '.join(known)}", hint="mechanism")
    return ways


def utf8_allowed(capabilities: Capabilities | None) -> bool:
    """Tell whether USER, PASS and APOP may carry UTF-8 (RFC 6856 section 2.2)."""
    return capabilities is not None and capabilities.utf8_user


def _asked_for(mechanism: str, secret: Kind, bindable: bool) -> str:
    """Return the row's name for a way that the caller names; raises MechanismUnavailable if it cannot be used."""
    rules = {rule.name: rule for rule in POLICY if rule.secret == secret}
    rule = rules.get(mechanism.upper()) if isinstance(mechanism, str) else None
    if rule is None:
        raise MechanismUnavailable(
            f"{mechanism!r} is no way to log in by a {secret}; these are: {', '.join(rules)}"
        )
    if rule.bound and not bindable:
        raise MechanismUnavailable(
            f"{rule.name} needs a channel binding, which Python has for TLS 1.2; for TLS 1.3 there is "
            "channel_binding='tls-server-end-point', where the server takes that"
        )
    return rule.name


def _user_can_carry(user: str, password: str, capabilities: Capabilities | None) -> bool:
    """Tell whether USER and PASS may carry these words."""
    return " " not in user and ((user.isascii() and password.isascii()) or utf8_allowed(capabilities))
