"""Messages in every form, and what they are on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pop3aio.testing import FileMessage, GeneratedMessage, Mailbox, awkward_messages
from pop3aio.testing._messages import octets, stuff, top, wire_chunks

PIECES = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\n.", b"a", b"\0", b""]), max_size=12
)


def whole(message: bytes) -> bytes:
    return message if not message or message.endswith(b"\r\n") else message + b"\r\n"


@given(PIECES)
@example([b"a\r", b"\n.b"])
def test_dots_are_stuffed_however_the_message_is_cut(pieces: list[bytes]) -> None:
    message = b"".join(pieces)
    assert b"".join(stuff(pieces)) == re.sub(rb"(\A|\r\n)\.", rb"\1..", message)
    assert b"".join(stuff([bytes([octet]) for octet in message])) == b"".join(stuff([message]))


@given(PIECES)
def test_a_final_line_end_is_added_where_there_is_none(pieces: list[bytes]) -> None:
    message = b"".join(pieces)
    generated = GeneratedMessage(lambda: pieces)
    assert b"".join(wire_chunks(message)) == b"".join(wire_chunks(generated)) == whole(message)
    assert octets(message) == octets(generated) == len(whole(message))


@given(PIECES, st.integers(0, 4))
def test_top_is_the_same_however_the_message_is_cut(pieces: list[bytes], lines: int) -> None:
    message = whole(b"".join(pieces))
    header, blank, body = (b"\r\n" + message).partition(b"\r\n\r\n")
    kept = b"".join(re.findall(rb"(?s).*?\r\n", body)[:lines])
    expected = (header + blank + kept)[2:]
    assert b"".join(top([message], lines)) == expected
    assert b"".join(top([bytes([octet]) for octet in message], lines)) == expected


@pytest.mark.parametrize(("name", "message"), awkward_messages(huge=3 << 20))
def test_a_large_message_is_cut_without_loss(name: str, message: bytes) -> None:
    chunks = list(wire_chunks(message))
    assert max(map(len, chunks), default=0) <= 256 * 1024
    assert b"".join(chunks) == whole(message)


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (b"", b""),
        (b"a\n\nb\n", b"a\r\n\r\nb\r\n"),
        (b"a\r\n\r\nb", b"a\r\n\r\nb\r\n"),
        (b"a\rb\n", b"a\rb\r\n"),
        (b"a\r", b"a\r\r\n"),
        (b"x" * (256 * 1024 - 1) + b"\r\ny\n", b"x" * (256 * 1024 - 1) + b"\r\ny\r\n"),
        (b"x" * (256 * 1024 - 1) + b"\ry\n", b"x" * (256 * 1024 - 1) + b"\ry\r\n"),
    ],
)
def test_a_file_is_sent_with_crlf(tmp_path: Path, stored: bytes, sent: bytes) -> None:
    path = tmp_path / "message.eml"
    path.write_bytes(stored)
    message = FileMessage(path)
    assert b"".join(wire_chunks(message)) == sent
    assert octets(message) == len(sent)
    assert str(path) in repr(message)


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mail").write_bytes(b"Subject: at home\n")
    assert b"".join(FileMessage("~/mail").chunks()) == b"Subject: at home\r\n"


@pytest.mark.parametrize("size", [64, 65, 125, 126, 127, 128, 262_144, 1_000_000, *range(524_300, 524_380)])
def test_a_generated_message_has_its_size(size: int) -> None:
    message = GeneratedMessage(size)
    data = b"".join(wire_chunks(message))
    assert len(data) == size == octets(message)
    assert data.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)
    assert str(size) in repr(message)


def test_a_generated_message_below_64_octets_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 64"):
        GeneratedMessage(63)


def test_the_size_of_a_message_is_counted_once() -> None:
    calls = 0

    def chunks() -> Iterator[bytes]:
        nonlocal calls
        calls += 1
        yield b"text"

    message = GeneratedMessage(chunks)
    assert (message.octets, message.octets, calls) == (6, 6, 1)


def test_unique_ids_stay_and_differ_between_mailboxes() -> None:
    first, second = Mailbox([b"a", b"b"]), Mailbox([b"a", b"b"])
    assert not set(first.uids) & set(second.uids)
    before = first.uids
    assert first.remove(before[0]) == b"a"
    uid = first.add(b"c")
    assert first.uids == list(first) == [before[1], uid]
    assert uid not in before
    assert first.messages == [b"b", b"c"]
    assert first[uid] == b"c"
    assert repr(first) == "<Mailbox of 2 messages>"
    with pytest.raises(KeyError):
        first.remove(before[0])


@pytest.mark.parametrize("uid", ["", "a b", "é", "x" * 71, "taken", "a\n"])
def test_a_malformed_or_taken_unique_id_is_refused(uid: str) -> None:
    mailbox = Mailbox()
    mailbox.add(b"", uid="taken")
    with pytest.raises(ValueError, match="unique-id"):
        mailbox.add(b"", uid=uid)


def test_a_mailbox_is_open_to_one_at_a_time() -> None:
    mailbox = Mailbox([b"a"])
    maildrop = mailbox.open()
    assert maildrop == [(mailbox.uids[0], b"a")]
    assert mailbox.locked
    assert mailbox.open() is None
    mailbox.close([mailbox.uids[0], "gone already"])
    assert (len(mailbox), mailbox.locked) == (0, False)
