"""SASL mechanisms as small objects without I/O (RFC 4422).

An object with `name`, `done` and `respond` is a mechanism; see `Mechanism`, which also lists what else is read. The
caller sends what `respond` returns. A `ChallengeRefused` from it means that the exchange must be cancelled. A mechanism
object serves one exchange.
"""

from __future__ import annotations

from pop3core.sasl._base import ChallengeRefused, Mechanism, MechanismUnusable, ServerNotAuthenticated
from pop3core.sasl._md5 import CramMd5, apop_digest
from pop3core.sasl._oauth import OAuthBearer, XOAuth2
from pop3core.sasl._saslprep import saslprep
from pop3core.sasl._scram import Scram
from pop3core.sasl._simple import Anonymous, External, Login, Plain

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
