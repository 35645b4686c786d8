"""What is left out of a recording, line by line."""

from __future__ import annotations

import base64
import random

import pytest

from pop3aio._record._redactor import Redactor

SECRET = b"canary, wo\xcc\x88rd"


def redactor(*, keep_mail: bool = True, bare_lf: bool = False) -> Redactor:
    """Return a redactor that has seen the greeting."""
    made = Redactor(keep_mail=keep_mail, bare_lf=bare_lf)
    assert made.received(b"+OK\r\n") == b"+OK\r\n"
    return made


def test_a_command_that_is_not_known_is_hidden_with_its_answer() -> None:
    one = redactor()
    assert one.sent(b"XTOKEN canary\r\nNOOP\r\n") == b"***\r\nNOOP\r\n"
    assert one.received(b"+OK hello canary\r\n+OK there\r\n") == b"+OK ***\r\n+OK there\r\n"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"USER canary\r\n", b"USER ***\r\n"),
        (b"pass canary \r\n", b"PASS ***\r\n"),
        (b"APOP canary 0123\r\n", b"APOP *** ***\r\n"),
        (b"AUTH PLAIN Y2FuYXJ5\r\n", b"AUTH PLAIN ***\r\n"),
    ],
)
@pytest.mark.parametrize(
    ("answer", "written"),
    [
        (b"-ERR no\r\n", b"-ERR ***\r\n"),
        (b"-ERR\r\n", b"-ERR\r\n"),
        (b"-ERR [AUTH] canary\r\n", b"-ERR [AUTH] ***\r\n"),
        (b"-ERR [SYS/TEMP/CANARY] canary\r\n", b"-ERR [SYS/TEMP] ***\r\n"),
        (b"-ERR [CANARY] canary\r\n", b"-ERR ***\r\n"),
        (b"+OK canary\r\n", b"+OK ***\r\n"),
        (b"+OK canary\n", b"+OK ***\n"),
        (b"canary\r\n", b"***\r\n"),
    ],
)
def test_an_answer_to_a_login_step_is_hidden_whatever_it_says(
    sent: bytes, shown: bytes, answer: bytes, written: bytes
) -> None:
    for cut in range(len(answer)):
        one = redactor()
        assert one.sent(sent) == shown
        assert one.received(answer[:cut]) + one.received(answer[cut:]) == written


def test_after_a_login_nothing_is_hidden() -> None:
    one = redactor()
    one.sent(b"USER canary\r\n")
    assert one.received(b"+OK canary\r\n") == b"+OK ***\r\n"
    one.sent(b"PASS 4345\r\n")
    assert one.received(b"+OK canary has 1\r\n") == b"+OK ***\r\n"
    one.sent(b"STAT\r\nLIST\r\n")
    assert one.received(b"+OK 1 4345\r\n+OK\r\n1 4345\r\n.\r\n") == b"+OK 1 4345\r\n+OK\r\n1 4345\r\n.\r\n"


def test_until_a_login_succeeds_every_text_is_hidden() -> None:
    """A server that takes a response for a command answers twice: the second answer seems to be the next one's."""
    one = redactor()
    one.sent(b"PASS canary\r\n")
    assert one.received(b"-ERR no\r\n") == b"-ERR ***\r\n"
    one.sent(b"CAPA\r\n")
    said = b"-ERR what is canary?\r\n"
    assert one.received(said) == b"-ERR ***\r\n"
    assert one.received(b"-ERR nobody asked canary\r\n") == b"-ERR ***\r\n"


def test_an_auth_that_was_refused_before_anything_secret_went_out_is_shown() -> None:
    one = redactor()
    assert one.sent(b"AUTH PLAIN\r\n") == b"AUTH PLAIN\r\n"
    assert one.received(b"-ERR what is PLAIN?\r\n") == b"-ERR what is PLAIN?\r\n"
    assert one.sent(b"AUTH EXTERNAL =\r\n") == b"AUTH EXTERNAL =\r\n"


def test_a_hidden_line_that_is_cut_off_is_told() -> None:
    one = redactor()
    one.sent(b"PASS canary\r\n")
    assert one.received(b"-ERR can") == b""
    assert one.flush() == b"-ERR ***"
    assert one.flush() == b""
    # Should it go on, its text stays hidden.
    assert one.received(b"ary") == b""
    assert one.received(b"!\r\n") == b"\r\n"
    assert redactor().flush() == b""


def test_a_line_without_end_is_hidden() -> None:
    one = redactor()
    one.sent(b"PASS canary\r\n")
    for _ in range(3):
        assert one.received(b"canary" * 1000) == b""
    assert one.flush() == b"***"


