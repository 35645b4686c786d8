"""Servers that announce PIPELINING and cannot do it, as WildDuck before its pull request 950: `fetch` notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from pop3aio.testing import CommandHook, Server, Session

from .support import Cli, contents, mails, url

_WENT_ON = "another session went on"


def more_has_come(session: Session, keyword: str) -> bool:
    return keyword == "RETR" and session._wire.has_received(b"RETR")


async def mix_up(session: Session, keyword: str, argument: str) -> bool:
    """Forget the status line when there is another command already; the first three answers are good."""
    mixed = more_has_come(session, keyword) and int(argument) > 3
    if mixed:
        session.write(b"Subject: no status line\r\n\r\n.\r\n")
    return mixed


async def lose(session: Session, keyword: str, argument: str) -> None:
    """Forget what has come behind a RETR; the first three commands are answered."""
    if keyword == "RETR" and int(argument) > 2:
        session._wire.forget_received()


async def talk_nonsense(session: Session, keyword: str, argument: str) -> bool:
    if keyword == "RETR":
        session.write(b"nonsense\r\n")
    return keyword == "RETR"


@pytest.mark.parametrize("unable", [mix_up, lose])
@pytest.mark.parametrize("policy", [(), ("--delete",)])
async def test_one_command_at_a_time(
    cli: Cli, tmp_path: Path, unable: CommandHook, policy: tuple[str, ...]
) -> None:
    async with Server(mails(8), on_command=unable) as server:
        result = await cli("fetch", *url(server), tmp_path / "box", "--timeout", "1", "--json", *policy)
        left = server.mailbox
    assert result.status == 0
    assert result.err.count(_WENT_ON) == 1
    assert sorted(contents(tmp_path / "box")) == sorted(mails(8))
    facts = result.json
    assert (facts["fetched"], facts["known"], facts["octets"]) == (8, 0, sum(map(len, mails(8))))
    assert facts["deleted"] == (8 if policy else 0)
    assert len(left) == (0 if policy else 8)


async def test_no_more_than_was_asked_for(cli: Cli, tmp_path: Path) -> None:
    async with Server(mails(8), on_command=mix_up) as server:
        result = await cli("fetch", *url(server), tmp_path / "box", "--limit", "6", "--json")
    assert result.err.count(_WENT_ON) == 1
    assert len(contents(tmp_path / "box")) == 6
    assert (result.json["fetched"], result.json["postponed"]) == (6, 2)


async def test_who_asks_for_one_at_a_time_gets_it(cli: Cli, tmp_path: Path) -> None:
    async with Server(mails(8), on_command=mix_up) as server:
        result = await cli("fetch", *url(server), tmp_path / "box", "--window", "1")
    assert result.status == 0
    assert not result.err
    assert contents(tmp_path / "box") == mails(8)


@pytest.mark.parametrize("window", [(), ("--window", "1")])
async def test_where_that_does_not_help(cli: Cli, tmp_path: Path, window: tuple[str, ...]) -> None:
    async with Server(mails(2), on_command=talk_nonsense) as server:
        result = await cli("fetch", *url(server), tmp_path / "box", *window)
        # Twice for each message, and once to see that nothing is left to try.
        assert server.connections == 5
    assert result.status == 1
    assert result.err.count("nonsense") == 4
    assert result.err.count("came cut 2 times") == 2
    assert contents(tmp_path / "box") == []
