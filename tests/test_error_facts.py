"""Errors carry facts as attributes, and no program decides by their words."""

from __future__ import annotations

import ast
import copy
import os
import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import pop3aio
from pop3aio._cli._errors import describe
from pop3aio._fetch._sqlite_journal import fault_of
from pop3aio._session._masks import Masks
from pop3aio._session._reasons import overdue, violation
from pop3aio.testing import Server
from pop3core import Noop, RemoteProtocolError, Retr, TruncatedResponse

from .kit.script import Peer, Script, session

# The folder of the packages that are tested: the checkout, or the place where a wheel was installed.
ROOT = Path(pop3aio.__file__).parents[1]
SOURCES = sorted(path for name in ("pop3core", "pop3aio", "maildir") for path in (ROOT / name).rglob("*.py"))

# What looks for what must be hidden, and decides nothing else.
ALLOWED = {("_reasons.py", "_QUOTE.search(str(error))")}

_SEARCHES = {
    "startswith", "endswith", "find", "rfind", "index", "count", "partition", "rpartition", "split", "removeprefix",
    "removesuffix", "search", "match", "fullmatch", "findall",
}  # fmt: skip


def by_words(tree: ast.AST) -> Iterator[str]:
    """Yield each expression that looks into the words of an exception."""
    caught = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name is not None
    }
    caught |= {"error", "exc", "exception", "failure", "lost", "refusal", "broken"}
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and is_text(node.value, caught, set()):
            words |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            if any(is_text(operand, caught, words) for operand in operands):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            looked_at = [node.func.value, *node.args]
            if node.func.attr in _SEARCHES and any(is_text(part, caught, words) for part in looked_at):
                yield ast.unparse(node)


def is_text(node: ast.AST, caught: set[str], words: set[str]) -> bool:
    """Tell whether an expression is the words of an exception."""
    if isinstance(node, ast.Name):
        return node.id in words
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Name) and function.id in ("str", "repr") and node.args:
            return names_error(node.args[0], caught)
        # str(error).lower() is the words as well.
        return (
            isinstance(function, ast.Attribute)
            and function.attr in ("lower", "upper", "strip")
            and is_text(function.value, caught, words)
        )
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
        return node.value.attr == "args" and names_error(node.value.value, caught)
    # verify_message and strerror are words of the system.
    return isinstance(node, ast.Attribute) and (
        node.attr in ("verify_message", "strerror")
        or (node.attr == "what" and names_error(node.value, caught))
    )


def names_error(node: ast.AST, caught: set[str]) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in caught


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_decides_by_words(path: Path) -> None:
    found = {(path.name, text) for text in by_words(ast.parse(path.read_text("utf-8")))}
    assert found <= ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "if 'locked' in str(error): pass",
        "try: pass\nexcept OSError as oops:\n    if 'locked' in str(oops): pass",
        "text = str(error)\nif text.startswith('no connection'): pass",
        "if error.args[0] == 'x': pass",
        "if re.search('x', str(failure.error)): pass",
        "if str(error).lower().endswith('x'): pass",
        "if 'x' in error.strerror: pass",
        "if 'x' in error.what: pass",
    ],
)
def test_what_decides_by_words_is_found(code: str) -> None:
    assert list(by_words(ast.parse(code)))


@pytest.mark.parametrize(
    "error",
    [
        pop3aio.ResponseTimeout("late", command="RETR 1", in_flight=3, hint="window"),
        pop3aio.ConnectionLost("lost", stage="greeting"),
        pop3aio.ConnectionLost("lost", stage="login", hint="capa"),
        pop3aio.ResponseTimeout("late", command="CAPA", hint="capa"),
        pop3aio.TlsError("no", reason="pin"),
        pop3aio.JournalError("no", reason="full"),
        pop3aio.MechanismUnavailable("no", hint="mechanism"),
        RemoteProtocolError("bad", command="NOOP", hint="bare_lf"),
    ],
)
def test_facts_survive_a_copy_and_a_pickle(error: pop3aio.POP3Error) -> None:
    error.credentials = "unjudged"
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("error", "library", "command"),
    [
        (
            RemoteProtocolError("bad", hint="bare_lf"),
            "bad; if the server ends lines by LF alone, connect with bare_lf=True",
            "bad; if the server ends its lines by LF alone, say --bare-lf",
        ),
        (
            pop3aio.MechanismUnavailable("none of X", hint="mechanism"),
            "none of X; name one as mechanism to try it",
            "none of X; name one by --auth to try it",
        ),
        (
            pop3aio.ResponseTimeout("late", command="NOOP", in_flight=4, hint="window"),
            "late; 4 commands were in flight: if it cannot pipeline though it says so, use window=1",
            (
                "late; 4 commands were in flight: if the server cannot pipeline though it says so, say --window 1; "
                "else try again later, or allow more by --timeout"
            ),
        ),
        (
            pop3aio.ResponseTimeout("late", command="RETR 1", in_flight=1, hint="final_dot"),
            "late; if that was all, the final dot stands right behind the text, and the end cannot be told",
            "late; if that was all, the final dot stands right behind the text, and the end cannot be told",
        ),
    ],
)
def test_each_reader_gets_words_of_its_own(error: pop3aio.POP3Error, library: str, command: str) -> None:
    assert str(error) == library
    assert describe(error) == command


