"""Header fields, out of whatever a server sends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pop3aio._cli._headers import parse_headers
from pop3aio.testing import awkward_messages


@pytest.mark.parametrize(
    ("octets", "subject"),
    [
        (b"plain", "plain"),
        (b"a long\r\n one", "a long one"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= to all", "Grüße to all"),
        (b"=?iso-2022-jp?b?GyRCMnE1RBsoQg==?=", "会議"),
        (b"=?utf-8?q?one?=\r\n =?utf-8?q?two?=", "onetwo"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        ("Grüße =?utf-8?q?=E2=82=AC?= 会議".encode(), "Grüße € 会議"),
        (b"=?no-such-charset?q?a=E9?=", "aé"),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
        (b"", ""),
        (b"a\r\n\tb \t c", "a b c"),
        (b"=?utf-8?b?4oI=?= =?UTF-8?b?rA==?=", "€"),
        (b"=?utf-8?q?=E2=82=AC?= =?iso-8859-1?q?=E9?= x", "€é x"),
        (b"=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-7?q?+2AA-?=", "\ufffd"),
        (b"=?punycode?q?a-b?=", "a-b"),
        (b"=?utf-8?q?no end", "=?utf-8?q?no end"),
        (b"x" * 4095 + "é".encode(), "x" * 4095),
    ],
)
def test_subjects(octets: bytes, subject: str) -> None:
    assert parse_headers(b"Subject: " + octets + b"\r\n\r\n").subject == subject


@pytest.mark.parametrize(
    ("octets", "sender"),
    [
        (b"A <a@example.com>", "A"),
        (b"a@example.com (Ann (of old))", "Ann (of old)"),
        (b'"B, \\"A\\"" <a@example.com>, C <c@example.com>', 'B, "A"'),
        (b"=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?= <j@example.com>", "Jürgen"),
        (b"undisclosed-recipients:;", "undisclosed-recipients:"),
        (b"A (c) <a@example.com>", "A"),
        (b", , B <b@example.com>", "B"),
        (b'"never closed <a@example.com>', "never closed <a@example.com>"),
        (b"<never@closed", "never@closed"),
        (b"> )", "> )"),
        (b"<<a@b>>", "a@b"),
        (b'<"a b"@c>', "a b@c"),
        (b"<a@example.com>", "a@example.com"),
        (b"=?utf-8?q?M=C3=BCller=2C_J?= <a@example.com>", "Müller, J"),
        (b"@@@", "@@@"),
    ],
)
def test_senders(octets: bytes, sender: str) -> None:
    assert parse_headers(b"From: " + octets + b"\r\n\r\n").sender == sender


@pytest.mark.parametrize(
    ("octets", "date"),
    [
        (b"Mon, 08 Jan 2024 09:00:00 +0000", datetime(2024, 1, 8, 9, tzinfo=UTC)),
        (b"yesterday", None),
        (b"Mon, 99 Jan 2024 09:00:00 +0000", None),
        (b"Mon, 08 Jan 2024 09:00:00 +99999999", None),
        (b"", None),
    ],
)
def test_dates(octets: bytes, date: datetime | None) -> None:
    assert parse_headers(b"Date: " + octets + b"\r\n\r\n").date == date


def test_nothing_raises() -> None:
    assert parse_headers(b"") == (None, None, None, None)
    # Nothing of a body is taken for a header.
    assert parse_headers(b"\r\nSubject: body\r\n") == (None, None, None, None)
    assert parse_headers(b"X: y\r\n\r\nSubject: body\r\n") == (None, None, None, None)
    for _, message in awkward_messages():
        parse_headers(message)
