"""The login policy: which ways to log in are tried, in which order, and when to stop. Read the table.

Without TLS nothing at all is sent unless the caller allows it. A way that the caller names is the only one tried. A
way is tried when the server lists it; the next one follows only while nothing secret was used: when the server refuses
the bare AUTH line, which carries no secret, without saying why. After a password, proof or token was sent, and after
any response code, the server's word is final: another try could lock the account, and a downgrade is what an attacker
would hope for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pop3aio._errors import MechanismUnavailable
from pop3core import Capabilities, LocalProtocolError

__all__ = ("POLICY", "Rule", "password_ways", "token_ways")

When = Literal["always", "in clear", "asked for"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to log in, and when it is tried without being asked for.

    `name` is the SASL mechanism's, or USER or APOP. `secret` is what it needs. `when` is "always", "in clear" (better
    than what would follow there, and pointless under TLS) or "asked for" (only when the caller names it). `bound` says
    that it needs a channel binding.
    """

    name: str
    secret: Literal["password", "token"]
    when: When
    bound: bool = False


# After RFC 4422 section 6.1.2, RFC 5802 section 9, RFC 8314 section 5.2. The first that applies is tried first.
POLICY: tuple[Rule, ...] = (
    Rule("SCRAM-SHA-256-PLUS", "password", "always", bound=True),
    Rule("SCRAM-SHA-1-PLUS", "password", "always", bound=True),
    Rule("SCRAM-SHA-256", "password", "always"),
    Rule("SCRAM-SHA-1", "password", "always"),
    Rule("CRAM-MD5", "password", "in clear"),
    Rule("PLAIN", "password", "always"),
    Rule("LOGIN", "password", "asked for"),
    Rule("APOP", "password", "asked for"),
    Rule("USER", "password", "always"),
    Rule("OAUTHBEARER", "token", "always"),
    Rule("XOAUTH2", "token", "always"),
)
"""All ways that `login` and `login_oauth` know."""


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

    `bindable` says that there is a channel binding. Raises MechanismUnavailable for a `mechanism` that is not known or
    cannot be used here, LocalProtocolError for credentials that no way can carry.
    """
    if mechanism is not None:
        return [_asked_for(mechanism, "password", bindable)]
    listed = capabilities.sasl if capabilities is not None else ()
    ways = [
        rule.name
        for rule in POLICY
        if rule.secret == "password"  # noqa: S105 - a kind, not a password
        and rule.name != "USER"  # no mechanism, whatever a server lists
        and rule.name in listed
        and (rule.when == "always" or (rule.when == "in clear" and not secure))
        and (bindable or not rule.bound)
    ]
    # Unknown capabilities, and a list without USER and SASL, leave USER and PASS, which RFC 1939 servers have.
    if (capabilities is None or capabilities.user or not ways) and _user_can_carry(
        user, password, capabilities
    ):
        ways.append("USER")
    if not ways:
        raise LocalProtocolError(
            "this server takes the login by USER and PASS only, which cannot carry a space in the user name or, "
            "without the capability UTF8 USER, anything but ASCII"
        )
    return ways


def token_ways(mechanism: str | None, capabilities: Capabilities | None) -> list[str]:
    """Return the ways to try with a token, in the order the server lists them; never falls back to a password.

    Raises MechanismUnavailable when there is none, or `mechanism` is none.
    """
    if mechanism is not None:
        return [_asked_for(mechanism, "token", bindable=False)]
    known = [rule.name for rule in POLICY if rule.secret == "token"]  # noqa: S105 - a kind, not a token
    ways = [name for name in (capabilities.sasl if capabilities is not None else ()) if name in known]
    if not ways:
        raise MechanismUnavailable(f"the server offers none of {', '.join(known)}", hint="mechanism")
    return ways


def _asked_for(mechanism: str, secret: str, bindable: bool) -> str:
    rules = {rule.name: rule for rule in POLICY if rule.secret == secret}
    rule = rules.get(mechanism.upper())
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
    ascii_only = user.isascii() and password.isascii()
    return " " not in user and (ascii_only or (capabilities is not None and capabilities.utf8_user))
