"""SCRAM-*-PLUS against Cyrus, whose Debian packages cannot be installed beside Dovecot's, only unpacked.

CYRUS_ROOT names the folder into which cyrus-common, cyrus-pop3d, sasl2-bin and the libraries they miss were unpacked by
``dpkg -x``; without it these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

import pop3aio
from pop3aio.testing import Certificates, make_certificates
from tests.kit.pace import stretched
from tests.login.doubles import PASSWORD, USER

Tls: TypeAlias = Literal["implicit", "starttls"]

_IMAPD = """\
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
sasl_mech_list: PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS
tls_server_cert: {folder}/server.pem
tls_server_key: {folder}/server.pem
autocreate_quota: 0
autocreate_post: 1
autocreate_users: anyone
"""
_CYRUS = """\
START {{
}}
SERVICES {{
  pop3 cmd="{pop3d} -C {folder}/imapd.conf" listen="127.0.0.1:{port}" prefork=0
  pop3s cmd="{pop3d} -C {folder}/imapd.conf -s" listen="127.0.0.1:{tls_port}" prefork=0
}}
"""


@dataclass(frozen=True)
class Cyrus:
    port: int
    tls_port: int
    certificates: Certificates

    def reach(self, tls: Tls, version: ssl.TLSVersion) -> pop3aio.Connect:
        context = self.certificates.client_context()
        context.maximum_version = version
        port = self.tls_port if tls == "implicit" else self.port
        return pop3aio.connect("127.0.0.1", port, tls=tls, ssl_context=context)


@pytest.fixture(scope="module")
def cyrus() -> Iterator[Cyrus]:
    root = Path(os.environ.get("CYRUS_ROOT", "/nonexistent"))
    if not (root / "usr/lib/cyrus/bin/pop3d").exists() or os.geteuid() != 0:
        pytest.skip("no unpacked Cyrus in CYRUS_ROOT, or not root")
    folder = Path(tempfile.mkdtemp(prefix="cyrus-"))
    certificates = make_certificates()
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        port, tls_port = first.getsockname()[1], second.getsockname()[1]
    values = {"folder": folder, "port": port, "tls_port": tls_port, "pop3d": root / "usr/lib/cyrus/bin/pop3d"}
    (folder / "imapd.conf").write_text(_IMAPD.format_map(values))
    (folder / "cyrus.conf").write_text(_CYRUS.format_map(values))
    (folder / "server.pem").write_bytes(certificates.server_pem)
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries, "CYRUS_USER": "nobody"}
    subprocess.run(
        (root / "usr/sbin/saslpasswd2", "-p", "-c", "-f", folder / "sasldb2", "-u", "localhost", USER),
        input=PASSWORD.encode(),
        env=environment,
        check=True,
    )
    for name in ("conf", "spool"):
        (folder / name).mkdir()
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, "nobody")
    process = subprocess.Popen(
        [
            *(root / "usr/lib/cyrus/bin/master", "-C", folder / "imapd.conf"),
            *("-M", folder / "cyrus.conf", "-p", folder / "pid"),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + stretched(20)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "Cyrus does not start"
                time.sleep(0.02)
        yield Cyrus(port, tls_port, certificates)
    finally:
        process.terminate()
        process.wait(stretched(20))
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("mechanism", [None, "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
async def test_tls_1_2(cyrus: Cyrus, mechanism: str | None, tls: Tls) -> None:
    async with cyrus.reach(tls, ssl.TLSVersion.TLSv1_2) as client:
        assert client.capabilities is not None
        assert "SCRAM-SHA-256-PLUS" in client.capabilities.sasl
        await client.login(USER, PASSWORD, mechanism=mechanism)
        assert (await client.stat()).count == 0


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_tls_1_3(cyrus: Cyrus, tls: Tls) -> None:
    """Cyrus binds to what does not bind there; ours goes without, unless the certificate is asked for."""
    async with cyrus.reach(tls, ssl.TLSVersion.TLSv1_3) as client:
        await client.login(USER, PASSWORD)
        assert (await client.stat()).count == 0
    async with cyrus.reach(tls, ssl.TLSVersion.TLSv1_3) as client:
        with pytest.raises(pop3aio.AuthenticationError):
            await client.login(USER, PASSWORD, channel_binding="tls-server-end-point")
