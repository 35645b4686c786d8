"""``pop3aio list``."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable

import pytest

from pop3aio._cli._columns import cut, padded, width
from pop3aio._cli._headers import parse_headers
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
        "no        size  unique-id  date                    from                      subject",
        " 1  481 octets  uid-1      2024-01-08 09:01 +0000  A                         number 1",
        " 2   13 octets  uid-2      -                       -                         -",
        " 3   29 octets  uid-3      -                       -                         Grüße \ufffd[31m\ufffd",
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
                "from": "A <a@example.com>",
                "from_name": "A",
                "from_address": "a@example.com",
                "date": "2024-01-08T09:01:00+00:00",
                "refused": None,
            },
            {
                "number": 2,
                "octets": 14,
                "uid": "uid-2",
                "subject": "\x1b",
                "from": None,
                "from_name": None,
                "from_address": None,
                "date": None,
                "refused": None,
            },
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


async def test_a_header_that_is_refused(cli: Cli) -> None:
    """It is told apart from a header without a subject."""

    async def refuse(session: Session, keyword: str, argument: str) -> bool:
        if argument == "2 0":
            session.write(b"-ERR try again\x1b later\r\n")
        return argument == "2 0"

    async with Server(boxed(mails(3)), on_command=refuse) as server:
        result = await cli("list", *url(server))
        as_json = await cli("list", *url(server), "--json")
    assert (result.status, result.err) == (0, "")
    assert [line.split()[-1] for line in result.out.splitlines()[1:4]] == ["1", "later)", "3"]
    assert result.out.splitlines()[2].split()[-5:] == ["?", "(refused:", "try", "again\ufffd", "later)"]
    assert [row["refused"] for row in as_json.json["messages"]] == [None, "try again\ufffd later", None]


def answering(**answers: str) -> Callable[[Session, str, str], Awaitable[bool]]:
    """Return a hook that gives these answers to commands without an argument."""

    async def answer(session: Session, keyword: str, argument: str) -> bool:
        if argument or keyword not in answers:
            return False
        session.write(answers[keyword].replace("\n", "\r\n").encode())
        return True

    return answer


@pytest.mark.parametrize(
    ("answers", "lines", "said"),
    [
        (
            {"LIST": "+OK\n1 67\n.\n"},
            [("1", "67 octets", "uid-1"), ("2", "?", "uid-2"), ("3", "?", "uid-3")],
            ["LIST does not name message 2 and 1 more, so the size is not known"],
        ),
        (
            {"UIDL": "+OK\n1 uid-1\n3 uid-3\n.\n"},
            [("1", "481 octets", "uid-1"), ("2", "481 octets", "-"), ("3", "481 octets", "uid-3")],
            ["UIDL does not name message 2, so the unique-id is not known"],
        ),
        (
            {"LIST": "-ERR error getting size\n"},
            [("1", "?", "uid-1"), ("2", "?", "uid-2"), ("3", "?", "uid-3")],
            ["the server refused LIST: error getting size; sizes are not known"],
        ),
        (
            {"LIST": "+OK\n1 67\n.\n", "UIDL": "+OK\n2 uid-2\n.\n"},
            [("1", "67 octets", "-"), ("2", "?", "uid-2"), ("3", "?", "-")],
            [
                "LIST does not name message 2 and 1 more, so the size is not known",
                "UIDL does not name message 1 and 1 more, so the unique-id is not known",
            ],
        ),
        (
            {"LIST": "-ERR no\n", "UIDL": "-ERR no\n"},
            [("1", "?", "-"), ("2", "?", "-"), ("3", "?", "-")],
            ["the server refused LIST: no; sizes are not known", "the server refused UIDL: no; without"],
        ),
        (
            {"LIST": "-ERR no\n", "UIDL": "+OK\n1 uid-1\n.\n", "STAT": "+OK 9999999 1\n"},
            [("1", "?", "uid-1")],
            ["the server refused LIST: no", "the server counts 9999999 messages, and lists 1"],
        ),
        (
            {"STAT": "-ERR no\n", "LIST": "-ERR no\n"},
            [(str(number), "?", f"uid-{number}") for number in (1, 2, 3)],
            [
                "the server refused LIST: no; sizes are not known",
                "the server refused STAT: no; whether all messages are listed is not known",
            ],
        ),
    ],
)
async def test_every_message_that_is_known_of(
    cli: Cli, answers: dict[str, str], lines: list[tuple[str, str, str]], said: list[str]
) -> None:
    async with Server(boxed(mails(3)), on_command=answering(**answers)) as server:
        result = await cli("list", *url(server))
        as_json = await cli("list", *url(server), "--json")
    shown = [re.split(" {2,}", line.strip())[:3] for line in result.out.splitlines()[1:-1]]
    assert result.status == 0
    assert shown == [list(line) for line in lines]
    errors = result.err.splitlines()
    assert len(errors) == len(said)
    assert all(part in error for part, error in zip(said, errors, strict=True))
    unknown = sum(octets == "?" for _, octets, _ in lines)
    assert ("whose size is not known" in result.out) == (unknown > 0)
    assert sum(row["octets"] is None for row in as_json.json["messages"]) == unknown


async def test_a_server_that_refuses_everything(cli: Cli) -> None:
    refuse = answering(LIST="-ERR no\n", UIDL="-ERR no\n", STAT="-ERR never\n")
    async with Server(boxed(mails(3)), on_command=refuse) as server:
        result = await cli("list", *url(server))
    assert result.status == 1
    assert "refused STAT: never" in result.err.splitlines()[-1]


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
        self.encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        pass


async def on_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, server: Server, columns: int, encoding: str = "utf-8"
) -> list[str]:
    """Return the lines that are shown on a terminal of so many columns."""
    terminal = _Terminal()
    terminal.encoding = encoding
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", terminal)
        patched.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns, 25)))
        await cli("list", *url(server))
    return terminal.written.splitlines()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    ("columns", "heading"),
    [
        (120, ["no", "size", "unique-id", "date", "from", "subject"]),
        (100, ["no", "size", "unique-id", "date", "from", "subject"]),
        (80, ["no", "size", "unique-id", "date", "from", "subject"]),
        (60, ["no", "size", "date", "from", "subject"]),
        (40, ["no", "size", "from", "subject"]),
        (20, ["no", "subject"]),
        (4, ["no"]),
    ],
)
async def test_on_a_terminal_no_line_wraps(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int, heading: list[str], encoding: str
) -> None:
    senders = ["A" * 90, "会" * 90, "e\u0301" * 90, "👨\u200d👩\u200d👧" * 30, "Jürgen", "❤\ufe0f" * 90]
    mailbox = Mailbox()
    for number, text in enumerate(senders):
        header = f"Date: Mon, 08 Jan 2024 09:00:00 +0000\r\nFrom: {text} <a@b>\r\nSubject: {text}\r\n\r\n"
        mailbox.add(header.encode(), uid=str(number) * 70)
    async with Server(mailbox) as server:
        lines = await on_terminal(cli, monkeypatch, server, columns, encoding)
    assert len(lines) == len(senders) + 2
    assert all(width(line) <= max(columns, 5) for line in lines[:-1])
    assert [word for word in lines[0].split() if len(word) > 1][: len(heading)] == heading
    if columns >= 40:
        mark = "…" if encoding == "utf-8" else "~"
        assert lines[1].endswith(f"A{mark}")
        # There is room for some of it.
        assert lines[1].count("A") >= 16


async def test_columns_stand_under_each_other(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    senders = ["A", "会議", "e\u0301"]
    async with Server([f"From: {text}\r\nSubject: |\r\n\r\n".encode() for text in senders]) as server:
        lines = await on_terminal(cli, monkeypatch, server, 80)
    assert len({width(line.partition("|")[0]) for line in lines[1:-1]}) == 1


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("x" * 10, 10, "x" * 10),
        ("x" * 11, 10, "x" * 9 + "…"),
        ("x" * 11, 3, "xx…"),
        ("会" * 5, 10, "会" * 5),
        ("会" * 6, 10, "会" * 4 + "…"),
        ("e\u0301" * 10, 10, "e\u0301" * 10),
        ("", 10, ""),
        ("❤\ufe0f" * 5, 10, "❤\ufe0f" * 5),
        ("会\ufe0f" * 5, 10, "会\ufe0f" * 5),
    ],
)
def test_a_text_is_cut_by_columns(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown
    assert width(padded(text, columns)) >= columns


async def test_joiners_stay_and_other_controls_go(cli: Cli) -> None:
    """Persian and emoji of several parts need them; what reorders or hides text does harm."""
    kept = "می\u200cخواهم 👨\u200d👩\u200d👧"
    harmful = "\u202e\u2066\u200f\u061c\u200b\ufeff\xad\u180e\u2060\U000e0041\x9b\u2028"
    async with Server([f"From: a{harmful}z <a@b>\r\nSubject: {kept}{harmful}\r\n\r\n".encode()]) as server:
        result = await cli("list", *url(server))
    assert kept + "\ufffd" * len(harmful) in result.out
    assert "a" + "\ufffd" * len(harmful) + "z" in result.out
    assert result.out.count("\n") == 3


HOSTILE = {
    "a nest of comments": b"From: " + b"(" * 100_000 + b"\r\nSubject: x\r\n",
    "closed nests": b"From: " + b"(" * 50_000 + b")" * 50_000 + b" <a@b>\r\nSubject: x\r\n",
    "open quotes": b"From: " + b'"' * 99_999 + b"\r\nSubject: x\r\n",
    "backslashes": b'From: "' + b"\\" * 100_000 + b"\r\nSubject: x\r\n",
    "brackets": b"From: " + b"<" * 100_000 + b"\r\nSubject: x\r\n",
    "commas": b"From: " + b", " * 100_000 + b"\r\nSubject: x\r\n",
    "encoded words": b"Subject: " + b"=?utf-8?q?=41?= " * 20_000 + b"\r\n",
    "beginnings of encoded words": b"Subject: " + b"=?" * 100_000 + b"\r\n",
    "charsets": b"Subject: " + b"".join(b"=?x-%d?q?a?= " % n for n in range(20_000)) + b"\r\n",
    "punycode": b"Subject: =?punycode?q?" + b"a-" * 50_000 + b"?=\r\n",
    "odd codecs": b"".join(
        b"Subject: =?%b?q?=5C=75=64=38=30=30=5Cq?=\r\n" % name
        for name in (b"unicode_escape", b"zlib", b"rot13", b"undefined", b"idna", b"utf-7", b"base64")
    ),
    "half of a letter": b"Subject: =?utf-7?q?+2AA-?=\r\n",
    "folds": b"Subject: x" + b"\r\n " * 50_000 + b"\r\n",
    "a long subject": b"Subject: " + b"x" * 1_000_000 + b"\r\n",
    "many fields": b"Received: x\r\n" * 80_000 + b"Subject: far behind\r\n",
    "many subjects": b"Subject: x\r\n" * 80_000,
    "dates": b"Date: " + b"(" * 100_000 + b"\r\nSubject: x\r\n",
    "numbers": b"Date: Mon, 08 Jan " + b"9" * 100_000 + b" 09:00:00 +" + b"9" * 5000 + b"\r\nSubject: x\r\n",
    "octets of no charset": b"Subject: " + bytes(range(0x80, 0x100)) * 1000 + b"\r\n",
    "blanks": b"Subject:" + b" \t" * 100_000 + b"\r\n",
}


async def test_hostile_headers_cost_one_line_each(cli: Cli) -> None:
    fine = b"Subject: fine\r\nFrom: a@b\r\n\r\nx\r\n"
    async with Server(boxed([fine, *(header + b"\r\n" for header in HOSTILE.values()), fine])) as server:
        result = await cli("list", *url(server))
        as_json = await cli("list", *url(server), "--json")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert len(lines) == len(HOSTILE) + 4
    assert lines[1].endswith("fine")
    assert lines[-2].endswith("fine")
    assert max(map(len, lines)) < 5000
    assert as_json.status == 0
    assert len(as_json.json["messages"]) == len(HOSTILE) + 2


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_for_a_header_is_bounded(name: str) -> None:
    """A header of a megabyte takes hardly more time than a quarter of it, and no header a second."""
    once = HOSTILE[name]

    def seconds(octets: int) -> float:
        header = (once * (octets // len(once) + 1))[:octets]
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            parse_headers(header)
            taken.append(time.perf_counter() - start)
        return min(taken)

    assert seconds(1 << 20) < 3 * seconds(1 << 18) + 0.05
    assert seconds(1 << 22) < 1
