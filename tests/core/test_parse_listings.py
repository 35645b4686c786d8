"""STAT, LIST and UIDL: the RFC's forms, the servers' oddities, and numbers that are none."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pop3core import DropListing, RemoteProtocolError, Scan, Uid, parse_list, parse_stat, parse_uidl

# What int() or str.isdigit() would take, and POP3 does not (RFC 1939 section 4: decimal digits).
NO_NUMBERS = [
    b"+1", b"-1", b"1_0", b"\xb2", b"\xc2\xb2", b"\xd9\xa1", b"0x1", b"1.0", b"1e3", b"", b"a", b"2147483648",
    b"4294967297", b"9" * 11, b"9" * 5000, b"0" * 5000 + b"1", b"\xef\xbc\x91", b"1\x00",
]  # fmt: skip


# -- STAT


@pytest.mark.parametrize(
    ("raw", "count", "octets"),
    [
        (b"+OK 2 320", 2, 320),
        (b"2 320", 2, 320),
        (b"+OK 2 320\r\n", 2, 320),
        (b"+OK 0 0", 0, 0),
        (b"+OK 2 320 octets, whatever", 2, 320),
        (b"+OK  2   320", 2, 320),
        (b"+OK\t2\t320", 2, 320),
        (b"+OK 2147483647 9223372036854775807", 2147483647, 2**63 - 1),
        # Octets that are missing, negative (32 bits overflowed), absurd or no number.
        (b"+OK 2", 2, None),
        (b"+OK 2 ", 2, None),
        (b"+OK 2 -1841000000", 2, None),
        (b"+OK 2 9223372036854775808", 2, None),
        (b"+OK 2 " + b"9" * 5000, 2, None),
        (b"+OK 2 +320", 2, None),
        (b"+OK 2 3_20", 2, None),
        (b"+OK 2 \xb2", 2, None),
        (b"+OK 2 messages", 2, None),
    ],
)
def test_stat(raw: bytes, count: int, octets: int | None) -> None:
    assert parse_stat(raw) == DropListing(count, octets)


@pytest.mark.parametrize("number", [*NO_NUMBERS, b"two"])
def test_stat_without_a_count(number: bytes) -> None:
    for raw in (b"+OK " + number + b" 320", b"+OK " + number, number + b" 320"):
        if number == b"" and b"320" in raw:
            continue  # "+OK 320": a count of 320
        with pytest.raises(RemoteProtocolError, match="STAT"):
            parse_stat(raw)


def test_a_refusal_is_no_drop_listing() -> None:
    with pytest.raises(RemoteProtocolError, match="STAT"):
        parse_stat(b"-ERR 2 320")


# -- LIST


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        (b"", []),
        (b"1 120\r\n2 200\r\n", [(1, 120), (2, 200)]),
        (b"7 0\r\n3 5\r\n", [(7, 0), (3, 5)]),  # gaps, any order
        (b"1 120 anything\r\n2 200\tx\r\n", [(1, 120), (2, 200)]),
        (b"  1   120  \r\n\t2\t200\t\r\n", [(1, 120), (2, 200)]),
        (b"2147483647 9223372036854775807\r\n", [(2147483647, 2**63 - 1)]),
        (b"001 0120\r\n", [(1, 120)]),
        (b"1 0120\r\n2 00\r\n", [(1, 120), (2, 0)]),
        (b"1 0\r\n2 10\r\n", [(1, 0), (2, 10)]),
        (b"+OK 2 200", [(2, 200)]),  # LIST 2
        (b"2 200", [(2, 200)]),
        (b"+OK 2 200 octets", [(2, 200)]),
        (b"+OK", []),
        (b"-ERR 2 200", []),
        # A line that cannot be understood costs its own entry.
        (b"1 120\r\njunk\r\n3 5\r\n", [(1, 120), (3, 5)]),
        (b"1 120\r\n\r\n3 5\r\n", [(1, 120), (3, 5)]),
        (b"0 120\r\n1 -5\r\n2\r\n3 5\r\n", [(3, 5)]),
        (b"1 9223372036854775808\r\n2 99999999999999999999\r\n3 5\r\n", [(3, 5)]),
        (b"1 120octets\r\n3 5\r\n", [(3, 5)]),
        (b"1 1\n2 2\r\n3 5\r\n", [(3, 5)]),
        (b"1 1\r2 2\r\n3 5\r\n", [(3, 5)]),
        # Nothing in a body is a status (RFC 1939 section 3).
        (b"+OK 1 120\r\n3 5\r\n", [(3, 5)]),
        (b"-ERR 1 120\r\n3 5\r\n", [(3, 5)]),
        (b"+OK 1 120\r\n", []),
    ],
)
def test_list(data: bytes, entries: list[tuple[int, int]]) -> None:
    got = parse_list(data)
    assert got == entries
    assert all(type(entry) is Scan for entry in got)


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_numbers_that_are_none(number: bytes) -> None:
    data = number + b" 120\r\n3 5\r\n"
    assert parse_list(data) == [(3, 5)]
    if number != b"":  # " 120" has a number, and no unique-id
        assert parse_uidl(data) == [(3, "5")]
    if number not in (b"2147483648", b"4294967297", b"9" * 11):  # fair sizes
        assert parse_list(b"1 " + number + b"\r\n3 5\r\n") == [(3, 5)]


@pytest.mark.parametrize(
    ("data", "scans", "uids"),
    [
        (b"1 120\r\n1 120\r\n", [(1, 120)], [(1, "120")]),
        (b"2 5\r\n1 120\r\n2 7\r\n", [(1, 120)], [(2, None), (1, "120")]),
        (b"1 1\r\njunk\r\n01 1\r\n2 2\r\n", [(1, 1), (2, 2)], [(1, "1"), (2, "2")]),
        (b"1 1 x\r\n1 1 y\r\n", [(1, 1)], [(1, None)]),
        (b"1 1\r\n1 2\r\n1 1\r\n", [], [(1, None)]),
    ],
)
def test_a_number_twice(data: bytes, scans: list[object], uids: list[object]) -> None:
    assert parse_list(data) == scans
    assert parse_uidl(data) == uids


# -- UIDL


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        (b"", []),
        (b"1 whqtswO00WBw418f9t5JxYwZ\r\n2 QhdPYR:00WBw1Ph7x7\r\n",
         [(1, "whqtswO00WBw418f9t5JxYwZ"), (2, "QhdPYR:00WBw1Ph7x7")]),
        (b"2 a\r\n1 b\r\n", [(2, "a"), (1, "b")]),
        (b"+OK 2 QhdPYR:00WBw1Ph7x7", [(2, "QhdPYR:00WBw1Ph7x7")]),
        (b"2 !~", [(2, "!~")]),
        # Two copies of a message may share one (RFC 1939 section 7; popa3d).
        (b"1 same\r\n2 same\r\n", [(1, "same"), (2, "same")]),
        (b"1 UID1-1795225124\r\n2 1795224492.1\r\n", [(1, "UID1-1795225124"), (2, "1795224492.1")]),
        # Maillennium's blanks, tabs, blanks at the end.
        (b"1    abc\r\n2\tdef\t\r\n  3 ghi   \r\n", [(1, "abc"), (2, "def"), (3, "ghi")]),
        # Longer than 70 octets, up to 1024, never cut; 8-bit.
        (b"1 " + b"a" * 71 + b"\r\n2 " + b"b" * 1024 + b"\r\n", [(1, "a" * 71), (2, "b" * 1024)]),
        (b"1 \xe4\xff\x80\r\n", [(1, "\xe4\xff\x80")]),
        (b"1 \xc3\xa4\r\n", [(1, "\xc3\xa4")]),
        # Unusable: none, a space or a control octet inside, too long.  The rest of the list stays.
        (b"1\r\n2 \r\n3 a b\r\n4 a\tb\r\n5 a\x00b\r\n6 a\x7fb\r\n7 " + b"c" * 1025 + b"\r\n8 ok\r\n",
         [(1, None), (2, None), (3, None), (4, None), (5, None), (6, None), (7, None), (8, "ok")]),
        (b"1 a\n2 b\r\n3 a\rb\r\n4 ok\r\n", [(1, None), (3, None), (4, "ok")]),
        (b"1 <20250101.1@h.example> x\r\n2 ../../etc\r\n", [(1, None), (2, "../../etc")]),
        # No number: Twisted's UIDL n, junk.
        (b"+OK abcdef", []),
        (b"abc def\r\n0 x\r\n2 ok\r\n", [(2, "ok")]),
        (b"1abc\r\n2 ok\r\n", [(2, "ok")]),
        (b"\r\n2 ok\r\n", [(2, "ok")]),
        (b"+OK 1 abc\r\n2 ok\r\n", [(2, "ok")]),
        (b"-ERR 1 abc", []),
    ],
)  # fmt: skip
def test_uidl(data: bytes, entries: list[tuple[int, str | None]]) -> None:
    got = parse_uidl(data)
    assert got == entries
    assert all(type(entry) is Uid for entry in got)


def test_names_of_the_fields() -> None:
    assert parse_list(b"2 200") == [Scan(number=2, octets=200)]
    assert parse_uidl(b"2 a") == [Uid(number=2, uid="a")]


# -- the bulk way and the careful one: a line of junk, which costs only itself, sends a listing the second way

NUMBERS = st.integers(1, 2**31 - 1)


@given(st.dictionaries(NUMBERS, st.integers(0, 2**63 - 1), max_size=20))
def test_list_both_ways(entries: dict[int, int]) -> None:
    data = b"".join(b"%d %d\r\n" % entry for entry in entries.items())
    assert parse_list(data) == list(entries.items()) == parse_list(data + b"junk\r\n")


@given(
    st.dictionaries(
        NUMBERS,
        st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=70),
        max_size=20,
    )
)
def test_uidl_both_ways(entries: dict[int, str]) -> None:
    data = b"".join(b"%d %s\r\n" % (number, uid.encode()) for number, uid in entries.items())
    assert parse_uidl(data) == list(entries.items()) == parse_uidl(data + b"junk\r\n")


ALMOST = st.lists(
    st.builds(
        lambda *parts: b"".join(parts),
        st.sampled_from([b"", b" ", b"0", b"+"]),
        st.sampled_from([b"1", b"2", b"33", b"2147483647", b"2147483648", b"999999999", b"1000000000"]),
        st.sampled_from([b" ", b"  ", b"\t", b""]),
        st.sampled_from([b"5", b"05", b"9" * 18, b"9" * 19, b"a", b"a" * 70, b"a" * 71, b"\xff", b""]),
        st.sampled_from([b"", b" ", b" x"]),
        st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]),
    ),
    max_size=6,
)


@given(ALMOST)
def test_both_ways_on_what_is_almost_plain(lines: list[bytes]) -> None:
    data = b"".join(lines)
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    for parse in (parse_list, parse_uidl):
        results: list[object] = []
        for variant in (data, data + b"junk\r\n"):
            try:
                results.append(parse(variant))
            except RemoteProtocolError as error:
                results.append(str(error))
        assert results[0] == results[1]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(enabled: bool) -> None:
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        assert parse_list(b"1 10\r\n2 20\r\n") == [(1, 10), (2, 20)]
        assert gc.isenabled() is enabled
        assert parse_uidl(b"1 a\r\n2 b\r\n") == [(1, "a"), (2, "b")]
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
