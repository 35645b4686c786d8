"""What happens between two runs: mail comes, and comes back; names change; the journal is lost, or put back.

How it works. `World` asks for each of these in the turbulent time. What the model must allow for because of it stands
in the attributes: a name that the server takes back, or a journal that forgets, may cost a second copy, and no more.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from .drawing import Senders
from .mail import Mail, Trouble, make_mail
from .model import Model
from .server import Habits, Maildrop

__all__ = ("Between",)

_LOG = ("-wal", "-shm")


class Between:
    """The time between the runs of one world.

    Attributes:
        renames: how often the server gave all messages new names.
        forgotten: how often the journal lost what it knew.
    """

    def __init__(
        self, chance: random.Random, habits: Habits, drop: Maildrop, model: Model, journal: Path
    ) -> None:
        self._chance = chance
        self._habits = habits
        self._drop = drop
        self._model = model
        self._senders = Senders(chance, habits)
        self._path = journal
        self._copy = journal.with_name("an older copy")
        self._offered: set[int] = set()
        self._gone_before: set[int] = set()
        self._reuses = True
        self.renames = 0
        self.forgotten = 0

    # -- mail

    def arrive(self, now: float, count: int = 1) -> None:
        """Let mail come; some of it was written long ago."""
        for _ in range(count):
            sent = now - self._chance.choice((0, 0, 400 * 86400))
            mail = self._senders.send(len(self._model.all), sent)
            self._model.all.append(mail)
            self._drop.mails.append(mail)

    def share_a_uid(self, now: float) -> None:
        """Give two messages the same unique-id."""
        pair = self._drop.mails[:2]
        for mail in pair:
            clean = make_mail(
                mail.serial, "shared", self._chance, "sound", sent=now, forging=False, knows=False
            )
            self._model.all[mail.serial] = clean
            self._drop.mails[self._drop.mails.index(mail)] = clean
        if self._habits.quit.kind == "partly":
            self._habits.quit = Trouble()

    def happen(self, now: float) -> None:
        """Let happen what may happen to the maildrop between two runs of the turbulent time."""
        chance = self._chance
        # A unique-id that may be used again seldom waits for long.
        if chance.random() < (0.9 if self._senders.used else 0.3):
            self.arrive(now, chance.randrange(1, 3))
        if not chance.randrange(30) and self._habits.uidl == "good":
            self._rename_all()
        if not chance.randrange(12):
            self._bring_back()

    def _rename_all(self) -> None:
        self.renames += 1
        for mail in self._drop.mails:
            if mail.uid != "shared":
                mail.uid = f"{self._chance.getrandbits(40):010x}"
        self._senders.used.clear()

    def _bring_back(self) -> None:
        # Under its old name, which no other message has had since.
        gone = [
            mail
            for mail in self._model.all
            if mail.gone and mail.uid != "shared" and not self._had_since(mail)
        ]
        if gone:
            mail = self._chance.choice(gone)
            mail.returned += 1
            if mail.uid in self._senders.used:
                self._senders.used.remove(mail.uid)
            # A listing without it is to be seen once more, before its name can be used again.
            self._gone_before.discard(mail.serial)
            self._offered.discard(mail.serial)
            self._drop.bring_back(mail)

    def _had_since(self, mail: Mail) -> bool:
        return any(mail.uid in (other.uid, *other.names) for other in self._model.all[mail.serial + 1 :])

    def offer_for_reuse(self, shown: set[str]) -> None:
        """Let the unique-ids of deleted messages be used again, once a run has seen a listing without them.

        Args:
            shown: the unique-ids that were listed in the last run.
        """
        waiting = [mail for mail in self._model.all if mail.gone and mail.uid != "shared"]
        for mail in waiting:
            seen = mail.serial in self._gone_before and mail.uid not in shown
            if self._reuses and seen and mail.serial not in self._offered:
                self._offered.add(mail.serial)
                if mail.uid not in self._senders.used:
                    self._senders.used.append(mail.uid)
        self._gone_before = {mail.serial for mail in waiting}

    # -- the journal's file, while nobody has it open

    def keep_a_copy(self) -> None:
        """Make a copy of the journal, as a backup does."""
        if self._path.exists():
            shutil.copy(self._path, self._copy)
            for end in _LOG:
                self._remove(f"{self._copy.name}{end}")
                if (log := self._path.with_name(self._path.name + end)).exists():
                    shutil.copy(log, self._path.with_name(self._copy.name + end))

    def spoil_the_journal(self) -> None:
        """Lose the journal, fill it with junk, cut it, or put an older copy of it in its place."""
        if not self._path.exists():
            return
        kinds = ["lost", "junk", "cut"]
        if self._copy.exists():
            # A journal that is put back knows unique-ids which it had forgotten: nobody can tell that they were used
            # again since.
            kinds.append("older")
        kind = self._chance.choice(kinds)
        if kind == "older" and self._offered:
            kind = "lost"
        self.forgotten += 1
        for mail in self._model.all:
            mail.was_forgotten = True
        if kind == "junk":
            self._path.write_bytes(b"this is no journal " * 300)
        elif kind == "cut":
            with self._path.open("r+b") as file:
                file.truncate(self._path.stat().st_size // 2)
        else:
            self.lose_the_journal()
        if kind == "older":
            self._reuses = False
            shutil.copy(self._copy, self._path)
            for end in _LOG:
                if (log := self._path.with_name(self._copy.name + end)).exists():
                    shutil.copy(log, self._path.with_name(self._path.name + end))

    def lose_the_journal(self) -> None:
        """Remove the journal, as a person does with a damaged one."""
        for end in ("", *_LOG):
            self._remove(self._path.name + end)

    def _remove(self, name: str) -> None:
        self._path.with_name(name).unlink(missing_ok=True)
