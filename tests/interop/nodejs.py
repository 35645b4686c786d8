"""Servers for Node.js, from npm."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

from .packages import NotToBeHad
from .server import PASSWORD, RealServer, free_ports, wait_until_up

__all__ = ("WildDuck",)

_VERSION = "1.51.1"
# What its POP3 server loads; the rest of WildDuck's needs are a database's and a web server's.
_NEEDS = (
    *("@zone-eu/wild-config@1.7.6", "base32.js@0.1.0", "gelf@2.0.1", "nodemailer@10.0.9", "npmlog@7.0.1"),
    *("prom-client@15.1.3", "punycode.js@2.3.1"),
)


class WildDuck(RealServer):
    """WildDuck's POP3 server, over files in place of its database (see wildduck.js)."""

    name = "WildDuck"

    @classmethod
    def fetch(cls, roots: Path) -> None:
        if shutil.which("npm") is None:
            raise NotToBeHad("there is no npm")
        root = roots / cls.name
        if (root / "complete").exists():
            return
        modules = root / "node_modules"
        modules.mkdir(parents=True)
        install = ("npm", "install", "--prefix", root, "--ignore-scripts", "--no-audit", "--no-fund", *_NEEDS)
        pack = ("npm", "pack", "--pack-destination", root, f"@zone-eu/wildduck@{_VERSION}")
        for command in (install, pack):
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=root)
            if done.returncode:
                raise NotToBeHad("npm has not got it")
        subprocess.run(("tar", "-xzf", root / f"zone-eu-wildduck-{_VERSION}.tgz", "-C", modules), check=True)
        (modules / "package").rename(modules / "wildduck")
        (root / "complete").touch()

    def start(self, folder: Path, stack: ExitStack) -> None:
        modules = self.root / "node_modules"
        self.version = json.loads((modules / "wildduck" / "package.json").read_text())["version"]
        self.port, self.tls_port = free_ports(2)
        (folder / "server.pem").write_bytes(self.certificates.server_pem)
        for user, messages in self.mailboxes.items():
            mailbox = folder / "mail" / user
            mailbox.mkdir(parents=True)
            for number, message in enumerate(messages, 1):
                (mailbox / f"{number:06}").write_bytes(message)
        arguments = (modules, folder, str(self.port), str(self.tls_port), PASSWORD)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ("node", Path(__file__).with_name("wildduck.js"), *arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        stack.callback(process.wait)
        stack.callback(process.kill)
        ports = (self.port, self.tls_port)
        wait_until_up(self.name, ports, lambda: process.poll() is None, folder / "log")
