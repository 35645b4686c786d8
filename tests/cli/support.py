"""Running the command, in this process and in one of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pop3aio._cli import main
from pop3aio._cli._options import JOURNAL
from pop3aio.testing import Server

__all__ = ("JOURNAL", "PASSWORD", "Cli", "Result", "contents", "finish", "mails", "secured", "start", "url")

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "password"


@dataclass(frozen=True)
class Result:
    """What one run of the command came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


class Cli:
    """Runs the command in a thread of this process, beside the test's server."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        monkeypatch.setenv("POP3AIO_PASSWORD", PASSWORD)
        monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115 - closed by the fixture

    async def __call__(self, *arguments: str | Path) -> Result:
        self._capsys.readouterr()
        status = await asyncio.to_thread(main, [str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return Result(status, out, err)


def url(server: Server, user: str | None = "user") -> list[str]:
    """Return the arguments that lead to a server without TLS."""
    place = f"{server.host}:{server.port}"
    return ["--insecure-plaintext", f"pop3://{user}@{place}" if user else f"pop3://{place}"]


def mails(count: int, size: int = 400) -> list[bytes]:
    """Return different messages of `size` octets of text and a header each."""
    return [
        b"Subject: number %d\r\nDate: Mon, 08 Jan 2024 09:%02d:00 +0000\r\nFrom: A <a@example.com>\r\n\r\n"
        % (number, number % 60)
        + b"0123456789abcdef\r\n" * (size // 18)
        for number in range(1, count + 1)
    ]


def contents(maildir: Path) -> list[bytes]:
    """Return what stands in new/, in order of delivery and with CRLF; makes sure that tmp/ is empty."""
    assert not list((maildir / "tmp").iterdir())
    files = sorted((maildir / "new").iterdir(), key=lambda path: path.name)
    return [path.read_bytes().replace(b"\n", b"\r\n") for path in files]


async def start(
    arguments: Iterable[str | Path],
    folder: Path,
    *,
    prefix: Iterable[str] = (),
    password: str | None = PASSWORD,
) -> Process:
    """Start the command in a process of its own, with every warning an error."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "COLUMNS": "100"}
    environment.pop("POP3AIO_PASSWORD", None)
    if password is not None:
        environment["POP3AIO_PASSWORD"] = password
    return await asyncio.create_subprocess_exec(
        *prefix,
        sys.executable,
        "-m",
        "pop3aio",
        *map(str, arguments),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=folder,
        env=environment,
    )


async def finish(process: Process) -> Result:
    """Wait for the end of a process that was started."""
    out, err = await process.communicate()
    assert process.returncode is not None
    return Result(process.returncode, out.decode(), err.decode())


def secured(server: Server, folder: Path, user: str | None = "user") -> list[str]:
    """Return the arguments that lead to a server under TLS, whose authority is written into a folder."""
    assert server.certificates is not None
    (folder / "ca.pem").write_bytes(server.certificates.ca_pem)
    scheme = "pop3s" if server.tls == "implicit" else "pop3"
    place = f"localhost:{server.port}"
    return [f"{scheme}://{user}@{place}" if user else f"{scheme}://{place}", "--ca-file", f"{folder}/ca.pem"]
