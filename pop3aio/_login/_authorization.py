"""The commands of the AUTHORIZATION state: logging in."""

# How it works. `login` asks `_order` for the ways to try, and goes one way after the other. A way by a SASL mechanism
# is an `Exchange`; USER and PASS, and APOP, are commands of their own (`_steps`). Every login is an `Attempt`, which
# says in each error what became of the credentials.
#
# Invariants:
# - The next way is tried only while nothing was answered: another try after a refusal could lock the account, and a
#   weaker way is what an attacker would hope for.
# - All checks of arguments, and of what the credentials hold, come before the first octet is sent.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal, TypeAlias

from pop3aio._errors import (
    AuthenticationError,
    ConnectionLost,
    MechanismUnavailable,
    TlsRequired,
)
from pop3aio._login._attempt import Attempt
from pop3aio._login._order import Given, Kind, mechanism_for, password_ways, token_ways
from pop3aio._login._steps import LoginSteps
from pop3core import Lang, LocalProtocolError, Pass, POP3Error, User, Utf8, sasl

__all__ = ("Authorization",)

ChannelBinding: TypeAlias = Literal["tls-server-end-point"] | None

# What servers call a token that was good once: OAUTHBEARER by a word, XOAUTH2 by an HTTP status, Google by 400.
_EXPIRED = frozenset({"invalid_token", "400", "401"})


