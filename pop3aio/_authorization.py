"""The commands of the AUTHORIZATION state: logging in."""

from __future__ import annotations

import hashlib

from pop3aio._errors import MechanismUnavailable
from pop3aio._login import authenticate, choose, refuse_insecure, refused_login
from pop3aio._session import Session
from pop3core import Apop, Command, Lang, LocalProtocolError, Pass, User, Utf8, sasl

__all__ = ("Authorization",)


class Authorization(Session):
    """A session, and the ways to log in."""

    async def login(
        self, user: str, password: str, *, mechanism: str | None = None, allow_insecure: bool = False
    ) -> None:
        """Log in by AUTH PLAIN or by USER and PASS, whichever the server offers.

        `mechanism` ("PLAIN" or "USER") takes the choice away. Without TLS nothing is sent and TlsRequired is
        raised, unless `allow_insecure` is set. Raises a CommandError when the login is refused: MailboxInUse,
        LoginDelay, ServerTemporaryError, ServerPermanentError by the server's response code, AuthenticationError
        otherwise; LocalProtocolError when the credentials cannot be sent. A second way is tried only while no
        secret was sent. Cancelling leaves the session usable, logged in or not as the server decides.
        """
        refuse_insecure(self.secure, allow_insecure)
        self._user = user
        refusal: Exception | None = None
        for way in choose(user, password, mechanism, self.capabilities):
            if way == "PLAIN":
                plain = sasl.Plain(user, password)
                try:
                    self._queue.check_free()
                    if await authenticate(self._queue, plain, self.capabilities):
                        await self._logged_in()
                        return
                except sasl.ChallengeRefused as error:
                    refusal = error
                    if self._queue.failure is not None or plain.done:
                        raise
                else:
                    refusal = MechanismUnavailable(
                        "the server refused AUTH PLAIN before the password was sent"
                    )
            else:
                await self.user(user)
                await self.pass_(password, allow_insecure=allow_insecure)
                return
        assert refusal is not None
        raise refusal

    async def authenticate(self, mechanism: sasl.Mechanism, *, allow_insecure: bool = False) -> None:
        """Log in by a SASL mechanism of your own choice (RFC 5034).

        Raises TlsRequired, CommandError and so on as `login` does.
        """
        refuse_insecure(self.secure, allow_insecure)
        self._queue.check_free()
        if not await authenticate(self._queue, mechanism, self.capabilities):
            raise MechanismUnavailable(
                f"the server refused AUTH {mechanism.name} before anything secret was sent"
            )
        await self._logged_in()

    async def user(self, name: str) -> None:
        """Send USER, the first half of a plain login; raises CommandError when the server refuses it."""
        await self._login_step(User(name))
        self._user = name

    async def pass_(self, password: str, *, allow_insecure: bool = False) -> None:
        """Send PASS, the second half of a plain login; raises as `login` does."""
        refuse_insecure(self.secure, allow_insecure)
        await self._login_step(Pass(password))
        await self._logged_in()

    async def apop(self, name: str, secret: str, *, allow_insecure: bool = False) -> None:
        """Log in by APOP, an MD5 digest over the greeting's time stamp (RFC 1939 section 7).

        Raises MechanismUnavailable when the greeting has no usable time stamp, or was sent before TLS started and may
        be anyone's; otherwise as `login` does.
        """
        refuse_insecure(self.secure, allow_insecure)
        stamp = self.greeting.apop_timestamp
        if stamp is None:
            raise MechanismUnavailable("the server's greeting has no time stamp for APOP")
        try:
            octets = secret.encode()
        except UnicodeEncodeError:
            # Not passed on: it carries the secret.
            octets = None
        if octets is None:
            raise LocalProtocolError("the secret of APOP holds half a character (a lone surrogate)")
        digest = hashlib.md5(stamp + octets, usedforsecurity=False).hexdigest()
        await self._login_step(Apop(name, digest))
        self._user = name
        await self._logged_in()

    async def _login_step(self, command: Command) -> None:
        reply, _ = await self._exchange(command)
        if not reply.ok:
            raise refused_login(reply, command, self.capabilities)

    async def _logged_in(self) -> None:
        # Gmail announces PIPELINING only now; and what holds for all users may be narrower for this one.
        known = self.capabilities
        if known is not None and (
            not known.pipelining or "USER" in known.get("LOGIN-DELAY", ()) + known.get("EXPIRE", ())
        ):
            await self.capa(refresh=True)
        else:
            self._set_window()

    async def utf8(self) -> None:
        """Switch to UTF-8 mode, before the login (RFC 6856); raises CommandError when the server refuses."""
        await self._plain(Utf8())

    async def lang(self, tag: str | None = None) -> list[str]:
        """Choose the language of the server's texts, ``"*"`` for its default; without a tag, list them (RFC 6856).

        Returns the listing's lines, or the server's text in one; raises CommandError when the server refuses.
        """
        command = Lang(tag)
        if tag is not None:
            return [(await self._plain(command)).text]
        return (await self._listing(command)).decode("utf-8", "replace").splitlines()
