"""Killed at any moment and run again, the command has every message once; the short form of `python -m tests.crash`."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from pop3aio._cli._options import JOURNAL

from .conftest import MakeMaildrop
from .kills import Campaign
from .victim import STEPS
from .world import Maildrop, Watch, make_message

# From here on all that was delivered has been journalled, so that whoever reads mail may take it out of the Maildir.
SETTLED = STEPS[STEPS.index("memo") :]


async def test_killed_at_every_step(maildrop: Maildrop, tmp_path: Path) -> None:
    async with Campaign(maildrop, tmp_path, seed=1) as campaign:
        for step in STEPS:
            campaign.send(3)
            assert await campaign.killed_at(step), f"a run does not come to the step {step}"
            if step in SETTLED:
                campaign.watch.file_away()
        found = await campaign.complete()
    assert found.clean, found
    assert (found.kills, found.messages) == (len(STEPS), 3 * len(STEPS))


async def test_killed_at_random_with_dovecot(dovecot: MakeMaildrop, tmp_path: Path) -> None:
    async with Campaign(dovecot(), tmp_path, seed=2) as campaign:
        while campaign.watch.findings.kills < 5:
            campaign.send(6)
            await campaign.killed_at_random()
        found = await campaign.complete()
    assert found.clean, found


@pytest.mark.soak
@pytest.mark.parametrize("keep", [False, True])
async def test_killed_very_often(maildrop: Maildrop, tmp_path: Path, keep: bool) -> None:
    async with Campaign(maildrop, tmp_path, seed=3, keep=keep) as campaign:
        for step in STEPS * 3:
            campaign.send(20)
            await campaign.killed_at(step, 2)
            await campaign.killed_at_random()
        found = await campaign.complete()
    assert found.clean, found


# The promises are kept by these steps; without one of them the same campaign finds what is broken.


@pytest.mark.parametrize(
    ("without", "step", "filed", "fault"),
    [
        ("no_key_check", "renamed", False, "twice"),
        ("no_journal_before_dele", "QUIT", True, "twice"),
        ("no_waiting_for_the_store", "QUIT-answered", False, "lost"),
    ],
)
async def test_each_step_is_needed(
    maildrop: Maildrop, tmp_path: Path, without: str, step: str, filed: bool, fault: str
) -> None:
    async def kill_once(folder: str, without: str) -> Campaign:
        async with Campaign(maildrop, tmp_path / folder, seed=4, without=without) as campaign:
            campaign.send(5)
            assert await campaign.killed_at(step)
            if filed:
                campaign.watch.file_away()
            await campaign.complete()
        return campaign

    whole = await kill_once("whole", "")
    assert whole.watch.findings.clean, whole.watch.findings
    mutant = await kill_once("mutant", without)
    assert getattr(mutant.watch.findings, fault) > 0, mutant.watch.findings


# The counting itself.


class Drop:
    host = ""
    port = 0
    user = ""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def add(self, message: bytes) -> None:
        self.messages.append(message)

    def contents(self) -> list[bytes]:
        return self.messages


@pytest.mark.parametrize(
    ("deed", "keep", "fault"),
    [
        ("nothing", False, None),
        ("nothing", True, "wrongly_deleted"),
        ("remove", False, "lost"),
        ("cut", False, "corrupt"),
        ("copy", False, "twice"),
        ("leave", False, "not_deleted"),
        ("leave", True, None),
        ("litter", False, "strange"),
        ("know", False, "strange"),
    ],
)
def test_each_fault_is_counted(tmp_path: Path, deed: str, keep: bool, fault: str | None) -> None:
    drop = Drop()
    watch = Watch(drop, tmp_path, keep=keep)
    for name in ("new", "cur", "tmp"):
        (watch.box / name).mkdir(parents=True)
    chance = random.Random(1)
    for number in range(3):
        watch.send(make_message(number, chance))
        (watch.box / "new" / str(number)).write_bytes(drop.messages[-1].replace(b"\r\n", b"\n"))
    first = watch.box / "new" / "0"
    if deed != "leave":
        drop.messages.clear()
    if deed == "remove":
        first.unlink()
    elif deed == "cut":
        first.write_bytes(first.read_bytes()[:-1])
    elif deed == "copy":
        shutil.copy(first, watch.box / "cur" / "0")
    elif deed == "litter":
        (watch.box / "tmp" / "0").touch()
    watch.at_end(journalled=4 if deed == "know" else 3, swept=0)
    assert watch.findings.clean == (fault is None)
    assert fault is None or getattr(watch.findings, fault) > 0


# The journal, lost or old.


@pytest.mark.parametrize("keep", [False, True])
async def test_the_journal_is_lost(maildrop: Maildrop, tmp_path: Path, keep: bool) -> None:
    async with Campaign(maildrop, tmp_path, seed=5, keep=keep) as campaign:
        for step in ("journalled", "QUIT"):
            campaign.send(4)
            assert await campaign.killed_at(step)
            for path in campaign.watch.box.glob(f"{JOURNAL}*"):
                path.unlink()
        found = await campaign.complete()
    assert found.clean, found


@pytest.mark.parametrize(("keep", "log"), [(False, "newer"), (True, "newer"), (True, "gone")])
async def test_the_journal_is_restored_from_an_older_copy(
    maildrop: Maildrop, tmp_path: Path, keep: bool, log: str
) -> None:
    """Also when the log of what was written since lies beside it, as a kill leaves it."""
    async with Campaign(maildrop, tmp_path, seed=6, keep=keep) as campaign:
        journal = campaign.watch.box / JOURNAL
        campaign.send(30)
        assert await campaign.killed_at("QUIT")
        campaign.send(5)
        await campaign.run()
        shutil.copy(journal, tmp_path / "older")
        campaign.send(30)
        assert await campaign.killed_at("QUIT")
        shutil.copy(tmp_path / "older", journal)
        if log == "gone":
            journal.with_name(f"{JOURNAL}-wal").unlink()
        else:
            assert journal.with_name(f"{JOURNAL}-wal").exists()
        campaign.send(5)
        found = await campaign.complete()
    assert found.clean, found


# Two at once.


async def test_two_processes_at_once(dovecot: MakeMaildrop, tmp_path: Path) -> None:
    """Dovecot, as it comes, lets both sessions in: only the journal stands between them."""
    async with Campaign(dovecot(), tmp_path, seed=7) as campaign:
        campaign.send(10)
        (first, nothing), (second, errors) = await campaign.run_two()
        assert (first, nothing) == (0, "")
        assert second == 1
        assert "another process is using the journal" in errors
        found = await campaign.complete()
    assert found.clean, found
