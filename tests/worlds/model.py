"""The model: what must be true of a world, known from the server's and the store's own contents alone.

How it works. The model asks neither the journal nor the code under test for what should be. It knows what the server
truly holds (octets, not listings), what the store truly holds, and what the server's sessions have said. From that
follow the promises below, each with its name.

The promises:
- *deleted unsafe*: whatever QUIT was asked to delete is in the store, octet for octet, at that moment; and the policy
  allows it.
- *lost*: what was deleted stays in the store.
- *untrue*: a count of the report is not what the session showed.
- *silent*: a report says that nothing is left over, and a listed message is not in the store.
- *limit*: a run took more messages than it was allowed.
- *strange*: a run raised what no caller expects.
- *twice*: a store that knows its keys holds a message twice, or a cut copy of a message that has come since.
- *starved*: a message that the server can deliver alone is not stored after the bound; *kept*: nor deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pop3aio

from .mail import Mail
from .server import Session
from .stores import Appender, Box, Table

if TYPE_CHECKING:
    from .stores import Copy

__all__ = ("Model", "Violation")


class Violation(AssertionError):
    """A promise was broken."""

    def __init__(self, promise: str, text: str) -> None:
        super().__init__(f"{promise}: {text}")
        self.promise = promise


@dataclass
class Model:
    """What is known of one world."""

    store: Box | Table | Appender
    policy: pop3aio.Policy
    now: float = 0.0
    all: list[Mail] = field(default_factory=list)
    broken: list[Violation] = field(default_factory=list)
    first_whole: dict[int, float] = field(default_factory=dict)
    """When each message was first seen whole in the store, by its serial number."""
    asked: list[Mail] = field(default_factory=list)
    """What QUIT was to delete, whatever came of it."""

    def violate(self, promise: str, text: str) -> None:
        """Note that a promise was broken."""
        self.broken.append(Violation(promise, text))

    # -- while the server works

    def at_quit(self, session: Session, marked: list[Mail]) -> None:
        """Look at what a session is going to delete."""
        held = self.store.contents()
        alone = all(mail.knows_own_uid for mail in session.numbered)
        self.asked += marked
        for mail in marked:
            if isinstance(self.policy, pop3aio.Keep):
                self.violate("deleted unsafe", f"{mail!r} was deleted, and all was to be kept")
            if not held[mail.content]:
                # Where a maildrop holds nothing else, a sender who knows his own unique-id can forge the proof; that
                # costs his own message only.
                if not (mail.knows_own_uid and alone):
                    self.violate("deleted unsafe", f"{mail!r} was deleted and is not whole in the store")
            elif isinstance(self.policy, pop3aio.After):
                age = self.now - self.first_whole.get(mail.serial, self.now)
                if age < self.policy.days * 86400 - 1:
                    self.violate("deleted unsafe", f"{mail!r} was deleted {age:.0f} s after it came")

    # -- after a run

    def look(self) -> None:
        """Look at the store after each run."""
        held = self.store.contents()
        for mail in self.all:
            if held[mail.content]:
                self.first_whole.setdefault(mail.serial, self.now)
            elif mail.gone and not mail.knows_own_uid:
                again = any(other.uid == mail.uid for other in self.all if other is not mail)
                self.violate(
                    "lost",
                    f"{mail!r} is gone from the server and not in the store any more"
                    + ("; another message has had its unique-id since" if again else ""),
                )

    def check_report(
        self,
        report: pop3aio.FetchReport,
        sessions: list[Session],
        error: BaseException | None,
        *,
        taken: int,
        limit: int | None,
        excused: Callable[[Mail], bool],
        exact: bool,
    ) -> None:
        """Compare a run's report with what its sessions showed.

        Args:
            report: what the run said.
            sessions: the server's sessions in it.
            error: what the run raised.
            taken: how many messages the store took in it.
            limit: how many it was to take at most.
            excused: tells which messages need not come.
            exact: whether nothing was killed or cancelled.
        """
        if report.fetched > taken:
            self.violate("untrue", f"fetched {report.fetched}, and the store took {taken} only")
        marked = sum(len(session.marked) for session in sessions)
        if report.deleted > marked:
            self.violate("untrue", f"deleted {report.deleted}, and the server marked {marked}")
        said = [session.quit_said for session in sessions if session.quit_said and session.marked]
        if report.commit == "committed" and "+OK" not in said:
            self.violate("untrue", f"committed, and the server said {said} to QUIT")
        if limit is not None and report.fetched > limit:
            self.violate("limit", f"fetched {report.fetched} of {limit}")
        if not exact or error is not None:
            return
        listed = {session.listed for session in sessions if session.listed is not None}
        if listed and report.listed not in listed:
            self.violate("untrue", f"listed {report.listed}, and the server listed {listed}")
        over = report.failed or report.left or report.postponed or report.put_off or report.doubtful
        if not over and sessions and not getattr(report, "adopted", 0):
            held = self.store.contents()
            for mail in sessions[-1].numbered:
                if mail.taken_as_known or excused(mail):
                    continue
                if not held[mail.content] and not all(m.knows_own_uid for m in sessions[-1].numbered):
                    self.violate(
                        "silent", f"{mail!r} is not in the store, and the report tells nothing of it"
                    )
        for failure in report.failed:
            if not any(failure.number <= len(session.numbered) for session in sessions):
                self.violate("untrue", f"a failure of message {failure.number}, which no session has")

    # -- at the end

    def duplicates(self, names_given: dict[int, int], *, renamed: bool) -> list[Violation]:
        """Return the messages that are stored twice, and the cut copies of messages that are stored whole, too.

        Args:
            names_given: under how many names each message may be stored, by its serial number.
            renamed: whether the server gave all messages new names.
        """
        if not isinstance(self.store, Box):
            return []
        # What cannot come whole may have a doubtful copy for ever, and a server that is out of step may have put
        # another message's text into it.
        copies: list[Copy] = [
            copy for copy in self.store.copies() if copy.mail is None or copy.mail.comes_alone
        ]
        # A doubtful copy under a name that the server took back, or that the journal forgot, can be found by nobody;
        # and nobody looks for the copies of what was to be taken as known.
        copies = [
            copy
            for copy in copies
            if copy.mail is None
            or copy.data == copy.mail.content
            or not (renamed or copy.mail.was_forgotten or copy.mail.taken_as_known)
        ]
        held = Counter(copy.data for copy in copies)
        contents = {mail.content: mail for mail in self.all}
        found = []
        for mail in self.all:
            same = sum(names_given[other.serial] for other in self.all if other.content == mail.content)
            if held[mail.content] > max(1, same):
                found.append(Violation("twice", f"{mail!r} is stored {held[mail.content]} times"))
        for copy in copies:
            if copy.data not in contents and copy.mail is not None and held[copy.mail.content]:
                text = f"a cut copy of {copy.mail!r} lies beside the whole one: {copy.data[:60]!r}"
                found.append(Violation("twice", text))
        return found
