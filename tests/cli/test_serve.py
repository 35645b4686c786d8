"""``pop3aio serve``."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pop3aio._cli._serve import _unique_id

from .support import PASSWORD, Cli, contents, finish, mails, start

Serve: TypeAlias = Callable[..., Coroutine[Any, Any, tuple[Process, list[str]]]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Start the server in a process of its own, and return that with what it printed first."""
    processes = []

    async def start_one(*arguments: str | Path, password: str | None = None) -> tuple[Process, list[str]]:
        process = await start(["serve", "--port", "0", *arguments], tmp_path, password=password)
        processes.append(process)
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = await process.stdout.readline()
            assert line, await process.communicate()
            lines.append(line.decode().rstrip("\n"))
        return process, lines

    yield start_one
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def place(lines: list[str]) -> str:
    found = re.search(r" at (pop3://\S+) \(without TLS\)$", lines[0])
    assert found is not None
    return found[1]


def folder_of_mail(folder: Path, messages: list[bytes]) -> None:
    for number, message in enumerate(messages):
        (folder / f"{number}.eml").write_bytes(message.replace(b"\r\n", b"\n"))


async def test_a_folder_of_messages(
    cli: Cli, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, box = tmp_path / "mail", tmp_path / "Mail"
    folder.mkdir()
    messages = mails(3)
    folder_of_mail(folder, messages)
    (folder / "other.txt").touch()
    before = sorted(folder.iterdir())
    process, lines = await serve(folder)
    assert lines[0].startswith(f"serving 3 messages of {folder} at pop3://user@127.0.0.1:")
    assert lines[1] == "user:      user"
    assert lines[2].startswith("password:  ")
    # What it says to try is what works.
    variable, command = lines[3].removeprefix("try:       ").split(" ", 1)
    assert command == f"pop3aio list --insecure-plaintext {place(lines)}"
    assert variable == f"POP3AIO_PASSWORD={lines[2].split()[1]}"
    monkeypatch.setenv("POP3AIO_PASSWORD", variable.partition("=")[2])
    assert "3 messages, " in (await cli(*command.split()[1:])).out
    result = await cli("fetch", "--insecure-plaintext", place(lines), box, "--delete")
    assert result.status == 0
    assert contents(box) == messages
    assert "\n0 messages" in "\n" + (await cli(*command.split()[1:])).out
    process.send_signal(signal.SIGINT)
    ended = await finish(process)
    assert (ended.status, ended.out, ended.err) == (0, "stopped; no file was changed\n", "")
    assert sorted(folder.iterdir()) == before


async def test_a_maildir_whose_unique_ids_stay(cli: Cli, serve: Serve, tmp_path: Path) -> None:
    source, box = tmp_path / "source", tmp_path / "Mail"
    for name in ("tmp", "new", "cur"):
        (source / name).mkdir(parents=True)
    one, two = mails(2)
    (source / "new" / "1.a.host").write_bytes(one)
    (source / "cur" / "2.b.host:2,S").write_bytes(two)
    (source / "cur" / ".hidden").touch()
    (source / "tmp" / "3.c.host").touch()
    process, lines = await serve(source, password=PASSWORD)
    assert lines[2] == "password:  (the one you gave)"
    assert PASSWORD not in lines[3]
    port = place(lines).rpartition(":")[2]
    assert (await cli("fetch", "--insecure-plaintext", place(lines), box)).status == 0
    assert contents(box) == [one, two]
    process.terminate()
    assert (await finish(process)).status == 0
    # Started again, and read by somebody meanwhile.
    (source / "new" / "1.a.host").rename(source / "cur" / "1.a.host:2,S")
    process, lines = await serve(source, "--port", port, password=PASSWORD)
    result = await cli("fetch", "--insecure-plaintext", place(lines), box)
    assert "nothing new among 2 messages" in result.out


async def test_the_dialogue(cli: Cli, serve: Serve, tmp_path: Path) -> None:
    folder_of_mail(tmp_path, mails(1))
    process, lines = await serve(tmp_path, "-v", "--user", "me", password=PASSWORD)
    user = place(lines)
    await cli("list", "--insecure-plaintext", user.replace("me@", "me;AUTH=USER@"))
    await cli("list", "--insecure-plaintext", user)
    process.send_signal(signal.SIGINT)
    shown = (await finish(process)).err.splitlines()
    assert shown[:4] == ["1 < CAPA", "1 < USER me", "1 < PASS ***", "1 < LIST"]
    assert "2 < AUTH PLAIN" in shown


async def test_the_dialogue_shows_no_mistyped_password(serve: Serve, tmp_path: Path) -> None:
    folder_of_mail(tmp_path, mails(1))
    process, lines = await serve(tmp_path, "-v", password=PASSWORD)
    host, _, port = place(lines).rpartition("@")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for line in (
        "PSAS hunter2",
        "hunter2",
        "PASSWORD hunter2",
        "APOP user hunter2",
        "AUTH PLAIN hunter2",
        "QUIT",
    ):
        writer.write(line.encode() + b"\r\n")
        await reader.readline()
    writer.close()
    await writer.wait_closed()
    process.send_signal(signal.SIGINT)
    shown = (await finish(process)).err
    assert "hunter2" not in shown
    assert "*** (a command that is not known)" in shown
    assert "1 < APOP ***" in shown


async def test_a_silent_client_does_not_hold_the_lock(serve: Serve, tmp_path: Path) -> None:
    folder_of_mail(tmp_path, mails(1))
    _, lines = await serve(tmp_path, "--idle", "0.1", password=PASSWORD)
    host, _, port = place(lines).rpartition("@")[2].partition(":")
    for _ in range(2):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"USER user\r\nPASS password\r\n")
        answers = await reader.read()
        assert answers.count(b"+OK") == 3
        writer.close()
        await writer.wait_closed()


