"""Dovecot, which the ordinary suite has as well, and the proxies that stand in front of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

from tests.kit.dovecot import Dovecot as DovecotProcess

from .cell import Cell
from .packages import NotToBeHad
from .server import HOST, PASSWORD, RealServer, Tls

__all__ = ("PROXIES", "Dovecot", "Nginx", "Perdition", "Stunnel")


class Dovecot(RealServer):
    """Dovecot on Maildirs, as it is installed."""

    name = "Dovecot"
    apop = True

    @classmethod
    def fetch(cls, roots: Path) -> None:
        if shutil.which("dovecot", path="/usr/sbin:/usr/bin") is None:
            raise NotToBeHad("it is not installed: apt-get install dovecot-pop3d")

    def start(self, folder: Path, stack: ExitStack) -> None:
        done = subprocess.run(("dovecot", "--version"), capture_output=True, text=True, check=True)
        self.version = done.stdout.partition(" ")[0]
        dovecot = stack.enter_context(_dovecot(folder, self.mailboxes))
        self.port, self.tls_port = dovecot.port, dovecot.tls_port
        self.certificates = dovecot._certificates


def _dovecot(folder: Path, mailboxes: Mapping[str, Sequence[bytes]]) -> DovecotProcess:
    users = dict.fromkeys(mailboxes, PASSWORD)
    mechanisms = "auth_mechanisms = plain login cram-md5 apop scram-sha-1 scram-sha-256"
    return DovecotProcess(folder, users, mailboxes, extra_config=mechanisms)


class Proxy(RealServer):
    """What has Dovecot behind it."""

    def start(self, folder: Path, stack: ExitStack) -> None:
        (folder / "backend").mkdir()
        self.backend = stack.enter_context(_dovecot(folder / "backend", self.mailboxes))
        super().start(folder, stack)


class Nginx(Proxy):
    """nginx's mail module: it speaks POP3 until the login, asks a web server who may, and passes the session on."""

    name = "nginx"
    packages = ("nginx", "libnginx-mod-mail")

    def launch(self, cell: Cell, folder: Path) -> str:
        (folder / "nginx.conf").write_text(f"""\
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
user nobody nogroup;
error_log stderr;
pid {folder}/nginx.pid;
events {{ }}
mail {{
    server_name localhost;
    auth_http {HOST}:{self._door.server_port}/;
    pop3_auth plain;
    pop3_capabilities TOP USER UIDL PIPELINING;
    proxy on;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    server {{ listen {HOST}:{self.port}; protocol pop3; starttls on; }}
    server {{ listen {HOST}:{self.tls_port} ssl; protocol pop3; }}
}}
""")
        return f"mkdir -p /var/log/nginx\nexec nginx -c {folder}/nginx.conf\n"

    def start(self, folder: Path, stack: ExitStack) -> None:
        self._door = stack.enter_context(ThreadingHTTPServer((HOST, 0), _Door))
        thread = Thread(target=self._door.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(self._door.shutdown)
        super().start(folder, stack)
        _Door.backend = self.backend.port


class _Door(BaseHTTPRequestHandler):
    """Answers nginx's question by the right password or a refusal."""

    backend: ClassVar[int]

    def do_GET(self) -> None:
        self.send_response(200)
        if self.headers["Auth-Pass"] == PASSWORD:
            self.send_header("Auth-Status", "OK")
            self.send_header("Auth-Server", HOST)
            self.send_header("Auth-Port", str(self.backend))
        else:
            self.send_header("Auth-Status", "Invalid login or password")
            # Without it nginx would hang up at once.
            self.send_header("Auth-Wait", "1")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


class Stunnel(Proxy):
    """stunnel in front of a server that has no TLS: for pop3s, and doing STLS on its behalf."""

    name = "stunnel"
    packages = ("stunnel4",)

    def launch(self, cell: Cell, folder: Path) -> str:
        (folder / "stunnel.conf").write_text(f"""\
foreground = yes
pid =
cert = {folder}/server.pem
[pop3s]
accept = {HOST}:{self.tls_port}
connect = {HOST}:{self.backend.port}
[pop3]
accept = {HOST}:{self.port}
connect = {HOST}:{self.backend.port}
protocol = pop3
""")
        return f"exec stunnel4 {folder}/stunnel.conf\n"


class Perdition(Proxy):
    """perdition: it speaks POP3 until the login, then passes the session on."""

    name = "perdition"
    packages = ("perdition",)
    ways: ClassVar[tuple[Tls, ...]] = ("implicit", "starttls")

    def launch(self, cell: Cell, folder: Path) -> str:
        common = (
            f"--no_daemon --log_facility - --config_file /dev/null --bind_address {HOST} --map_library ''"
            f" --outgoing_server {HOST} --outgoing_port {self.backend.port}"
            f" --ssl_cert_file {folder}/server.pem --ssl_key_file {folder}/server.pem"
        )
        return f"""\
chown nobody {folder}/server.pem
perdition.pop3 {common} --listen_port {self.port} --ssl_mode tls_listen --pid_file {folder}/pid1 &
exec perdition.pop3s {common} --listen_port {self.tls_port} --ssl_mode ssl_listen --pid_file {folder}/pid2
"""


PROXIES: tuple[type[RealServer], ...] = (Nginx, Perdition, Stunnel)
