"""The servers that store mail: how each does, and what it takes to start it."""

from __future__ import annotations

import imaplib
import socket
import sys
from pathlib import Path
from typing import ClassVar

from .cell import Cell
from .server import APOP_USER, HOST, PASSWORD, RealServer, Tls, free_ports, write_maildir, write_mbox

__all__ = ("SERVERS", "Courier", "Cyrus", "Mailutils", "Popa3d", "SolidPop3d")

_INETD = f"{sys.executable} -I {Path(__file__).with_name('inetd.py')}"


class Courier(RealServer):
    """Courier on Maildirs, with users of authdaemond's userdb."""

    name = "Courier"
    packages = ("courier-pop", "courier-authlib-userdb")

    def launch(self, cell: Cell, folder: Path) -> str:
        users = []
        for user, messages in self.mailboxes.items():
            home = cell.home(user)
            write_maildir(home / "Maildir", messages)
            cell.give(home, user)
            uid = cell.uid(user)
            users.append(
                f"{user}\\tuid={uid}|gid={uid}|home={home}|mail={home}/Maildir"
                "|systempw='$system'|hmac-md5pw='$digest'"
            )
        lines = "\\n".join(users)
        return f"""\
echo courier:x:20000:20000::/var/lib/courier:/bin/sh >> /etc/passwd
echo courier:x:20000: >> /etc/group
chown courier {folder}/server.pem
mkdir -p /run/courier/authdaemon /var/lib/courier

sed -i 's/^authmodulelist=.*/authmodulelist=authuserdb/' /etc/courier/authdaemonrc
system=$(openssl passwd -6 "$PASSWORD")
digest=$(printf '%s\\n%s\\n' "$PASSWORD" "$PASSWORD" | userdbpw -hmac-md5)
printf '{lines}\\n' > /etc/courier/userdb
chmod 600 /etc/courier/userdb
makeuserdb
authdaemond start

sed -i 's/^ADDRESS=.*/ADDRESS={HOST}/; s/^PORT=.*/PORT={self.port}/' /etc/courier/pop3d
sed -i 's/^SSLADDRESS=.*/SSLADDRESS={HOST}/; s/^SSLPORT=.*/SSLPORT={self.tls_port}/' /etc/courier/pop3d-ssl
cat >> /etc/courier/pop3d << 'END'
MAXPERIP=40
POP3AUTH="PLAIN LOGIN CRAM-MD5"
POP3AUTH_TLS="PLAIN LOGIN CRAM-MD5"
END
cat >> /etc/courier/pop3d-ssl << 'END'
TLS_CERTFILE={folder}/server.pem
TLS_CACHEFILE=
TLS_DHPARAMS=
TLS_TRUSTCERTS=
END
/usr/lib/courier/pop3d start
/usr/lib/courier/pop3d-ssl start
exec sleep infinity
"""


class Cyrus(RealServer):
    """Cyrus on its own store, which takes mail by IMAP, with users of SASL's database."""

    name = "Cyrus"
    packages = ("cyrus-pop3d", "cyrus-imapd", "sasl2-bin")

    def launch(self, cell: Cell, folder: Path) -> str:
        (self._imap_port,) = free_ports(1)
        (folder / "imapd.conf").write_text(f"""\
configdirectory: {folder}/conf
defaultpartition: default
partition-default: {folder}/spool
servername: localhost
cyrus_user: nobody
allowplaintext: yes
defaultdomain: localhost
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
tls_server_cert: {folder}/server.pem
tls_server_key: {folder}/server.pem
autocreate_quota: 0
autocreate_post: 1
autocreate_users: anyone
""")
        services = "\n".join(
            f'  {service} cmd="/usr/lib/cyrus/bin/{program} -C {folder}/imapd.conf {option}"'
            f' listen="{HOST}:{port}" prefork=0'
            for service, program, option, port in (
                ("pop3", "pop3d", "", self.port),
                ("pop3s", "pop3d", "-s", self.tls_port),
                ("imap", "imapd", "", self._imap_port),
            )
        )
        (folder / "cyrus.conf").write_text(f"START {{\n}}\nSERVICES {{\n{services}\n}}\n")
        users = " ".join(self.mailboxes)
        return f"""\
mkdir {folder}/conf {folder}/spool
for user in {users}; do
    printf '%s' "$PASSWORD" | saslpasswd2 -p -c -f {folder}/sasldb2 -u localhost $user
done
chown -R nobody {folder}
export CYRUS_USER=nobody
exec /usr/lib/cyrus/bin/master -C {folder}/imapd.conf -M {folder}/cyrus.conf -p {folder}/pid
"""

    def fill(self) -> None:
        for user, messages in self.mailboxes.items():
            with imaplib.IMAP4(HOST, self._imap_port) as imap:
                # The literal is sent in pieces, and the last of them would wait for the answer to the others.
                imap.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                imap.login(user, PASSWORD)
                for number, message in enumerate(messages, 1):
                    # The library would mend the line ends.
                    imap.literal = message  # type: ignore[assignment]
                    status, (said, *_) = imap._simple_command("APPEND", "INBOX")
                    if status != "OK":
                        self.refused[user, number] = said.decode()


