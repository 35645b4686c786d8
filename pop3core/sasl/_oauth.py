"""Bearer tokens: OAUTHBEARER and its forerunner XOAUTH2."""

from __future__ import annotations

import re
from typing import ClassVar

from pop3core._errors import LocalProtocolError
from pop3core.sasl._base import ChallengeRefused, check_text, escape_name

__all__ = ("OAuthBearer", "XOAuth2")

_VISIBLE = re.compile("[!-~]*")


class _Bearer:
    """What both do: send the token, and keep the reasons that the server gives for a refusal.

    Invariant: `done` is true from the token until a failure is reported, so that a success behind a failure is none.
    """

    name: ClassVar[str]
    client_first: ClassVar[bool] = True
    # A failure is told in a challenge, which must be answered before the server may say -ERR.
    _acknowledgement: ClassVar[bytes]

    def __init__(self, message: bytes, token: str) -> None:
        self._message = message
        self._token = token.encode()
        self._sent = False
        self.done: bool = False
        self.failed: bool = False
        self.status: str | None = None
        self.scope: str | None = None
        self.openid_configuration: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What a log must not show; empty once it has been sent."""
        return (self._token,) if self._token else ()

    def respond(self, challenge: bytes) -> bytes:
        """Return the token, then the acknowledgement of a failure.

        After a failure `failed` is true, `done` is not, and `status`, `scope` and `openid_configuration` hold what the
        server gave, as it wrote it; the URL is never fetched.

        Args:
            challenge: the server's challenge without base64: first empty, then a JSON object with the reasons.

        Raises:
            ChallengeRefused: the challenge is anything else.
        """
        if not self._sent:
            if challenge:
                raise ChallengeRefused(f"{self.name} has an empty first challenge; the server sent another")
            self._sent = self.done = True
            message, self._message, self._token = self._message, b"", b""
            return message
        if self.failed:
            raise ChallengeRefused(f"{self.name} was over; the server sent another challenge")
        self.done = False
        self.failed = True
        report = _parse_object(challenge)
        if report is None:
            raise ChallengeRefused(f"the server's second challenge to {self.name} is no JSON object")
        self.status = _member(report, "status")
        self.scope = _member(report, "scope")
        self.openid_configuration = _member(report, "openid-configuration")
        return self._acknowledgement


class XOAuth2(_Bearer):
    """XOAUTH2: a bearer token as Google and Microsoft take it (in no RFC).

    Send no initial response: Exchange Online closes the connection on it. A failure is answered by an empty response;
    `status` is then an HTTP status such as ``"401"``.

    Args:
        user: the user's name.
        token: the token alone, without the word Bearer.

    Raises:
        LocalProtocolError: name or token is empty, or holds a control character or a lone surrogate.
    """

    name = "XOAUTH2"
    _acknowledgement = b""

    def __init__(self, user: str, token: str) -> None:
        check_text("XOAUTH2", "user name", user)
        _check_visible("XOAUTH2", "token", token)
        super().__init__(f"user={user}\x01auth=Bearer {token}\x01\x01".encode(), token)


class OAuthBearer(_Bearer):
    """OAUTHBEARER: a bearer token for one server (RFC 7628).

    A failure is answered by ^A (section 3.2.3); `status` is then an error code such as ``"invalid_token"``.

    Args:
        user: the user's name; empty if the token names the user.
        token: the token alone, without the word Bearer.
        host: the server's name; empty to leave it out.
        port: the server's port; None to leave it out.

    Raises:
        LocalProtocolError: the token is empty; a text holds a control character or a lone surrogate; the host is not
            ASCII; the port is out of range.
    """

    name = "OAUTHBEARER"
    _acknowledgement = b"\x01"

    def __init__(self, user: str, token: str, *, host: str = "", port: int | None = None) -> None:
        check_text("OAUTHBEARER", "user name", user, optional=True)
        _check_visible("OAUTHBEARER", "token", token)
        _check_visible("OAUTHBEARER", "host name", host, optional=True)
        # type(), not isinstance(): True is an int.
        if port is not None and (type(port) is not int or not 1 <= port <= 65535):
            raise LocalProtocolError("OAUTHBEARER needs the port as an int from 1 to 65535")
        pairs = [f"n,{f'a={escape_name(user)}' if user else ''},"]
        if host:
            pairs.append(f"host={host}")
        if port is not None:
            pairs.append(f"port={port}")
        pairs.append(f"auth=Bearer {token}")
        super().__init__(("\x01".join(pairs) + "\x01\x01").encode(), token)


def _check_visible(mechanism: str, what: str, value: str, *, optional: bool = False) -> None:
    """Raise LocalProtocolError for a text that holds more than visible ASCII characters."""
    check_text(mechanism, what, value, optional=optional)
    # RFC 6750 section 2.1. A space means that the scheme was given with the token.
    if not _VISIBLE.fullmatch(value):
        raise LocalProtocolError(f"{mechanism} needs a {what} of visible ASCII characters, without a space")


def _parse_object(octets: bytes) -> dict[str, object] | None:
    """Return a JSON object, or None for what is none."""
    import json

    try:
        value = json.loads(octets.decode())
    except (ValueError, RecursionError):
        # The error would carry the text, and deep nesting ends in a RecursionError.
        return None
    return value if isinstance(value, dict) else None


def _member(report: dict[str, object], name: str) -> str | None:
    """Return a reason from the server's report as a text that can be shown, or None."""
    value = report.get(name)
    if isinstance(value, int) and 100 <= value <= 599:
        # Some send the HTTP status as a number.
        return str(value)
    if not isinstance(value, str):
        return None
    # JSON can spell half a character, which could be neither printed nor logged.
    return value.encode("utf-8", "replace").decode()