def test_challenges_of_scram_are_hidden_however_they_come() -> None:
    one = redactor()
    assert one.sent(b"AUTH SCRAM-SHA-256\r\n") == b"AUTH SCRAM-SHA-256\r\n"
    assert one.received(b"+ \r\n") == b"+ \r\n"
    assert one.sent(b"biwsbj11c2Vy\r\n") == b"***\r\n"
    assert one.received(b"+ cj1mc2F") == b""
    assert one.received(b"0eHI=\r\n") == b"+ ***\r\n"
    assert one.sent(b"Yz1iaXdz\r\n") == b"***\r\n"
    assert one.received(b"+ dj1zaWc=\r\n") == b"+ ***\r\n"
    assert one.sent(b"\r\n") == b"\r\n"
    assert one.received(b"+OK\r\n") == b"+OK\r\n"
    assert one.sent(b"STAT\r\n") == b"STAT\r\n"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (b"+ cj1mc2F\r\n", b"+ ***\r\n"),
        (b"-ERR what is SCRAM?\r\n", b"-ERR what is SCRAM?\r\n"),
        (b"what?\n", b"what?\n"),
    ],
)
def test_scram_before_the_first_response(said: bytes, written: bytes) -> None:
    one = redactor()
    one.sent(b"AUTH SCRAM-SHA-1\r\n")
    assert one.received(said[:3]) + one.received(said[3:]) == written


def test_a_challenge_behind_a_response_is_hidden() -> None:
    """The prompt for a user's password may name the user; that for the user's name cannot."""
    one = redactor()
    one.sent(b"AUTH LOGIN\r\n")
    assert one.received(b"+ VXNlcm5hbWU6\r\n") == b"+ VXNlcm5hbWU6\r\n"
    assert one.sent(b"Y2FuYXJ5\r\n") == b"***\r\n"
    assert one.received(b"+ Y2FuYXJ5Pw==\r\n") == b"+ ***\r\n"
    assert one.sent(b"*\r\n") == b"*\r\n"
    assert one.received(b"-ERR canary\r\n") == b"-ERR ***\r\n"


def test_an_echo_in_base64_is_hidden_wherever_it_begins() -> None:
    response = base64.b64encode(b"\0canary\0" + SECRET)
    for offset in range(3):
        echo = base64.b64encode(b"x" * offset + SECRET)
        one = redactor()
        one.sent(b"AUTH PLAIN\r\n")
        assert one.received(b"+\r\n") == b"+\r\n"
        assert one.sent(response + b"\r\n") == b"***\r\n"
        assert one.received(b"-ERR " + echo + b"\r\n") == b"-ERR ***\r\n"


@pytest.mark.parametrize("option", [False, True])
def test_mail_is_blanked_where_lines_end_in_lf(option: bool) -> None:
    one = Redactor(keep_mail=False, bare_lf=option)
    one.received(b"+OK\r\n" if option else b"+OK\n")
    one.sent(b"CAPA\r\nRETR 1\r\nNOOP\r\n")
    assert (
        one.received(b"+OK list\nTOP\n.\n+OK 5\ncanary\n.\n+OK done\n")
        == b"+OK list\nTOP\n.\n+OK 5\nxxxxxx\n.\n+OK done\n"
    )


def test_a_dot_behind_a_bare_lf_ends_no_mail() -> None:
    """The core goes on there; +OK canary is part of the message."""
    one = redactor(keep_mail=False)
    one.sent(b"RETR 1\r\nNOOP\r\n")
    said = b"+OK\r\nfirst\n.\r\n+OK canary\r\n.\r\n+OK\r\n"
    assert one.received(said) == b"+OK\r\nxxxxx\n.\r\n+xx xxxxxx\r\n.\r\n+OK\r\n"


def test_mail_is_blanked_where_a_status_line_should_be() -> None:
    """So WildDuck mixes up the answers to two RETR."""
    one = redactor(keep_mail=False)
    one.sent(b"RETR 1\r\nRETR 2\r\n")
    said = b"+OK\r\nfirst\r\n+OK\r\n.\r\n-canary\r\n-ERR\r\n"
    assert one.received(said) == b"+OK\r\nxxxxx\r\n+xx\r\n.\r\n-xxxxxx\r\n-ERR\r\n"


def test_a_greeting_that_is_none_can_be_read() -> None:
    assert Redactor(keep_mail=False).received(b"220 mail.example.com\r\n") == b"220 mail.example.com\r\n"


def test_pieces_of_any_length_are_written_alike() -> None:
    said = b"+OK\r\n-ERR [AUTH] canary\r\n+OK canary\r\n+OK\r\ncanary\r\n..\r\n.\r\n+OK bye\r\n"
    wanted = b"+OK\r\n-ERR [AUTH] ***\r\n+OK ***\r\n+OK\r\nxxxxxx\r\n..\r\n.\r\n+OK bye\r\n"
    for seed in range(200):
        draw = random.Random(seed)
        one = redactor(keep_mail=False)
        one.sent(b"NOOP\r\nPASS canary\r\nPASS canary\r\nRETR 1\r\nQUIT\r\n")
        # NOOP was asked before the credentials went out: its text is hidden all the same, and here it has none.
        place, written = 0, b""
        while place < len(said):
            step = draw.randint(1, 12)
            written += one.received(said[place : place + step])
            place += step
        assert written == wanted
