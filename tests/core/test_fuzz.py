"""Two hundred thousand inputs that no server sends: events or RemoteProtocolError, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable

from pop3core import (
    BodyChunk,
    Command,
    Connection,
    ConnectionClosed,
    Continuation,
    Limits,
    LocalProtocolError,
    RemoteProtocolError,
    Reply,
    StartTls,
    State,
    parse_apop_timestamp,
    parse_capabilities,
    parse_list,
    parse_response_code,
    parse_stat,
    parse_uidl,
)

from .transcript import Act, Burst, Transcript, load_all
from .wire import SAMPLES, command_of

INPUTS = 200_000

PARSERS: tuple[Callable[[bytes], object], ...] = (
    parse_stat,
    parse_list,
    parse_uidl,
    parse_capabilities,
    parse_response_code,
    parse_apop_timestamp,
)

FRAGMENTS = (
    b"+OK", b"-ERR", b"+OK ", b"-ERR ", b"+ ", b"+", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b".", b"..", b".\r\n",
    b"\r\n.\r\n", b"+OK\r\n", b"-ERR no\r\n", b"+OK 2 320\r\n", b"1 120\r\n", b"2 200\r\n", b"1 abc\r\n", b"2 abc\r\n",
    b" ", b"\t", b"0", b"1", b"9" * 11, b"-1", b"+1", b"1_0", b"\xb2", b"\xff", b"\0", b"\xc3\xa4", b"[IN-USE] ",
    b"[", b"]",
    b"<1@h>", b"<", b"@", b">", b"eA==", b"=", b"SASL PLAIN\r\n", b"EXPIRE NEVER\r\n", b"LOGIN-DELAY 99999999999\r\n",
    b"x" * 40, b"..\r\n" * 20,
)  # fmt: skip

STATUSES = (b"+OK ", b"-ERR ", b"-ERR ", b"+ ")

TEXTS = tuple(fragment for fragment in FRAGMENTS if b"\r" not in fragment and b"\n" not in fragment)
LINES = (
    *(b"." * text.startswith(b".") + text + b"\r\n" for text in TEXTS),
    b"1 120\r\n",
    b"2 a\r\n",
    b"SASL X\r\n",
)

LIMITS = Limits(
    status_line=200, challenge=100, sasl_rounds=3, capability_lines=20, listing_entries=20, listing_line=100
)


class Tally:
    """What came of it; every outcome must have been met, or the inputs are too tame or too wild."""

    def __init__(self) -> None:
        self.inputs = self.events = self.bodies = self.errors = self.refused = 0


def take(connection: Connection, rng: random.Random, tally: Tally) -> bool:
    """Take all events; whether the session goes on."""
    seen = []
    goes_on = True
    try:
        while (event := connection.next_event()) is not None:
            tally.events += 1
            if isinstance(event, Reply):
                seen.append(event.raw)
            elif isinstance(event, BodyChunk):
                tally.bodies += 1
                assert type(event.data) is bytes
                seen.append(event.data)
            elif isinstance(event, Continuation):
                connection.answer(None if event.data is None or rng.random() < 0.3 else event.data)
                connection.data_to_send()
            elif isinstance(event, StartTls):
                connection.tls_established()
            elif isinstance(event, ConnectionClosed):
                goes_on = False
                break
    except RemoteProtocolError:
        tally.errors += 1
        assert connection.state is State.ERROR
        assert connection.data_to_send() == b""
        goes_on = False
    if seen:
        octets = b"\r\n".join(seen)
        for parser in PARSERS:
            try:
                parser(octets)
            except RemoteProtocolError:
                tally.refused += 1
    return goes_on and connection.state in (State.AUTHORIZATION, State.TRANSACTION)


def junk(rng: random.Random, multiline: bool = False) -> bytes:
    """What a server might say: half of it in the right shape, so that sessions go on, and half of it not."""
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.randrange(1, 12))
    if kind < 0.3:
        return b"".join(rng.choices(FRAGMENTS, k=rng.randrange(1, 6)))
    if kind < 0.4:
        return rng.choice(STATUSES) + rng.choice(FRAGMENTS) + rng.choice(FRAGMENTS) + b"\r\n"
    if kind < 0.5:
        return b"-ERR " + rng.choice(TEXTS) + b"\r\n"
    if multiline:
        return b"+OK 1 120\r\n" + b"".join(rng.choices(LINES, k=5)) + b".\r\n"
    return b"+OK " + rng.choice(TEXTS) + rng.choice(TEXTS) + b"\r\n"


def session(rng: random.Random, tally: Tally) -> None:
    connection = Connection(window=4, limits=LIMITS, bare_lf=rng.random() < 0.2)
    connection.receive_data(b"+OK <1@h>\r\n" if rng.random() < 0.95 else junk(rng))
    goes_on = take(connection, rng, tally)
    rounds = 0
    multiline = False
    while goes_on and rounds < 12:
        rounds += 1
        if not connection.outstanding:
            pick: Command = rng.choice(SAMPLES)
            multiline = pick.multiline
            try:
                if connection.state is State.AUTHORIZATION and rng.random() < 0.4:
                    connection.send(command_of("AUTH EXTERNAL ="))
                    connection.data_to_send()
                    connection.receive_data(b"+OK\r\n")
                    take(connection, rng, tally)
                connection.send(pick)
                if rng.random() < 0.1:
                    connection.send(rng.choice(SAMPLES))
            except LocalProtocolError:
                pass
            connection.data_to_send()
        octets = junk(rng, multiline)
        tally.inputs += 1
        if rng.random() < 0.2:
            cut = rng.randrange(len(octets))
            connection.receive_data(octets[:cut])
            goes_on = take(connection, rng, tally)
            octets = octets[cut:]
            if not goes_on:
                return
        connection.receive_data(octets)
        goes_on = take(connection, rng, tally)
    if goes_on:
        connection.receive_eof()
        take(connection, rng, tally)


def mutated(transcript: Transcript, rng: random.Random, tally: Tally) -> None:
    """Replay a transcript with one octet of the server's other than it was."""
    options = transcript.options
    connection = Connection(
        window=options.get("window", 1), bare_lf=bool(options.get("bare_lf", 0)), limits=LIMITS
    )
    victim = rng.randrange(len(transcript.bursts) or 1)
    burst = -1
    tally.inputs += 1
    for step in transcript.steps:
        if isinstance(step, Burst):
            burst += 1
            octets = step.octets
            if burst == victim:
                place = rng.randrange(len(octets))
                change = rng.choice(
                    (b"", b"\r", b"\n", b".", b"+", b"\0", b" ", octets[place : place + 1] * 2)
                )
                octets = octets[:place] + change + octets[place + 1 :]
            connection.receive_data(octets)
        elif isinstance(step, Act):
            if step.kind in ("C:", "Q:"):
                try:
                    connection.send(command_of(step.text))
                except LocalProtocolError:
                    return
                connection.data_to_send()
            elif step.kind == "W:":
                connection.data_to_send()
            elif step.kind == "EOF":
                connection.receive_eof()
            else:
                continue
        else:
            continue
        if not take(connection, rng, tally):
            return


def test_fuzz() -> None:
    rng = random.Random(1939)
    tally = Tally()
    transcripts = [transcript for transcript in load_all() if transcript.bursts]
    while tally.inputs < INPUTS // 20:
        mutated(rng.choice(transcripts), rng, tally)
    while tally.inputs < INPUTS:
        session(rng, tally)
    assert tally.inputs >= INPUTS
    for count in (tally.events, tally.bodies, tally.errors, tally.refused):
        assert count > INPUTS // 20
