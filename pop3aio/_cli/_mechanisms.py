"""The ways to log in, by the names that a person types."""

from __future__ import annotations

from pop3aio._login._order import POLICY

__all__ = ("EXTERNAL", "MECHANISMS", "TOKEN_MECHANISMS", "known_mechanism")

EXTERNAL = "EXTERNAL"
"""The way that needs neither password nor token: the client's certificate says who it is."""

TOKEN_MECHANISMS = tuple(rule.name for rule in POLICY if rule.secret == "token")  # noqa: S105 - a kind
MECHANISMS = (*(rule.name for rule in POLICY), EXTERNAL)


def known_mechanism(text: str) -> str | None:
    """Return the name as the policy has it, or None for what is none; a URL's ``+APOP`` is APOP (RFC 2384)."""
    name = text.upper()
    if name == "+APOP":
        return "APOP"
    return name if name in MECHANISMS else None
