"""A session is recorded, and replayed: the same client sees the same, another one is told where it differs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pop3aio
from pop3aio import Client
from pop3aio._record._format import HEADER, Event, Mark, Received, Sent, read_events, write_event
from pop3aio._record._recorder import Recorder
from pop3aio.testing import (
    Answer,
    CommandFault,
    Cut,
    ReplayMismatch,
    Server,
    Session,
    awkward_messages,
    replay,
    sample_messages,
)

Tls: TypeAlias = Literal["none", "starttls", "implicit"]
DOCUMENT = Path(__file__).parents[2] / "docs" / "interop.md"

Use: TypeAlias = Callable[[Client], Awaitable[object]]


async def use(server: Server | replay, what: Use, path: Path, *, password: str = "password") -> object:
    """Do something with a server, record it, and return what came of it: a result, or an error's class and text."""
    context = server.certificates.client_context() if server.certificates is not None else None
    connection = pop3aio.connect(
        server.host, server.port, tls=server.tls, ssl_context=context, record=Recorder(str(path), mail=True)
    )
    try:
        async with connection as client:
            await client.login("user", password, allow_insecure=True)
            return await what(client)
    except pop3aio.POP3Error as error:
        return type(error), str(error).replace(str(server.port), "PORT")


async def everything(client: Client) -> object:
    """Use what there is."""
    scans = await client.list()
    numbers = [number for number, _ in scans]
    async with client.retrieve(numbers) as messages:
        bodies = [await message async for message in messages]
    tops = await asyncio.gather(*(client.top(number, 1).read() for number in numbers))
    refused = await client.delete([1, 999])
    return scans, await client.stat(), await client.uidl(), bodies, tops, list(refused)


async def first(client: Client) -> object:
    return await client.retr(1)


async def in_pieces(session: Session, keyword: str, argument: str) -> bool:
    """Answer RETR in pieces that end in the middle of everything."""
    if keyword != "RETR":
        return False
    for piece in (b"+", b"OK\r", b"\none\r\n.", b".two\r", b"\n", b".", b"\r\n"):
        session.write(piece)
        await session.drain()
        for _ in range(4):
            await asyncio.sleep(0)
    return True


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_a_replay_gives_the_same_and_is_recorded_the_same(tls: Tls, tmp_path: Path) -> None:
    # A client that falls behind receives several pieces at once; with small ones it does not.
    messages = [message for _, message in awkward_messages() if len(message) < 5000] + sample_messages(2)
    async with Server(messages, tls=tls) as server:
        before = await use(server, everything, tmp_path / "first")
    async with replay(tmp_path / "first") as again:
        assert again.tls == tls
        after = await use(again, everything, tmp_path / "second")
    assert after == before
    assert (tmp_path / "second").read_bytes() == (tmp_path / "first").read_bytes()


async def test_pieces_come_as_they_came(tmp_path: Path) -> None:
    async with Server([b"x"], on_command=in_pieces) as server:
        assert await use(server, first, tmp_path / "first") == b"one\r\n.two\r\n"
    async with replay(tmp_path / "first") as again:
        assert await use(again, first, tmp_path / "second") == b"one\r\n.two\r\n"
    assert (tmp_path / "second").read_bytes() == (tmp_path / "first").read_bytes()
    assert sum(line.startswith("S: ") for line in (tmp_path / "first").read_text().splitlines()) > 7


@pytest.mark.parametrize(
    "fault",
    [
        Answer("RETR", b"+OK\r\nunstuffed\r\n.\r\n+OK injected\r\n"),
        Answer("RETR", b"yes\r\n"),
        Answer("RETR", b"-ERR [SYS/TEMP] no \xc3\xbc today\r\n"),
        Cut("RETR", after=30),
        Cut("RETR", after=30, how="reset"),
        Cut("QUIT"),
        Cut("connect"),
        Answer("AUTH", b"-ERR [IN-USE] wait\r\n"),
    ],
    ids=repr,
)
async def test_a_replay_fails_in_the_same_way(fault: CommandFault, tmp_path: Path) -> None:
    async def delete(client: Client) -> object:
        data = await client.retr(1)
        await client.dele(1)
        return data

    async with Server([b"Subject: a\r\n\r\n" + b"line\r\n" * 99], faults=[fault]) as server:
        before = await use(server, delete, tmp_path / "first")
    assert isinstance(before, tuple)
    async with replay(tmp_path / "first") as again:
        assert await use(again, delete, tmp_path / "second") == before


