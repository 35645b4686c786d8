"""Mechanisms that send what they were given."""

from __future__ import annotations

from typing import ClassVar

from pop3core._errors import LocalProtocolError
from pop3core.sasl._base import ChallengeRefused, SingleMessage, check_text
from pop3core.sasl._saslprep import check_trace

__all__ = ("Anonymous", "External", "Login", "Plain")


class Plain(SingleMessage):
    """PLAIN: name and password in one message, for use under TLS only (RFC 4616).

    Args:
        user: the user's name; sent as UTF-8, and otherwise as it is.
        password: the password, likewise.
        authzid: the identity to act as, empty for the user's own.

    Raises:
        LocalProtocolError: a name or password is empty, or holds a control character or a lone surrogate.
    """

    name = "PLAIN"

    def __init__(self, user: str, password: str, authzid: str = "") -> None:
        check_text("PLAIN", "user name", user)
        check_text("PLAIN", "password", password)
        check_text("PLAIN", "authorization identity", authzid, optional=True)
        super().__init__(f"{authzid}\0{user}\0{password}".encode(), password)


class Login:
    """LOGIN: name and password in two messages, for old servers and under TLS only (in no RFC).

    The server asks twice. The texts of its questions are ignored: they differ from server to server, the order of the
    questions does not.

    Args:
        user: the user's name; sent as UTF-8, and otherwise as it is.
        password: the password, likewise.

    Raises:
        LocalProtocolError: as for `Plain`.
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
        """What a log must not show; empty once it has been sent."""
        return tuple(self._messages[:1])

    @property
    def secret_sent(self) -> bool:
        """Whether the password was sent; the name alone is no secret."""
        return self.done

    @property
    def done(self) -> bool:
        """Whether both were sent."""
        return not self._messages

    def respond(self, challenge: bytes) -> bytes:
        """Return the name, then the password.

        Args:
            challenge: the server's question, which is ignored.

        Raises:
            ChallengeRefused: it is the third challenge.
        """
        if self.done:
            raise ChallengeRefused("LOGIN has two challenges; the server sent a third")
        return self._messages.pop()


class External(SingleMessage):
    """EXTERNAL: the server takes the identity from the client's certificate, or the like (RFC 4422 appendix A).

    Args:
        authzid: the identity to act as, empty for the identity that the server finds by itself.

    Raises:
        LocalProtocolError: the identity holds a control character or a lone surrogate.
    """

    name = "EXTERNAL"

    def __init__(self, authzid: str = "") -> None:
        super().__init__(check_text("EXTERNAL", "authorization identity", authzid, optional=True).encode())


class Anonymous(SingleMessage):
    """ANONYMOUS: no identity, and a trace for the server's log (RFC 4505).

    Args:
        trace: a mail address, a word without ``@``, or nothing. It is sent as it is, and it may be logged.

    Raises:
        LocalProtocolError: the trace has more than 255 characters, or a character that RFC 4505 section 3 prohibits.
    """

    name = "ANONYMOUS"

    def __init__(self, trace: str = "") -> None:
        text = check_text("ANONYMOUS", "trace information", trace, optional=True)
        if len(text) > 255:
            raise LocalProtocolError(f"ANONYMOUS sends 255 characters of trace information, not {len(text)}")
        super().__init__(check_trace(text).encode())
