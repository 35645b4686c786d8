"""The commands of POP3, as values that cannot be wrong.

A command object checks itself when it is built: control octets, message numbers below 1 and lines over 255 octets
never come into being, so nothing that a caller passes in can put a second command on the wire. Secrets do not
stand in a repr.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from pop3core._errors import LocalProtocolError

__all__ = (
    "COMMANDS",
    "Apop",
    "Auth",
    "Capa",
    "Command",
    "Dele",
    "Framing",
    "Lang",
    "List",
    "Noop",
    "Pass",
    "Quit",
    "Raw",
    "Retr",
    "Rset",
    "Stat",
    "Stls",
    "Top",
    "Uidl",
    "User",
    "Utf8",
    "framing_of",
)

# RFC 2449 section 4: 255 octets with CRLF. Servers cut a longer line in two and answer both halves.
MAX_LINE = 255

MAX_NUMBER = 2**31 - 1

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MECHANISM = re.compile(r"[A-Z0-9_-]{1,20}")
_LANGUAGE = re.compile(r"\*|[A-Za-z0-9-]{1,35}")
_DIGEST = re.compile(r"[0-9a-f]{32}")


class Framing(Enum):
    """What may follow the status line of a ``+OK`` (RFC 1939 section 3)."""

    NONE = "none"
    """Nothing: the status line is the whole answer."""

    CAPABILITIES = "capabilities"
    """A short listing, of at most `Limits.capability_lines` lines."""

    LISTING = "listing"
    """A listing with a line for each message, of at most `Limits.listing_entries` lines."""

    MESSAGE = "message"
    """A message, of at most `Limits.message` octets and of any number of lines."""


class Command:
    """What all commands have in common; use the subclasses.

    Attributes:
        keyword: the command's word on the wire.
        barrier: whether nothing may be written behind the command until it is answered: Courier, Cyrus and
            solid-pop3d lose what is.
        alone: whether the command is not written until all before it is answered. QUIT carries out the deletions, and
            so it waits until each DELE is known to be accepted or refused.
        secret: whether the line must stay out of logs.
        framing: what the lines behind a ``+OK`` are. The limits, the fast path for messages and the recorder follow
            from it. A command that leaves it out has an answer of one line, so that a forgotten `framing` ends the
            session at the first answer, and never lets a listing through without a limit.
        single_with_argument: whether the command has a multi-line answer only if it is sent without an argument.
    """

    __slots__ = ()

    keyword: ClassVar[str] = ""
    barrier: ClassVar[bool] = False
    alone: ClassVar[bool] = False
    secret: ClassVar[bool] = False
    framing: ClassVar[Framing] = Framing.NONE
    single_with_argument: ClassVar[bool] = False

    @property
    def multiline(self) -> bool:
        """Whether a `+OK` to this command is followed by lines up to a lone dot (RFC 1939 section 3)."""
        return self.framing is not Framing.NONE

    def encode(self) -> bytes:
        """Return the line for the wire, CRLF included."""
        return self.keyword.encode() + b"\r\n"

    def redacted(self) -> str:
        """Return the line as it may stand in a log or an error message, without its CRLF."""
        if self.secret:
            return f"{self.keyword} ***"
        return self.encode()[:-2].decode("utf-8", "backslashreplace")


def _encode(keyword: str, text: str) -> bytes:
    # Looked for ahead: a UnicodeEncodeError would carry the whole text, a password say, into tracebacks.
    if _SURROGATE.search(text):
        raise LocalProtocolError(f"an argument of {keyword} holds half a character (a lone surrogate)")
    return text.encode()


def _line(command: Command, *arguments: str | bytes) -> bytes:
    """Join a command line, and refuse what must never reach the wire; the message holds no argument."""
    encoded = [_encode(command.keyword, a) if isinstance(a, str) else a for a in arguments]
    line = b" ".join((command.keyword.encode(), *encoded))
    if _CONTROL.search(line):
        raise LocalProtocolError(
            f"an argument of {command.keyword} holds a control octet (CR, LF, NUL or the like)"
        )
    if len(line) + 2 > MAX_LINE:
        raise LocalProtocolError(
            f"the {command.keyword} line would be {len(line) + 2} octets long; POP3 allows {MAX_LINE}"
        )
    return line + b"\r\n"


def _check_number(keyword: str, number: object) -> None:
    # type(), not isinstance(): True is an int, and `DELE True` deletes message 1.
    if type(number) is not int or not 1 <= number <= MAX_NUMBER:
        raise LocalProtocolError(
            f"{keyword} needs a message number from 1 to {MAX_NUMBER} as an int{_but_got(number)}"
        )


def _but_got(value: object) -> str:
    # An int of thousands of digits has no repr: int.__repr__ raises a ValueError.
    if type(value) is int:
        return f", not {value}" if value.bit_length() < 64 else ""
    return f", not {type(value).__name__}"


def _check_text(keyword: str, what: str, value: object) -> None:
    if not isinstance(value, str):
        raise LocalProtocolError(f"{keyword} needs the {what} as a str, not {type(value).__name__}")
    if not value:
        raise LocalProtocolError(f"{keyword} needs a {what}; it is empty")


@dataclass(frozen=True, slots=True)
class Capa(Command):
    """Ask for the server's capabilities (RFC 2449 section 5)."""

    keyword: ClassVar[str] = "CAPA"
    framing: ClassVar[Framing] = Framing.CAPABILITIES


