"""`--window`: for servers that announce PIPELINING and mix up the answers, as WildDuck did (its pull request 950)."""

from __future__ import annotations

from pathlib import Path

from pop3aio.testing import Server, Session

from .support import Cli, contents, mails, url


async def mix_up(session: Session, keyword: str, argument: str) -> bool:
    """Forget the status line when there is another command already."""
    mixed = keyword == "RETR" and session._wire.has_received(b"RETR")
    if mixed:
        session.write(b"Subject: no status line\r\n\r\n.\r\n")
    return mixed


async def test_one_command_at_a_time(cli: Cli, tmp_path: Path) -> None:
    async with Server(mails(5), on_command=mix_up) as server:
        result = await cli("fetch", *url(server), tmp_path / "box")
        assert result.status == 1
        assert "say --window 1" in result.err
        result = await cli("fetch", *url(server), tmp_path / "box", "--window", "1")
    assert result.status == 0
    assert contents(tmp_path / "box") == mails(5)
