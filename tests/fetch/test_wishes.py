"""What a caller may ask of `fetch` and `collect`: wrong types, wrong signs, odd numbers, classes for instances."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

import pop3aio
from pop3aio.testing import Server, Session

from .support import MemoryJournal, Shelf, mail, session

WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"delete": pop3aio.Delete}, TypeError, r"Delete\(\)"),
    ({"delete": True}, TypeError, r"Keep\(\), Delete\(\) or After\(days\), not True"),
    ({"delete": "after"}, TypeError, "'after'"),
    ({"limit": -1}, ValueError, "limit is a whole number from 0, not -1"),
    ({"limit": 1.0}, TypeError, "limit is a whole number"),
    ({"limit": True}, TypeError, "limit is a whole number"),
    ({"max_size": 0}, ValueError, "max_size is a whole number from 1"),
    ({"concurrency": 0}, ValueError, "concurrency is a whole number from 1"),
    ({"concurrency": None}, TypeError, "concurrency is a whole number from 1"),
    ({"newest_first": 1}, TypeError, "newest_first is True or False, not 1"),
    ({"adopt": "yes"}, TypeError, "adopt is True or False"),
    ({"since": "2026-01-01"}, TypeError, "since is a datetime.date"),
    ({"since": 1.0}, TypeError, "since is a datetime.date"),
    ({"progress": "bar"}, TypeError, "progress is a function"),
    ({"adopt": True, "again": True}, ValueError, "exclude each other"),
]


@pytest.mark.parametrize(("options", "error", "text"), WRONG, ids=str)
async def test_wrong_choices_are_refused_before_anything_is_asked(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    async with Server(mail(1)) as server, session(server) as client:
        asked = len(server.commands)
        with pytest.raises(error, match=text):
            await pop3aio.fetch(client, Shelf(), journal=MemoryJournal(), **options)
        with pytest.raises(error, match=text):
            await pop3aio.collect(_never, Shelf(), journal=MemoryJournal(), **options)
        assert len(server.commands) == asked


async def _never() -> pop3aio.Client:
    raise AssertionError("nothing was to be opened")


@pytest.mark.parametrize(
    ("days", "error"),
    [
        (-1, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("3", TypeError),
        (True, TypeError),
    ],
)
def test_after_needs_a_number_of_days(days: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="After needs a number of days"):
        pop3aio.After(days)


@pytest.mark.parametrize(
    ("patience", "error"), [("1", TypeError), (True, TypeError), (-1, ValueError), (float("nan"), ValueError)]
)
async def test_patience_is_a_number_of_seconds(patience: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="patience is a number of seconds"):
        await pop3aio.collect(_never, Shelf(), journal=MemoryJournal(), patience=patience)


async def test_a_time_of_the_day_bounds_as_well_as_a_date() -> None:
    """Two messages of one day: `since` takes a moment between them, and the day."""
    dated = [
        b"Date: Sun, 1 Mar 2026 %02d:00:00 +0000\r\nSubject: %d\r\n\r\n" % (hour, hour) for hour in (6, 18)
    ]
    noon = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    for since, fetched in (
        (noon, 1),
        (noon.date() - datetime.timedelta(days=1), 2),
        (noon.date() + datetime.timedelta(days=2), 0),
    ):
        async with Server(dated) as server, session(server) as client:
            report = await pop3aio.fetch(client, Shelf(), journal=MemoryAdopting(), since=since)
            assert (report.fetched, report.left) == (fetched, 2 - fetched)


class MemoryAdopting(MemoryJournal):
    async def adopt(self, account: str, known: Any) -> None:
        self.fetched |= {(account, identity): 1e18 for identity in known}


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: no date\r\n",
        b"Date: nonsense\r\n",
        b"Date: Sun, 99 Mar 2026 06:00:00 +0000\r\n",
        b"Date:\r\n",
    ],
)
async def test_a_message_without_a_readable_date_is_new(header: bytes) -> None:
    async with Server([header + b"\r\nbody\r\n"]) as server, session(server) as client:
        report = await pop3aio.fetch(
            client, Shelf(), journal=MemoryAdopting(), since=datetime.date(2026, 3, 1)
        )
        assert (report.fetched, report.left) == (1, 0)


async def test_a_server_without_top_leaves_nothing_out() -> None:
    old = b"Date: Sun, 1 Mar 2020 06:00:00 +0000\r\n\r\n"

    async def no_top(session: Session, keyword: str, argument: str) -> bool:
        if keyword == "TOP":
            session.write(b"-ERR what?\r\n")
        return keyword == "TOP"

    async with Server([old], on_command=no_top) as server, session(server) as client:
        report = await pop3aio.fetch(
            client, Shelf(), journal=MemoryAdopting(), since=datetime.date(2026, 3, 1)
        )
        assert (report.fetched, report.left) == (1, 0)
