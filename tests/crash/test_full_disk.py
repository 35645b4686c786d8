"""A disk that fills up in the middle of a fetch: what is there stays, what is said helps, and the rest comes later."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from maildir import Maildir
from pop3aio.testing import Server
from tests.cli.support import JOURNAL, Cli, mails, url

from .world import EmbeddedDrop, Watch

COUNT = 60
OCTETS = 40_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system for half of the mail."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={COUNT * OCTETS // 2}", "tmpfs", str(place)]
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root can mount a file system")
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"a small file system is needed, and cannot be mounted: {mounted.stderr}")
        pytest.skip(f"nothing can be mounted here: {mounted.stderr}")
    yield place
    subprocess.run(["umount", place], check=True)


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={4 * COUNT * OCTETS}", disk], check=True)


@pytest.mark.parametrize("policy", ["--delete", "--keep"])
@pytest.mark.parametrize("journal", ["beside the mail", "elsewhere"])
async def test_full_in_the_middle(cli: Cli, tmp_path: Path, disk: Path, policy: str, journal: str) -> None:
    async with Server() as server:
        drop = EmbeddedDrop(server)
        watch = Watch(drop, disk, keep=policy == "--keep")
        box = watch.box
        file = box / JOURNAL if journal == "beside the mail" else tmp_path / "journal"
        for message in mails(COUNT, OCTETS):
            watch.send(message)
        arguments: list[str | Path] = ["fetch", *url(server), box, policy, "--journal", file]
        first = await cli(*arguments)

        assert first.status == 1
        # Which of the two is the first to find no room is up to chance.
        assert str(box) in first.error
        assert re.search(r"[0-9]+ octets", first.error)
        assert "make room" in first.error
        assert "run the same command again" in first.error
        # Nothing is cut off, or left in tmp/, and nothing is deleted.
        watch.after_kill(0)
        committed = watch.stored().total()
        assert 0 < committed < COUNT
        assert len(drop.contents()) == COUNT

        # Without room nothing gets worse.
        again = await cli(*arguments, "--json")
        assert again.status == 1
        assert watch.stored().total() >= committed
        # How far it came is said, too.
        assert again.json["listed"] == COUNT

        grow(disk)
        second = await cli(*arguments, "--json")
        assert (second.status, second.err) == (0, "")
        assert second.json["fetched"] > 0
        if journal == "elsewhere":
            # Where the journal has no room, what was stored is not journalled: it comes again, and takes the place of
            # its copy.
            assert second.json["fetched"] <= COUNT - committed
        async with Maildir(box) as maildir:
            assert await maildir.clean(0) == []
    watch.at_end(COUNT, 0)
    assert watch.findings.clean, watch.findings


async def test_full_before_anything_is_there(cli: Cli, disk: Path) -> None:
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free))
    async with Server(mails(2)) as server:
        result = await cli("fetch", *url(server), disk / "Mail")
        assert result.status == 1
        assert "make room" in result.error
        (disk / "ballast").unlink()
        assert (await cli("fetch", *url(server), disk / "Mail")).status == 0
