"""The session's states, and the two tables that say everything about them.

Everything that moves a session from one state to another stands in this file, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

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

__all__ = ("ALLOWED", "TRANSITIONS", "State", "outcomes")


class State(Enum):
    """The states of RFC 1939 section 3, and what a client needs besides."""

    GREETING = "GREETING"
    """Waiting for the server's first line; nothing may be sent."""

    AUTHORIZATION = "AUTHORIZATION"
    """Not logged in."""

    TLS_HANDSHAKE = "TLS_HANDSHAKE"
    """STLS was accepted; the bytes on the wire are not ours until `tls_established` is called."""

    TRANSACTION = "TRANSACTION"
    """Logged in."""

    UPDATE = "UPDATE"
    """QUIT was answered after a login; the server has carried out the deletions, or said that it has not."""

    CLOSED = "CLOSED"
    """Over, in good order."""

    ERROR = "ERROR"
    """Over, since the server broke the protocol; nothing is sent any more, QUIT least of all."""

    # Enum's own is a Python function, called for every look-up in a table.
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

CHANGING: frozenset[type[Command]] = frozenset(command for _, command, _ in TRANSITIONS)


def outcomes(state: State, pending: Iterable[Command]) -> set[State]:
    """Return the states the session may be in once all of `pending` are answered, whichever way."""
    states = {state}
    for command in pending:
        kind = type(command)
        if kind in CHANGING:
            states = {TRANSITIONS.get((s, kind, ok), s) for s in states for ok in (True, False)}
            if State.TLS_HANDSHAKE in states:
                # The handshake ends where it began (RFC 2595 section 4) or ends the connection.
                states = states - {State.TLS_HANDSHAKE} | {State.AUTHORIZATION}
    return states
