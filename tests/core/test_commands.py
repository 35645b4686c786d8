"""Command objects: what they look like on the wire, and what never becomes one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import IntEnum

import pytest

from pop3core import (
    Apop,
    Auth,
    Capa,
    Command,
    Dele,
    Lang,
    List,
    LocalProtocolError,
    Noop,
    Pass,
    Quit,
    Raw,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
)

from .wire import DIGEST, SAMPLES

ENCODED: list[tuple[Command, bytes, bool, bool]] = [
    # command, line, multi-line, barrier
    (Capa(), b"CAPA", True, False),
    (Stls(), b"STLS", False, True),
    (User("mrose"), b"USER mrose", False, True),
    (User("m@h.example:995"), b"USER m@h.example:995", False, True),
    (User("m\xfcller"), b"USER m\xc3\xbcller", False, True),
    (Pass("tan sta af "), b"PASS tan sta af ", False, True),
    (Pass(" "), b"PASS  ", False, True),
    (Pass("\u20ac"), b"PASS \xe2\x82\xac", False, True),
    (Apop("mrose", DIGEST), b"APOP mrose c4c9334bac560ecc979e58001b3e22fb", False, True),
    (Auth("PLAIN"), b"AUTH PLAIN", False, True),
    (Auth("SCRAM-SHA-256"), b"AUTH SCRAM-SHA-256", False, True),
    (Auth("PLAIN", b""), b"AUTH PLAIN =", False, True),
    (Auth("PLAIN", b"\0tim\0tanstaaftanstaaf"), b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm", False, True),
    (Utf8(), b"UTF8", False, True),
    (Lang(), b"LANG", True, False),
    (Lang("*"), b"LANG *", False, False),
    (Lang("de-AT-1996"), b"LANG de-AT-1996", False, False),
    (Stat(), b"STAT", False, False),
    (List(), b"LIST", True, False),
    (List(1), b"LIST 1", False, False),
    (Uidl(), b"UIDL", True, False),
    (Uidl(2147483647), b"UIDL 2147483647", False, False),
    (Retr(1), b"RETR 1", True, False),
    (Top(1), b"TOP 1 0", True, False),
    (Top(3, 2147483647), b"TOP 3 2147483647", True, False),
    (Dele(12), b"DELE 12", False, False),
    (Noop(), b"NOOP", False, False),
    (Rset(), b"RSET", False, False),
    (Quit(), b"QUIT", False, True),
    (Raw("XTND XLST"), b"XTND XLST", False, True),
    (Raw("XLIST", multiline=True), b"XLIST", True, True),
    (Raw("stlsx"), b"stlsx", False, True),
]


@pytest.mark.parametrize(("command", "line", "multiline", "barrier"), ENCODED, ids=lambda v: repr(v)[:40])
def test_encoding(command: Command, line: bytes, multiline: bool, barrier: bool) -> None:
    assert command.encode() == line + b"\r\n"
    assert type(command.encode()) is bytes
    assert command.multiline is multiline
    assert command.barrier is barrier


def test_commands_are_values() -> None:
    assert Retr(1) == Retr(1) != Retr(2)
    assert len({Top(1), Top(1, 0), Top(1, 1)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dele(1).number = 2  # type: ignore[misc]


# -- text

TEXTS: list[Callable[[str], Command]] = [
    User,
    Pass,
    lambda text: Apop(text, DIGEST),
    lambda text: Apop("mrose", text),
    Auth,
    Lang,
    Raw,
    lambda text: Raw("X" + text),
    lambda text: Raw("XSECRET " + text + "x"),
]
TEXT_NAMES = ["USER", "PASS", "APOP", "APOP-digest", "AUTH", "LANG", "raw", "raw-rest", "raw-argument"]

CONTROLS = [*map(chr, range(0x20)), "\x7f"]


@pytest.mark.parametrize("build", TEXTS, ids=TEXT_NAMES)
def test_control_octets(build: Callable[[str], Command]) -> None:
    for control in CONTROLS:
        for text in (control, "a" + control, control + "a", f"a{control}QUIT", f"a{control}{control}b"):
            with pytest.raises(LocalProtocolError):
                build(text)


@pytest.mark.parametrize("build", TEXTS, ids=TEXT_NAMES)
def test_lone_surrogates(build: Callable[[str], Command]) -> None:
    for text in ("\ud800", "\udfff", "a\udc0db", "\udc0a", "a\udc00", "\ud83d x"):
        with pytest.raises(LocalProtocolError):
            build(text)


@pytest.mark.parametrize("build", TEXTS[:7], ids=TEXT_NAMES[:7])
@pytest.mark.parametrize("value", [b"mrose", 1, True, ["a"], bytearray(b"x")])
def test_no_text(build: Callable[[object], Command], value: object) -> None:
    with pytest.raises(LocalProtocolError):
        build(value)


@pytest.mark.parametrize("build", [User, Pass, TEXTS[2], TEXTS[3], Auth, Lang, Raw])
def test_empty(build: Callable[[str], Command]) -> None:
    with pytest.raises(LocalProtocolError):
        build("")


@pytest.mark.parametrize("build", [User, Pass, TEXTS[2]])
def test_none_is_no_text(build: Callable[[object], Command]) -> None:
    with pytest.raises(LocalProtocolError):
        build(None)


@pytest.mark.parametrize("name", ["m rose", " ", "mrose "])
def test_names_with_a_space(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="space"):
        User(name)
    with pytest.raises(LocalProtocolError, match="space"):
        Apop(name, DIGEST)


def test_a_name_with_spaces_that_are_asked_for() -> None:
    assert User("two words", blanks=True).encode() == b"USER two words\r\n"
    assert User("user", blanks=True).encode() == b"USER user\r\n"
    for name in ("", "two\r\nlines", "x" * 255):
        with pytest.raises(LocalProtocolError):
            User(name, blanks=True)


@pytest.mark.parametrize(
    "digest", [DIGEST[:-1], DIGEST + "0", DIGEST.upper(), "g" * 32, DIGEST + "\n", "\u0661" * 32]
)
def test_digests(digest: str) -> None:
    with pytest.raises(LocalProtocolError, match="digest"):
        Apop("mrose", digest)


@pytest.mark.parametrize("name", ["plain", "A" * 21, "A B", "PLAIN=", "X.509", "PLAIN\n", "\u00c4"])
def test_mechanism_names(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="mechanism"):
        Auth(name)


def test_the_longest_mechanism_name() -> None:
    assert Auth("A" * 20).encode() == b"AUTH " + b"A" * 20 + b"\r\n"


@pytest.mark.parametrize("value", ["text", bytearray(b"x"), memoryview(b"x"), 1])
def test_initial_response_is_bytes(value: object) -> None:
    with pytest.raises(LocalProtocolError, match="bytes"):
        Auth("PLAIN", value)  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", ["a" * 36, "de_AT", "de DE", "**", "d\xe9", "de\n"])
def test_language_tags(tag: str) -> None:
    with pytest.raises(LocalProtocolError, match="language"):
        Lang(tag)


def test_the_longest_language_tag() -> None:
    assert Lang("a" * 35).encode() == b"LANG " + b"a" * 35 + b"\r\n"


# -- 255 octets with CRLF (RFC 2449 section 4)


@pytest.mark.parametrize(
    ("build", "overhead"),
    [
        (User, len("USER \r\n")),
        (Pass, len("PASS \r\n")),
        (lambda text: Apop(text, DIGEST), len("APOP  \r\n") + 32),
        (Raw, len("\r\n")),
    ],
)
def test_line_length(build: Callable[[str], Command], overhead: int) -> None:
    room = 255 - overhead
    assert len(build("a" * room).encode()) == 255
    assert len(build("\xe4" * (room // 2) + "a" * (room % 2)).encode()) == 255
    with pytest.raises(LocalProtocolError, match=r"256 octets .* 255"):
        build("a" * (room + 1))
    # Octets count, not characters.
    with pytest.raises(LocalProtocolError, match="255"):
        build("\xe4" * (room // 2 + 1))


def test_initial_response_length() -> None:
    # AUTH, space, 13 letters, space, base64, CRLF: 21 + 4 * 58 = 253; three more octets of data make 257.
    assert len(Auth("SCRAM-SHA-256", b"x" * 174).encode()) == 21 + 232
    with pytest.raises(LocalProtocolError, match="257 octets"):
        Auth("SCRAM-SHA-256", b"x" * 175)
    # AUTH, space, 3 letters, space, CRLF: 11 + 244 = 255.
    assert len(Auth("ABC", b"x" * 183).encode()) == 255


# -- numbers


class Number(IntEnum):
    ONE = 1


class Odd:
    """Not even a repr."""

    def __repr__(self) -> str:
        raise AssertionError("nobody needs the repr")


NO_NUMBERS = [
    0,
    -1,
    2**31,
    2**64 + 1,
    10**5000,
    -(10**5000),
    True,
    False,
    1.0,
    "1",
    b"1",
    "\xb9",
    Number.ONE,
    Odd(),
]


@pytest.mark.parametrize(
    "number", NO_NUMBERS, ids=[f"{type(n).__name__}-{i}" for i, n in enumerate(NO_NUMBERS)]
)
def test_numbers(number: object) -> None:
    builders: list[Callable[..., Command]] = [List, Uidl, Retr, Top, Dele]
    for build in builders:
        with pytest.raises(LocalProtocolError, match="number"):
            build(number)
    if number != 0 or number is False:
        with pytest.raises(LocalProtocolError, match="lines"):
            Top(1, number)  # type: ignore[arg-type]


def test_none_is_a_number_only_where_it_means_all() -> None:
    builders: list[Callable[..., Command]] = [Retr, Top, Dele]
    for build in builders:
        with pytest.raises(LocalProtocolError, match="number"):
            build(None)


# -- raw


@pytest.mark.parametrize(
    "command", [c for c in SAMPLES if not isinstance(c, Raw)], ids=lambda c: c.redacted()
)
def test_known_commands_are_not_raw(command: Command) -> None:
    word = command.keyword
    for line in (word, word.lower(), word.capitalize(), f"{word} 1", f"{word.lower()}  x", f"{word} "):
        with pytest.raises(LocalProtocolError):
            Raw(line)


def test_keywords_that_fold_to_known_ones() -> None:
    # LATIN SMALL LETTER LONG S is an S in upper case.
    with pytest.raises(LocalProtocolError, match="Stat"):
        Raw("\u017ftat")


@pytest.mark.parametrize("line", [" XNOOP", "XNOOP ", " ", "  "])
def test_blanks_around_a_raw_command(line: str) -> None:
    with pytest.raises(LocalProtocolError, match="space"):
        Raw(line)
