"""The SASL mechanisms, under the name that users of the client expect; they stand in `pop3core.sasl`."""

from __future__ import annotations

from pop3core.sasl import (
    Anonymous,
    ChallengeRefused,
    CramMd5,
    External,
    Login,
    Mechanism,
    MechanismUnusable,
    OAuthBearer,
    Plain,
    Scram,
    ServerNotAuthenticated,
    XOAuth2,
    apop_digest,
    saslprep,
)

__all__ = (
    "Anonymous",
    "ChallengeRefused",
    "CramMd5",
    "External",
    "Login",
    "Mechanism",
    "MechanismUnusable",
    "OAuthBearer",
    "Plain",
    "Scram",
    "ServerNotAuthenticated",
    "XOAuth2",
    "apop_digest",
    "saslprep",
)
