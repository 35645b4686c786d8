"""Logging in by a token: `--token-command`."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pop3aio._cli._output import Output
from pop3aio._cli._tokens import TokenCommand
from pop3aio.testing import Server, Session

from .support import PASSWORD, Cli, mails, secured, url

CANARY = "ya29.canary-7d41-" + "x" * 400
STALE = "ya29.canary-stale-" + "y" * 400


class Bearers:
    """Takes logins by token, and notes the mechanisms and tokens that came."""

    def __init__(self, report: dict[str, str] | None = None) -> None:
        self.report = report or {"status": "401", "scope": "mail.read"}
        self.mechanisms: list[str] = []
        self.tokens: list[str] = []

    async def __call__(self, session: Session, keyword: str, argument: str) -> bool:
        if keyword != "AUTH" or argument not in ("XOAUTH2", "OAUTHBEARER"):
            return False
        session.write(b"+ \r\n")
        message = base64.b64decode(await session.read_line() or "").decode()
        token = re.findall("auth=Bearer ([!-~]+)\x01\x01", message)[0]
        self.mechanisms.append(argument)
        self.tokens.append(token)
        if token == CANARY:
            session._login("user", PASSWORD)
            return True
        session.write(b"+ " + base64.b64encode(json.dumps(self.report).encode()) + b"\r\n")
        await session.read_line()
        session.write(f"-ERR [AUTH] no such token: {token}\r\n".encode())
        return True


def server_of(bearers: Bearers, sasl: str = "PLAIN XOAUTH2") -> Server:
    return Server(
        mails(1), tls="implicit", capabilities=["USER", "UIDL", "TOP", f"SASL {sasl}"], on_command=bearers
    )


def printing(folder: Path, *tokens: str) -> str:
    """Return a command that prints these tokens, one each time, and the last one for ever."""
    for number, token in enumerate(tokens):
        (folder / f"token{number}").write_text(f"{token}\nmore\n")
    first, last = (shlex.quote(str(folder / f"token{number}")) for number in (0, len(tokens) - 1))
    return f"cat {first}; cp {last} {folder}/next; mv {folder}/next {first}"


@pytest.mark.parametrize(
    ("sasl", "taken"),
    [
        ("PLAIN XOAUTH2 OAUTHBEARER", "XOAUTH2"),
        ("OAUTHBEARER XOAUTH2", "OAUTHBEARER"),
        ("OAUTHBEARER", "OAUTHBEARER"),
    ],
)
async def test_what_the_server_lists_first(cli: Cli, tmp_path: Path, sasl: str, taken: str) -> None:
    bearers = Bearers()
    async with server_of(bearers, sasl) as server:
        result = await cli(
            "list", *secured(server, tmp_path), "--token-command", printing(tmp_path, CANARY), "-v"
        )
    assert result.status == 0
    assert (bearers.mechanisms, bearers.tokens) == ([taken], [CANARY])
    assert "canary" not in result.out + result.err
    assert base64.b64encode(CANARY.encode()).decode()[:40] not in result.err


@pytest.mark.parametrize("named", ["option", "url", "both"])
async def test_one_that_is_named(cli: Cli, tmp_path: Path, named: str) -> None:
    bearers = Bearers()
    async with server_of(bearers, "XOAUTH2 OAUTHBEARER") as server:
        user = "user" if named == "option" else "user;AUTH=OAuthBearer"
        arguments = secured(server, tmp_path, user)
        if named != "url":
            arguments += ["--auth", "oauthbearer"]
        box = tmp_path / "Mail"
        result = await cli("fetch", *arguments, box, "--token-command", printing(tmp_path, CANARY))
    assert (result.status, result.err) == (0, "")
    assert bearers.mechanisms == ["OAUTHBEARER"]
    assert len(list((box / "new").iterdir())) == 1


async def test_one_that_expired_is_fetched_anew(cli: Cli, tmp_path: Path) -> None:
    bearers = Bearers()
    async with server_of(bearers) as server:
        result = await cli(
            "list", *secured(server, tmp_path), "--token-command", printing(tmp_path, STALE, CANARY), "-v"
        )
    assert result.status == 0
    assert bearers.tokens == [STALE, CANARY]
    assert "canary" not in result.out + result.err


async def test_one_that_is_refused(cli: Cli, tmp_path: Path) -> None:
    bearers = Bearers()
    async with server_of(bearers) as server:
        arguments = [*secured(server, tmp_path), "--token-command", printing(tmp_path, STALE)]
        text = await cli("list", *arguments)
        result = await cli("check", *arguments, "--json", "-v")
    assert text.status == result.status == 4
    assert "(status 401)" in text.error
    assert "what the token command prints, and its scope (mail.read)" in text.error
    assert result.json["login"] is False
    assert "(status 401)" in result.json["error"]
    assert bearers.tokens == [STALE] * 4
    assert "canary" not in text.err + result.err + result.out
    assert not any("PASS" in command or "PLAIN" in command for command in server.commands)


async def test_a_server_that_repeats_it_as_the_reason(cli: Cli, tmp_path: Path) -> None:
    """The whole reason is masked."""
    async with server_of(Bearers({"status": f"bad {STALE} {STALE}", "scope": STALE})) as server:
        result = await cli("list", *secured(server, tmp_path), "--token-command", printing(tmp_path, STALE))
    assert result.status == 4
    assert "(status ***)" in result.error
    assert "canary" not in result.error


def test_what_is_cut_off_is_masked() -> None:
    output = Output()
    output.hide("abcdefghijklmnop")
    assert output.masked("abcdefghijklmnopq abcdefghijklmnX abcdefghijkX") == "***q ***X abcdefghijkX"
    assert output.masked("<abcdefghijkl") == "<***"


async def test_none_is_offered(cli: Cli, tmp_path: Path) -> None:
    bearers = Bearers()
    async with server_of(bearers, "PLAIN") as server:
        arguments = [*secured(server, tmp_path), "--token-command", printing(tmp_path, CANARY)]
        result = await cli("list", *arguments)
        assert result.status == 4
        assert "the server offers none of OAUTHBEARER, XOAUTH2; name one by --auth to try it" in result.error
        assert not any("AUTH" in command or "PASS" in command for command in server.commands)
        result = await cli("list", *arguments, "--auth", "XOAUTH2")
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"echo {CANARY}; exit 3", "the token command exited with 3: run it by itself to see why"),
        ("kill -9 $$", "the token command was ended by signal 9"),
        ("true", "the token command printed no token"),
        (f"echo; echo {CANARY}", "the token command printed no token"),
        (f"echo Bearer {CANARY}", "the token command printed no token in its first line"),
        (f"printf '{CANARY}\\377\\n'", "the token command printed no token in its first line"),
        (f"printf '{CANARY}\\001\\n'", "the token command printed no token in its first line"),
    ],
)
async def test_a_command_that_yields_none(cli: Cli, tmp_path: Path, command: str, message: str) -> None:
    bearers = Bearers()
    async with server_of(bearers) as server:
        arguments = [*secured(server, tmp_path), "--token-command", command]
        result = await cli("list", *arguments)
        assert result.status == 4
        assert message in result.error
        assert "login         failed\n" in (await cli("check", *arguments)).out
        verbose = await cli("list", *arguments, "-v")
    assert "canary" not in result.out + result.err + verbose.out + verbose.err
    assert bearers.tokens == []


@pytest.mark.parametrize("before", ["", "\\357\\273\\277"])
async def test_a_file_saved_on_windows(cli: Cli, tmp_path: Path, before: str) -> None:
    bearers = Bearers()
    async with server_of(bearers) as server:
        command = f"printf '{before}{CANARY}\\r\\nmore'"
        result = await cli("list", *secured(server, tmp_path), "--token-command", command)
    assert (result.status, result.err) == (0, "")


async def test_a_cancel_before_anybody_waits_for_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that is to reap it has not begun; the process and its pipe must not be left over."""
    started: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen

    def note(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(begin(*arguments, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", note)
    busy = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        threads.submit(busy.wait)
        asking = asyncio.ensure_future(TokenCommand("exec sleep 600", str)())
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        busy.set()
    assert started[0].returncode == -signal.SIGTERM
    assert started[0].stdout is not None
    assert started[0].stdout.closed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--token-command", "x", "--password-command", "x"], "not allowed with"),
        (["--token-command", "x", "--password-file", "x"], "not allowed with"),
        (["--token-command", "x", "--auth", "PLAIN"], "PLAIN takes no token; what takes one: OAUTHBEARER"),
        (["--token-command", "x", "--auth", "EXTERNAL", "--client-cert", "x"], "EXTERNAL takes no password"),
        (["--auth", "XOAUTH2"], "XOAUTH2 needs --token-command"),
        (["--auth", "OAUTHBEARER", "--password-command", "x"], "OAUTHBEARER needs --token-command"),
        (["--token", CANARY], "a token is never taken from the command line"),
        ([f"--token={CANARY}"], "a token is never taken from the command line"),
        (["--auth", CANARY], "one of these is expected: SCRAM-SHA-512-PLUS, "),
    ],
)
async def test_arguments_that_do_not_fit(cli: Cli, arguments: list[str], message: str) -> None:
    result = await cli("list", "pop3s://user@localhost", *arguments)
    assert result.status == 2
    assert message in result.error
    assert "canary" not in result.error


async def test_never_in_clear(cli: Cli, tmp_path: Path) -> None:
    async with Server() as server:
        result = await cli("list", *url(server), "--token-command", f"echo {CANARY}")
    assert result.status == 2
    assert "a token is never sent without TLS" in result.error
    assert server.commands == []
