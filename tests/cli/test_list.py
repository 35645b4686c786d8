"""``pop3aio list``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import pytest

from pop3aio._cli._list import _cut
from pop3aio.testing import Mailbox, Server, Session, sample_messages

from .support import Cli, mails, url


def boxed(messages: Iterable[bytes]) -> Mailbox:
    mailbox = Mailbox()
    for number, message in enumerate(messages, start=1):
        mailbox.add(message, uid=f"uid-{number}")
    return mailbox


async def test_a_table(cli: Cli) -> None:
    messages = [*mails(1), b"\r\nno header\r\n", "Subject: Grüße \x1b[31m\u202e\r\n\r\n".encode()]
    async with Server(boxed(messages)) as server:
        result = await cli("list", *url(server))
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        "no        size  unique-id  date                    subject",
        " 1  481 octets  uid-1      2024-01-08 09:01 +0000  number 1",
        " 2   13 octets  uid-2      -                       -",
        " 3   29 octets  uid-3      -                       Grüße \ufffd[31m\ufffd",
        "3 messages, 523 octets",
    ]


async def test_json(cli: Cli) -> None:
    async with Server(boxed([*mails(1), b"Subject: \x1b\r\n\r\n"])) as server:
        result = await cli("list", *url(server), "--json")
    assert result.json == {
        "messages": [
            {
                "number": 1,
                "octets": 481,
                "uid": "uid-1",
                "subject": "number 1",
                "from": "A",
                "date": "2024-01-08T09:01:00+00:00",
            },
            {"number": 2, "octets": 14, "uid": "uid-2", "subject": "\x1b", "from": None, "date": None},
        ],
        "octets": 495,
        "exit_status": 0,
    }
    assert "\x1b" not in result.out


async def test_nothing_there(cli: Cli) -> None:
    async with Server() as server:
        result = await cli("list", *url(server))
    assert (result.status, result.out) == (0, "0 messages, 0 octets\n")


async def test_it_is_pipelined(cli: Cli) -> None:
    """Many tops are asked for at once, and none is a whole message."""
    async with Server(sample_messages(40)) as server:
        result = await cli("list", *url(server))
    assert result.status == 0
    assert [command for command in server.commands if command.startswith("TOP")] == [
        f"TOP {number} 0" for number in range(1, 41)
    ]
    assert not any(command.startswith("RETR") for command in server.commands)


async def test_one_message_has_no_top(cli: Cli) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if argument == "2 0":
            session.write(b"-ERR gone\r\n")
        return argument == "2 0"

    async with Server(boxed(mails(3)), on_command=refuse) as server:
        result = await cli("list", *url(server))
    assert (result.status, result.err) == (0, "")
    assert [line.split()[-1] for line in result.out.splitlines()[1:4]] == ["1", "-", "3"]


@pytest.mark.parametrize("capa", [True, False])
async def test_no_top(cli: Cli, capa: bool) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "TOP" or (keyword == "CAPA" and not capa):
            session.write(b"-ERR unknown command\r\n")
            return True
        return False

    async with Server(
        boxed(mails(3)), capabilities=["USER", "UIDL", "PIPELINING"], on_command=refuse
    ) as server:
        result = await cli("list", *url(server))
    assert result.status == 0
    assert "the server has no TOP" in result.error
    assert [line.split()[0] for line in result.out.splitlines()[1:4]] == ["1", "2", "3"]
    # Where nobody says so, it is found out by trying once.
    assert sum(command.startswith("TOP") for command in server.commands) == (0 if capa else 1)


async def test_no_unique_ids(cli: Cli) -> None:
    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "UIDL":
            session.write(b"-ERR unknown command\r\n")
        return keyword == "UIDL"

    async with Server(boxed(mails(1)), on_command=refuse) as server:
        result = await cli("list", *url(server))
    assert result.status == 0
    assert (
        "without unique-ids fetch knows messages by their content, and retrieves all of them in every run"
        in result.error
    )
    assert re.search(r"octets  -  +2024", result.out)


async def test_a_header_without_end(cli: Cli) -> None:
    async with Server(boxed([b"Subject: long\r\n" + b"X: y\r\n" * 200_000])) as server:
        result = await cli("list", *url(server))
    assert result.status == 0
    assert "long" in result.out


class _Terminal:
    """Standard output that takes itself for a terminal."""

    def __init__(self) -> None:
        self.written = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        pass


async def test_on_a_terminal_it_fits(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox()
    mailbox.add(b"Subject: " + b"x" * 300 + b"\r\n\r\n", uid="u" * 70)
    terminal = _Terminal()
    async with Server(mailbox) as server:
        with monkeypatch.context() as patched:
            patched.setattr("sys.stdout", terminal)
            patched.setattr("shutil.get_terminal_size", lambda: os.terminal_size((100, 25)))
            await cli("list", *url(server))
    lines = terminal.written.splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 100 for line in lines)
    assert lines[1].endswith("x…")


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("x" * 10, 10, "x" * 10),
        ("x" * 11, 10, "x" * 9 + "…"),
        ("x" * 11, 3, "x" * 9 + "…"),
        ("会" * 5, 10, "会" * 5),
        ("会" * 6, 10, "会" * 4 + "…"),
        ("e\u0301" * 10, 10, "e\u0301" * 10),
        ("", 10, ""),
    ],
)
def test_a_text_is_cut_by_columns(text: str, columns: int, shown: str) -> None:
    assert _cut(text, columns) == shown
