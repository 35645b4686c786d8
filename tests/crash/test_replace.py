"""After a power cut at any moment of a replacement, one whole copy is there, and the next replacement leaves one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from maildir import Maildir

from .power import Cut, cuts, load
from .replacer import KEY, NEW, OLD


def record(folder: Path, *options: str) -> tuple[str, list[Cut], int]:
    """Return the recorded Maildir, states of the disk after a cut, and when the replacement was reported."""
    root, log = folder / "recorded", folder / "log"
    root.mkdir()
    command: list[str | Path] = [sys.executable, "-m", "tests.crash.replacer", root / "Mail", log, *options]
    subprocess.run(command, check=True)
    operations = load(log)
    delivered, replaced = (at for at, operation in enumerate(operations, 1) if operation == ("answered",))
    return str(root), list(cuts(operations, str(root), seed=3, samples=20, first=delivered)), replaced


def messages(cut: Cut) -> list[bytes]:
    """Return what a mail reader sees."""
    return [octets for path, octets in cut.files.items() if "/tmp/" not in path.rpartition("Mail")[2]]


def broken(cut: Cut, replaced: int) -> bool:
    """Return whether no whole copy is left, or the older one is there though the replacement was reported."""
    found = messages(cut)
    allowed = [[NEW]] if cut.after >= replaced else [[OLD], [NEW], [OLD, NEW], [NEW, OLD]]
    return found not in allowed


async def test_a_power_cut_at_any_moment(tmp_path: Path) -> None:
    root, states, replaced = record(tmp_path)
    assert sum(len(messages(cut)) == 2 for cut in states) > 0
    for number, cut in enumerate(states):
        assert not broken(cut, replaced), (cut.after, [octets[:8] for octets in messages(cut)])
        folder = tmp_path / str(number)
        cut.build(root, folder, folder / "none" / "journal")
        async with Maildir(folder / "Mail", durability="none") as box:
            await (await box.replace(b"newer\n", key=KEY))
        left = [path.read_bytes() for sub in ("new", "cur") for path in (folder / "Mail" / sub).iterdir()]
        assert left == [b"newer\n"]


async def test_synchronising_is_needed(tmp_path: Path) -> None:
    """The same without it breaks the promise, or the test above would prove nothing."""
    _, states, replaced = record(tmp_path, "--unsynced")
    assert any(broken(cut, replaced) for cut in states)
