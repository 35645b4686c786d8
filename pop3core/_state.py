"""The session's states, what may be sent in each, and everything that moves a session from one to another."""

# How it works: two tables hold the rules that depend on the state alone. `ALLOWED` says where a command may be sent,
# `TRANSITIONS` which answer leads to which state. The rules that need a memory (PASS after USER, STLS once, no STLS
# after UTF8, no credentials behind STLS) stand in `SessionState`, which is the only object that changes the state. It
# knows nothing of octets: `Connection` tells it what was queued, answered and established.
#
# Invariants:
# - `SessionState.state` is only changed by the methods of `SessionState`.
# - `ERROR` is final, and from `CLOSED` and `UPDATE` no command leads anywhere.
# - `_changing` is the number of commands that are queued or in flight and can change the state. While it is 0, the
#   state in which a command is queued is the state in which the server sees it.

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Final

from pop3core._commands import (
    Apop,
    Auth,
    Capa,
    Command,
    Dele,
    Lang,
    List,
    Noop,
    Pass,
    Quit,
    Raw,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
)

__all__ = ("ALLOWED", "TRANSITIONS", "SessionState", "State", "outcomes")


class State(Enum):
    """The states of RFC 1939 section 3, and what a client needs besides."""

    GREETING = "GREETING"
    """Waiting for the server's first line; nothing may be sent."""

    AUTHORIZATION = "AUTHORIZATION"
    """Not logged in."""

    TLS_HANDSHAKE = "TLS_HANDSHAKE"
    """STLS was accepted; the octets on the wire belong to TLS until `tls_established` is called."""

    TRANSACTION = "TRANSACTION"
    """Logged in."""

    UPDATE = "UPDATE"
    """QUIT was answered after a login; the server has carried out the deletions, or said that it has not."""

    CLOSED = "CLOSED"
    """Over, in good order."""

    ERROR = "ERROR"
    """Over, since the server broke the protocol; nothing is sent any more, QUIT least of all."""

    if not TYPE_CHECKING:  # pragma: no branch
        # The hash of Enum is a Python function, and the tables are looked up for every command.
        __hash__ = object.__hash__


_AUTHORIZATION = frozenset({State.AUTHORIZATION})
_TRANSACTION = frozenset({State.TRANSACTION})
_BOTH = _AUTHORIZATION | _TRANSACTION

ALLOWED: dict[type[Command], frozenset[State]] = {
    Capa: _BOTH,
    Stls: _AUTHORIZATION,
    User: _AUTHORIZATION,
    Pass: _AUTHORIZATION,
    Apop: _AUTHORIZATION,
    Auth: _AUTHORIZATION,
    Utf8: _AUTHORIZATION,
    Lang: _BOTH,
    Stat: _TRANSACTION,
    List: _TRANSACTION,
    Uidl: _TRANSACTION,
    Retr: _TRANSACTION,
    Top: _TRANSACTION,
    Dele: _TRANSACTION,
    Noop: _TRANSACTION,
    Rset: _TRANSACTION,
    Quit: _BOTH,
    Raw: _BOTH,
}
"""The states in which a command may be sent."""

TRANSITIONS: dict[tuple[State, type[Command], bool], State] = {
    (State.AUTHORIZATION, Stls, True): State.TLS_HANDSHAKE,
    (State.AUTHORIZATION, Pass, True): State.TRANSACTION,
    (State.AUTHORIZATION, Apop, True): State.TRANSACTION,
    (State.AUTHORIZATION, Auth, True): State.TRANSACTION,
    (State.AUTHORIZATION, Quit, True): State.CLOSED,
    (State.AUTHORIZATION, Quit, False): State.CLOSED,
    (State.TRANSACTION, Quit, True): State.UPDATE,
    (State.TRANSACTION, Quit, False): State.UPDATE,
}
"""(state, command, answered by +OK) -> the next state; what is not listed leaves the state as it is."""

_CHANGING: Final = frozenset(command for _, command, _ in TRANSITIONS)

# They show who the user is, so that they have to know whether TLS comes first.
_CREDENTIALS: Final = frozenset({User, Apop, Auth})

# The commands that have a rule besides `ALLOWED`, which depends on what was answered or is pending.
_RULED: Final = _CREDENTIALS | {Pass, Stls}


