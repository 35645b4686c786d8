"""The commands of the AUTHORIZATION state: what the server can do, TLS, and logging in."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping

from pop3aio._errors import counted
from pop3aio.testing._dialogue import AUTH_LIMIT, Dialogue, Refusal
from pop3aio.testing._sasl import MECHANISMS, apop, check

__all__ = ("Authorization",)

_STAMP = re.compile(rb"<[^<>\s@]+@[^<>\s@]+>")
# Gmail's name for the same account with all the mail of the last 30 days, popped or not.
_RECENT = "recent:"


class Authorization(Dialogue):
    """A dialogue, and how it logs in (RFC 1939, 2449, 2595, 5034, 6856)."""

    @property
    def _may_login(self) -> bool:
        return self.secure or self.server.tls == "none"

    @property
    def _stamp(self) -> bytes | None:
        found = _STAMP.search(self.server.greeting)
        # What was said in clear may be anyone's (RFC 2595 section 4).
        return found[0] if found and (self.server.tls != "starttls" or not self.secure) else None

    async def _capa(self, argument: str) -> None:
        self._ok("capability list follows")
        await self._lines(self._capabilities())

    def _capabilities(self) -> Iterator[str]:
        server, quirks = self.server, self._quirks
        if server.capabilities is not None:
            yield from server.capabilities
            return
        yield from quirks.capabilities
        if self.user is not None:
            yield from quirks.capabilities_after_login
        if server.utf8:
            yield "UTF8 USER"
        if server.languages:
            yield "LANG"
        if self._may_login:
            yield "USER"
            if server.sasl:
                yield f"SASL {' '.join(server.sasl)}"
        if server.tls == "starttls" and not self.secure and self.user is None:
            yield "STLS"

    async def _stls(self, argument: str) -> None:
        if self.server.tls != "starttls" or self.secure or self.utf8:
            raise Refusal("there is no TLS here")
        self._named = None
        await self._start_tls(b"+OK begin TLS" + self._quirks.line_end)

    async def _user(self, argument: str) -> None:
        self._demand_login_allowed()
        if not argument:
            raise Refusal("USER needs a name")
        self._named = argument
        self._ok("send PASS")

    async def _pass(self, argument: str) -> None:
        self._demand_login_allowed()
        name, self._named = self._named, None
        if name is None:
            raise Refusal("USER first")
        self._login(name, argument)

    async def _apop(self, argument: str) -> None:
        self._demand_login_allowed()
        if self._stamp is None:
            raise Refusal(self._quirks.unknown)
        self._admit(apop(self._passwords, self._stamp, argument))

    async def _auth(self, argument: str) -> None:
        self._demand_login_allowed()
        name, separator, initial = argument.partition(" ")
        if name.upper() not in self.server.sasl:
            raise Refusal("mechanism not supported")
        if separator and self._quirks.closes_on_initial_response:
            self._err("Protocol error. Connection is closed. 10")
            self.close()
            return
        exchange = MECHANISMS[name.upper()](self._passwords)
        challenge = next(exchange)
        if separator and challenge:
            raise Refusal("the server speaks first")
        line: str | None = ("" if initial == "=" else initial) if separator else None
        try:
            while True:
                if line is None:
                    self._line(f"+ {base64.b64encode(challenge).decode()}")
                    line = await self._read(AUTH_LIMIT)
                    if line is None:
                        self.close()
                        return
                    if line == "*":
                        raise Refusal("AUTH cancelled")
                challenge = exchange.send(base64.b64decode(line, validate=True))
                line = None
        except StopIteration as proved:
            self._admit(str(proved.value))
        except ValueError:
            raise Refusal("malformed response") from None
        finally:
            exchange.close()

    async def _utf8(self, argument: str) -> None:
        if not self.server.utf8:
            raise Refusal(self._quirks.unknown)
        self.utf8 = True
        self._ok("UTF-8 it is")

    async def _lang(self, argument: str) -> None:
        languages = self.server.languages
        if not languages:
            raise Refusal(self._quirks.unknown)
        if not argument:
            self._ok("language listing follows")
            await self._lines(languages)
            return
        tag = languages[0] if argument == "*" else argument.lower()
        if tag not in languages:
            raise Refusal("there is no such language here")
        self._ok(f"{tag} it is")

    async def _leave(self, argument: str) -> None:
        self._ok("bye")
        self.close()

    def _demand_login_allowed(self) -> None:
        if not self._may_login:
            raise Refusal("[AUTH] STLS first")

    @property
    def _passwords(self) -> Mapping[str, str]:
        passwords = {name: account[0] for name, account in self.server.accounts.items()}
        if self._quirks.hides_popped:
            passwords |= {_RECENT + name: password for name, password in passwords.items()}
        return passwords

    def _login(self, name: str, password: str) -> None:
        self._admit(check(self._passwords, name, password))

    def _admit(self, name: str) -> None:
        mailbox = self.server.accounts[name.removeprefix(_RECENT) if self._quirks.hides_popped else name][1]
        maildrop = mailbox.open(popped=not self._quirks.hides_popped or name.startswith(_RECENT))
        if maildrop is None:
            raise Refusal("[IN-USE] another session has this mailbox open")
        self.user: str | None = name
        self._mailbox, self._maildrop = mailbox, maildrop[: self._quirks.shown]
        if self._quirks.deaf_behind_login:
            self._wire.forget_received()
        self._ok(self._quirks.login_text or counted(len(self._maildrop)))
