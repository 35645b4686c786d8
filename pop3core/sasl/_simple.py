"""Mechanisms that send what they were given."""

from __future__ import annotations

from typing import ClassVar

from pop3core._errors import LocalProtocolError
from pop3core.sasl._base import ChallengeRefused, SingleMessage, check_text
from pop3core.sasl._saslprep import check_trace

__all__ = ("Anonymous", "External", "Login", "Plain")


class Plain(SingleMessage):
    """PLAIN: name and password in one message, for use under TLS only (RFC 4616).

    `user` and `password` are sent as UTF-8 and as they are; `authzid` is the identity to act as, empty for the user's
    own. Raises LocalProtocolError for an empty one, a control character or a lone surrogate.
    """

    name = "PLAIN"

    def __init__(self, user: str, password: str, authzid: str = "") -> None:
        check_text("PLAIN", "user name", user)
        check_text("PLAIN", "password", password)
        check_text("PLAIN", "authorization identity", authzid, optional=True)
        super().__init__(f"{authzid}\0{user}\0{password}".encode(), password)


class Login:
    """LOGIN: name and password in two messages, for old servers and under TLS only (in no RFC).

    The server asks twice; what it asks for is ignored, since the texts differ and the order does not. Raises
    LocalProtocolError as `Plain` does.
    """

    name: ClassVar[str] = "LOGIN"
    client_first: ClassVar[bool] = False

    def __init__(self, user: str, password: str) -> None:
        check_text("LOGIN", "user name", user)
        check_text("LOGIN", "password", password)
        self._messages = [password.encode(), user.encode()]

    def __repr__(self) -> str:
        return "Login(***)"

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What a log must not show, until it has been sent or used."""
        return tuple(self._messages[:1])

    @property
    def done(self) -> bool:
        """Whether both were sent."""
        return not self._messages

    def respond(self, challenge: bytes) -> bytes:
        """Return the name, then the password; raises ChallengeRefused on a third challenge."""
        if self.done:
            raise ChallengeRefused("LOGIN has two challenges; the server sent a third")
        return self._messages.pop()


class External(SingleMessage):
    """EXTERNAL: the identity is the client certificate's, or whatever else lies beneath SASL (RFC 4422 appendix A).

    `authzid` is the identity to act as, empty for the one that the server derives itself. Raises LocalProtocolError
    for one with a control character or a lone surrogate.
    """

    name = "EXTERNAL"

    def __init__(self, authzid: str = "") -> None:
        super().__init__(check_text("EXTERNAL", "authorization identity", authzid, optional=True).encode())


class Anonymous(SingleMessage):
    """ANONYMOUS: no identity, and a word of who it may have been (RFC 4505).

    `trace` is a mail address, a token without ``@``, or empty; it is sent, and may be logged, as it is. Raises
    LocalProtocolError for more than 255 characters or one that RFC 4505 section 3 prohibits.
    """

    name = "ANONYMOUS"

    def __init__(self, trace: str = "") -> None:
        text = check_text("ANONYMOUS", "trace information", trace, optional=True)
        if len(text) > 255:
            raise LocalProtocolError(f"ANONYMOUS sends 255 characters of trace information, not {len(text)}")
        super().__init__(check_trace(text).encode())
