"""Where passwords come from, and that none is shown."""

from __future__ import annotations

import asyncio
import getpass
import os
import shlex
import sys
from pathlib import Path

import pytest

from pop3aio._cli._passwords import PasswordSource, find_password
from pop3aio.testing import Server, Session

from .support import JOURNAL, Cli, mails, url

CANARY = "canary-3b9c-hunter2"


@pytest.fixture
def alone(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command, without a password in the environment."""
    monkeypatch.delenv("POP3AIO_PASSWORD")
    return cli


def canary_server() -> Server:
    return Server(mails(1), users={"user": CANARY})


async def test_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POP3AIO_PASSWORD", CANARY)
    async with canary_server() as server:
        assert (await cli("list", *url(server))).status == 0


# What editors make of a password: a mark before it, and line ends of all kinds behind it.
WRITTEN = [
    CANARY,
    CANARY + "\n",
    CANARY + "\r\nmore\n",
    CANARY + "\r",
    CANARY + "\rmore",
    CANARY + "\n\n\n",
    "\ufeff" + CANARY,
    "\ufeff" + CANARY + "\r\n\r\n",
]


@pytest.mark.parametrize("written", WRITTEN)
async def test_a_file(alone: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """The same holds for a file, for standard input, for the output of a command, and for the environment."""
    file = tmp_path / "password"
    file.write_text(written, newline="", encoding="utf-8")
    file.chmod(0o600)
    async with canary_server() as server:
        for option in (["--password-file", file], ["--password-command", f"cat {shlex.quote(str(file))}"]):
            result = await alone("list", *url(server), *option)
            assert (result.status, result.err) == (0, "")
        with monkeypatch.context() as patched, file.open() as stdin:
            patched.setattr("sys.stdin", stdin)
            result = await alone("list", *url(server), "--password-file", "-")
            assert (result.status, result.err) == (0, "")
        monkeypatch.setenv("POP3AIO_PASSWORD", written)
        result = await alone("list", *url(server))
        assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (CANARY.encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (CANARY.encode("utf-16-be"), "holds a NUL"),
        (CANARY.encode() + b"\xe9\n", "is not UTF-8"),
        (b"", "is empty"),
        (b"\n" + CANARY.encode(), "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (bytes(1000), "holds a NUL"),
    ],
)
async def test_what_is_no_password(
    alone: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: bytes, message: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(octets)
    file.chmod(0o600)
    target = ["list", "pop3s://user@localhost"]
    results = [await alone(*target, "--password-file", file)]
    with monkeypatch.context() as patched, file.open() as stdin:
        patched.setattr("sys.stdin", stdin)
        results.append(await alone(*target, "--password-file", "-"))
    if octets and b"\0" not in octets:
        monkeypatch.setenv("POP3AIO_PASSWORD", os.fsdecode(octets))
        results.append(await alone(*target))
    for result, what in zip(results, (str(file), "standard input", "POP3AIO_PASSWORD"), strict=False):
        assert result.status == 2
        assert message in result.error
        assert what in result.error
        assert CANARY not in result.err


async def test_files_that_cannot_be_read(alone: Cli, tmp_path: Path) -> None:
    for file, message in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file or directory")):
        result = await alone("list", "pop3s://user@localhost", "--password-file", file)
        assert result.status == 2
        assert f"cannot read the password file {file}: {message}" in result.error


async def test_standard_input_that_is_closed(alone: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdin", None)
        result = await alone("list", "pop3s://user@localhost", "--password-file", "-")
    assert result.status == 2
    assert "no password on standard input: it is closed" in result.error


async def test_standard_input_that_cannot_be_read(
    alone: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, (tmp_path / "out").open("w") as write_only:
        patched.setattr("sys.stdin", write_only)
        result = await alone("list", "pop3s://user@localhost", "--password-file", "-")
    assert result.status == 2
    assert "cannot read the password on standard input" in result.error


async def test_a_file_that_others_can_read(alone: Cli, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(CANARY)
    file.chmod(0o640)
    async with canary_server() as server:
        result = await alone("list", *url(server), "--password-file", file)
    assert result.status == 0
    assert f"{file}: chmod 600 it" in result.error


async def test_a_command(alone: Cli) -> None:
    command = shlex.join([sys.executable, "-c", f"print({CANARY!r})"])
    async with canary_server() as server:
        result = await alone("list", *url(server), "--password-command", command)
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 3", "the password command exited with 3"),
        ("kill -9 $$", "the password command was ended by signal 9"),
        ("true", "the first line of the output of the password command is empty"),
        (f"printf '{CANARY}\\377\\n'", "the output of the password command is not UTF-8"),
    ],
)
async def test_a_command_that_yields_none(alone: Cli, command: str, message: str) -> None:
    result = await alone("list", "pop3s://user@localhost", "--password-command", command)
    assert result.status == 2
    assert message in result.error
    assert CANARY not in result.err


async def test_files_that_yield_none(alone: Cli, tmp_path: Path) -> None:
    result = await alone("list", "pop3s://user@localhost", "--password-file", tmp_path / "none")
    assert result.status == 2
    assert "cannot read the password file" in result.error
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    result = await alone("list", "pop3s://user@localhost", "--password-file", empty)
    assert result.status == 2
    assert "is empty" in result.error


async def test_none_at_all(alone: Cli) -> None:
    result = await alone("list", "pop3s://user@localhost")
    assert result.status == 2
    for way in ("a prompt", "POP3AIO_PASSWORD", "--password-file", "--password-command"):
        assert way in result.error


class _Terminal:
    def isatty(self) -> bool:
        return True


def test_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return CANARY

    monkeypatch.delenv("POP3AIO_PASSWORD", raising=False)
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr(getpass, "getpass", answer)
    assert find_password(PasswordSource(), "pop3s://user@h", print) == CANARY
    assert asked == ["Password for pop3s://user@h: "]
    # Nobody is asked when nobody is named.
    assert find_password(PasswordSource(), None, print) is None
    assert len(asked) == 1
    # On a terminal "-" is a prompt: what is typed is not shown.
    assert find_password(PasswordSource("-"), None, print) == CANARY
    assert asked[1:] == ["Password for the server: "]


@pytest.mark.parametrize("wrong", [EOFError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), None])
async def test_a_prompt_that_is_not_answered(
    alone: Cli, monkeypatch: pytest.MonkeyPatch, wrong: Exception | None
) -> None:
    def answer(prompt: str) -> str:
        if wrong is not None:
            raise wrong
        return ""

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", _Terminal())
        patched.setattr(getpass, "getpass", answer)
        result = await alone("list", "pop3s://user@localhost")
    assert result.status == 2
    assert ("is not in UTF-8" if isinstance(wrong, UnicodeError) else "no password was given") in result.error


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", f"pop3s://user:{CANARY}@localhost"],
        ["list", f"user:{CANARY}@localhost"],
        ["list", f"pop3s://localhost:{CANARY}"],
        [f"pop3s://user:{CANARY}@localhost"],
        ["list", "pop3s://user@localhost", "--password", CANARY],
        ["list", "pop3s://user@localhost", f"--password={CANARY}"],
        ["list", "pop3s://user@localhost", f"--pass={CANARY}"],
        ["list", "pop3s://user@localhost", f"-p{CANARY}"],
        ["list", "pop3s://user@localhost", f"-w{CANARY}"],
        ["list", "pop3s://user@localhost", CANARY],
        ["list", "pop3s://user@localhost", f"--json={CANARY}"],
        ["list", "pop3s://user@localhost", f"--timeout={CANARY}"],
        ["fetch", "pop3s://user@localhost", "Mail", f"--limit={CANARY}"],
    ],
)
async def test_a_password_among_the_arguments(cli: Cli, arguments: list[str]) -> None:
    result = await cli(*arguments)
    assert result.status == 2
    assert result.error.startswith("pop3aio: ")
    assert CANARY not in result.out + result.err


async def test_no_output_holds_a_password(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when the server repeats it, and in the dialogue neither."""

    async def echo(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "PASS":
            session.write(f"-ERR [AUTH] no such password: {argument}\r\n".encode())
            return True
        return False

    monkeypatch.setenv("POP3AIO_PASSWORD", CANARY)
    box = tmp_path / "Mail"
    shown = ""
    async with canary_server() as server:
        for arguments in (["list"], ["check"], ["fetch", str(box)], ["fetch", str(box), "--delete"]):
            for way in ("PLAIN", "USER"):
                target = url(server, f"user;AUTH={way}")
                for options in (["-v"], ["-v", "--json"]):
                    result = await cli(arguments[0], *target, *arguments[1:], *options)
                    assert result.status == 0
                    shown += result.out + result.err
        server.on_command = echo
        result = await cli("list", *url(server, "user;AUTH=USER"), "-v", "--json")
        assert result.status == 4
        assert "refused PASS ***: [AUTH] ***" in result.json["error"]
        shown += result.out + result.err
        monkeypatch.setenv("POP3AIO_PASSWORD", CANARY + "\n")
        result = await cli("list", *url(server, "user;AUTH=USER"), "-v")
        assert result.status == 4
        shown += result.out + result.err
    assert "> PASS" in shown
    assert CANARY not in shown
    assert CANARY.encode() not in (box / JOURNAL).read_bytes()


async def test_a_short_password_does_not_blot_out_words(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POP3AIO_PASSWORD", "a")
    async with canary_server() as server:
        result = await cli("list", *url(server))
    assert "wrong name or password" in result.error


async def test_the_password_is_no_argument_of_a_child(alone: Cli, tmp_path: Path) -> None:
    """What the password command is told comes from the user alone."""
    seen = tmp_path / "seen"
    command = f"echo x | tee {shlex.quote(str(seen))}"
    async with Server(users={"user": "x"}) as server:
        assert (await alone("list", *url(server), "--password-command", command)).status == 0
    assert await asyncio.to_thread(seen.read_text) == "x" + os.linesep
