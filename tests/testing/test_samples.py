"""Sample mail is varied, the same at every call, and sound."""

from __future__ import annotations

import email
import email.policy
import re

from pop3aio.testing import awkward_messages, sample_messages


def test_the_same_arguments_give_the_same_mail() -> None:
    assert sample_messages() == sample_messages()
    assert sample_messages(20) == sample_messages()[:20]
    assert not set(sample_messages(28)) & set(sample_messages(28, seed=2))
    assert sample_messages(0) == []


def test_samples_are_mail_of_many_kinds() -> None:
    messages = sample_messages()
    assert len(set(messages)) == len(messages) == 36
    types = set()
    for data in messages:
        message = email.message_from_bytes(data, policy=email.policy.default)
        assert all(message[name] for name in ("From", "Subject", "Date", "Message-ID"))
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)
        assert not message.defects
        types |= {part.get_content_type() for part in message.walk()}
    assert types >= {
        "text/plain",
        "text/html",
        "multipart/alternative",
        "message/rfc822",
        "application/pdf",
        "image/png",
    }
    assert max(map(len, messages)) > 2_000_000
    joined = b"".join(messages)
    for piece in (b"\r\n.\r\n", b"\r\n..\r\n", b"quoted-printable", b"base64", "会議".encode(), b"Z\xfcrich"):
        assert piece in joined
    assert any(not data.endswith(b"\r\n") for data in messages)
    assert any(b"\r\n\r\n" not in data for data in messages)
    assert any(data.endswith(b"\r\n\r\n") for data in messages)


def test_awkward_messages_have_names_and_their_fault() -> None:
    messages = dict(awkward_messages())
    assert len(messages) == len(awkward_messages())
    assert "huge" not in messages
    assert b"\0" in messages["nul"]
    assert max(map(len, messages["lines-of-100-kB"].splitlines())) == 100_000
    assert b"\n.\n" in messages["bare-lf"]
    assert b"\r.\r" in messages["bare-cr"]
    assert not messages["no-final-newline"].endswith(b"\n")
    assert messages["dot-first"].startswith(b".")
    assert messages["empty-body"].endswith(b"\r\n\r\n")


def test_the_huge_message_has_the_size_asked_for() -> None:
    name, data = awkward_messages(huge=5_000_000)[-1]
    assert (name, len(data)) == ("huge", 5_000_000)