class SessionState:
    """Where a session stands, and what the next command may be.

    Args:
        secure: whether the octets travel under TLS from the beginning.
    """

    __slots__ = ("_changing", "_user_accepted", "deletions", "secure", "state", "utf8")

    def __init__(self, *, secure: bool = False) -> None:
        self.state = State.GREETING
        self.secure = secure
        # How many DELE were accepted since the login or the last RSET: what a QUIT will carry out.
        self.deletions = 0
        self._changing = 0
        # Whether the last answer was a +OK to USER.
        self._user_accepted = False
        # Whether UTF8 was accepted.
        self.utf8 = False

    # -- what may be sent

    def queue(self, command: Command, pending: Iterable[Command]) -> str | None:
        """Record that a command is queued, if it may be; return why not otherwise.

        Args:
            command: the command; anything that is no command is refused, too.
            pending: the commands that are in flight or queued, the oldest first. It is only looked at where a rule
                needs it, since most commands of a long queue need no rule.
        """
        kind = type(command)
        allowed = ALLOWED.get(kind)
        if allowed is None:
            # Its repr may hold a secret: somebody wrote send("PASS ...").
            return f"send needs a command object, not {kind.__name__}"
        if self.state not in allowed:
            return f"{command.keyword} is not allowed in state {self.state.value}"
        if self._changing or kind in _RULED:
            before = list(pending)
            if not outcomes(self.state, before) <= allowed:
                return (
                    f"{command.keyword} may not be allowed any more once {before[-1].keyword} is answered; "
                    "wait for that answer"
                )
            reason = self._why_not_behind(command, frozenset(map(type, before)))
            if reason is not None:
                return reason
        if kind in _CHANGING:
            self._changing += 1
        return None

    def _why_not_behind(self, command: Command, pending: frozenset[type[Command]]) -> str | None:
        """Apply the rules that the tables do not hold."""
        kind = type(command)
        if kind is Pass and (pending or not self._user_accepted):
            return "PASS is only allowed right after a +OK to USER"
        if kind in _CREDENTIALS and Stls in pending:
            # If the server refuses STLS, they would go out in clear.
            return f"{command.keyword} has to wait for the answer to STLS"
        if kind is Stls and (self.secure or Stls in pending):
            return "STLS is not allowed: TLS is active or asked for already"
        if kind is Stls and (self.utf8 or Utf8 in pending):
            return "STLS is not allowed after UTF8 (RFC 6856 section 2.1)"
        return None

    # -- what moves the state

    def withdrawn(self, command: Command) -> None:
        """Record that a queued command will never be written."""
        if type(command) in _CHANGING:
            self._changing -= 1

    def greeting(self, ok: bool) -> None:
        """Record the greeting; by a ``-ERR`` some servers refuse the session at once."""
        self.state = State.AUTHORIZATION if ok else State.CLOSED

    def answered(self, command: Command, ok: bool) -> None:
        """Record that the oldest command is wholly answered."""
        kind = type(command)
        if kind in _CHANGING:
            self._changing -= 1
            self.state = TRANSITIONS.get((self.state, kind, ok), self.state)
        self._user_accepted = ok and kind is User
        if ok:
            if kind is Dele:
                self.deletions += 1
            elif kind is Rset:
                self.deletions = 0
            elif kind is Utf8:
                self.utf8 = True

    def tls_established(self) -> None:
        """Record that the TLS handshake is done: the session is where it was, and secure (RFC 2595 section 4)."""
        self.secure = True
        self.state = State.AUTHORIZATION

    def closed(self) -> None:
        """Record that the server closed the connection with no answer due."""
        self.state = State.CLOSED

    def failed(self) -> None:
        """Record that the server broke the protocol."""
        self.state = State.ERROR


def outcomes(state: State, pending: Iterable[Command]) -> set[State]:
    """Return the states the session may be in once all of `pending` are answered, each by +OK or -ERR."""
    states = {state}
    for command in pending:
        kind = type(command)
        if kind in _CHANGING:
            states = {TRANSITIONS.get((s, kind, ok), s) for s in states for ok in (True, False)}
            if State.TLS_HANDSHAKE in states:
                # The handshake ends where it began (RFC 2595 section 4) or ends the connection.
                states = states - {State.TLS_HANDSHAKE} | {State.AUTHORIZATION}
    return states
