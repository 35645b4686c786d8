"""The steps of a login: what every way to log in is made of."""

# How it works. A way to log in ends in a step that completes it: PASS, APOP or AUTH. `_accepted` is called where the
# server's +OK to that step is read, `_logged_in` afterwards by the caller.
#
# Invariants:
# - What the session must know of a login is recorded by `_accepted`, so that a cancelled caller skips nothing of it.
#   What `_logged_in` asks for can be asked for at any time.
# - A secret is known to the masks before it is sent, and counts as sent as soon as its command may be written.
# - USER, PASS and APOP carry UTF-8 only if the server announces UTF8 USER, or if the caller names USER as the way.

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pop3aio._errors import (
    CommandError,
    ConnectionLost,
    CredentialsNotCarried,
    MechanismUnavailable,
    TlsRequired,
    command_error,
)
from pop3aio._login._attempt import Attempt
from pop3aio._login._exchange import Exchange
from pop3aio._login._order import utf8_allowed
from pop3aio._session._session import Session
from pop3core import Apop, Command, POP3Error, Reply, User, Utf8, sasl

__all__ = ("LoginSteps",)


class LoginSteps(Session):
    """A session, and the steps of its login."""

    # The name of the last USER that the server took; it is the account's once PASS is taken as well.
    _named: str | None = None

    @contextmanager
    def _attempt(self) -> Iterator[Attempt]:
        """Give the attempt that a login is, and let each error say what became of the credentials."""
        attempt = Attempt()
        try:
            with attempt.judging():
                yield attempt
        except ConnectionLost as error:
            refused_capa = self._options.capa and self.capabilities is None and not self._closed
            if refused_capa and error.credentials == "unsent":
                # Some servers refuse CAPA and hang up, which shows only now.
                error.hint = "capa"
            raise

    def _refuse_insecure(self, allow_insecure: bool) -> None:
        """Raise TlsRequired unless secrets are safe here or the caller takes the risk; also if a message is open."""
        if type(allow_insecure) is not bool:
            raise TypeError(f"allow_insecure is True or False, not {allow_insecure!r}")
        if not self.secure and not allow_insecure:
            raise TlsRequired(
                "refusing to send a password without TLS: connect with tls='implicit' or tls='starttls', or say "
                "allow_insecure=True if anyone may read it"
            )
        self._queue.check_free()

    async def _authenticated(
        self, user: str | None, mechanism: sasl.Mechanism, attempt: Attempt, *secrets: str
    ) -> POP3Error | None:
        """Run an exchange; return None after a success, and what went wrong as long as nothing was answered."""
        self._hide(*secrets)
        exchange = Exchange(self._queue, mechanism, attempt, lambda: self._accepted(user, attempt))
        refusal = await exchange.run(self.capabilities)
        if refusal is None:
            await self._logged_in()
        return refusal

    async def _name(self, command: User, attempt: Attempt) -> None:
        """Send USER."""

        def accepted() -> None:
            self._named = command.name

        await self._ask_login(command, attempt, accepted)

    async def _login_step(self, command: Command, user: str | None, attempt: Attempt, *secrets: str) -> None:
        """Send a command that completes a login as `user`."""
        self._hide(*secrets)
        await self._ask_login(command, attempt, lambda: self._accepted(user, attempt))
        await self._logged_in()

    async def _ask_login(self, command: Command, attempt: Attempt, accepted: Callable[[], None]) -> None:
        """Send a command of a login; `accepted` is called where the server's +OK is read."""

        def check(reply: Reply) -> None:
            if reply.ok:
                accepted()

        self._queue.check_free()
        call = self._queue.submit(command, check=check)
        # From here on it may be written at any await.
        attempt.secret_sent |= command.secret
        try:
            reply = await self._queue.next_event(call)
        except BaseException:
            self._queue.release(call)
            raise
        assert isinstance(reply, Reply)
        if not reply.ok:
            shown = self._queue.masks.answer(reply)
            raise command_error(shown, command.redacted(), self.capabilities, login=True)

    def _hide(self, *secrets: str) -> None:
        """Let the server's texts show none of these from now on."""
        self._queue.masks.hide(*(secret.encode("utf-8", "surrogatepass") for secret in secrets))

    def _accepted(self, user: str | None, attempt: Attempt) -> None:
        """Record that the server has taken the login, also when its caller has been cancelled."""
        attempt.accepted = True
        self._user = user
        self._queue.pump.stage = "session"
        self._set_window()

    async def _logged_in(self) -> None:
        """Ask again for what may have changed by the login."""
        # Some servers refuse CAPA before the login, Gmail announces PIPELINING only now, and what holds for all users
        # may be narrower for this one.
        known = self.capabilities
        if (
            known is None
            or not known.pipelining
            or "USER" in known.get("LOGIN-DELAY", ()) + known.get("EXPIRE", ())
        ):
            await self._learn()
        else:
            self._set_window()

    async def _by_digest(self, name: str, secret: str, attempt: Attempt) -> None:
        """Log in by APOP."""
        stamp = self.greeting.apop_timestamp
        if stamp is None:
            raise MechanismUnavailable("the server's greeting has no time stamp for APOP")
        try:
            digest = sasl.apop_digest(stamp, secret)
        except sasl.MechanismUnusable as error:
            raise MechanismUnavailable(str(error)) from error
        await self._login_step(Apop(name, digest), name, attempt, digest, secret)

    # -- UTF-8

    def _check_utf8(self, keyword: str, *words: str) -> None:
        """Raise LocalProtocolError if a command must not carry these words (RFC 6856 section 2.2)."""
        if not all(word.isascii() for word in words) and not utf8_allowed(self.capabilities):
            raise CredentialsNotCarried(
                f"{keyword} must not carry other characters than ASCII here: the server does not announce UTF8 USER "
                "(RFC 6856 section 2.2). AUTH PLAIN carries them, if the server has it"
            )

    async def _announce_utf8(self, keyword: str, *words: str, forced: bool = False) -> None:
        """Send UTF8 before words that are not ASCII, where the server offers it; `forced` goes on without."""
        if all(word.isascii() for word in words):
            return
        if not forced:
            self._check_utf8(keyword, *words)
        if self._core.utf8 or self.capabilities is None or not self.capabilities.utf8:
            return
        try:
            await self._ask_status(Utf8())
        except CommandError:
            # The server announced what it does not do, so its announcement is not believed.
            if not forced:
                raise