@dataclass(frozen=True, slots=True)
class Stls(Command):
    """Ask to continue under TLS (RFC 2595 section 4)."""

    keyword: ClassVar[str] = "STLS"
    barrier: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class User(Command):
    """Name the mailbox, the first half of a plain login (RFC 1939 section 7).

    With `blanks` the name may hold spaces, which RFC 1939 section 3 forbids and some servers take.
    """

    keyword: ClassVar[str] = "USER"
    barrier: ClassVar[bool] = True

    name: str
    blanks: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        _check_text("USER", "user name", self.name)
        if " " in self.name and self.blanks is not True:
            raise LocalProtocolError("a user name with a space cannot be sent by USER; log in by AUTH PLAIN")
        _line(self, self.name)

    def encode(self) -> bytes:
        return _line(self, self.name)


@dataclass(frozen=True, slots=True)
class Pass(Command):
    """Give the password, the second half of a plain login; spaces are part of it (RFC 1939 section 7)."""

    keyword: ClassVar[str] = "PASS"
    barrier: ClassVar[bool] = True
    secret: ClassVar[bool] = True

    password: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_text("PASS", "password", self.password)
        _line(self, self.password)

    def encode(self) -> bytes:
        return _line(self, self.password)


@dataclass(frozen=True, slots=True)
class Apop(Command):
    """Log in by a digest of the greeting's time stamp and the secret (RFC 1939 section 7).

    `digest` is the lower-case hex MD5 of the time stamp, angle brackets included, followed by the secret.
    """

    keyword: ClassVar[str] = "APOP"
    barrier: ClassVar[bool] = True
    secret: ClassVar[bool] = True

    name: str
    digest: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_text("APOP", "user name", self.name)
        if " " in self.name:
            raise LocalProtocolError("a user name with a space cannot be sent by APOP")
        if not isinstance(self.digest, str) or not _DIGEST.fullmatch(self.digest):
            raise LocalProtocolError("APOP needs a digest of 32 lower-case hex digits")
        _line(self, self.name, self.digest)

    def encode(self) -> bytes:
        return _line(self, self.name, self.digest)

    def redacted(self) -> str:
        return f"APOP {self.name} ***"


