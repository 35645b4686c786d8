"""Which ways to log in a server offers, which of them would be taken, and why."""

from __future__ import annotations

from pop3aio._cli._errors import describe
from pop3aio._cli._logins import ByCertificate, ByPassword, ByToken
from pop3aio._cli._mechanisms import EXTERNAL, TOKEN_MECHANISMS
from pop3aio._cli._output import Output
from pop3aio._cli._session import Target
from pop3aio._client import Client
from pop3aio._login._order import password_ways, token_ways
from pop3core import POP3Error

__all__ = ("show_offers",)

_ASKED = "asked for"


def show_offers(target: Target, client: Client, output: Output) -> None:
    """Show what is offered before the login, and what the policy makes of it."""
    found = client.capabilities
    mechanisms = [] if found is None else list(found.sasl)
    user = None if found is None else found.user
    apop = client.greeting.apop_timestamp is not None
    offered = mechanisms + ["USER"] * bool(user) + ["APOP (by the greeting's time stamp)"] * apop
    output.field("ways in", ", ".join(offered) or ("unknown" if found is None else "none that is listed"))
    facts: dict[str, object] = {"sasl": mechanisms, "user": user, "apop": apop}
    for kind, choose in (("password", _for_password), ("token", _for_token)):
        try:
            way, why = choose(target, client)
        except POP3Error as error:
            facts[kind] = {"mechanism": None, "why": (text := output.masked(describe(error)))}
            output.field(f"  {kind}", f"none: {text}")
        else:
            facts[kind] = {"mechanism": way, "why": why}
            output.field(f"  {kind}", f"{way or 'none'}: {why}")
    asked = isinstance(target.login, ByCertificate) or target.url.mechanism == EXTERNAL
    if asked or EXTERNAL in mechanisms:
        why = _ASKED + _unlisted(EXTERNAL, client) if asked else "only when asked for by --auth EXTERNAL"
        output.field("  certificate", f"{EXTERNAL}: {why}")
        facts["certificate"] = {"mechanism": EXTERNAL if asked else None, "why": why}
    output.facts["ways"] = facts


def _for_password(target: Target, client: Client) -> tuple[str | None, str]:
    asked = target.url.mechanism
    if asked is not None and (asked in TOKEN_MECHANISMS or asked == EXTERNAL):
        return None, f"{asked} is asked for"
    if isinstance(target.login, ByToken):
        return None, "there is no way back to a password from a token"
    # What the name and the password are made of matters to USER and PASS alone.
    password = target.login.password if isinstance(target.login, ByPassword) else "password"
    bound = asked is not None and asked.endswith("-PLUS")
    binding = client.channel_binding(end_point=bound)
    [way, *_] = password_ways(
        target.url.user or "user",
        password,
        mechanism=asked,
        capabilities=client.capabilities,
        secure=client.secure,
        bindable=binding is not None,
    )
    listed = () if client.capabilities is None else client.capabilities.sasl
    if asked is not None:
        return way, _ASKED + ("" if way in ("USER", "APOP") else _unlisted(way, client))
    if way.endswith("-PLUS"):
        assert binding is not None
        return way, f"proves the password without sending it, bound to this TLS connection by {binding[0]}"
    if way.startswith("SCRAM-"):
        plus = any(name.endswith("-PLUS") for name in listed) and binding is None
        unbound = f"; this Python has no channel binding for {client.tls_version or 'no TLS'}, as -PLUS needs"
        return way, "proves the password without sending it" + (unbound if plus else "")
    return way, _why(way, client, listed)


def _why(way: str, client: Client, listed: tuple[str, ...]) -> str:
    if way == "CRAM-MD5":
        counts = "" if client.secure else ", which counts without TLS"
        return f"does not send the password{counts}; SCRAM is not offered"
    how = "under TLS" if client.secure else "in clear, for anyone to read"
    if way in ("PLAIN", "LOGIN"):
        return f"sends the password {how}; SCRAM is not offered"
    if way != "USER":
        return "the first of the ways that the server lists"
    if client.capabilities is None:
        why = "the server does not say what it offers"
    else:
        why = "what else is offered is only used when asked for" if listed else "nothing better is offered"
    return f"sends the password {how}; {why}"


def _for_token(target: Target, client: Client) -> tuple[str | None, str]:
    asked = target.url.mechanism
    if not client.secure:
        return None, "a token is never sent without TLS"
    if asked is not None and asked not in TOKEN_MECHANISMS:
        return None, f"{asked} is asked for"
    [way, *more] = token_ways(asked, client.capabilities)
    if asked is not None:
        return way, _ASKED + _unlisted(way, client)
    return way, "the first of them that the server lists" if more else "the only one of them that is offered"


def _unlisted(way: str, client: Client) -> str:
    if client.capabilities is None:
        return "; the server does not say what it offers"
    return "" if way in client.capabilities.sasl else ", though the server does not list it"
