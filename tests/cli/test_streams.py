"""Every standard stream may be closed, full, gone, or unable to show a letter.

Then there is no traceback, the mail comes first, and the exit status says what was lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

import pytest

from pop3aio._cli._output import size
from pop3aio._cli._streams import is_terminal
from pop3aio.testing import Server

from .support import PASSWORD, ROOT, Result, contents, mails, url

HEADED = ["Subject: Grüße 会議\r\nFrom: Jürgen <j@example.com>\r\n\r\nx\r\n".encode()]


async def shell(
    arguments: Sequence[str | Path], redirection: str, folder: Path, **environment: str
) -> tuple[Result, str]:
    """Run the command in a shell with a redirection; returns the result, and what stands in the file `file`."""
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        f'"$@" {redirection}',
        "sh",
        sys.executable,
        "-m",
        "pop3aio",
        *map(str, arguments),
        stdout=PIPE,
        stderr=PIPE,
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "POP3AIO_PASSWORD": PASSWORD}
        | environment,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    result = Result(process.returncode, out.decode(), err.decode())
    assert "Traceback" not in result.out + result.err
    assert "Exception ignored" not in result.err
    file = folder / "file"
    return result, file.read_text() if file.exists() else ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
async def test_closed_streams_do_not_stop_a_fetch(tmp_path: Path, closed: str) -> None:
    async with Server(mails(3)) as server:
        result, _ = await shell(["fetch", *url(server), "Mail", "--delete"], closed, tmp_path)
        assert len(server.mailbox) == 0
    assert (result.status, result.err) == (0, "")
    assert contents(tmp_path / "Mail") == mails(3)


@pytest.mark.parametrize(
    "arguments", [["list"], ["check"], ["fetch", "Mail", "--json"], ["--help"], ["--version"]]
)
async def test_a_result_that_cannot_be_shown(tmp_path: Path, arguments: list[str]) -> None:
    """What is asked for is what is printed, so a closed standard output is a failure."""
    async with Server(mails(1)) as server:
        place = [] if arguments[0].startswith("-") else url(server)
        result, _ = await shell([arguments[0], *place, *arguments[1:]], ">&-", tmp_path)
    assert result.status == 1
    assert result.error == "pop3aio: cannot write to standard output: it is closed"


@pytest.mark.parametrize("verbose", [[], ["-v"]])
async def test_errors_never_stand_in_the_json(tmp_path: Path, verbose: list[str]) -> None:
    async with Server(mails(1), greeting=b"-ERR closed\r\n") as server:
        result, _ = await shell(["list", *url(server), "--json", *verbose], "2>&-", tmp_path)
    assert result.status == 3
    assert json.loads(result.out)["exit_status"] == 3
    result, _ = await shell(["list", "nowhere"], "2>&-", tmp_path)
    assert (result.status, result.out) == (2, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--json"],
        ["check"],
        ["check", "--json"],
        ["fetch", "Mail"],
        ["fetch", "Mail", "--json"],
        ["--help"],
        ["fetch", "--help"],
        ["--version"],
        ["serve", "eml", "--port", "0"],
    ],
)
async def test_a_full_device(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "eml").mkdir()
    (tmp_path / "eml" / "1.eml").write_bytes(mails(1)[0])
    async with Server(mails(3)) as server:
        plain = arguments[0] == "serve" or arguments[-1] in ("--help", "--version")
        place = [] if plain else url(server)
        result, _ = await shell([arguments[0], *place, *arguments[1:]], ">/dev/full", tmp_path)
    assert result.status == 1
    assert result.error == "pop3aio: cannot write to standard output: No space left on device"
    if arguments[:2] == ["fetch", "Mail"]:
        assert contents(tmp_path / "Mail") == mails(3)


async def test_a_full_device_for_errors(tmp_path: Path) -> None:
    async with Server(mails(1), greeting=b"-ERR closed\r\n") as server:
        result, _ = await shell(["list", *url(server), "-v"], "2>/dev/full", tmp_path)
        assert (result.status, result.out) == (3, "")
        result, _ = await shell(["list", *url(server), "-v"], ">/dev/full 2>/dev/full", tmp_path)
        assert result.status == 3


async def test_a_reader_that_has_seen_enough_of_a_fetch(tmp_path: Path) -> None:
    """The mail is fetched to the last."""
    async with Server(mails(3)) as server:
        result, _ = await shell(["fetch", *url(server), "Mail"], "| true; exit 7", tmp_path)
    assert (result.status, result.err) == (7, "")
    assert contents(tmp_path / "Mail") == mails(3)


async def test_a_reader_that_has_seen_enough_of_a_list(tmp_path: Path) -> None:
    messages = [b"Subject: %d\r\n" % number + b"X: y\r\n" * 2000 + b"\r\n" for number in range(2000)]
    async with Server(messages) as server:
        result, _ = await shell(["list", *url(server), "--window", "2"], "| head -n 1", tmp_path)
        asked = sum(command.startswith("TOP") for command in server.commands)
    assert result.err == ""
    assert result.out.count("\n") == 1
    # It stops soon after.
    assert asked < 1000


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
async def test_ascii_only(tmp_path: Path, locale: dict[str, str]) -> None:
    async with Server(HEADED) as server:
        for arguments in (["list"], ["list", "--json"], ["check"], ["fetch", "Maïl"]):
            result, _ = await shell(
                [arguments[0], *url(server), *arguments[1:]], "", tmp_path, COLUMNS="80", **locale
            )
            assert (result.status, result.err) == (0, "")
            assert result.out.isascii()


async def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """They are surrogates in Python, and no stream takes those."""
    box = os.fsdecode(b"M\xff")
    async with Server(mails(1)) as server:
        for option in ("--newest", "--json"):
            result, _ = await shell(["fetch", *url(server), box, option], "", tmp_path)
            assert (result.status, result.err) == (0, "")
            assert "udcff" in result.out
    assert contents(tmp_path / box) == mails(1)
    result, _ = await shell(["fetch", "pop3s://user@localhost", box, "--limit", box], "", tmp_path)
    assert result.status == 2
    for arguments in (
        ["list", f"pop3s://{box}@localhost"],
        ["list", f"pop3s://user@{box}"],
        ["list", f"pop3s://user;AUTH={box}@localhost"],
        ["fetch", "pop3s://user@localhost", "Mail", "--account-name", box],
    ):
        result, _ = await shell(arguments, "", tmp_path)
        assert result.status == 2, arguments


async def test_the_journal_does_not_get_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """A child that writes to descriptor 2 writes nowhere, not into a file or socket of the command."""
    async with Server(mails(1)) as server:
        result, _ = await shell(
            ["fetch", *url(server), "Mail", "--password-command", "echo trouble >&2; echo password"],
            "2>&- <&-",
            tmp_path,
        )
    assert result.status == 0
    assert contents(tmp_path / "Mail") == mails(1)


def test_a_stream_that_was_closed_since(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        pass
    assert not is_terminal(file)
    assert not is_terminal(None)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0 octets"),
        (1, "1 octet"),
        (999, "999 octets"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (2e9, "2.0 GB"),
        (3e12, "3.0 TB"),
    ],
)
def test_sizes(octets: float, text: str) -> None:
    assert size(octets) == text
