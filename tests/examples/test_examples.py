"""Every example does what it says, against the embedded server."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import pop3aio
from pop3aio.testing import Server, make_certificates, sample_messages
from tests.kit.pace import stretched

ROOT = Path(__file__).parents[2]
MAIL = [message for message in sample_messages() if len(message) < 100_000]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_the_wire(message: bytes) -> bytes:
    """A multi-line response ends with CRLF, whether the message does or not."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"


async def test_fetch_to_maildir(tmp_path: Path) -> None:
    certificates = make_certificates()
    async with Server(MAIL, tls="implicit", ssl_context=certificates.server_context()) as server:
        fetch_mail = load("fetch_to_maildir").fetch_mail
        for expected in (len(MAIL), 0):
            report = await fetch_mail(
                server.host, "user", "password", tmp_path / "Maildir",
                port=server.port, ssl_context=certificates.client_context(),
            )  # fmt: skip
            assert report.fetched == expected
    assert len(list((tmp_path / "Maildir" / "new").iterdir())) == len(MAIL)


async def test_polling_service(tmp_path: Path) -> None:
    certificates = make_certificates()
    async with Server(MAIL[:3], tls="implicit", ssl_context=certificates.server_context()) as server:
        poller = load("polling_service").MailPoller(
            lambda: pop3aio.connect(server.host, server.port, ssl_context=certificates.client_context()),
            ("user", "password"),
            tmp_path / "Maildir",
            interval=0.01,
        )
        async with asyncio.timeout(stretched(30)), poller.running():
            await poller.round_done.wait()
            assert poller.fetched == 3
            server.mailbox.add(MAIL[3])
            while poller.fetched < 4:
                poller.round_done.clear()
                await poller.round_done.wait()
    assert len(list((tmp_path / "Maildir" / "new").iterdir())) == 4


async def test_polling_service_gives_up_on_a_wrong_password(tmp_path: Path) -> None:
    certificates = make_certificates()
    async with Server(MAIL, tls="implicit", ssl_context=certificates.server_context()) as server:
        poller = load("polling_service").MailPoller(
            lambda: pop3aio.connect(server.host, server.port, ssl_context=certificates.client_context()),
            ("user", "wrong"),
            tmp_path / "Maildir",
            interval=0,
        )
        async with asyncio.timeout(stretched(30)):
            await poller._poll()
        assert server.connections == 1


async def test_core_over_socket() -> None:
    read_all = load("core_over_socket").read_all

    def run(host: str, port: int) -> list[bytes]:
        with socket.create_connection((host, port)) as sock:
            messages: list[bytes] = read_all(sock, "user", "password", secure=False)
            return messages

    async with Server(MAIL) as server:
        got = await asyncio.to_thread(run, server.host, server.port)
    assert got == [on_the_wire(message) for message in MAIL]


async def test_into_sqlite(tmp_path: Path) -> None:
    module = load("into_sqlite")
    certificates = make_certificates()
    async with Server(MAIL, tls="implicit", ssl_context=certificates.server_context()) as server:
        table = module.MailTable(str(tmp_path / "mail.sqlite"))
        for expected in (len(MAIL), 0):
            fetched = await module.fetch_into(
                table, server.host, "user", "password", str(tmp_path / "journal"),
                port=server.port, ssl_context=certificates.client_context(),
            )  # fmt: skip
            assert fetched == expected
        assert len(table.subjects()) == len(MAIL)
        table.close()


def test_a_users_own_tests() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "examples/test_my_mail_code.py"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert "2 passed" in run.stdout, run.stdout + run.stderr


async def test_the_readmes_program(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    assert len(source.splitlines()) <= 10
    certificates = make_certificates()
    monkeypatch.setenv("POP3AIO_PASSWORD", "password")
    async with Server(MAIL, tls="implicit", ssl_context=certificates.server_context()) as server:
        # Only where the server is differs from what the README says.
        scope = {"here": {"port": server.port, "ssl_context": certificates.client_context()}}
        program = source.replace('"pop.example.org"', f'"{server.host}", **here').replace('"me"', '"user"')
        await asyncio.to_thread(exec, program, scope)
    sizes = [int(line.split()[-2]) for line in capsys.readouterr().out.splitlines()]
    assert sizes == [len(on_the_wire(message)) for message in MAIL]
