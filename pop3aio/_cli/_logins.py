"""What there is to log in by: a password, a command for tokens, or the client's certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from pop3aio._cli._tokens import TokenCommand
from pop3aio._client import Client
from pop3core import sasl

__all__ = ("ByCertificate", "ByPassword", "ByToken", "Login")


@dataclass(frozen=True, slots=True)
class ByPassword:
    """A password; `mechanism` takes the choice of the way from the policy."""

    password: str = field(repr=False)
    mechanism: str | None = None

    async def log_in(self, client: Client, user: str) -> None:
        """Log in; raises what the client does."""
        # A person who names -PLUS wants the best channel binding there is. Under TLS 1.3 that is the certificate's.
        bound = self.mechanism is not None and self.mechanism.endswith("-PLUS")
        await client.login(
            user,
            self.password,
            mechanism=self.mechanism,
            # Whether to connect in clear was decided before.
            allow_insecure=not client.secure,
            channel_binding="tls-server-end-point" if bound else None,
        )


@dataclass(frozen=True, slots=True)
class ByToken:
    """A command that prints tokens; `mechanism` as above."""

    token: TokenCommand
    mechanism: str | None = None

    async def log_in(self, client: Client, user: str) -> None:
        """Log in, with a second token should the first have expired; raises what the client does, and Failed."""
        await client.login_oauth(user, self.token, mechanism=self.mechanism)


@dataclass(frozen=True, slots=True)
class ByCertificate:
    """The certificate that the TLS handshake presents."""

    async def log_in(self, client: Client, user: str) -> None:
        """Log in as `user`, so that a certificate of somebody else is refused; raises what the client does."""
        await client.authenticate(sasl.External(user))


Login: TypeAlias = ByPassword | ByToken | ByCertificate