@dataclass(frozen=True, slots=True)
class Auth(Command):
    """Start a SASL exchange (RFC 5034 section 4).

    `initial_response` is sent on the same line, base64 encoded (an empty one as ``=``), and only fits when the
    whole line stays within 255 octets; None sends none and waits for the server's first challenge.
    """

    keyword: ClassVar[str] = "AUTH"
    barrier: ClassVar[bool] = True
    secret: ClassVar[bool] = True

    mechanism: str
    initial_response: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.mechanism, str) or not _MECHANISM.fullmatch(self.mechanism):
            raise LocalProtocolError(
                f"AUTH needs a SASL mechanism's name (1 to 20 of A-Z 0-9 - _), not {self.mechanism!r}"
            )
        if self.initial_response is not None and type(self.initial_response) is not bytes:
            raise LocalProtocolError("AUTH needs the initial response as bytes")
        self.encode()

    def encode(self) -> bytes:
        if self.initial_response is None:
            return _line(self, self.mechanism)
        return _line(self, self.mechanism, b2a_base64(self.initial_response, newline=False) or b"=")

    def redacted(self) -> str:
        return f"AUTH {self.mechanism}" + ("" if self.initial_response is None else " ***")


@dataclass(frozen=True, slots=True)
class Utf8(Command):
    """Switch the session to UTF-8 mode (RFC 6856 section 2.1)."""

    keyword: ClassVar[str] = "UTF8"
    barrier: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Lang(Command):
    """Choose the language of the server's texts, ``*`` for its default; None lists them (RFC 6856 section 3)."""

    keyword: ClassVar[str] = "LANG"
    framing: ClassVar[Framing] = Framing.CAPABILITIES
    single_with_argument: ClassVar[bool] = True

    tag: str | None = None

    def __post_init__(self) -> None:
        if self.tag is not None and (not isinstance(self.tag, str) or not _LANGUAGE.fullmatch(self.tag)):
            raise LocalProtocolError(f"LANG needs a language tag such as 'de' or '*', not {self.tag!r}")

    @property
    def multiline(self) -> bool:
        return self.tag is None

    def encode(self) -> bytes:
        return _line(self) if self.tag is None else _line(self, self.tag)


@dataclass(frozen=True, slots=True)
class Stat(Command):
    """Ask for the count of messages and their octets (RFC 1939 section 5)."""

    keyword: ClassVar[str] = "STAT"


@dataclass(frozen=True, slots=True)
class List(Command):
    """Ask for the scan listing of all messages, or of one (RFC 1939 section 5)."""

    keyword: ClassVar[str] = "LIST"
    framing: ClassVar[Framing] = Framing.LISTING
    single_with_argument: ClassVar[bool] = True

    number: int | None = None

    def __post_init__(self) -> None:
        if self.number is not None:
            _check_number("LIST", self.number)

    @property
    def multiline(self) -> bool:
        return self.number is None

    def encode(self) -> bytes:
        return b"LIST\r\n" if self.number is None else b"LIST %d\r\n" % self.number


@dataclass(frozen=True, slots=True)
class Uidl(Command):
    """Ask for the unique-id listing of all messages, or of one (RFC 1939 section 7)."""

    keyword: ClassVar[str] = "UIDL"
    framing: ClassVar[Framing] = Framing.LISTING
    single_with_argument: ClassVar[bool] = True

    number: int | None = None

    def __post_init__(self) -> None:
        if self.number is not None:
            _check_number("UIDL", self.number)

    @property
    def multiline(self) -> bool:
        return self.number is None

    def encode(self) -> bytes:
        return b"UIDL\r\n" if self.number is None else b"UIDL %d\r\n" % self.number


@dataclass(frozen=True, slots=True)
class Retr(Command):
    """Fetch a message (RFC 1939 section 5)."""

    keyword: ClassVar[str] = "RETR"
    framing: ClassVar[Framing] = Framing.MESSAGE

    number: int

    def __post_init__(self) -> None:
        _check_number("RETR", self.number)

    def encode(self) -> bytes:
        return b"RETR %d\r\n" % self.number


