"""A place where an unpacked server finds all its files, and nobody else does: a mount namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .packages import NotToBeHad

__all__ = ("Cell",)

# What is mounted is seen, and what runs can be signalled, within the namespaces alone; they end with the first process.
_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

_PREAMBLE = """\
mount -t tmpfs tmpfs {layers}
for top in etc usr var; do
    mkdir {layers}/$top {layers}/$top.work
    mount -t overlay overlay -o lowerdir={root}/$top:/$top,upperdir={layers}/$top,workdir={layers}/$top.work /$top
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
"""


class Cell:
    """Runs a script that sees the unpacked packages, as if they were installed, and users who exist only there.

    Whatever it writes below /etc, /usr, /var and /run is gone with it. It shares the network, and all other files.

    Args:
        root: where the packages are unpacked.
        folder: an empty folder of its own.
        users: names of users to be in the cell, with the user ids from 20001.
    """

    def __init__(self, root: Path, folder: Path, users: Iterable[str] = ()) -> None:
        self._root = root
        self._folder = folder
        self._users = list(users)
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "cell.log"

    def uid(self, user: str) -> int:
        """Return the user id, which is the group id as well."""
        return 20001 + self._users.index(user)

    def home(self, user: str) -> Path:
        """Return the user's home, made if it is not there."""
        home = self._folder / "home" / user
        home.mkdir(parents=True, exist_ok=True)
        return home

    def give(self, path: Path, user: str) -> None:
        """Make a user the owner of what is at `path` and below."""
        os.chown(path, self.uid(user), self.uid(user))
        for folder, names, files in os.walk(path):
            for name in (*names, *files):
                os.chown(os.path.join(folder, name), self.uid(user), self.uid(user))

    def start(self, script: str, password: str) -> None:
        """Run a script of the shell, which must not return as long as the server is wanted.

        Raises NotToBeHad where there are no such namespaces.
        """
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            raise NotToBeHad("it takes root and unshare to give it a mount namespace")
        if subprocess.run((*_NAMESPACES, "true"), capture_output=True).returncode:
            raise NotToBeHad("this system lets nobody have a mount namespace")
        layers = self._folder / "layers"
        layers.mkdir()
        lines = [_PREAMBLE.format(layers=layers, root=self._root)]
        for user in self._users:
            uid = self.uid(user)
            lines.append(f"echo '{user}:x:{uid}:{uid}::{self.home(user)}:/bin/sh' >> /etc/passwd\n")
            lines.append(f"echo '{user}:x:{uid}:' >> /etc/group\n")
        if self._users:
            digest = '"$(openssl passwd -6 "$PASSWORD")"'
            lines.append(f"digest={digest}\n")
            lines += [f'echo "{user}:$digest:19000:0:99999:7:::" >> /etc/shadow\n' for user in self._users]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                # The shell stays: a server that changes its user would outlive us.
                (*_NAMESPACES, "sh", "-euc", f"{''.join(lines)}(\n{script})\nexit $?"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "PASSWORD": password},
            )

    @property
    def running(self) -> bool:
        """Whether the script has not ended yet."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End everything that runs in the cell."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
