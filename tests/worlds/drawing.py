"""What a world is drawn from: the habits of its server, and the mail that comes, with all that is wrong with both."""

from __future__ import annotations

import random

from .mail import ALWAYS, Mail, Shape, Trouble, make_mail
from .server import Habits

__all__ = ("Senders", "draw_habits")

_TIMES = (1, 1, 2, 3)


def draw_habits(chance: random.Random) -> Habits:
    """Return the habits of a server."""
    habits = Habits()
    habits.pipelining = chance.choice(
        ("none", "none", "good", "good", "good", "good", "mixes", "swaps", "loses")
    )
    if chance.random() < 0.35:
        habits.uidl_one = chance.choice(("whole", "numberless", "refused", "dot"))
    if chance.random() < 0.35:
        habits.list_all = chance.choice(("refused", "partial"))
    if chance.random() < 0.25:
        habits.list_one = chance.choice(("refused", "dot"))
    if chance.random() < 0.08:
        habits.uidl = "none"
        habits.list_all = habits.list_one = "good"
    if chance.random() < 0.15 and habits.uidl == "good":
        # Without unique-ids all messages come in each session, to be named: that needs as many commands.
        habits.budget_of = chance.choice(("all", "mail"))
        habits.budget = chance.randrange(30, 60) if habits.budget_of == "all" else chance.randrange(3, 20)
    if chance.random() < 0.4:
        # What is deleted without a word, and its name used again, is what the note of deletions is for.
        kinds = ("lies", "partly", "silent", "silent done", "silent done", "silent done", "refuse", "close")
        habits.quit = Trouble(chance.choice(kinds), chance.choice(_TIMES))
    if chance.random() < 0.3:
        habits.top = chance.choice(("refused", "dot"))
    if not chance.randrange(5):
        # Below every time-out of the client.
        habits.delay = chance.choice((0.05, 0.2, 0.4))
    return habits


class Senders:
    """Those who send mail to one maildrop.

    Attributes:
        used: unique-ids that the server may use again.
    """

    def __init__(self, chance: random.Random, habits: Habits) -> None:
        self._chance = chance
        self._habits = habits
        self._know = not chance.randrange(6)
        self._someone_knows = False
        self._forge = chance.random() < 0.4
        self._fault_rate = chance.choice((0.0, 0.1, 0.3, 0.6))
        self.used: list[str] = []

    def send(self, serial: int, sent: float) -> Mail:
        """Return the next mail, with this date in its header."""
        chance = self._chance
        uid = f"{chance.getrandbits(40):010x}"
        if self.used and chance.random() < 0.9:
            uid = self.used.pop(chance.randrange(len(self.used)))
        shape: Shape = "sound"
        forging = knows = False
        faulty = chance.random() < self._fault_rate
        if faulty and chance.random() < 0.5:
            shape = chance.choice(("dot inside", "dot inside", "dot first", "no end", "bare end"))
            forging = self._forge and shape in ("dot inside", "dot first")
            # One sender, one mail: two of them could answer for each other.
            knows = forging and self._know and not self._someone_knows
            self._someone_knows = self._someone_knows or knows
        mail = make_mail(serial, uid, chance, shape, sent=sent, forging=forging, knows=knows)
        if faulty and shape == "sound":
            self._harm(mail)
        return mail

    def _harm(self, mail: Mail) -> None:
        chance = self._chance
        times = chance.choice((*_TIMES, ALWAYS))
        match chance.randrange(6):
            case 0 | 1:
                kinds = ("refuse", "close", "close inside", "stall", "stall inside")
                mail.retr = Trouble(chance.choice(kinds), times)
            case 2:
                mail.dele = Trouble(chance.choice(("refuse", "close", "stall")), times)
            case 3:
                words = ("raise", "leave", "unread", "partly", "late", "late leave", "silent")
                mail.store = Trouble(chance.choice(words), times)
                if not chance.randrange(8):
                    mail.store = Trouble("stop", chance.choice(_TIMES))
            case 4:
                mail.hidden = 0.3
            case _:
                # A message without a usable unique-id comes in each session to be named, which may use a budget up.
                nameable = self._habits.uidl == "good" and self._habits.budget is None
                if nameable and not chance.randrange(2):
                    mail.listed_twice = True
                else:
                    mail.listed_size = chance.choice((0, 1, 99, 100_000))
