"""Twice as much from the server takes twice the work: every parser, and every thing that a server can send.

Where the work is done in C it cannot be counted, and the processor time of this process is taken instead: the least of
some runs at three sizes, each three times the one before. Linear work grows by 9 over all, quadratic work by 81.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable
from typing import TypeAlias

import pytest

from pop3core import (
    Auth,
    Capa,
    Command,
    Connection,
    Limits,
    List,
    Noop,
    POP3Error,
    Retr,
    State,
    Uidl,
    parse_apop_timestamp,
    parse_capabilities,
    parse_list,
    parse_response_code,
    parse_stat,
    parse_uidl,
    sasl,
)

from .wire import fresh

Work: TypeAlias = Callable[[], object]
Maker: TypeAlias = Callable[[int], Work]

# Linear is 9. The rest is for caches: a long text does not fit where a short one did.
LARGEST_GROWTH = 22

WIDE = Limits(
    status_line=1 << 30, challenge=1 << 30, capability_lines=1 << 30, listing_entries=1 << 30, listing_line=1 << 30
)  # fmt: skip


def seconds(make: Maker, size: int, runs: int = 3) -> float:
    """The processor time of the work, the least of some runs; work that ends in a POP3Error has ended."""
    least = float("inf")
    for _ in range(runs):
        work = make(size)
        gc.collect()
        start = time.process_time()
        with contextlib.suppress(POP3Error):
            work()
        least = min(least, time.process_time() - start)
    return least


def growth(make: Maker, size: int = 500) -> tuple[float, list[float]]:
    """How many times the time of a size is that of nine times the size; it begins with one that can be measured."""
    while (first := seconds(make, size)) < 0.001 and size < 100_000:
        size *= 3
    taken = [first, seconds(make, 3 * size, 1), seconds(make, 9 * size, 2)]
    return taken[2] / max(taken[0], 0.001), taken


def parse(parser: Callable[[bytes], object], octets: Callable[[int], bytes]) -> Maker:
    def make(size: int) -> Work:
        data = octets(size)
        return lambda: parser(data)

    return make


def offers(data: bytes) -> object:
    capabilities = parse_capabilities(data)
    return capabilities.sasl, capabilities.utf8_user, capabilities.implementation, capabilities.expire


PARSERS: dict[str, Maker] = {
    "CAPA, a tag that is repeated": parse(
        parse_capabilities, lambda n: (b"SASL" + b" A" * 1000 + b"\r\n") * (n // 5)
    ),
    "CAPA, arguments": parse(offers, lambda n: b"SASL" + b" A" * n),
    "CAPA, tags": parse(offers, lambda n: b"".join(b"X%d Y\r\n" % i for i in range(n))),
    "CAPA, spaces": parse(offers, lambda n: b"SASL" + b" " * n + b"A"),
    "CAPA, blanks": parse(offers, lambda n: b"SASL" + b" \t" * n + b"A"),
    "CAPA, letters that are not ASCII": parse(offers, lambda n: b"\xc5\xbf" * n + b" A"),
    "CAPA, blank lines": parse(offers, lambda n: b"\r\n" * n),
    "LIST": parse(parse_list, lambda n: b"".join(b"%d 1\r\n" % i for i in range(1, n))),
    "LIST, the last line is odd": parse(
        parse_list, lambda n: b"".join(b"%d 1\r\n" % i for i in range(1, n)) + b"x\r\n"
    ),
    "LIST, odd lines": parse(parse_list, lambda n: b"".join(b"%d x\r\n" % i for i in range(1, n))),
    "LIST, a message that is repeated": parse(
        parse_list, lambda n: b"".join(b"1 %d\r\n" % i for i in range(n))
    ),
    "LIST, blanks": parse(parse_list, lambda n: b"1" + b" " * n + b"x"),
    "UIDL": parse(parse_uidl, lambda n: b"".join(b"%d u%d\r\n" % (i, i) for i in range(1, n))),
    "UIDL, odd lines": parse(parse_uidl, lambda n: b"".join(b"%d \r\n" % i for i in range(1, n))),
    "UIDL, blanks": parse(parse_uidl, lambda n: b"1" + b" " * n + b"x y\r\n"),
    "UIDL, blanks at the end": parse(parse_uidl, lambda n: b"1 x" + b" \t" * n + b"\r\n1 x\r\n"),
    "STAT": parse(parse_stat, lambda n: b"+OK 1 " + b"1" * n),
    "STAT, blanks": parse(parse_stat, lambda n: b"+OK 1" + b" " * n + b"x"),
    "time stamp": parse(parse_apop_timestamp, lambda n: b"<a" * n),
    "time stamp, one": parse(parse_apop_timestamp, lambda n: b"<" + b"a" * n + b"@" + b"b" * n),
    "response code": parse(parse_response_code, lambda n: b"+OK [" + b"a/" * n),
    "SCRAM": lambda n: lambda: scram(b"r=a," * n),
    "SCRAM, a nonce": lambda n: lambda: scram(b"r=" + b"a" * n + b",s=AAAA,i=4096"),
    "XOAUTH2, nested": lambda n: lambda: refused_token(b"[" * n),
    "XOAUTH2, a number": lambda n: lambda: refused_token(b'{"status":' + b"9" * n + b"}"),
    "XOAUTH2, escapes": lambda n: lambda: refused_token(b'{"status":"' + b"\\ud800" * n + b'"}'),
    "CRAM-MD5": lambda n: lambda: sasl.CramMd5("u", "p").respond(b"<" + b"a" * n),
}


def scram(message: bytes) -> object:
    mechanism = sasl.Scram("u", "p")
    mechanism.respond(b"")
    return mechanism.respond(message)


def refused_token(report: bytes) -> object:
    mechanism = sasl.XOAuth2("u", "t")
    mechanism.respond(b"")
    return mechanism.respond(report)


@pytest.mark.parametrize("name", PARSERS)
def test_parsers(name: str) -> None:
    times, taken = growth(PARSERS[name])
    assert times < LARGEST_GROWTH, taken


def answered(command: Command | None, chunks: Callable[[int], list[bytes]], *, late: bool) -> Maker:
    """A command is answered in chunks, which are looked at one by one or after all have come; None: the greeting."""

    def make(size: int) -> Work:
        pieces = chunks(size)
        if command is None:
            connection = Connection(limits=WIDE)
        else:
            login = type(command) is Auth
            connection = fresh(State.AUTHORIZATION if login else State.TRANSACTION, limits=WIDE)
            connection.send(command)
            connection.data_to_send()

        def work() -> None:
            for piece in pieces:
                connection.receive_data(piece)
                if not late:
                    take_all(connection)
            take_all(connection)

        return work

    return make


def take_all(connection: Connection) -> None:
    while connection.next_message() is not None or connection.next_event() is not None:
        pass


ANSWERS: dict[str, tuple[Command | None, Callable[[int], list[bytes]]]] = {
    "greeting, octets": (None, lambda n: [b"+OK ", *[b"a"] * n]),
    "greeting, bare LF": (None, lambda n: [b"+OK\n", *[b"\r"] * n]),
    "status line, octets": (Noop(), lambda n: [b"+OK ", *[b"a"] * n]),
    "status line, one chunk": (Noop(), lambda n: [b"+OK " + b"[a/" * n + b"\r\n"]),
    "challenge, octets": (Auth("LOGIN"), lambda n: [b"+ ", *[b"A"] * n, b"\r\n"]),
    "challenge, one chunk": (Auth("LOGIN"), lambda n: [b"+ " + b"AAAA" * n + b"\r\n"]),
    "body, octets": (Retr(1), lambda n: [b"+OK\r\n", *[b"a"] * n]),
    "body, CRs": (Retr(1), lambda n: [b"+OK\r\n", *[b"\r"] * n]),
    "body, stuffed, octets": (Retr(1), lambda n: [b"+OK\r\n", *[b"\r", b"\n", b".", b"."] * n]),
    "body, dots": (Retr(1), lambda n: [b"+OK\r\n" + b"." * n]),
    "body, stuffed": (Retr(1), lambda n: [b"+OK\r\n" + b"..\r\n" * n + b".\r\n"]),
    "body, line ends": (Retr(1), lambda n: [b"+OK\r\n" + b"\r\n" * n + b".\r\n"]),
    "body, almost the end": (Retr(1), lambda n: [b"+OK\r\n", *[b"\r\n.\r"] * n]),
    "LIST, octets": (List(), lambda n: [b"+OK\r\n", *[b"1"] * n]),
    "LIST, line ends": (List(), lambda n: [b"+OK\r\n" + b"\r\n" * n]),
    "UIDL, lines": (Uidl(), lambda n: [b"+OK\r\n", *[b"1 a\r\n"] * n]),
    "CAPA, lines": (Capa(), lambda n: [b"+OK\r\n", *[b"A\r\n"] * n]),
}


MANY = ("status line, octets", "challenge, octets")


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str, late: bool) -> None:
    command, chunks = ANSWERS[name]
    # Copying is so fast that its square only shows in many chunks.
    times, taken = growth(answered(command, chunks, late=late), 40_000 if name in MANY else 500)
    assert times < LARGEST_GROWTH, taken


def pipelined(size: int) -> Work:
    connection = fresh(window=10**6, limits=Limits(unanswered=1 << 30))

    def work() -> None:
        for _ in range(size):
            connection.send(Noop())
        connection.data_to_send()
        connection.receive_data(b"+OK\r\n" * size)
        take_all(connection)

    return work


def test_many_commands() -> None:
    times, taken = growth(pipelined)
    assert times < LARGEST_GROWTH, taken


def test_quadratic_work_is_seen() -> None:
    def make(size: int) -> Work:
        def work() -> None:
            text: tuple[int, ...] = ()
            for number in range(size):
                text += (number,)

        return work

    times, _ = growth(make)
    assert times > LARGEST_GROWTH
