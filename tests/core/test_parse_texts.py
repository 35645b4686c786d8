"""Response codes and APOP time stamps."""

from __future__ import annotations

import pytest

from pop3core import parse_apop_timestamp, parse_response_code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"-ERR [IN-USE] Do you have another session?", "IN-USE"),
        (b"-ERR [in-use]", "IN-USE"),
        (b"-ERR [SYS/TEMP] later", "SYS/TEMP"),
        (b"-ERR [SYS/PERM/deep/deeper] no", "SYS/PERM/DEEP/DEEPER"),
        (b"-ERR[AUTH] glued", "AUTH"),
        (b"+OK [X] a code may be in a success", "X"),
        (b"[LOGIN-DELAY] the text alone", "LOGIN-DELAY"),
        (b"-ERR [AUTH]\r\n", "AUTH"),
        (b"-ERR [a[b] an opening bracket is an octet like others", "A[B"),
        (b"-ERR [\x7f] DEL is in the grammar", "\x7f"),
        # None:
        (b"-ERR", None),
        (b"-ERR no", None),
        (b"-ERR  [IN-USE] not at the start", None),
        (b"-ERR locked [IN-USE]", None),
        (b"+OK ready. [TQBOADIAUABSADAA]", None),
        (b"-ERR []", None),
        (b"-ERR [IN-USE", None),
        (b"-ERR [IN USE] a space", None),
        (b"-ERR [SYS/] an empty level", None),
        (b"-ERR [/TEMP]", None),
        (b"-ERR [SYS//TEMP]", None),
        (b"-ERR [\xc3\x84]", None),
        (b"-ERR [a\x00]", None),
        (b"", None),
    ],
)
def test_response_code(raw: bytes, code: str | None) -> None:
    assert parse_response_code(raw) == code


@pytest.mark.parametrize(
    ("raw", "stamp"),
    [
        (b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>", b"<1896.697170952@dbc.mtview.ca.us>"),
        (b"<1@h>", b"<1@h>"),
        (b"+OK <1@h> + stunnel", b"<1@h>"),
        (b"+OK <first> <1@h> <2@h>", b"<1@h>"),
        (b"+OK <<1@h>>", b"<1@h>"),
        (b"+OK <!#$%&'*+-/=?^_`{|}~@[::1]>", b"<!#$%&'*+-/=?^_`{|}~@[::1]>"),
        # None is a msg-id: each would let an attacker choose octets (CVE-2007-1558).
        (b"+OK ready", None),
        (b"+OK <1.h>", None),
        (b"+OK <@h>", None),
        (b"+OK <1@>", None),
        (b"+OK <1@2@h>", None),
        (b"+OK <1 2@h>", None),
        (b"+OK <1@h", None),
        (b"+OK 1@h>", None),
        (b"+OK <1@h\x80>", None),
        (b"+OK <\xff@h>", None),
        (b"+OK <1\x00@h>", None),
        (b"+OK <1\x7f@h>", None),
        (b"+OK <1@h\r>", None),
        (b"+OK <1@\th>", None),
        (b"", None),
    ],
)
def test_apop_timestamp(raw: bytes, stamp: bytes | None) -> None:
    assert parse_apop_timestamp(raw) == stamp
