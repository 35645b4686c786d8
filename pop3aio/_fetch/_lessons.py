"""What a session that broke teaches the next run, by the step in which it broke.

How it works. A run has steps (`Phase`). Each step has few possible culprits: a command that this server does not answer
well, several commands at once, or a message. What is noted here takes effect in the next run: another command is used,
commands go one by one, or a message is taken last.

Invariants:
- Every step in which a session can break, but for the listing itself and the deletions, changes something here. A
  step that did not would break in the same way in every run, and nothing behind it would ever come.
- What is noted costs speed only. A network may break at any time, so a step may be blamed that is innocent.
"""

from __future__ import annotations

import time
from typing import Literal, TypeAlias

from pop3aio._client import ProofKind
from pop3aio._errors import ConnectionLost, ResponseTimeout
from pop3aio._fetch._intake import Intake
from pop3aio._fetch._memo import Memo
from pop3aio._fetch._naming import Naming
from pop3aio._fetch._notes import FailureKind
from pop3aio._fetch._since import HeaderDates
from pop3core import RemoteProtocolError, UnsolicitedResponse

__all__ = ("BROKEN", "Phase", "learn_from_break")

Phase: TypeAlias = Literal["list", "sizes", "prove", "name", "since", "fetch", "alone", "delete", "quit"]

BROKEN = (ConnectionLost, ResponseTimeout, RemoteProtocolError)
"""What breaks a session."""


def learn_from_break(
    error: Exception,
    phase: Phase,
    memo: Memo,
    *,
    proving: ProofKind,
    naming: Naming | None,
    intake: Intake | None,
    dates: HeaderDates | None,
    window: int,
    unproven: int,
) -> None:
    """Note in the memo what the next run is to do otherwise.

    Args:
        error: what broke the session, one of `BROKEN`.
        phase: the step that was under way.
        memo: takes the note.
        proving: the command that was wished for last, to find out whether it proves a session to be in step.
        naming: the naming of messages without a unique-id, if the run had come to that.
        intake: the fetching, if the run had come to that.
        dates: the asking for dates in headers, if the run had come to that.
        window: how many commands could be in flight.
        unproven: how many messages the store had taken that were not proven yet.
    """
    if phase == "sizes":
        # A network may break at any time: that alone does not take the sizes away altogether.
        memo.unlisted = min(1 if isinstance(error, ConnectionLost) else 2, memo.unlisted + 1)
    elif phase == "prove":
        memo.proof = proving
        memo.change_proof()
    elif phase == "name":
        assert naming is not None
        kind = _kind(error)
        memo.retest = memo.retest or kind == "cut"
        if naming.current is not None:
            naming.note(kind)
        elif window > 1:
            # Messages were retrieved for their names, several at once.
            memo.one_by_one = time.time()
        else:
            # Said behind the last proof.
            memo.change_proof()
    elif phase == "since":
        assert intake is not None
        assert dates is not None
        _learn_from_headers(error, memo, intake, dates, window)
    elif phase in ("fetch", "alone"):
        assert intake is not None
        _learn_from_fetching(error, phase, memo, intake, window, unproven)


def _learn_from_headers(
    error: Exception, memo: Memo, intake: Intake, dates: HeaderDates, window: int
) -> None:
    """Ask for headers one by one next time; after that, note which message broke the session."""
    kind = _kind(error)
    memo.retest = memo.retest or kind == "cut"
    memo.topless += 1
    if window > 1:
        memo.one_by_one = time.time()
    if memo.topless > 1:
        # A header that was cut is seen behind it only.
        culprit = dates.last if kind == "cut" and dates.last is not None else dates.current
        if culprit is not None:
            intake.note(culprit, kind, error)


def _learn_from_fetching(
    error: Exception, phase: Phase, memo: Memo, intake: Intake, window: int, unproven: int
) -> None:
    if isinstance(error, UnsolicitedResponse) and not intake.came:
        # Said behind the answer to LIST n, and seen before the first RETR.
        memo.unlisted = min(2, memo.unlisted + 1)
        return
    kind = _kind(error)
    # A server may answer the proof otherwise than it did: then each message would seem to be cut.
    memo.retest = memo.retest or kind == "cut"
    culprit = intake.current
    if phase == "alone":
        culprit = culprit or intake.last
    elif intake.cut is not None:
        culprit = intake.cut
    elif kind == "cut" and unproven:
        # One of those that came before was cut, and nothing tells which: they are doubtful, all of them.
        culprit = None
    if culprit is not None:
        intake.note(culprit, kind, error)
    if unproven > 1:
        memo.group = max(1, min(memo.group, unproven // 2))
    if window > 1 and not (isinstance(error, ConnectionLost) and intake.journalled):
        # Perhaps the server cannot take several commands at once; and a connection that is reset takes with it what had
        # come behind the message that is under way.
        memo.one_by_one = time.time()


def _kind(error: Exception) -> FailureKind:
    """Return "cut" where the session was out of step, else "broke"."""
    # An "-ERR" that answers nothing looks like the server's farewell, and may stand in a mail.
    out_of_step = isinstance(error, RemoteProtocolError) or isinstance(error.__cause__, RemoteProtocolError)
    return "cut" if out_of_step else "broke"
