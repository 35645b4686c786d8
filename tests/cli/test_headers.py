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
    ],
)
def test_subjects(octets: bytes, subject: str) -> None:
    assert parse_headers(b"Subject: " + octets + b"\r\n\r\n").subject == subject


@pytest.mark.parametrize(
    ("octets", "sender"),
    [
        (b"A <a@example.com>", "A"),
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
    assert parse_headers(b"") == (None, None, None)
    for _, message in awkward_messages():
        parse_headers(message)
