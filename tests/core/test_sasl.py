"""What all mechanisms share, and those that send what they were given; `login` runs one as an adapter does."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pop3core
from pop3core import Auth, Continuation, LocalProtocolError, POP3Error, Reply, State, sasl

from .test_secrets import everything_about
from .wire import fresh

PASSWORD = "tanstaaftanstaaf"
ACCEPT = b"+OK\r\n"
CANCEL = b"*\r\n"

Server = Callable[[bytes], bytes]


@dataclass
class Outcome:
    """What came of a login: whether it counts, the lines that were written, and the mechanism's complaint."""

    ok: bool
    lines: list[bytes]
    refused: sasl.ChallengeRefused | None

    @property
    def messages(self) -> list[bytes]:
        return [b64decode(line) for line in self.lines]


def plus(challenge: bytes) -> bytes:
    return b"+ " + b64encode(challenge) + b"\r\n"


def scripted(*lines: bytes) -> Server:
    """Return a server that sends these lines whatever it reads, and takes back a cancelled exchange."""
    left = iter(lines)
    return lambda line: b"-ERR\r\n" if line == CANCEL else next(left)


def login(mechanism: sasl.Mechanism, server: Server) -> Outcome:
    connection = fresh(State.AUTHORIZATION)
    connection.send(Auth(mechanism.name))
    line = connection.data_to_send()
    assert line == b"AUTH " + mechanism.name.encode() + b"\r\n"
    lines: list[bytes] = []
    refused: sasl.ChallengeRefused | None = None
    while True:
        connection.receive_data(server(line))
        event = connection.next_event()
        if isinstance(event, Reply):
            return Outcome(event.ok and mechanism.done and refused is None, lines, refused)
        assert isinstance(event, Continuation)
        assert event.data is not None
        try:
            connection.answer(mechanism.respond(event.data))
        except sasl.ChallengeRefused as error:
            refused = error
            connection.answer(None)
        line = connection.data_to_send()
        lines.append(line)


def assert_secret_free(error: BaseException, secrets: Iterable[str]) -> None:
    assert error.__context__ is None
    assert error.__cause__ is None
    for secret in secrets:
        assert secret not in everything_about(error)


Make = Callable[..., Any]

WITH_PASSWORD: dict[str, Make] = {
    "PLAIN": sasl.Plain,
    "LOGIN": sasl.Login,
    "CRAM-MD5": sasl.CramMd5,
    "XOAUTH2": sasl.XOAuth2,
    "OAUTHBEARER": sasl.OAuthBearer,
    "SCRAM-SHA-256": sasl.Scram,
}
WITH_IDENTITY: dict[str, Make] = {
    "EXTERNAL": sasl.External,
    "ANONYMOUS": sasl.Anonymous,
    "PLAIN": lambda identity: sasl.Plain("tim", PASSWORD, identity),
    "SCRAM-SHA-256": lambda identity: sasl.Scram("tim", PASSWORD, authzid=identity),
    "OAUTHBEARER": lambda identity: sasl.OAuthBearer(identity, PASSWORD),
}
BAD_CHARACTERS = {
    "NUL": "\0", "CR": "\r", "LF": "\n", "CRLF": "\r\n", "^A": "\x01", "DEL": "\x7f",
    "a high surrogate": "\ud800", "a low surrogate": "\udfff", "a smuggled octet": "\udcff",
}  # fmt: skip


@pytest.mark.parametrize("name", WITH_PASSWORD)
def test_the_interface(name: str) -> None:
    mechanism = WITH_PASSWORD[name]("tim", PASSWORD)
    assert isinstance(mechanism, sasl.Mechanism)
    assert mechanism.name == name
    assert vars(type(mechanism)).get("client_first", True) is (name not in ("LOGIN", "CRAM-MD5"))
    assert mechanism.done is False
    # For the command line that is logged, and for the server.
    Auth(mechanism.name)


@pytest.mark.parametrize("bad", BAD_CHARACTERS.values(), ids=BAD_CHARACTERS)
@pytest.mark.parametrize("name", WITH_PASSWORD)
def test_characters_that_are_never_sent(name: str, bad: str) -> None:
    # There is no object, so there is nothing to send.
    for text in (PASSWORD + bad, bad + PASSWORD, PASSWORD[:4] + bad + PASSWORD[4:]):
        for arguments in (("tim", text), (text, "x")):
            with pytest.raises(LocalProtocolError, match=r"holds (a control|half a) character") as caught:
                WITH_PASSWORD[name](*arguments)
            assert_secret_free(caught.value, [PASSWORD, text])


