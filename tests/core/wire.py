"""What the tests of the core share: sessions brought into a state, and lines of text made into commands and back."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator

from pop3core import (
    Apop,
    Auth,
    BodyChunk,
    BodyEnd,
    Capa,
    Command,
    Connection,
    ConnectionClosed,
    Continuation,
    Dele,
    Event,
    Greeting,
    Lang,
    Limits,
    List,
    Noop,
    Pass,
    Quit,
    Raw,
    Reply,
    Retr,
    Rset,
    StartTls,
    Stat,
    State,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
)

DIGEST = "c4c9334bac560ecc979e58001b3e22fb"  # of RFC 1939 section 7's example

# One of each, in the order of RFC 1939, 2449, 2595, 5034, 6856.
SAMPLES: tuple[Command, ...] = (
    User("mrose"),
    Pass("tanstaaf"),
    Apop("mrose", DIGEST),
    Stat(),
    List(),
    List(1),
    Uidl(),
    Uidl(1),
    Retr(1),
    Top(1, 10),
    Dele(1),
    Noop(),
    Rset(),
    Quit(),
    Capa(),
    Stls(),
    Auth("PLAIN"),
    Utf8(),
    Lang(),
    Lang("de"),
    Raw("XTND XLST"),
    Raw("XLIST", multiline=True),
)


def numbered(kind: Callable[..., Command], arguments: str) -> Command:
    return kind(*map(int, arguments.split()))


def command_of(line: str) -> Command:
    """Build the command whose line on the wire is `line`; `RAW x` and `RAW* x` (multi-line) build a Raw."""
    word, _, rest = line.partition(" ")
    if word == "RAW":
        return Raw(rest)
    if word == "RAW*":
        return Raw(rest, multiline=True)
    simple: dict[str, Callable[..., Command]] = {
        "CAPA": Capa, "STLS": Stls, "UTF8": Utf8, "STAT": Stat, "LIST": List, "UIDL": Uidl, "RETR": Retr,
        "TOP": Top, "DELE": Dele, "NOOP": Noop, "RSET": Rset, "QUIT": Quit,
    }  # fmt: skip
    if word in simple:
        return numbered(simple[word], rest)
    if word == "USER":
        return User(rest)
    if word == "PASS":
        return Pass(rest)
    if word == "APOP":
        return Apop(*rest.split(" "))
    if word == "LANG":
        return Lang(rest or None)
    assert word == "AUTH", line
    mechanism, _, initial = rest.partition(" ")
    return Auth(mechanism, b64decode("" if initial == "=" else initial, validate=True) if initial else None)


def pump(connection: Connection) -> Iterator[Event]:
    """Take all events there are now."""
    while (event := connection.next_event()) is not None:
        yield event
        if isinstance(event, ConnectionClosed):
            return


def say(connection: Connection, *octets: bytes) -> list[Event]:
    """Let the server send octets, one receive for each argument, and return what came of it."""
    for chunk in octets:
        connection.receive_data(chunk)
    return list(pump(connection))


def ask(connection: Connection, command: Command, answer: bytes) -> list[Event]:
    """Send a command that must go out at once, and let the server answer."""
    connection.send(command)
    assert connection.data_to_send() == command.encode()
    return say(connection, answer)


def fresh(
    state: State = State.TRANSACTION,
    *,
    window: int = 1,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    bare_lf: bool = False,
) -> Connection:
    """A session that has just come into `state`."""
    connection = Connection(window=window, limits=limits, bare_lf=bare_lf)
    if state is State.GREETING:
        return connection
    if state is State.ERROR:
        connection.receive_data(b"220 smtp.example.org ESMTP\r\n")
        try:
            connection.next_event()
        except Exception:
            return connection
        raise AssertionError("an SMTP greeting was accepted")
    say(connection, b"+OK\r\n")
    if state is State.TLS_HANDSHAKE:
        ask(connection, Stls(), b"+OK\r\n")
    elif state is State.CLOSED:
        ask(connection, Quit(), b"+OK\r\n")
    elif state in (State.TRANSACTION, State.UPDATE):
        ask(connection, Auth("EXTERNAL", b""), b"+OK\r\n")
        if state is State.UPDATE:
            ask(connection, Quit(), b"+OK\r\n")
    assert connection.state is state
    return connection


def _latin(octets: bytes) -> str:
    return ascii(octets.decode("latin-1"))


def describe(events: list[Event], ordinal: Callable[[int], int] = lambda handle: handle) -> list[str]:
    """Write events as the lines of a transcript; chunks in a row become one line."""
    lines: list[str] = []
    body: dict[int, bytes] = {}

    def flush() -> None:
        for handle, data in body.items():
            lines.append(f"Body {handle} {_latin(data)}")
        body.clear()

    for event in events:
        if isinstance(event, BodyChunk):
            assert type(event.data) is bytes
            assert event.data, "an empty chunk says nothing"
            number = ordinal(event.handle)
            body[number] = body.get(number, b"") + event.data
            continue
        flush()
        if isinstance(event, Greeting | Reply):
            assert type(event.raw) is bytes
            assert event.raw.startswith(b"+OK" if event.ok else b"-ERR")
            words = ["ok" if event.ok else "err", ascii(event.text)]
            if event.code is not None:
                words.append(f"[{event.code}]")
            if isinstance(event, Greeting):
                if event.apop_timestamp is not None:
                    words.append(event.apop_timestamp.decode("ascii"))
                lines.append(" ".join(("Greeting", *words)))
            else:
                if event.more:
                    words.append("more")
                lines.append(" ".join(("Reply", str(ordinal(event.handle)), *words)))
        elif isinstance(event, BodyEnd):
            lines.append(f"End {ordinal(event.handle)}")
        elif isinstance(event, Continuation):
            shown = "undecodable" if event.data is None else _latin(event.data)
            lines.append(f"Challenge {ordinal(event.handle)} {shown}")
        elif isinstance(event, StartTls):
            lines.append(f"StartTls {ordinal(event.handle)}")
        else:
            lines.append("Closed")
    flush()
    return lines
