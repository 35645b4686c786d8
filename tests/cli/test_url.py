"""URLs of maildrops."""

from __future__ import annotations

import pytest

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._url import ServerUrl, parse_url
from pop3aio._wire._host import host_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pop3s://me@mail.example.com", ServerUrl("mail.example.com", 995, "implicit", "me")),
        ("POP3S://me@mail.example.com:9950", ServerUrl("mail.example.com", 9950, "implicit", "me")),
        ("pops://mail.example.com", ServerUrl("mail.example.com", 995, "implicit")),
        ("pop3://me@mail.example.com", ServerUrl("mail.example.com", 110, "starttls", "me")),
        ("pop://me@mail.example.com.", ServerUrl("mail.example.com", 110, "starttls", "me")),
        ("pop3s://me%40example.com@h", ServerUrl("h", 995, "implicit", "me@example.com")),
        ("pop3s://me@example.com@h", ServerUrl("h", 995, "implicit", "me@example.com")),
        ("pop3s://J%C3%BCrgen%3A@h", ServerUrl("h", 995, "implicit", "Jürgen:")),
        ("pop3s://me;AUTH=PLAIN@h", ServerUrl("h", 995, "implicit", "me", "PLAIN")),
        ("pop3s://me;auth=user@h", ServerUrl("h", 995, "implicit", "me", "USER")),
        ("pop3s://me;AUTH=scram-sha-256-plus@h", ServerUrl("h", 995, "implicit", "me", "SCRAM-SHA-256-PLUS")),
        ("pop3s://me;AUTH=+APOP@h", ServerUrl("h", 995, "implicit", "me", "APOP")),
        ("pop3s://me;AUTH=external@h", ServerUrl("h", 995, "implicit", "me", "EXTERNAL")),
        ("pop3s://me;AUTH=*@h", ServerUrl("h", 995, "implicit", "me")),
        ("pop3s://me@[2001:db8::1]", ServerUrl("2001:db8::1", 995, "implicit", "me")),
        ("pop3s://me@[fe80::1%25eth0]:99", ServerUrl("fe80::1%eth0", 99, "implicit", "me")),
        ("pop3s://me@bücher.example", ServerUrl("xn--bcher-kva.example", 995, "implicit", "me")),
    ],
)
def test_it_is_understood(text: str, expected: ServerUrl) -> None:
    assert parse_url(text) == expected


def test_plaintext_is_for_one_scheme() -> None:
    assert parse_url("pop3://me@h", plaintext=True) == ServerUrl("h", 110, "none", "me")
    with pytest.raises(Failed, match="with pop3:// only"):
        parse_url("pop3s://me@h", plaintext=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mail.example.com", "must begin with pop3s://"),
        ("imap://me@h", "must begin with pop3s://"),
        ("me:hunter2@h", "must begin with pop3s://"),
        ("pop3s://me:hunter2@h", "no password"),
        ("pop3s://me:@h", "no password"),
        ("pop3s://me:hunter2/hunter2@h", "no password"),
        ("pop3s://me:hunter2@hunter2@h", "no password"),
        ("pop3s://h:hunter2", "port"),
        ("pop3s://h/hunter2", "leave out the path"),
        ("pop3s://h?hunter2", "leave out the path"),
        ("pop3s://h#hunter2", "leave out the path"),
        ("pop3s://@h", "no user name"),
        ("pop3s://;AUTH=PLAIN@h", "no user name"),
        ("pop3s://me;hunter2@h", "only ;AUTH= can follow"),
        ("pop3s://me;AUTH=hunter2@h", "PLAIN, USER, LOGIN, APOP, OAUTHBEARER, XOAUTH2, EXTERNAL"),
        ("pop3s://me;AUTH=%0A@h", "not encoded well"),
        ("pop3s://me%2@h", "not encoded well"),
        ("pop3s://me%0Ahunter2@h", "not encoded well"),
        ("pop3s://me%FFhunter2@h", "not encoded well"),
        ("pop3s://me@h/INBOX", "leave out the path"),
        ("pop3s://me@h//", "leave out the path"),
        ("pop3s://me@h/?hunter2=1", "leave out the path, query or fragment"),
        ("pop3s://me@h#hunter2", "leave out the path, query or fragment"),
        ("pop3s://me/hunter2@h", "a slash in a user name is written %2F"),
        ("pop3s:///", "no valid host"),
        ("pop3s://", "no valid host"),
        ("pop3s://me@", "no valid host"),
        ("pop3s://me@a..b", "no valid host"),
        ("pop3s://me@a b", "no valid host"),
        ("pop3s://me@" + "a" * 64, "no valid host"),
        ("pop3s://me@" + "ü" * 64, "no valid host"),
        ("pop3s://me@" + "a." * 127 + "a", "no valid host"),
        ("pop3s://me@2001:db8::1", "stands in brackets"),
        ("pop3s://me@[::1]hunter2", "behind the ]"),
        ("pop3s://me@[hunter2", "no valid host"),
        ("pop3s://me@h:0", "port"),
        ("pop3s://me@h:65536", "port"),
        ("pop3s://me@h:", "port"),
    ],
)
def test_it_is_refused_and_not_repeated(text: str, message: str) -> None:
    with pytest.raises(Failed, match=message) as refused:
        parse_url(text)
    assert refused.value.status == ExitStatus.USAGE
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (ServerUrl("h", 995, "implicit", "me"), "pop3s://me@h"),
        (ServerUrl("h", 1995, "implicit"), "pop3s://h:1995"),
        (ServerUrl("h", 110, "starttls", "me@a"), "pop3://me%40a@h"),
        (ServerUrl("::1", 1110, "none", "me"), "pop3://me@[::1]:1110"),
    ],
)
def test_it_can_be_shown_and_read_again(url: ServerUrl, shown: str) -> None:
    assert str(url) == shown
    assert parse_url(shown, plaintext=url.tls == "none") == url


@pytest.mark.parametrize("text", ["pop3s://me@h", "pop3s://h", "pop3s://me@h:1995", "pop3://me@[::1]:1110"])
def test_a_slash_at_the_end_says_nothing(text: str) -> None:
    assert parse_url(text + "/") == parse_url(text)


@pytest.mark.parametrize("host", ["straße.example", "bücher.example", "Mail.example.", "fe80::1%eth0"])
def test_the_host_is_that_of_the_library(host: str) -> None:
    """By another rule for international names, the password would go to another owner's server."""
    written = f"[{host}]" if ":" in host else host
    assert parse_url(f"pop3s://me@{written}").host == host_name(host)