async def test_bad_input(cli: Cli, tmp_path: Path) -> None:
    result = await cli("serve", tmp_path)
    assert result.status == 2
    assert "is no Maildir (with new/ and cur/), and there are no .eml files" in result.error
    result = await cli("serve", tmp_path / "none")
    assert result.status == 2
    assert "No such file or directory" in result.error
    folder_of_mail(tmp_path, mails(1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = await cli("serve", tmp_path, "--port", str(port))
    assert result.status == 1
    assert f"cannot listen at 127.0.0.1 port {port}: Address already in use; choose others" in result.error


async def test_a_host_that_is_none(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    folder_of_mail(tmp_path, mails(1))
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    result = await cli("serve", tmp_path, "--host", "no.such.host")
    assert result.status == 1
    assert "cannot listen at no.such.host port 1110: Name or service not known" in result.error


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("localhost", False)])
async def test_others_may_reach_it(serve: Serve, tmp_path: Path, host: str, warned: bool) -> None:
    folder_of_mail(tmp_path, mails(1))
    process, _ = await serve(tmp_path, "--host", host)
    process.send_signal(signal.SIGINT)
    assert ("others can reach this server" in (await finish(process)).err) == warned


async def test_a_file_that_cannot_be_read(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_mail(tmp_path, mails(2))
    unreadable = tmp_path / "0.eml"

    def readable(path: str, mode: int) -> bool:
        return path != str(unreadable)

    with monkeypatch.context() as patched, socket.create_server(("127.0.0.1", 0)) as taken:
        patched.setattr(os, "access", readable)
        result = await cli("serve", tmp_path, "--port", str(taken.getsockname()[1]))
    assert result.err.splitlines()[0] == f"pop3aio: {unreadable} cannot be read and is left out"


@pytest.mark.parametrize(
    ("name", "unique"),
    [
        ("1.a.host:2,S", "1.a.host"),
        ("mail.eml", "mail.eml"),
        ("a mail.eml", "[0-9a-f]{32}"),
        ("x" * 71, "[0-9a-f]{32}"),
        ("grüße", "[0-9a-f]{32}"),
    ],
)
def test_unique_ids(name: str, unique: str) -> None:
    assert re.fullmatch(unique, _unique_id(name))


async def test_a_server_to_be_like(cli: Cli, serve: Serve, tmp_path: Path) -> None:
    folder_of_mail(tmp_path, mails(2))
    _, lines = await serve(tmp_path, "--quirks", "dovecot", password=PASSWORD)
    result = await cli("check", "--insecure-plaintext", place(lines))
    assert "Dovecot ready." in result.out
    result = await cli("serve", tmp_path, "--quirks", "dovecote")
    assert result.status == 2
    assert "there is no server 'dovecote' here; these are: gmail, " in result.error
