"""What can go wrong while speaking POP3.

`POP3Error` is the root of everything this project raises on purpose, so that one `except` catches all of it. It
lives in the core because the core must not know who uses it.
"""

from __future__ import annotations

__all__ = (
    "LimitExceeded",
    "LocalProtocolError",
    "POP3Error",
    "ProtocolError",
    "RemoteProtocolError",
    "StartTlsInjection",
    "TruncatedResponse",
    "UnsolicitedResponse",
)


class POP3Error(Exception):
    """The root of every error that pop3core and pop3aio raise on purpose."""


class ProtocolError(POP3Error):
    """The protocol was about to be, or has been, violated."""


class LocalProtocolError(ProtocolError):
    """We were asked for something POP3 forbids; nothing was sent and the connection stays usable."""


class RemoteProtocolError(ProtocolError):
    """The server broke the protocol; the connection is in state ERROR and says so at every later call."""


class LimitExceeded(RemoteProtocolError):
    """The server sent more than `Limits` allows."""


class TruncatedResponse(RemoteProtocolError):
    """The stream ended while an answer was due or half received."""


class StartTlsInjection(RemoteProtocolError):
    """Octets arrived in clear between the `+OK` to STLS and the TLS handshake (RFC 2595 section 4)."""


class UnsolicitedResponse(RemoteProtocolError):
    """The server sent octets that answer no command.

    `raw` holds the first of them: a line such as ``-ERR Disconnected for inactivity.``, or the rest of a message
    that the server did not dot-stuff.
    """

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw
