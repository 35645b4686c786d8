"""Small file systems that really are full, broken or without something; each is a context manager that gives a folder.

Mounting needs privileges, a loop device, the kernel's support, and for some a program. Where one is missing the test
is skipped and says which; the same faults are injected in `test_faults` everywhere. Where the privileges are there in
CI, the plain ones must work: a skip would hide that they do not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ("Disk", "broken_disk", "exfat", "quota", "tmpfs")

_CAP_SYS_ADMIN = 21


def may_mount() -> bool:
    status = Path("/proc/self/status").read_text()
    [effective] = [line for line in status.splitlines() if line.startswith("CapEff:")]
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_ADMIN & 1)


# Not everybody's PATH has the programs of the administrator.
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def run(*command: str | Path) -> str:
    return attempt(*command, check=True).stdout.strip()


def attempt(*command: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": PATH}
    return subprocess.run(command, check=check, capture_output=True, text=True, env=environment)


def need(*programs: str) -> None:
    if not may_mount():
        pytest.skip("this process may not mount: the faults are only injected, in test_faults.py")
    for program in programs:
        if shutil.which(program, path=PATH) is None:
            pytest.skip(f"there is no {program} here")


@contextmanager
def mounted(folder: Path, *command: str | Path, optional: bool = False) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    tried = attempt(*command, folder)
    if tried.returncode:
        if optional or "CI" not in os.environ:
            pytest.skip(f"{' '.join(map(str, command))}: {tried.stderr.strip()}")
        raise AssertionError(f"the mount failed, though this process may mount: {tried.stderr}")
    try:
        yield
    finally:
        run("umount", folder)


@contextmanager
def loop_device(image: Path) -> Iterator[str]:
    if not Path("/dev/loop-control").exists():
        pytest.skip("there are no loop devices here")
    device = run("losetup", "--find", "--show", image)
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


def sparse(image: Path, octets: int) -> None:
    with image.open("ab") as file:
        file.truncate(octets)


class Disk:
    """A mounted file system, and what can be done to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remount(self, options: str) -> None:
        run("mount", "-o", f"remount,{options}", self.folder)


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Disk]:
    """A file system in memory, with a bound for octets (size=) or for files (nr_inodes=)."""
    need()
    with mounted(folder, "mount", "-t", "tmpfs", "-o", options, "tmpfs"):
        yield Disk(folder)


class BrokenDisk(Disk):
    """An ext4 of 8 MiB whose device can lose all but its first MiB, where the directories are, and get it back."""

    def __init__(self, folder: Path, image: Path, device: str) -> None:
        super().__init__(folder)
        self._image = image
        self._device = device

    def resize(self, octets: int) -> None:
        sparse(self._image, octets)
        run("losetup", "--set-capacity", self._device)

    def break_down(self) -> None:
        self.resize(1 << 20)

    def mend(self) -> None:
        self.resize(8 << 20)


@contextmanager
def broken_disk(folder: Path) -> Iterator[BrokenDisk]:
    """A disk that can begin to give I/O errors."""
    need("mkfs.ext4", "losetup")
    image = folder.with_suffix(".image")
    sparse(image, 8 << 20)
    # No journal, which would make the whole file system read-only; all metadata in the first MiB, made at once.
    run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0,nodiscard", image)
    with (
        loop_device(image) as device,
        mounted(folder, "mount", "-t", "ext4", "-o", "errors=continue", device),
    ):
        disk = BrokenDisk(folder, image, device)
        yield disk
        disk.mend()


@contextmanager
def quota(folder: Path, octets: int) -> Iterator[Path]:
    """A folder that may hold `octets`, on a btrfs with more room."""
    need("mkfs.btrfs", "btrfs", "losetup")
    image = folder.with_suffix(".image")
    sparse(image, 128 << 20)
    run("mkfs.btrfs", "-q", image)
    with loop_device(image) as device, mounted(folder, "mount", "-t", "btrfs", device, optional=True):
        run("btrfs", "quota", "enable", folder)
        run("btrfs", "subvolume", "create", folder / "box")
        run("btrfs", "qgroup", "limit", str(octets), folder / "box")
        yield folder / "box"


@contextmanager
def exfat(folder: Path) -> Iterator[Disk]:
    """A file system without hard links, owners and modes, whose names may not hold a colon."""
    need("mkfs.exfat", "mount.exfat-fuse", "losetup")
    image = folder.with_suffix(".image")
    sparse(image, 8 << 20)
    run("mkfs.exfat", image)
    with loop_device(image) as device, mounted(folder, "mount.exfat-fuse", device, optional=True):
        yield Disk(folder)
