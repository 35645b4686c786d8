"""CRAM-MD5 and APOP: a digest instead of the password, from the time before TLS.

Neither proves anything about the server, and an attacker who reads the line can guess passwords at leisure: use them
when nothing better is offered. MD5 is asked for as a security function, so that a build of Python which forbids it
there is obeyed.
"""

from __future__ import annotations

from typing import ClassVar

from pop3core._errors import LocalProtocolError
from pop3core._replies import parse_apop_timestamp
from pop3core.sasl._base import ChallengeRefused, MechanismUnusable, check_text
from pop3core.sasl._saslprep import prepare

__all__ = ("CramMd5", "apop_digest")


class CramMd5:
    """CRAM-MD5: a digest of the server's challenge and the password (RFC 2195).

    Args:
        user: the user's name; used as UTF-8 and otherwise as it is, for the RFC is older than SASLprep.
        password: the password, likewise.

    Raises:
        LocalProtocolError: as for `Plain`.
        MechanismUnusable: Python has no MD5, as in FIPS mode.
    """

    name: ClassVar[str] = "CRAM-MD5"
    client_first: ClassVar[bool] = False

    def __init__(self, user: str, password: str) -> None:
        self._user = check_text("CRAM-MD5", "user name", user).encode()
        self._password = check_text("CRAM-MD5", "password", password).encode()
        self.done: bool = False
        # Learned before anything is sent, while the login can still take another way.
        _hmac_md5(b"", b"")

    def __repr__(self) -> str:
        return "CramMd5(***)"

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What a log must not show; empty once it has been used."""
        return (self._password,) if self._password else ()

    def respond(self, challenge: bytes) -> bytes:
        """Return name and digest (RFC 2195 section 2).

        Args:
            challenge: the server's challenge without base64, a msg-id.

        Raises:
            ChallengeRefused: the challenge is no msg-id, or it is the second one.
        """
        if self.done:
            raise ChallengeRefused("CRAM-MD5 has one challenge; the server sent another")
        if parse_apop_timestamp(challenge) != challenge:
            # What the server may choose freely it can choose to attack the hash (CVE-2007-1558).
            raise ChallengeRefused(
                "the challenge of CRAM-MD5 is no msg-id such as <1896.697170952@mail.example>"
            )
        self.done = True
        password, self._password = self._password, b""
        return self._user + b" " + _hmac_md5(password, challenge).encode()


def apop_digest(timestamp: bytes, secret: str) -> str:
    """Return APOP's digest of the greeting's time stamp and the secret (RFC 1939 section 7).

    Args:
        timestamp: the time stamp, angle brackets included.
        secret: the password. If it is not ASCII, it is prepared by SASLprep as a stored string (RFC 6856 section 2.2).

    Returns:
        32 lower-case hex digits.

    Raises:
        LocalProtocolError: the time stamp is no msg-id; the secret is empty, holds a control character or cannot be
            prepared.
        MechanismUnusable: Python has no MD5, as in FIPS mode.
    """
    if parse_apop_timestamp(timestamp) != timestamp:
        raise LocalProtocolError("APOP needs a time stamp that is a msg-id, angle brackets included")
    prepared = check_text("APOP", "secret", secret)
    if not prepared.isascii():
        prepared = check_text("APOP", "secret", prepare("secret", prepared, stored=True))
    from hashlib import md5

    # The error is raised behind the handler: otherwise its context would be an error whose frames hold the secret.
    try:
        return md5(timestamp + prepared.encode()).hexdigest()  # noqa: S324  # RFC 1939 knows no other
    except ValueError:
        pass
    raise MechanismUnusable("APOP needs MD5, which this build of Python does not have")


def _hmac_md5(key: bytes, message: bytes) -> str:
    """Return the keyed digest in hex; raises MechanismUnusable where Python has no MD5."""
    import hmac

    try:
        return hmac.new(key, message, "md5").hexdigest()
    except ValueError:
        pass
    raise MechanismUnusable("CRAM-MD5 needs MD5, which this build of Python does not have")