@pytest.mark.parametrize(
    ("command", "tail", "in_flight", "hint"),
    [
        (Retr(1), b"\n.\r\n", 1, "bare_lf"),
        (Retr(1), b"x.\r\n", 1, "final_dot"),
        (Retr(1), b"", 2, "window"),
        (Retr(1), b"", 1, None),
        (Retr(1), b"half", 2, None),
        (Noop(), b"\n.\r\n", 1, None),
    ],
)
def test_what_a_silence_tells(command: Noop | Retr, tail: bytes, in_flight: int, hint: str | None) -> None:
    error = overdue(command, tail, in_flight)
    assert (error.command, error.in_flight, error.hint) == (command.redacted(), in_flight, hint)


def test_the_greeting_is_no_command() -> None:
    error = overdue(None, b"", 0)
    assert (error.command, error.in_flight, error.hint) == (None, 0, None)


def test_a_lost_connection_keeps_its_stage() -> None:
    error = violation(TruncatedResponse("closed"), Masks(), "login")
    assert isinstance(error, pop3aio.ConnectionLost)
    assert error.stage == "login"


async def test_the_stages_of_a_connection() -> None:
    async def hang_up(peer: Peer) -> None:
        peer.close()

    with pytest.raises(pop3aio.ConnectionLost) as caught:
        await pop3aio.connect("no-such-host.invalid", tls="none")
    assert caught.value.stage == "resolve"
    async with Script(hang_up) as server:
        host, port = server.host, server.port
        with pytest.raises(pop3aio.ConnectionLost) as caught:
            await pop3aio.connect(host, port, tls="none")
        assert caught.value.stage == "greeting"
    with pytest.raises(pop3aio.ConnectionLost) as caught:
        await pop3aio.connect(host, port, tls="none")
    assert caught.value.stage == "connect"
    async with Server() as one, pop3aio.connect(one.host, one.port, tls="none") as client:
        one.on_command = close
        with pytest.raises(pop3aio.ConnectionLost) as caught:
            await client.login("user", "password", allow_insecure=True)
        assert caught.value.stage == "login"
    async with Server() as one, pop3aio.connect(one.host, one.port, tls="none") as client:
        await client.login("user", "password", allow_insecure=True)
        one.on_command = close
        with pytest.raises(pop3aio.ConnectionLost) as caught:
            await client.noop()
        assert caught.value.stage == "session"


async def close(peer: object, keyword: str, argument: str) -> bool:
    peer.abort()  # type: ignore[attr-defined]
    return True


async def test_a_bad_answer_names_its_command_and_what_helps() -> None:
    async def play(peer: Peer) -> None:
        await peer.answer(b"NOOP", b"+OK\n")

    async with session(play) as (client, _):
        with pytest.raises(RemoteProtocolError) as caught:
            await client.noop()
    assert (caught.value.command, caught.value.hint) == ("NOOP", "bare_lf")


async def test_a_wrong_name_and_an_unknown_authority() -> None:
    async with Server(tls="implicit") as server:
        assert server.certificates is not None
        with pytest.raises(pop3aio.TlsError) as caught:
            await pop3aio.connect("localhost", server.port)
        assert caught.value.reason == "certificate"
        context = server.certificates.client_context()
        with pytest.raises(pop3aio.TlsError) as caught:
            await pop3aio.connect(
                "localhost", server.port, ssl_context=context, server_hostname="other.example"
            )
        assert caught.value.reason == "name"
        with pytest.raises(pop3aio.TlsError) as caught:
            await pop3aio.connect("localhost", server.port, ssl_context=context, pin="00" * 32)
        assert caught.value.reason == "pin"


async def test_a_server_with_old_tls_is_told_as_such() -> None:
    async def play(peer: Peer) -> None:
        await peer.reader.read(1)
        # A fatal alert, protocol_version.
        peer.send(b"\x15\x03\x03\x00\x02\x02\x46")

    async with Script(play) as server:
        with pytest.raises(pop3aio.TlsError) as caught:
            await pop3aio.connect(server.host, server.port)
    assert caught.value.reason == "version"
    assert "bring its TLS up to date" in describe(caught.value)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (sqlite3.SQLITE_BUSY, "in use"),
        (sqlite3.SQLITE_FULL, "full"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "read-only"),
        (sqlite3.SQLITE_CANTOPEN, "cannot open"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_IOERR, None),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_the_reason_of_a_journal_is_a_number(
    code: int, reason: str | None, read_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sqlite3.OperationalError("words that change")
    error.sqlite_errorcode = code
    found = os.statvfs(tmp_path)
    flags = found.f_flag | (os.ST_RDONLY if read_only else 0)
    with monkeypatch.context() as patched:
        patched.setattr("os.statvfs", lambda _: SimpleNamespace(f_flag=flags))
        assert fault_of(error, tmp_path) == (
            "read-only" if read_only and reason in (None, "cannot open") else reason
        )


def test_a_journal_in_no_folder_is_not_read_only(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("words that change")
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    assert fault_of(error, tmp_path / "none") == "cannot open"


async def test_a_full_disk_tells_what_is_free(tmp_path: Path) -> None:
    async with pop3aio.SQLiteJournal(tmp_path / "journal") as journal:
        database = sqlite3.connect(tmp_path / "full")
        database.execute("CREATE TABLE t (x)")
        database.execute("PRAGMA max_page_count = 2")

        def fill(_: sqlite3.Connection) -> None:
            database.execute("INSERT INTO t VALUES (zeroblob(100000))")

        with pytest.raises(pop3aio.JournalError, match=r"the disk is full, [0-9]+ octets are free") as caught:
            # SQLite's own limit: no disk of a test can be filled.
            journal._work(fill)
        database.close()
    assert caught.value.reason == "full"
    assert "make room" in describe(caught.value)
