"""After a power cut at any moment, in any state of the disk that POSIX allows, a second run has every message once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import pop3aio
from maildir import Maildir
from pop3aio._cli._options import JOURNAL
from pop3aio._fetch._run import Run
from pop3aio.testing import Server

from .kills import Campaign
from .power import Cut, cuts, load
from .world import PASSWORD, EmbeddedDrop, Findings, Watch, make_message


class Recording:
    """What a run of the command did to its files, and to which mail."""

    def __init__(self, folder: Path, *, keep: bool = False, without: str = "") -> None:
        self._folder = folder
        self._keep = keep
        self._without = without
        chance = random.Random(8)
        # One is large enough to be written while it comes.
        self._messages = [
            *(make_message(n, chance) for n in range(6)),
            b"Subject: 6\r\n\r\n" + b"x" * 400_000 + b"\r\n",
        ]
        self._rounds = 0

    async def make(self, killed_at: str = "", count: int = 1) -> None:
        """Run the command to its end; before that, if a step is given, kill it when it comes there for that time."""
        root = self._folder / "recorded"
        self._root = str(root)
        log = self._folder / "log"
        async with Server() as server:
            drop = EmbeddedDrop(server)
            campaign = Campaign(drop, root, seed=8, keep=self._keep, without=self._without, record=log)
            async with campaign:
                for message in self._messages:
                    campaign.watch.send(message)
                self._uids = drop.uids
                self._account = campaign.account
                self._start = 0
                if killed_at:
                    assert await campaign.killed_at(killed_at, count)
                    self._start = len(load(log))
                await campaign.run()
        self._operations = load(log)

    def cuts(self, samples: int, seed: int = 1) -> Sequence[Cut]:
        """Return states of the disk after a power cut, at each moment but of a run that was killed."""
        return list(cuts(self._operations, self._root, seed, samples, self._start))

    async def run_again(self, cut: Cut) -> Findings:
        """Fetch with what a power cut has left, and look at everything."""
        self._rounds += 1
        folder = self._folder / str(self._rounds)
        async with Server() as server:
            drop = EmbeddedDrop(server)
            watch = Watch(drop, folder, keep=self._keep)
            journal = watch.box / JOURNAL
            cut.build(self._root, folder, journal)
            for number, (uid, message) in enumerate(zip(self._uids, self._messages, strict=True), start=1):
                watch.expect(message)
                if number not in cut.deleted:
                    drop.add(message, uid)

            async def open_session() -> pop3aio.Client:
                client = await pop3aio.connect(drop.host, drop.port, tls="none")
                await client.login(drop.user, PASSWORD, allow_insecure=True)
                return client

            # Its own durability is not in question here.
            async with Maildir(watch.box, durability="none") as box:
                report = await pop3aio.collect(
                    open_session,
                    box,
                    journal=journal,
                    delete=pop3aio.Keep() if self._keep else pop3aio.Delete(),
                    account=self._account,
                )
                assert report.failed == []
                watch.at_end(0, len(await box.clean(0)))
        return watch.findings

    async def look(self, states: Sequence[Cut]) -> Findings:
        """Run again from each of these states, until a promise is broken."""
        total = Findings()
        for cut in states:
            total += await self.run_again(cut)
            if not total.clean:
                break
        return total


def some(states: Sequence[Cut], count: int) -> list[Cut]:
    return random.Random(9).sample(states, count) if len(states) > count else list(states)


@pytest.mark.parametrize("keep", [False, True])
async def test_a_power_cut_at_any_moment(tmp_path: Path, keep: bool) -> None:
    recording = Recording(tmp_path, keep=keep)
    await recording.make()
    found = await recording.look(some(recording.cuts(samples=2), 30))
    assert found.clean, found


@pytest.mark.parametrize(
    ("step", "count"),
    [
        # The directory that the Maildir is made in is not synchronised yet.
        ("fsync-directory", 2),
        # The last message has its name, which is not durable yet.
        ("renamed", 7),
        ("fsync-directory", 6),
        ("journal", 1),
        ("QUIT", 1),
    ],
)
async def test_a_power_cut_after_a_kill_and_another_run(tmp_path: Path, step: str, count: int) -> None:
    """What a killed run has left unsynchronised is not made durable by being found."""
    recording = Recording(tmp_path)
    await recording.make(step, count)
    found = await recording.look(recording.cuts(samples=0)[-12:])
    assert found.clean, found


@pytest.mark.soak
@pytest.mark.parametrize("step", ["", "mkdir", "renamed", "fsync-directory", "journal", "journalled", "DELE"])
@pytest.mark.parametrize("keep", [False, True])
async def test_power_cuts_at_length(tmp_path: Path, keep: bool, step: str) -> None:
    recording = Recording(tmp_path, keep=keep)
    await recording.make("QUIT" if keep and step == "DELE" else step)
    states = recording.cuts(samples=20)
    found = await recording.look(states)
    assert found.clean, found
    print(f"{len(states)} states: {found}")


@pytest.mark.parametrize(
    ("without", "fault"),
    [("no_file_fsync", "corrupt"), ("no_directory_fsync", "lost"), ("no_waiting_for_the_store", "lost")],
)
async def test_each_step_is_needed(tmp_path: Path, without: str, fault: str) -> None:
    recording = Recording(tmp_path, without=without)
    await recording.make()
    # The states from the end: that is where the server has deleted.
    found = await recording.look(recording.cuts(samples=1)[::-1])
    assert getattr(found, fault) > 0, found


async def test_the_key_check_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(self: Any, new: list[Any]) -> list[Any]:
        self._memo.coming = {}
        return new

    recording = Recording(tmp_path)
    await recording.make()
    monkeypatch.setattr(Run, "_ask_store", ask)
    found = await recording.look(recording.cuts(samples=1)[::-1])
    assert found.twice > 0, found