@pytest.mark.parametrize("bad", BAD_CHARACTERS.values(), ids=BAD_CHARACTERS)
@pytest.mark.parametrize("name", WITH_IDENTITY)
def test_identities_that_are_never_sent(name: str, bad: str) -> None:
    with pytest.raises(LocalProtocolError, match=r"holds (a control|half a) character") as caught:
        WITH_IDENTITY[name]("ursel" + bad)
    assert_secret_free(caught.value, [PASSWORD])


@pytest.mark.parametrize(
    "arguments", [(PASSWORD.encode(), "x"), ("tim", PASSWORD.encode()), ("tim", [PASSWORD])]
)
@pytest.mark.parametrize("name", WITH_PASSWORD)
def test_types(name: str, arguments: tuple[Any, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="as a str, not") as caught:
        WITH_PASSWORD[name](*arguments)
    assert_secret_free(caught.value, [PASSWORD])


@pytest.mark.parametrize("name", WITH_PASSWORD)
def test_empty(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="is empty") as caught:
        WITH_PASSWORD[name]("tim", "")
    assert_secret_free(caught.value, ["tim"])
    if name != "OAUTHBEARER":
        with pytest.raises(LocalProtocolError, match="is empty") as caught:
            WITH_PASSWORD[name]("", PASSWORD)
        assert_secret_free(caught.value, [PASSWORD])


@pytest.mark.parametrize("name", WITH_PASSWORD)
def test_what_is_shown(name: str) -> None:
    mechanism = WITH_PASSWORD[name]("tim", PASSWORD)
    for shown in (repr(mechanism), str(mechanism), f"{mechanism}"):
        assert "***" in shown
        assert PASSWORD not in shown
        assert "tim" not in shown


@pytest.mark.parametrize("name", [name for name in WITH_PASSWORD if name != "SCRAM-SHA-256"])
def test_a_secret_is_not_kept_once_it_was_used(name: str) -> None:
    mechanism = WITH_PASSWORD[name]("tim", PASSWORD)
    assert PASSWORD in repr(vars(mechanism))
    while not mechanism.done:
        mechanism.respond(b"<1@h>" if name == "CRAM-MD5" else b"")
    assert PASSWORD not in repr(vars(mechanism))


@pytest.mark.parametrize("name", [name for name in WITH_PASSWORD if name not in ("LOGIN", "CRAM-MD5")])
def test_client_first_mechanisms_take_no_challenge_first(name: str) -> None:
    mechanism = WITH_PASSWORD[name]("tim", PASSWORD)
    outcome = login(mechanism, scripted(plus(b"realm")))
    assert not outcome.ok
    assert not mechanism.done
    assert outcome.lines == [CANCEL]
    assert outcome.refused is not None
    assert_secret_free(outcome.refused, [PASSWORD, "realm"])


@pytest.mark.parametrize("name", WITH_PASSWORD)
def test_a_success_before_anything_was_sent_is_none(name: str) -> None:
    mechanism = WITH_PASSWORD[name]("tim", PASSWORD)
    outcome = login(mechanism, scripted(ACCEPT))
    assert not outcome.ok
    assert outcome.lines == []


def test_one_except_catches_all() -> None:
    assert issubclass(sasl.ServerNotAuthenticated, sasl.ChallengeRefused)
    assert issubclass(sasl.ChallengeRefused, POP3Error)
    assert issubclass(sasl.MechanismUnusable, POP3Error)


RUN = """
import sys
sys.path.insert(0, {root!r})
from pop3core import sasl
for mechanism in (sasl.Plain, sasl.Login, sasl.XOAuth2, sasl.OAuthBearer):
    mechanism("user", "x").respond(b"")
sasl.CramMd5("user", "x").respond(b"<1@h>")
sasl.apop_digest(b"<1@h>", "x")
scram = sasl.Scram("user", "pencil")
first = scram.respond(b"").partition(b",r=")[2]
scram.respond(b"r=" + first + b"x,s=QSXCR+Q6sek8bf92,i=4096")
oauth = sasl.OAuthBearer("user", "x")
oauth.respond(b"")
oauth.respond(b"{{}}")
print(*sorted(sys.modules))
"""


def test_nothing_that_does_input_or_output_is_loaded_even_by_use() -> None:
    root = str(Path(pop3core.__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", RUN.format(root=root)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "pop3core.sasl" in loaded
    assert not loaded & {
        "asyncio",
        "selectors",
        "socket",
        "_socket",
        "ssl",
        "_ssl",
        "threading",
        "logging",
        "scramp",
    }


def test_plain() -> None:
    plain = sasl.Plain("tim", PASSWORD)
    # RFC 4616 section 4.
    outcome = login(plain, scripted(b"+ \r\n", ACCEPT))
    assert outcome.ok
    assert outcome.lines == [b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"]
    assert outcome.messages == [b"\0tim\0tanstaaftanstaaf"]


def test_plain_as_somebody_else() -> None:
    # RFC 4616 section 4.
    assert sasl.Plain("Kurt", "xipj3plmq", "Ursel").respond(b"") == b"Ursel\0Kurt\0xipj3plmq"


def test_plain_is_utf8_of_any_length() -> None:
    assert (
        sasl.Plain("\xfc" * 127, "\u20ac" * 85).respond(b"")
        == b"\0" + b"\xc3\xbc" * 127 + b"\0" + b"\xe2\x82\xac" * 85
    )


def test_plain_changes_nothing() -> None:
    assert sasl.Plain("\u2168", "a\xadb  \U0001f600").respond(b"") == "\0\u2168\0a\xadb  \U0001f600".encode()


def test_plain_answers_one_empty_challenge() -> None:
    plain = sasl.Plain("tim", "x")
    with pytest.raises(sasl.ChallengeRefused):
        plain.respond(b"realm")
    assert not plain.done
    plain.respond(b"")
    with pytest.raises(sasl.ChallengeRefused):
        plain.respond(b"")


def test_plain_is_not_sent_twice() -> None:
    outcome = login(sasl.Plain("tim", PASSWORD), scripted(plus(b""), plus(b"")))
    assert not outcome.ok
    assert outcome.lines == [b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n", CANCEL]


@pytest.mark.parametrize(
    "challenges",
    [(b"Username:", b"Password:"), (b"User Name\0", b"Password\0"), (b"", b""), (b"Password:", b"?")],
)
def test_login(challenges: tuple[bytes, ...]) -> None:
    outcome = login(sasl.Login("tim", PASSWORD), scripted(*map(plus, challenges), ACCEPT))
    assert outcome.ok
    assert outcome.messages == [b"tim", PASSWORD.encode()]


def test_login_is_utf8() -> None:
    mechanism = sasl.Login("m\xfcller", "\u20ac")
    assert [mechanism.respond(b""), mechanism.respond(b"")] == [b"m\xc3\xbcller", b"\xe2\x82\xac"]


def test_login_is_half_done_after_the_name() -> None:
    outcome = login(sasl.Login("tim", PASSWORD), scripted(plus(b"Username:"), ACCEPT))
    assert not outcome.ok
    assert outcome.messages == [b"tim"]


def test_login_has_no_third_message() -> None:
    outcome = login(
        sasl.Login("tim", PASSWORD), scripted(plus(b"Username:"), plus(b"Password:"), plus(b"Again:"))
    )
    assert not outcome.ok
    assert outcome.lines[2:] == [CANCEL]


@pytest.mark.parametrize(
    ("identity", "line"), [("", b"\r\n"), ("fred@example.com", b"ZnJlZEBleGFtcGxlLmNvbQ==\r\n")]
)
def test_external(identity: str, line: bytes) -> None:
    # RFC 4422 appendix A.
    external = sasl.External(identity)
    assert isinstance(external, sasl.Mechanism)
    assert (external.name, external.client_first, external.done) == ("EXTERNAL", True, False)
    outcome = login(external, scripted(b"+ \r\n", ACCEPT))
    assert outcome.ok
    assert outcome.lines == [line]
    assert repr(external) == "External(***)"


def test_external_has_one_message() -> None:
    outcome = login(sasl.External("fred"), scripted(plus(b""), plus(b"")))
    assert outcome.lines[1:] == [CANCEL]


def test_anonymous() -> None:
    # RFC 4505 section 4.
    anonymous = sasl.Anonymous("sirhc")
    assert isinstance(anonymous, sasl.Mechanism)
    assert (anonymous.name, anonymous.client_first) == ("ANONYMOUS", True)
    outcome = login(anonymous, scripted(b"+ \r\n", ACCEPT))
    assert outcome.ok
    assert outcome.lines == [b"c2lyaGM=\r\n"]
    assert sasl.Anonymous().respond(b"") == b""


def test_anonymous_is_checked_but_not_changed() -> None:
    assert sasl.Anonymous("\u2168 \xa0\xad").respond(b"") == "\u2168 \xa0\xad".encode()
    assert sasl.Anonymous("\u0627\u0628").respond(b"") == "\u0627\u0628".encode()
    assert len(sasl.Anonymous("\xfc" * 255).respond(b"")) == 510


@pytest.mark.parametrize(
    "trace", ["x" * 256, "\x85", "\ue000", "\ufdd0", "\ufff9", "\u200e", "\U000e0041", "\u0627x"]
)
def test_anonymous_refuses(trace: str) -> None:
    with pytest.raises(LocalProtocolError):
        sasl.Anonymous(trace)


def test_the_protocol_asks_for_no_more_than_is_read() -> None:
    class Own:
        name = "OWN"
        done = True

        def respond(self, challenge: bytes) -> bytes:
            return challenge

    assert isinstance(Own(), sasl.Mechanism)