class Authorization(LoginSteps):
    """A session, and the ways to log in."""

    async def login(
        self,
        user: str,
        password: str,
        *,
        mechanism: str | None = None,
        allow_insecure: bool = False,
        channel_binding: ChannelBinding = None,
    ) -> None:
        """Log in by name and password, by the best way that the server offers.

        Under TLS that is SCRAM, which proves the password without sending it, then PLAIN, then USER and PASS; the
        order stands as a table in ``pop3aio._login._order``, and `login_ways` returns it for this server. Another way
        is tried only while nothing was answered. Without TLS nothing is sent, unless `allow_insecure` is set.

        Args:
            user: the user's name.
            password: the password.
            mechanism: the only way to try: a mechanism's name, ``"USER"`` or ``"APOP"``. ``"USER"`` also sends what
                USER and PASS must not carry: a space in the name, and UTF-8 that the server does not announce.
            allow_insecure: whether anyone on the way may read what is sent.
            channel_binding: what SCRAM-*-PLUS binds to where Python has no better binding, which is so under TLS 1.3:
                ``"tls-server-end-point"`` is the server's certificate.

        Raises:
            TlsRequired: there is no TLS, and `allow_insecure` is not set.
            CommandError: the server refuses the login: MailboxInUse, LoginDelay, ServerTemporaryError or
                ServerPermanentError by its response code, else AuthenticationError.
            MechanismUnavailable: `mechanism` is not known or cannot be used here, or the server refuses it.
            LocalProtocolError: the credentials cannot be sent.
            sasl.ServerNotAuthenticated: the server fails to prove that it knows the password; the connection is closed.
            POP3Error: what is wrong with the connection. `credentials` of every error says whether they were judged.
            TypeError, ValueError: an argument is of the wrong type, or unknown.

        Cancelling leaves the session usable, logged in or not as the server decides.
        """
        _check_str(user=user, password=password)
        if mechanism is not None:
            _check_str(mechanism=mechanism)
        with self._attempt() as attempt:
            self._refuse_insecure(allow_insecure)
            given = self._given(user, password, channel_binding)
            ways = password_ways(
                user,
                password,
                mechanism=mechanism,
                capabilities=self.capabilities,
                secure=self.secure,
                bindable=given.binding is not None,
            )
            await self._try(ways, given, attempt, forced=mechanism is not None)

    def login_ways(
        self,
        secret: Kind = "password",  # noqa: S107 - a kind
        *,
        channel_binding: ChannelBinding = None,
    ) -> list[str]:
        """Return the ways to log in that would be tried here, by name, the first to try first.

        What the server offers besides is in `capabilities`: ``client.capabilities.sasl``.

        Args:
            secret: what there is: ``"password"`` for `login`, ``"token"`` for `login_oauth`.
            channel_binding: as for `login`.

        Returns:
            The ways for a name and a password in ASCII, in which USER stands for USER and PASS. Of the ways for a token
            only the first is tried. Empty if there is none. Whether the session is under TLS matters; whether
            `allow_insecure` will be set does not.

        Raises:
            ValueError: `secret` or `channel_binding` is not known.
        """
        if secret not in ("password", "token"):
            raise ValueError(f"secret is 'password' or 'token', not {secret!r}")
        given = self._given("user", "password", channel_binding)
        with suppress(MechanismUnavailable):
            if secret == "token":  # noqa: S105 - a kind
                return token_ways(None, self.capabilities) if self.secure else []
            return password_ways(
                given.user,
                given.secret,
                mechanism=None,
                capabilities=self.capabilities,
                secure=self.secure,
                bindable=given.binding is not None,
            )
        return []

    async def login_oauth(
        self, user: str, token: str | Callable[[], Awaitable[str]], *, mechanism: str | None = None
    ) -> None:
        """Log in by an OAuth 2.0 access token: OAUTHBEARER or XOAUTH2, the one that the server lists first.

        There is no way back to a password, and none without TLS.

        Args:
            user: the user's name.
            token: the token, or a coroutine function that gets a token. The function is called once more if the server
                says that the token has expired.
            mechanism: the only way to try, ``"OAUTHBEARER"`` or ``"XOAUTH2"``.

        Raises:
            TlsRequired: there is no TLS.
            AuthenticationError: the token is refused; `status` and `scope` are the server's reasons.
            MechanismUnavailable: the server offers neither.
            POP3Error: otherwise what `login` raises.
            Exception: what `token` raises.

        Cancelling leaves the session usable, logged in or not as the server decides.
        """
        _check_str(user=user)
        if not (isinstance(token, str) or callable(token)):
            raise TypeError(
                f"token is a str, or a coroutine function that returns one, not {type(token).__name__}"
            )
        with self._attempt() as attempt:
            if not self.secure:
                raise TlsRequired(
                    "refusing to send a token without TLS: connect with tls='implicit' or tls='starttls'"
                )
            self._queue.check_free()
            [way, *_] = token_ways(mechanism, self.capabilities)
            try:
                first = token if isinstance(token, str) else await token()
                await self._login_by_token(way, user, first, attempt)
            except AuthenticationError as error:
                if isinstance(token, str) or error.status not in _EXPIRED or self._queue.failure is not None:
                    raise
                fresh = await token()
                try:
                    await self._login_by_token(way, user, fresh, attempt)
                except ConnectionLost as lost:
                    # Some servers hang up behind a refusal: that is what they had to say.
                    raise error from lost

    async def authenticate(self, mechanism: sasl.Mechanism, *, allow_insecure: bool = False) -> None:
        """Log in by a SASL mechanism of your own choice (RFC 5034).

        Args:
            mechanism: one of `pop3aio.sasl`, or an object of your own; see `sasl.Mechanism` for what is read of it.
            allow_insecure: as for `login`.

        Raises what `login` does, and what the mechanism raises. Cancelling does what it does there.
        """
        if isinstance(mechanism, type) or not callable(getattr(mechanism, "respond", None)):
            raise TypeError(
                "mechanism is an object with name, done and respond(), as in sasl.External(), "
                f"not {mechanism.__name__ if isinstance(mechanism, type) else type(mechanism).__name__}"
            )
        with self._attempt() as attempt:
            self._refuse_insecure(allow_insecure)
            refusal = await self._authenticated(None, mechanism, attempt)
            if refusal is not None:
                raise refusal

    async def user(self, name: str) -> None:
        """Send USER, the first half of a plain login (RFC 1939 section 7).

        Args:
            name: the user's name, without a space; other than ASCII only if the server announces UTF8 USER.

        Raises:
            CommandError: the server refuses it, as `login` says.
            LocalProtocolError: the name cannot be sent.
            POP3Error: what is wrong with the connection.

        Cancelling leaves the session usable.
        """
        with self._attempt() as attempt:
            command = User(name)
            self._check_utf8("USER", name)
            await self._name(command, attempt)

    async def pass_(self, password: str, *, allow_insecure: bool = False) -> None:
        """Send PASS, the second half of a plain login (RFC 1939 section 7).

        Args:
            password: the password; other than ASCII only if the server announces UTF8 USER.
            allow_insecure: as for `login`.

        Raises what `login` does. Cancelling does what it does there.
        """
        with self._attempt() as attempt:
            self._refuse_insecure(allow_insecure)
            command = Pass(password)
            self._check_utf8("PASS", password)
            await self._login_step(command, self._named, attempt, password)

    async def apop(self, name: str, secret: str, *, allow_insecure: bool = False) -> None:
        """Log in by APOP, an MD5 digest over the greeting's time stamp (RFC 1939 section 7).

        Args:
            name: the user's name, without a space; other than ASCII only if the server announces UTF8 USER.
            secret: the password.
            allow_insecure: as for `login`.

        Raises:
            MechanismUnavailable: the greeting has no usable time stamp, or came before TLS started, so that it may be
                forged; or this Python has no MD5.
            POP3Error: otherwise what `login` raises.

        Cancelling does what it does there.
        """
        with self._attempt() as attempt:
            self._refuse_insecure(allow_insecure)
            self._check_utf8("APOP", name)
            await self._by_digest(name, secret, attempt)

    async def utf8(self) -> None:
        """Switch to UTF-8 mode, before the login (RFC 6856 section 2).

        Raises:
            CommandError: the server refuses.
            POP3Error: what is wrong with the connection.

        Cancelling may be too late: the server may have switched.
        """
        await self._ask_status(Utf8())

    async def lang(self, tag: str | None = None) -> list[str]:
        """Choose the language of the server's texts, or list the languages (RFC 6856 section 3).

        Args:
            tag: the language, ``"*"`` for the server's default; None lists them.

        Returns:
            The lines of the listing, or the server's text as the only line.

        Raises:
            CommandError: the server refuses.
            LocalProtocolError: the tag is none.
            POP3Error: what is wrong with the connection.

        Cancelling loses nothing.
        """
        command = Lang(tag)
        if tag is not None:
            return [(await self._ask_status(command)).text]
        return (await self._ask_body(command)).decode("utf-8", "replace").splitlines()

    # -- one way after the other

    def _given(self, user: str, secret: str, channel_binding: ChannelBinding) -> Given:
        """Return what a mechanism is made of, as far as the session knows it."""
        if channel_binding not in (None, "tls-server-end-point"):
            raise ValueError(f"channel_binding is 'tls-server-end-point' or None, not {channel_binding!r}")
        listed = self.capabilities.sasl if self.capabilities is not None else ()
        peer = self.get_extra_info("peername")
        return Given(
            user,
            secret,
            binding=self.channel_binding(end_point=channel_binding is not None),
            plus=any(name.endswith("-PLUS") for name in listed),
            host=self._options.server_hostname or "",
            port=peer[1] if isinstance(peer, tuple) else None,
        )

    async def _try(self, ways: list[str], given: Given, attempt: Attempt, *, forced: bool) -> None:
        """Go one way after the other while nothing was answered; `forced` says that the caller named the way."""
        refusal: POP3Error | None = None
        for way in ways:
            if way == "USER":
                await self._by_user(given.user, given.secret, attempt, forced=forced)
                return
            if way == "APOP":
                await self._announce_utf8("APOP", given.user)
                await self._by_digest(given.user, given.secret, attempt)
                return
            refusal = await self._by_mechanism(way, given, attempt)
            if refusal is None:
                return
        assert refusal is not None
        raise refusal

    async def _by_mechanism(self, way: str, given: Given, attempt: Attempt) -> POP3Error | None:
        """Go a way by SASL; return what went wrong as long as nothing was answered."""
        try:
            mechanism = mechanism_for(way, given)
        except LocalProtocolError as error:
            # SCRAM's rules for names and passwords are narrower than PLAIN's.
            return error
        except sasl.MechanismUnusable as error:
            refusal = MechanismUnavailable(str(error))
            refusal.__cause__ = error
            return refusal
        return await self._authenticated(given.user, mechanism, attempt, given.secret)

    async def _by_user(self, user: str, password: str, attempt: Attempt, *, forced: bool) -> None:
        """Log in by USER and PASS; `forced` allows what they must not carry."""
        # A password that PASS cannot carry is found out before the name is sent.
        name, last = User(user, blanks=forced), Pass(password)
        await self._announce_utf8("USER", user, password, forced=forced)
        await self._name(name, attempt)
        await self._login_step(last, user, attempt, password)

    async def _login_by_token(self, way: str, user: str, token: str, attempt: Attempt) -> None:
        """Log in by a token."""
        mechanism = mechanism_for(way, self._given(user, token, None))
        refusal = await self._authenticated(user, mechanism, attempt, token)
        if refusal is not None:
            raise refusal


def _check_str(**arguments: object) -> None:
    """Raise TypeError for an argument that is no str, without showing it."""
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is a str, not {type(value).__name__}")