async def test_octets_injected_behind_stls_come_again(tmp_path: Path) -> None:
    fault = Answer("STLS", b"+OK go\r\n+OK injected\r\n")
    async with Server(tls="starttls", faults=[fault]) as server:
        before = await use(server, first, tmp_path / "first")
    assert isinstance(before, tuple)
    assert before[0] is pop3aio.StartTlsInjection
    async with replay(tmp_path / "first") as again:
        # No handshake was begun, so that there is none in the recording.
        assert again.certificates is None
        again.tls = "starttls"
        assert await use(again, first, tmp_path / "second") == before


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5", "LOGIN", "XOAUTH2"])
async def test_mechanisms_are_replayed(mechanism: str, tmp_path: Path) -> None:
    async def log_in(server: Server | replay, secret: str) -> None:
        assert server.certificates is not None
        connection = pop3aio.connect(
            server.host,
            server.port,
            tls="implicit",
            ssl_context=server.certificates.client_context(),
            record=Recorder(str(tmp_path / "recording"), mail=True) if isinstance(server, Server) else None,
        )
        async with connection as client:
            if mechanism == "XOAUTH2":
                await client.login_oauth("user", secret)
            else:
                await client.login("user", secret, mechanism=mechanism)
            assert (await client.stat()).count == 0

    async with Server(tls="implicit", sasl=[mechanism]) as server:
        await log_in(server, "password")
    async with replay(tmp_path / "recording", password="another") as again:
        await log_in(again, "another")
    if mechanism.startswith("SCRAM"):
        with pytest.raises(ReplayMismatch, match=f"{mechanism}: the password is not the one"):
            async with replay(tmp_path / "recording", password="another") as again:
                await log_in(again, "a third")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recording"
    path.write_text(
        f"{HEADER}\n"
        "# a remark\n\n"
        "= connected\n"
        "S: +OK\\r\\n\n"
        "C: CAPA\\r\\n\n"
        "S: -ERR\\r\\n\n"
        "C: USER ***\\r\\n\n"
        "S: +OK\\r\\n\n"
        "C: PASS ***\\r\\n\n"
        "S: +OK\\r\\n\n"
        "C: CAPA\\r\\n\n"
        "S: -ERR\\r\\n\n"
        "C: STAT\\r\\n\n"
        "S: +OK 0 0\\r\\n\n"
    )
    return path


async def log_in(server: replay) -> Client:
    client = await pop3aio.connect(server.host, server.port, tls="none")
    await client.login("user", "password", allow_insecure=True)
    return client


async def test_another_command_is_a_mismatch(recording: Path) -> None:
    with pytest.raises(ReplayMismatch, match=r"line 14: b'STAT' was sent, and the client sent b'NOOP'"):
        async with replay(recording) as server:
            await (await log_in(server)).noop()


async def test_leaving_off_is_a_mismatch(recording: Path) -> None:
    with pytest.raises(ReplayMismatch, match=r"line 14"):
        async with replay(recording) as server:
            (await log_in(server)).abort()


async def test_staying_connected_in_silence_is_a_mismatch(recording: Path) -> None:
    with pytest.raises(ReplayMismatch, match=r"line 14: the client left off before this"):
        async with replay(recording) as server:
            client = await log_in(server)
    client.abort()


async def test_going_on_behind_the_end_is_a_mismatch(recording: Path) -> None:
    with pytest.raises(ReplayMismatch, match=r"nothing was sent any more, and the client sent b'NOOP'"):
        async with replay(recording) as server:
            client = await log_in(server)
            await client.stat()
            await client.noop()


async def test_fewer_connections_are_a_mismatch(recording: Path) -> None:
    with pytest.raises(ReplayMismatch, match="has 1 connections, and the client made 0"):
        async with replay(recording):
            pass


async def test_more_connections_are_a_mismatch(recording: Path) -> None:
    with pytest.raises(ReplayMismatch, match="has no connection 2"):
        async with replay(recording) as server:
            client = await log_in(server)
            await client.stat()
            client.abort()
            await log_in(server)


async def test_another_failure_of_the_test_is_not_hidden(recording: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with replay(recording):
            raise ZeroDivisionError


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the first line"),
        ("= connected\n", "the first line"),
        (f"{HEADER}\nS: +OK\n", "line 2: this stands in front of the first '= connected'"),
        (f"{HEADER}\n= connected\nX: +OK\n", "line 3: a line begins with"),
        (f"{HEADER}\n= connected\n | more\n", "line 3: a line begins with"),
        (f"{HEADER}\n= disconnected\n", "line 2: there is no event 'disconnected'"),
        (f"{HEADER}\n= connected\nS: \\q\n", r"line 3: '\\\\q' is no escape"),
        (f"{HEADER}\n= connected\nS: a\n | b\\\n", r"line 4: '\\\\' is no escape"),
    ],
)
def test_what_is_no_recording_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        replay(path)


OCTETS = st.binary(min_size=1) | st.text(" \\\t\r\n|=x", min_size=1).map(str.encode)


@given(st.lists(st.sampled_from(Mark) | st.builds(Received, OCTETS) | st.builds(Sent, OCTETS)))
def test_what_is_written_can_be_read(events: list[Event]) -> None:
    text = HEADER + "\n" + "".join(map(write_event, events))
    assert text.isascii()
    # An editor may take blanks off the ends of lines.
    lines = [line.rstrip() + "\n" for line in text.split("\n")]
    assert [event for _, event in read_events(lines)] == events


async def test_the_example_in_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = DOCUMENT.read_text()
    (recording,) = re.findall(f"```\n({HEADER}\n.*?)```", text, re.DOTALL)
    (_, example) = re.findall("```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "session.txt").write_text(recording)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example, names)
    await names["test_the_report"]()
    (tmp_path / "session.txt").write_text(recording.replace("RETR 1", "RETR 2"))
    with pytest.raises(ReplayMismatch, match=r"line 12: b'RETR 2' was sent, and the client sent b'RETR 1'"):
        await names["test_the_report"]()
