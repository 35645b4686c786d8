"""SASL mechanisms as small objects without I/O (RFC 4422).

Anything with these four members is a mechanism: `name`, `client_first`, `done` and `respond`. The caller sends what
`respond` returns; a `ChallengeRefused` from it means that the exchange must be cancelled. A mechanism object serves
one exchange. One that also has `slow`, true, takes long over its next `respond`, which is better run in a thread.
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
