"""The commands of the AUTHORIZATION state: logging in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from pop3aio._errors import AuthenticationError, ConnectionLost, MechanismUnavailable, TlsRequired
from pop3aio._login._exchange import authenticate, refuse_insecure, refused_login
from pop3aio._login._order import password_ways, token_ways
from pop3aio._session._session import Session
from pop3core import Apop, Command, Lang, LocalProtocolError, Pass, POP3Error, Reply, User, Utf8, sasl

__all__ = ("Authorization",)

# What servers call a token that was good once: OAUTHBEARER by a word, XOAUTH2 by an HTTP status, Google by 400.
_EXPIRED = frozenset({"invalid_token", "400", "401"})


class Authorization(Session):
    """A session, and the ways to log in."""

    # The name of the last USER that the server took; it is the account's once PASS is taken as well.
    _named: str | None = None

    async def login(
        self,
        user: str,
        password: str,
        *,
        mechanism: str | None = None,
        allow_insecure: bool = False,
        channel_binding: Literal["tls-server-end-point"] | None = None,
    ) -> None:
        """Log in by name and password, by the best way the server offers.

        Under TLS that is SCRAM, which proves the password without sending it, then PLAIN, then USER and PASS; the
        order stands as a table in ``pop3aio._login._order``. `mechanism` takes the choice away: one of these, or
        "LOGIN", "CRAM-MD5" or "APOP", which are only used when asked for. `channel_binding` lets SCRAM-*-PLUS bind to
        the server's certificate where Python has no better binding, which is so under TLS 1.3.

        Without TLS nothing is sent and TlsRequired is raised, unless `allow_insecure` is set. Another way is tried only
        while nothing secret was used. Raises a CommandError when the login is refused: MailboxInUse, LoginDelay,
        ServerTemporaryError, ServerPermanentError by the server's response code, AuthenticationError otherwise;
        MechanismUnavailable when `mechanism` is not to be had; LocalProtocolError when the credentials cannot be sent;
        `sasl.ServerNotAuthenticated` when the server fails to prove who it is, and the connection is closed.
        Cancelling leaves the session usable, logged in or not as the server decides.
        """
        refuse_insecure(self.secure, allow_insecure)
        self._queue.check_free()
        binding = self.channel_binding(end_point=channel_binding is not None)
        ways = password_ways(
            user,
            password,
            mechanism=mechanism,
            capabilities=self.capabilities,
            secure=self.secure,
            bindable=binding is not None,
        )
        refusal: POP3Error | None = None
        for way in ways:
            if way == "USER":
                # A password that PASS cannot carry is found out before the name is sent.
                Pass(password)
                await self.user(user)
                await self.pass_(password, allow_insecure=allow_insecure)
                return
            if way == "APOP":
                await self.apop(user, password, allow_insecure=allow_insecure)
                return
            try:
                chosen = self._password_mechanism(way, user, password, binding)
            except LocalProtocolError as error:
                # SCRAM's rules for names and passwords are narrower than PLAIN's.
                refusal = error
                continue
            except sasl.MechanismUnusable as error:
                refusal = MechanismUnavailable(str(error))
                refusal.__cause__ = error
                continue
            refusal = await self._authenticated(user, chosen, password)
            if refusal is None:
                return
        assert refusal is not None
        raise refusal

    async def login_oauth(
        self, user: str, token: str | Callable[[], Awaitable[str]], *, mechanism: str | None = None
    ) -> None:
        """Log in by an OAuth 2.0 access token: OAUTHBEARER or XOAUTH2, whichever the server lists first.

        `token` is the token, or a coroutine function that gets one, which is called once more if the server says that
        the token has expired. `mechanism` takes the choice away. There is no way back to a password, and none without
        TLS: TlsRequired is raised then. Raises AuthenticationError with the server's `status` and `scope`,
        MechanismUnavailable when the server offers neither, and otherwise what `login` does.
        """
        if not self.secure:
            raise TlsRequired(
                "refusing to send a token without TLS: connect with tls='implicit' or tls='starttls'"
            )
        self._queue.check_free()
        [way, *_] = token_ways(mechanism, self.capabilities)
        try:
            await self._login_by_token(way, user, token if isinstance(token, str) else await token())
        except AuthenticationError as error:
            if isinstance(token, str) or error.status not in _EXPIRED or self._queue.failure is not None:
                raise
            fresh = await token()
            try:
                await self._login_by_token(way, user, fresh)
            except ConnectionLost as lost:
                # Some servers hang up behind a refusal: that is what they had to say.
                raise error from lost

    async def authenticate(self, mechanism: sasl.Mechanism, *, allow_insecure: bool = False) -> None:
        """Log in by a SASL mechanism of your own choice (RFC 5034).

        Raises TlsRequired, CommandError and so on as `login` does.
        """
        refuse_insecure(self.secure, allow_insecure)
        self._queue.check_free()
        refusal = await self._authenticated(None, mechanism)
        if refusal is not None:
            raise refusal

    async def user(self, name: str) -> None:
        """Send USER, the first half of a plain login; raises CommandError when the server refuses it."""

        def accepted() -> None:
            self._named = name

        await self._ask_login(User(name), accepted)

    async def pass_(self, password: str, *, allow_insecure: bool = False) -> None:
        """Send PASS, the second half of a plain login; raises as `login` does."""
        refuse_insecure(self.secure, allow_insecure)
        await self._login_step(Pass(password), self._named, password)
        await self._logged_in()

    async def apop(self, name: str, secret: str, *, allow_insecure: bool = False) -> None:
        """Log in by APOP, an MD5 digest over the greeting's time stamp (RFC 1939 section 7).

        Raises MechanismUnavailable when the greeting has no usable time stamp, or was sent before TLS started and may
        be anyone's, or when this Python has no MD5; otherwise as `login` does.
        """
        refuse_insecure(self.secure, allow_insecure)
        stamp = self.greeting.apop_timestamp
        if stamp is None:
            raise MechanismUnavailable("the server's greeting has no time stamp for APOP")
        try:
            digest = sasl.apop_digest(stamp, secret)
        except sasl.MechanismUnusable as error:
            raise MechanismUnavailable(str(error)) from error
        await self._login_step(Apop(name, digest), name, digest, secret)
        await self._logged_in()

    def _password_mechanism(
        self, way: str, user: str, password: str, binding: tuple[str, bytes] | None
    ) -> sasl.Mechanism:
        if way.startswith("SCRAM-"):
            listed = self.capabilities.sasl if self.capabilities is not None else ()
            if not way.endswith("-PLUS") and any(name.endswith("-PLUS") for name in listed):
                # To say that we could have bound would accuse the server of hiding what it offers.
                binding = None
            return sasl.Scram(user, password, way, channel_binding=binding)
        kinds: dict[str, Callable[[str, str], sasl.Mechanism]] = {
            "PLAIN": sasl.Plain,
            "LOGIN": sasl.Login,
            "CRAM-MD5": sasl.CramMd5,
        }
        return kinds[way](user, password)

    async def _login_by_token(self, way: str, user: str, token: str) -> None:
        if way == "XOAUTH2":
            mechanism: sasl.Mechanism = sasl.XOAuth2(user, token)
        else:
            peer = self.get_extra_info("peername")
            port = peer[1] if isinstance(peer, tuple) else None
            mechanism = sasl.OAuthBearer(user, token, host=self._options.server_hostname or "", port=port)
        refusal = await self._authenticated(user, mechanism, token)
        if refusal is not None:
            raise refusal

    async def _authenticated(
        self, user: str | None, mechanism: sasl.Mechanism, *secrets: str
    ) -> POP3Error | None:
        """Run an exchange; return None after a success, and what went wrong as long as nothing was answered."""
        self._hide(*secrets)
        refusal = await authenticate(self._queue, mechanism, self.capabilities, lambda: self._accepted(user))
        if refusal is None:
            await self._logged_in()
        return refusal

    async def _login_step(self, command: Command, user: str | None, *secrets: str) -> None:
        """Send a command that completes a login as `user`."""
        self._hide(*secrets)
        await self._ask_login(command, lambda: self._accepted(user))

    async def _ask_login(self, command: Command, accepted: Callable[[], None]) -> None:
        """Send a command of a login; `accepted` is called where the server's +OK is read."""

        def check(reply: Reply) -> None:
            if reply.ok:
                accepted()

        reply, _ = await self._ask(command, check)
        if not reply.ok:
            raise refused_login(reply, command, self.capabilities)

    def _hide(self, *secrets: str) -> None:
        self._queue.masks.hide(*(secret.encode("utf-8", "surrogatepass") for secret in secrets))

    def _accepted(self, user: str | None) -> None:
        """Record that the server has taken the login, also when its caller has been cancelled."""
        self._user = user
        self._queue.pump.stage = "session"
        self._set_window()

    async def _logged_in(self) -> None:
        """Ask again for what may have changed by the login."""
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
        await self._ask_status(Utf8())

    async def lang(self, tag: str | None = None) -> list[str]:
        """Choose the language of the server's texts, ``"*"`` for its default; without a tag, list them (RFC 6856).

        Returns the listing's lines, or the server's text in one; raises CommandError when the server refuses.
        """
        command = Lang(tag)
        if tag is not None:
            return [(await self._ask_status(command)).text]
        return (await self._ask_body(command)).decode("utf-8", "replace").splitlines()
