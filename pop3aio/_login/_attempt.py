"""How far a login has come, and so what its error says about the credentials."""

# How it works. Each login makes one `Attempt`. The code that sends a secret sets `secret_sent`, the code that reads the
# server's success sets `accepted`. `judging` wraps the whole login: each POP3Error that leaves it gets its
# `credentials` there, so that no way out can be forgotten.
#
# Invariant: "refused" is said only where the server refused a login for which something secret was sent. A connection
# that breaks, a time-out, and an answer that breaks the protocol say nothing about a password.

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pop3aio._errors import AuthenticationError, MailboxInUse
from pop3core import Credentials, POP3Error

__all__ = ("Attempt",)


class Attempt:
    """What has happened to the credentials of one login."""

    __slots__ = ("accepted", "secret_sent")

    def __init__(self) -> None:
        self.secret_sent = False
        """Whether something secret was handed to the connection; it may have reached the server from then on."""
        self.accepted = False
        """Whether the server has said that the login is done."""

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Let every error that leaves the context say what became of the credentials."""
        try:
            yield
        except POP3Error as error:
            error.credentials = self._credentials(error)
            raise

    def _credentials(self, error: POP3Error) -> Credentials:
        """Return what an error says about the credentials."""
        if self.accepted:
            return "accepted"
        if not self.secret_sent:
            return "unsent"
        # IN-USE says that the login itself was right (RFC 2449 section 8.1.2). LOGIN-DELAY does not: the server may
        # have looked at the name alone (section 8.1.1).
        if isinstance(error, MailboxInUse):
            return "accepted"
        return "refused" if isinstance(error, AuthenticationError) else "unjudged"