@dataclass(frozen=True, slots=True)
class Top(Command):
    """Fetch a message's header and the first `lines` lines of its body (RFC 1939 section 7)."""

    keyword: ClassVar[str] = "TOP"
    framing: ClassVar[Framing] = Framing.MESSAGE

    number: int
    lines: int = 0

    def __post_init__(self) -> None:
        _check_number("TOP", self.number)
        if type(self.lines) is not int or not 0 <= self.lines <= MAX_NUMBER:
            raise LocalProtocolError(
                f"TOP needs a count of lines from 0 to {MAX_NUMBER} as an int{_but_got(self.lines)}"
            )

    def encode(self) -> bytes:
        return b"TOP %d %d\r\n" % (self.number, self.lines)


@dataclass(frozen=True, slots=True)
class Dele(Command):
    """Mark a message as deleted; it goes when QUIT is answered (RFC 1939 section 5)."""

    keyword: ClassVar[str] = "DELE"

    number: int

    def __post_init__(self) -> None:
        _check_number("DELE", self.number)

    def encode(self) -> bytes:
        return b"DELE %d\r\n" % self.number


@dataclass(frozen=True, slots=True)
class Noop(Command):
    """Do nothing, which keeps the session open (RFC 1939 section 5)."""

    keyword: ClassVar[str] = "NOOP"


@dataclass(frozen=True, slots=True)
class Rset(Command):
    """Take back all deletion marks of this session (RFC 1939 section 5)."""

    keyword: ClassVar[str] = "RSET"


@dataclass(frozen=True, slots=True)
class Quit(Command):
    """End the session; in TRANSACTION this commits the deletions (RFC 1939 section 6)."""

    keyword: ClassVar[str] = "QUIT"
    barrier: ClassVar[bool] = True
    alone: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Raw(Command):
    """Send a command that has no class here; `multiline` says what shape its `+OK` has.

    `line` is the command line without CRLF. A command with a class is refused: sent as text it would change the
    session behind the state machine's back, or its answer would be read in the wrong shape.
    """

    keyword: ClassVar[str] = "(raw)"
    # Nothing is known of how a server takes it, so nothing is written behind it.
    barrier: ClassVar[bool] = True
    # What an unknown command is answered by may be a message, which the limits of a listing would refuse.
    framing: ClassVar[Framing] = Framing.MESSAGE

    line: str
    multiline: bool = False

    def __post_init__(self) -> None:
        line = self.line
        if not isinstance(line, str) or not line or line != line.strip(" "):
            raise LocalProtocolError("a raw command is a str that neither begins nor ends with a space")
        keyword = line.split(" ", 1)[0].upper()
        if keyword in COMMANDS:
            raise LocalProtocolError(f"{keyword} is not sent as a raw command; use {keyword.capitalize()}()")
        self.encode()

    def encode(self) -> bytes:
        octets = _encode("a raw command", self.line)
        if _CONTROL.search(octets):
            raise LocalProtocolError("a raw command holds a control octet (CR, LF, NUL or the like)")
        if len(octets) + 2 > MAX_LINE:
            raise LocalProtocolError(
                f"the raw command would be {len(octets) + 2} octets long; POP3 allows {MAX_LINE}"
            )
        return octets + b"\r\n"

    def __repr__(self) -> str:
        return f"Raw({self.redacted()!r}, multiline={self.multiline})"

    def redacted(self) -> str:
        # What a command we do not know carries may be a secret.
        return self.line.split(" ", 1)[0] + (" ***" if " " in self.line else "")


COMMANDS: dict[str, type[Command]] = {
    command.keyword: command
    for command in (
        Capa, Stls, User, Pass, Apop, Auth, Utf8, Lang, Stat, List, Uidl, Retr, Top, Dele, Noop, Rset, Quit,
    )
}  # fmt: skip
"""The command classes by their word on the wire."""


def framing_of(line: bytes) -> Framing:
    """Tell what follows a ``+OK`` to a command line as it stands on the wire.

    Args:
        line: the line, with or without its CRLF; the keyword in upper or lower case.

    Returns:
        The framing; `Framing.NONE` for a command that has no class here.
    """
    keyword, _, argument = line.strip(b"\r\n").partition(b" ")
    command = COMMANDS.get(keyword.decode("latin-1").upper())
    if command is None or (argument and command.single_with_argument):
        return Framing.NONE
    return command.framing
