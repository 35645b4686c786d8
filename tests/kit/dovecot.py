"""A real Dovecot on loopback ports, from a configuration of its own, as root or as an ordinary user."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from pop3aio.testing import make_certificates
from tests.kit.pace import stretched

__all__ = ("Dovecot", "Fetched", "doveadm_fetch", "require_dovecot")

DEADLINE = stretched(20)

_CONFIG = """\
base_dir = {run}
state_dir = {run}
log_path = {log}
protocols = pop3
listen = 127.0.0.1
default_internal_user = {internal_user}
default_internal_group = {internal_group}
default_login_user = {login_user}
first_valid_uid = 1
first_valid_gid = 1
auth_mechanisms = plain login
auth_failure_delay = 0
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
mail_location = maildir:~/Maildir
mail_fsync = never
passdb {{
  driver = passwd-file
  args = username_format=%u {users}
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {users}
}}
protocol pop3 {{
  mail_max_userip_connections = 200
  pop3_uidl_format = %08Xu%08Xv
}}
service pop3-login {{
{chroot}  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
{chroot}  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


def _find(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))


def require_dovecot() -> None:
    """Skip the calling test where there is no Dovecot; fail it if the environment says CI."""
    if (
        _find("dovecot") is None
        or _find("doveadm") is None
        or not Path("/usr/lib/dovecot/pop3-login").exists()
    ):
        message = "Dovecot is missing: apt-get install -y dovecot-pop3d"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


def _mail_owner() -> pwd.struct_passwd:
    """Return who owns the mail: Dovecot refuses to open mail as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _give(path: Path, owner: pwd.struct_passwd) -> None:
    """Make everything below a folder belong to the owner of the mail."""
    if os.geteuid() == 0:
        for folder, _, files in os.walk(path):
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            for name in files:
                os.chown(os.path.join(folder, name), owner.pw_uid, owner.pw_gid)


def _private_folder() -> Path:
    """Return a new folder that Dovecot's users can enter, with a path short enough for its sockets."""
    folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
    folder.chmod(0o755)
    return folder


class Dovecot:
    """Dovecot with POP3 in clear (with STLS) at `port` and under TLS at `tls_port`; a context manager.

    It takes logins in clear as well, since loopback counts as secure there. A wrong password is
    answered without a penalty, within half a second.

    Args:
        folder: where its configuration, certificate and log go; the mail is elsewhere, see `maildir`.
        users: names with passwords.
        messages: for each user the messages his mailbox begins with, stored as they are.
        extra_config: lines of dovecot.conf put behind the others, such as
            `"protocol pop3 {\\n pop3_lock_session = yes\\n}"`; what is set twice holds as set here.
        files: more files for the configuration, by their paths below a folder that Dovecot's users can read;
            `%FOLDER%` stands for that folder in `extra_config` and in the files.

    Attributes:
        host: the address it listens at.
        port: the port that begins in clear and offers STLS.
        tls_port: the port with TLS from the first octet.
        ca_pem: the certificate of the authority that signed the server's, PEM.
        log: the path of the log.
    """

    def __init__(
        self,
        folder: Path,
        users: Mapping[str, str] | None = None,
        messages: Mapping[str, Iterable[bytes]] | None = None,
        *,
        extra_config: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.host = "127.0.0.1"
        self.users = dict(users or {"user": "password"})
        self.log = folder / "dovecot.log"
        self._config = folder / "dovecot.conf"
        self._messages = dict(messages or {})
        self._extra_config = extra_config
        self._files = dict(files or {})
        self._certificates = make_certificates()
        self._certificate = folder / "dovecot.pem"
        self.ca_pem = self._certificates.ca_pem
        self._owner = _mail_owner()
        self._delivered = 0
        self._process: subprocess.Popen[bytes] | None = None

    def client_context(self) -> ssl.SSLContext:
        """Return a new context that trusts the server's certificate."""
        return self._certificates.client_context()

    def maildir(self, user: str = "user") -> Path:
        """Return the path of a user's Maildir."""
        return self._private / "mail" / user / "Maildir"

    def deliver(self, message: bytes, user: str = "user") -> Path:
        """Put a message into a user's mailbox, stored as it is, and return its path."""
        self._delivered += 1
        # Dovecot numbers messages in the order of their names.
        path = self.maildir(user) / "new" / f"{1700000000 + self._delivered}.M0P1.localhost"
        temporary = self.maildir(user) / "tmp" / path.name
        temporary.write_bytes(message)
        if os.geteuid() == 0:
            os.chown(temporary, self._owner.pw_uid, self._owner.pw_gid)
        temporary.rename(path)
        return path

    def doveadm(self, *arguments: str) -> bytes:
        """Run doveadm with this server's configuration and return what it prints.

        Raises:
            subprocess.CalledProcessError: it failed; its error output was printed.
        """
        return _doveadm(self._config, arguments)

    def __enter__(self) -> Self:
        self._private = _private_folder()
        try:
            self._prepare()
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _prepare(self) -> None:
        root = os.geteuid() == 0
        run = self._private / "run"
        run.mkdir(mode=0o755)
        self._certificate.write_bytes(self._certificates.server_pem)
        users = self._private / "users"
        with users.open("w", encoding="utf-8") as file:
            for user, password in self.users.items():
                secret = base64.b64encode(password.encode()).decode()
                home = self.maildir(user).parent
                file.write(
                    f"{user}:{{PLAIN.b64}}{secret}:{self._owner.pw_uid}:{self._owner.pw_gid}::{home}\n"
                )
                for name in ("cur", "new", "tmp"):
                    (self.maildir(user) / name).mkdir(parents=True)
        _give(self._private / "mail", self._owner)
        extra = self._private / "extra"
        for name, contents in self._files.items():
            path = extra / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents.replace(b"%FOLDER%", os.fsencode(extra)))
        for user, messages in self._messages.items():
            for message in messages:
                self.deliver(message, user)
        # Both are taken at once, lest they be the same.
        with socket.create_server((self.host, 0)) as first, socket.create_server((self.host, 0)) as second:
            self.port = first.getsockname()[1]
            self.tls_port = second.getsockname()[1]
        me = pwd.getpwuid(os.geteuid()).pw_name
        self._config.write_text(
            _CONFIG.format(
                run=run,
                log=self.log,
                internal_user="dovecot" if root else me,
                internal_group="dovecot" if root else grp.getgrgid(os.getegid()).gr_name,
                login_user="dovenull" if root else me,
                chroot="" if root else "  chroot =\n",
                certificate=self._certificate,
                users=users,
                port=self.port,
                tls_port=self.tls_port,
            )
            + self._extra_config.replace("%FOLDER%", str(extra))
            + "\n"
        )

    def _start(self) -> None:
        program = _find("dovecot")
        assert program is not None, "call require_dovecot() first"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (program, "-F", "-c", str(self._config)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                with socket.create_connection((self.host, self.port), timeout=DEADLINE) as connection:
                    if connection.recv(3) == b"+OK":
                        return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Dovecot does not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.02)

    def _stop(self) -> None:
        process, self._process = self._process, None
        try:
            if process is not None:
                process.terminate()
                try:
                    process.wait(DEADLINE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        finally:
            shutil.rmtree(self._private, ignore_errors=True)


def _doveadm(config: Path, arguments: Sequence[str], home: Path | None = None) -> bytes:
    program = _find("doveadm")
    assert program is not None, "call require_dovecot() first"
    environment = dict(os.environ)
    if home is not None:
        environment |= {"HOME": str(home), "USER": pwd.getpwuid(os.geteuid()).pw_name}
    done = subprocess.run((program, "-c", str(config), *arguments), capture_output=True, env=environment)
    if done.returncode:
        print(done.stderr.decode(errors="replace"))
        done.check_returncode()
    return done.stdout


@dataclass(frozen=True, slots=True)
class Fetched:
    """A message as Dovecot reads it from a Maildir.

    Attributes:
        guid: the unique part of the file's name, with the sizes that stand in it, without the info.
        physical: the size of the file in octets, as Dovecot believes it.
        virtual: the size with CRLF line ends in octets, as Dovecot believes it.
        flags: such as `\\Recent`.
        text: the whole message as it is in the file.
    """

    guid: str
    physical: int
    virtual: int
    flags: str
    text: bytes


def doveadm_fetch(maildir: Path) -> list[Fetched]:
    """Return what Dovecot, which needs not be running, reads from the inbox of a Maildir; the Maildir stays as it is.

    Raises:
        subprocess.CalledProcessError: Dovecot found something wrong, a file whose size is not the one in its name
            for example; its error output was printed.
        ValueError: a message is not of the size that Dovecot announced.
    """
    owner = _mail_owner()
    private = _private_folder()
    try:
        copy = private / "Maildir"
        # Dovecot writes its index into the folder and moves mail from new/ to cur/.
        shutil.copytree(maildir, copy)
        _give(private, owner)
        copy.chmod(0o700)
        config = private / "dovecot.conf"
        config.write_text(
            f"base_dir = {private}\nlog_path = /dev/stderr\nssl = no\nprotocols =\nfirst_valid_uid = 1\n"
            f"mail_uid = {owner.pw_uid}\nmail_gid = {owner.pw_gid}\nmail_location = maildir:{copy}\n"
        )
        fields = "guid size.physical size.virtual flags text"
        output = _doveadm(config, ("-f", "pager", "fetch", fields, "mailbox", "INBOX"), home=private)
    finally:
        shutil.rmtree(private, ignore_errors=True)
    return list(_parse_pager(output))


def _parse_pager(output: bytes) -> Iterator[Fetched]:
    while output:
        guid, physical, virtual, flags, rest = output.split(b"\n", 4)
        size = int(physical.removeprefix(b"size.physical: "))
        text, output = rest[6 : 6 + size], rest[6 + size :]
        if (
            len(text) != size
            or not rest.startswith(b"text:\n")
            or (output and not output.startswith(b"\f\n"))
        ):
            raise ValueError(f"doveadm announced {size} octets and sent others: {rest[:200]!r}")
        output = output[2:]
        yield Fetched(
            guid=guid.removeprefix(b"guid: ").decode(),
            physical=size,
            virtual=int(virtual.removeprefix(b"size.virtual: ")),
            flags=flags.removeprefix(b"flags: ").decode(),
            text=text,
        )
