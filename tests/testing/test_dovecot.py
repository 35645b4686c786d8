"""The helper that runs a real Dovecot."""

from __future__ import annotations

import poplib
import subprocess
from pathlib import Path

import pytest

import tests.kit.dovecot
from pop3aio.testing import sample_messages
from tests.kit.dovecot import Dovecot, doveadm_fetch, require_dovecot

STORED = [b"Subject: a\r\n\r\nbody\t\x01\r\n", b"Subject: b\n\nbody\n", b"Subject: c\r\n\r\n\xff\0 no end"]


@pytest.fixture(autouse=True)
def _dovecot_is_there() -> None:
    require_dovecot()


def test_mail_from_dovecot_over_tls(tmp_path: Path) -> None:
    users = {"user": "password", "other": "a: secret"}
    locked = "protocol pop3 {\n pop3_lock_session = yes\n}"
    with Dovecot(tmp_path, users, {"user": STORED}, extra_config=locked) as dovecot:
        client: poplib.POP3 = poplib.POP3_SSL(
            "localhost", dovecot.tls_port, context=dovecot.client_context(), timeout=60
        )
        client.user("user")
        client.pass_("password")
        assert client.stat() == (
            3,
            sum(len(message.replace(b"\r", b"").replace(b"\n", b"\r\n")) for message in STORED),
        )
        assert client.retr(1)[1] == [b"Subject: a", b"", b"body\t\x01"]
        client.quit()

        client = poplib.POP3("127.0.0.1", dovecot.port, timeout=60)
        client.stls(dovecot.client_context())
        client.user("other")
        client.pass_("a: secret")
        assert client.stat() == (0, 0)
        client.quit()

        dovecot.deliver(b"later\n", "other")
        status = dovecot.doveadm("-f", "tab", "mailbox", "status", "-u", "other", "messages", "INBOX")
        assert status == b"mailbox\tmessages\nINBOX\t1\n"
        assert [fetched.text for fetched in doveadm_fetch(dovecot.maildir())] == STORED


def test_doveadm_reads_a_maildir_that_no_server_has(tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    messages = sample_messages(14)
    for number, message in enumerate(messages):
        (maildir / "new" / f"17000000{number:02}.M0P1.host,S={len(message)}").write_bytes(message)
    before = sorted(path.name for path in maildir.rglob("*"))
    fetched = doveadm_fetch(maildir)
    assert [message.text for message in fetched] == messages
    assert [message.virtual for message in fetched] == [message.physical for message in fetched]
    assert fetched[0].guid == f"1700000000.M0P1.host,S={len(messages[0])}"
    assert fetched[0].flags == "\\Recent"
    assert sorted(path.name for path in maildir.rglob("*")) == before


def test_doveadm_sees_a_size_that_is_wrong(tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    (maildir / "new" / "1700000000.M0P1.host,S=9").write_bytes(STORED[0])
    with pytest.raises((subprocess.CalledProcessError, ValueError)):
        doveadm_fetch(maildir)


def test_a_dovecot_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"(?s)does not start.*no_such_setting"),
        Dovecot(tmp_path, extra_config="no_such_setting = 1"),
    ):
        pass


def test_a_missing_dovecot_is_a_failure_in_ci_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests.kit.dovecot, "_find", lambda program: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get"):
        require_dovecot()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get"):
        require_dovecot()
