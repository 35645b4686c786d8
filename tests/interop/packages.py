"""Debian's packages, fetched and unpacked into a folder of their own: nothing is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

__all__ = ("NotToBeHad", "unpack", "version_of")

_MERGED = ("bin", "sbin", "lib")


class NotToBeHad(Exception):
    """A server that cannot run here; says why."""


def unpack(packages: Iterable[str], root: Path) -> None:
    """Unpack packages, and those they need that this system has not, below `root`; what is there already is kept.

    Raises NotToBeHad where apt has not got them.
    """
    if (root / "complete").exists():
        return
    archives = root / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    command = (
        *("apt-get", "install", "--quiet=2", "--yes", "--reinstall", "--no-install-recommends"),
        *("--download-only", "-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1"),
    )
    try:
        done = subprocess.run((*command, *packages), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise NotToBeHad("there is no apt-get") from error
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or ["apt-get failed"]
        raise NotToBeHad(reasons[0].removeprefix("E: "))
    for name in ("etc", "usr", "var"):
        (root / name).mkdir(exist_ok=True)
    for archive in sorted(archives.glob("*.deb")):
        subprocess.run(("dpkg", "-x", archive, root), check=True)
    for name in _MERGED:
        # In a package older than the merge /lib is a folder, in the system it is a link to /usr/lib.
        if (root / name).is_dir():
            shutil.copytree(root / name, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
    (root / "complete").touch()


def version_of(package: str, root: Path) -> str:
    """Return the version of an unpacked package without Debian's revision."""
    (archive,) = (root / "archives").glob(f"{package}_*.deb")
    done = subprocess.run(
        ("dpkg-deb", "--field", archive, "Version"), capture_output=True, text=True, check=True
    )
    # [epoch:]upstream[-revision]
    version = done.stdout.strip().rpartition(":")[2]
    return version.rpartition("-")[0] or version