class Mailutils(RealServer):
    """GNU mailutils on mbox files, with the system's users."""

    name = "GNU mailutils"
    packages = ("mailutils-pop3d",)
    apop = True

    def launch(self, cell: Cell, folder: Path) -> str:
        for user, messages in self.mailboxes.items():
            mailbox = folder / "spool" / user
            write_mbox(mailbox, messages)
            cell.give(mailbox, user)
        (folder / "pop3d.conf").write_text(f"""\
mode daemon;
foreground yes;
mailbox {{ mail-spool {folder}/spool; }}
logging {{ syslog no; }}
tls {{
    ssl-certificate-file {folder}/server.pem;
    ssl-key-file {folder}/server.pem;
}}
server {HOST}:{self.port} {{ tls-mode ondemand; }};
server {HOST}:{self.tls_port} {{ tls-mode connection; }};
""")
        # Who has a secret for APOP cannot log in otherwise any more.
        return f"""\
chmod 600 {folder}/server.pem
chmod 1777 {folder}/spool
echo "{APOP_USER} $PASSWORD" | popauth --create --output=/etc/apop.db
exec pop3d --no-site-config --config-file={folder}/pop3d.conf
"""


class Popa3d(RealServer):
    """popa3d on mbox files, with the system's users; it has no TLS."""

    name = "popa3d"
    packages = ("popa3d",)
    ways: ClassVar[tuple[Tls, ...]] = ("none",)

    def launch(self, cell: Cell, folder: Path) -> str:
        for user, messages in self.mailboxes.items():
            mailbox = folder / "spool" / user
            write_mbox(mailbox, messages)
            cell.give(mailbox, user)
        return f"""\
echo popa3d:x:20000:20000::/var/empty:/bin/sh >> /etc/passwd
echo popa3d:x:20000: >> /etc/group
mkdir -p /var/empty
mount --bind {folder}/spool /var/mail
exec {_INETD} {self.port} /usr/sbin/popa3d
"""


class SolidPop3d(RealServer):
    """solid-pop3d on Maildirs, with the system's users; it has no TLS."""

    name = "solid-pop3d"
    packages = ("solid-pop3d",)
    apop = True
    ways: ClassVar[tuple[Tls, ...]] = ("none",)

    def launch(self, cell: Cell, folder: Path) -> str:
        for user, messages in self.mailboxes.items():
            home = cell.home(user)
            # One file without a line end at its end makes the whole mailbox inaccessible.
            write_maildir(home / "Maildir", messages, terminated=True)
            cell.give(home, user)
        return f"""\
printf '%s\\n%s\\n' "$PASSWORD" "$PASSWORD" | setsid su {APOP_USER} -c pop_auth
echo spop3d:x:20000:8::/var/lib/solid-pop3d:/bin/sh >> /etc/passwd
cat > /etc/spop3d.conf << 'END'
<Global>
    MailDropName "Maildir"
    MailDropType maildir
</Global>
END
exec {_INETD} {self.port} /usr/sbin/solid-pop3d
"""


SERVERS: tuple[type[RealServer], ...] = (Courier, Cyrus, Mailutils, Popa3d, SolidPop3d)
