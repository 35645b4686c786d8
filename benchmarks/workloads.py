"""The workloads: which mailbox, how far away, and who does what with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.load import Mail

__all__ = ("BASELINE", "Row", "Workload", "workloads")

BASELINE = "poplib"
"""How the label of the row begins that most others are compared to."""

Place = Literal["memory", "disk"]


@dataclass(frozen=True)
class Row:
    """One client in one workload: `function` is MODULE:FUNCTION below this package, `options` are fields of its Job."""

    label: str
    tool: str
    function: str
    options: Mapping[str, int | str | bool] = field(default_factory=dict)
    runs: int = 1000
    """At most so many runs, for what takes long and varies little."""


@dataclass(frozen=True)
class Workload:
    """A mailbox and the clients that work on it.

    `delay` is the round trip in seconds, `place` where the folders of the clients are, `held` how many messages stand
    in the Maildir before, `known` how many of the mailbox were fetched before, `unit` what is counted. `baseline` is
    how the label of the row begins that the others are compared to. Workloads of one `growth` are points of one
    curve, at `size`.
    """

    name: str
    title: str
    mail: Mail
    rows: tuple[Row, ...]
    delay: float = 0.0
    tls: bool = False
    place: Place = "memory"
    mailboxes: int = 1
    held: int = 0
    known: int = 0
    unit: str = "message"
    serve: bool = True
    expect: Literal["messages", "listing", "uids"] = "messages"
    growth: str = ""
    size: int = 0
    baseline: str = BASELINE


def _both(label: str, function: str, **options: int | str | bool) -> tuple[Row, Row]:
    return (
        Row(f"pop3aio {label}", "pop3aio", f"ours:{function}", options),
        Row(f"pop3aio {label}, uvloop", "uvloop", f"ours:{function}", {**options, "uvloop": True}),
    )


_POPLIB = Row("poplib", "python", "peers:poplib_retrieve")
_POPLIB_STORE = Row("poplib + mailbox.Maildir", "python", "peers:poplib_store")
_TWISTED = Row("Twisted", "Twisted", "twisted_peer:retrieve")
_CURL = Row("curl", "curl", "programs:curl")
_CURL_STORE = Row("curl into files", "curl", "programs:curl_store")
_MPOP = Row("mpop into a Maildir", "mpop", "programs:mpop")
_FETCHMAIL = Row("fetchmail into BSMTP", "fetchmail", "programs:fetchmail", runs=2)
_FLOOR_FILES = Row("floor: the files alone", "python", "peers:files")
_FLOORS = (
    Row("floor: StreamReader.read", "python", "peers:stream_reader"),
    Row("floor: BufferedProtocol", "python", "peers:buffered_protocol"),
)


def _slow(row: Row, runs: int) -> Row:
    return replace(row, runs=runs)


def _count(count: int, quick: bool) -> int:
    return max(10, count // 20) if quick else count


def workloads(quick: bool, count: int | None = None) -> list[Workload]:
    """Return all workloads; with `quick` a twentieth of their size, with `count` so many messages in every mailbox."""
    found = _all(quick)
    if count is None:
        return found
    sized = [replace(w, mail=replace(w.mail, count=count), known=min(w.known, count - 1)) for w in found]
    return [replace(w, title=f"{w.title}; but with {count} messages") for w in sized]


def _all(quick: bool) -> list[Workload]:
    small = Mail(_count(10_000, quick), 4096)
    large = Mail(_count(200, quick), 5_000_000, "base64")
    huge = Mail(1, 50_000_000 if quick else 1_000_000_000, "base64")
    listed = Mail(_count(200_000, quick), 4096)
    streamed = (*_both("in chunks", "stream"), _POPLIB, _slow(_TWISTED, 3), _CURL)
    return [
        Workload(
            "w1",
            f"{small.count} messages of 4 KiB, discarded",
            small,
            (
                *_both("retrieve()", "retrieve"),
                *_both("retr(n) by turns, window 1", "one_by_one", window=1),
                *_both("in chunks", "stream"),
                _POPLIB,
                _TWISTED,
                _CURL,
                _MPOP,
                _FETCHMAIL,
                *_FLOORS,
            ),
        ),
        Workload(
            "w1m",
            f"{small.count} messages of 4 KiB into a Maildir in memory, durability none",
            small,
            (
                *_both("fetch", "store"),
                *_both("retrieve() and maildir", "keep"),
                _POPLIB_STORE,
                _MPOP,
                _CURL_STORE,
                _FLOOR_FILES,
            ),
        ),
        Workload(
            "w1f",
            f"{small.count} messages of 4 KiB into a Maildir on a disk, durability full",
            small,
            (
                *_both("fetch", "store", durability="full"),
                _slow(_POPLIB_STORE, 3),
                _slow(_MPOP, 3),
                replace(_FLOOR_FILES, options={"durability": "full"}),
            ),
            place="disk",
        ),
        Workload(
            "w2",
            f"{large.count} messages of 5 MB, base64 with one stuffed line in 10 kB, discarded",
            large,
            (*streamed[:2], *_both("retrieve()", "retrieve"), *streamed[2:], _MPOP, *_FLOORS),
        ),
        Workload(
            "w2text",
            f"{large.count} messages of 5 MB, text with two dots a line and one stuffed line in 10 kB, discarded",
            replace(large, kind="text"),
            (*_both("in chunks", "stream"), _slow(_POPLIB, 3), _CURL, *_FLOORS),
        ),
        Workload(
            "w2plain",
            f"{large.count} messages of 5 MB, base64 without a dot, discarded",
            replace(large, stuffed=0),
            (*_both("in chunks", "stream"), _slow(_POPLIB, 3), _CURL, *_FLOORS),
        ),
        Workload(
            "w2m",
            f"{large.count} messages of 5 MB into a Maildir in memory, durability none",
            large,
            (*_both("fetch", "store"), _POPLIB_STORE, _MPOP, _CURL_STORE),
        ),
        Workload(
            "w3",
            f"one message of {huge.octets // 1_000_000} MB, discarded",
            huge,
            (*_both("in chunks", "stream"), _slow(_POPLIB, 3), _slow(_TWISTED, 2), _CURL, *_FLOORS),
        ),
        _far(quick),
        Workload(
            "w5",
            f"{_count(500, quick)} mailboxes at once in one process, 20 messages of 4 KiB each",
            Mail(20, 4096),
            (
                *_both("retrieve()", "mailboxes"),
                Row("poplib in threads", "python", "peers:poplib_mailboxes"),
                Row("Twisted", "Twisted", "twisted_peer:mailboxes"),
            ),
            mailboxes=_count(500, quick),
        ),
        Workload(
            "w6", f"w2 under TLS: {large.count} messages of 5 MB", large, (*streamed, *_FLOORS), tls=True
        ),
        _listing("w7", f"UIDL and LIST of {listed.count} messages", listed),
        _again(quick),
        *_growth(quick),
        *_parser(quick),
    ]


def _far(quick: bool) -> Workload:
    mail = Mail(_count(500, quick), 4096)
    return Workload(
        "w4",
        f"{mail.count} messages of 4 KiB at a round trip of 50 ms, UIDL and LIST included",
        mail,
        (
            *_both("whole session", "path"),
            *_both("whole session, window 64", "path", window=64),
            replace(_POPLIB, label="poplib (without UIDL and LIST)", runs=2),
            _MPOP,
        ),
        delay=0.05,
    )


def _listing(name: str, title: str, mail: Mail, growth: str = "") -> Workload:
    peers = (
        Row("poplib", "python", "peers:poplib_listing"),
        Row("Twisted", "Twisted", "twisted_peer:listing"),
    )
    rows = (*_both("uidl() and list()", "listing"), *(peers[:1] if growth else peers))
    return Workload(
        name,
        title,
        mail,
        rows,
        unit="entry",
        expect="listing",
        growth=growth,
        size=mail.count if growth else 0,
    )


def _again(quick: bool) -> Workload:
    mail = Mail(_count(200_000, quick), 4096)
    return Workload(
        "w8",
        f"a mailbox of {mail.count} messages, all but 10 known: the second run",
        mail,
        (
            Row("pop3aio uidl() alone", "pop3aio", "ours:uidl", {"known": 0}),
            *_both("fetch, the second run", "again"),
            Row("poplib uidl() alone", "python", "peers:poplib_uidl", {"known": 0}),
            Row("mpop, the second run", "mpop", "programs:mpop_again"),
        ),
        known=mail.count - 10,
        unit="entry",
        baseline="pop3aio uidl() alone",
    )


def _growth(quick: bool) -> list[Workload]:
    found = []
    for count in (100, 1_000, 5_000) if quick else (1_000, 10_000, 100_000):
        rows = (*_both("retrieve()", "retrieve"), _slow(_POPLIB, 3))
        mail = Mail(count, 4096)
        title = f"growth: {count} messages of 4 KiB, discarded"
        found.append(Workload(f"g1-{count}", title, mail, rows, growth="messages fetched", size=count))
    for count in (1_000, 10_000, 50_000) if quick else (10_000, 100_000, 1_000_000):
        title = f"growth: UIDL and LIST of {count} messages"
        found.append(_listing(f"g7-{count}", title, Mail(count, 4096), "entries listed"))
    delivered = Mail(_count(2_000, quick), 4096)
    for held in (0, 100, 1_000) if quick else (0, 1_000, 10_000, 100_000):
        title = f"{delivered.count} messages of 4 KiB into a Maildir in memory that holds {held}"
        rows = (
            *_both("maildir, durability none", "deliver"),
            Row("mailbox.Maildir", "python", "peers:mailbox_deliver"),
        )
        found.append(
            Workload(
                f"w9-{held}",
                title,
                delivered,
                rows,
                held=held,
                serve=False,
                growth="delivered where N are held",
                size=held,
                baseline="mailbox.Maildir",
            )
        )
    return found


def _parser(quick: bool) -> list[Workload]:
    rows = (
        Row("pop3core, in pieces of 256 KiB", "pop3aio", "parser:core"),
        Row("poplib's loop", "python", "parser:lines"),
    )
    kinds: tuple[tuple[str, str, Mail], ...] = (
        ("text10k", "text, one stuffed line in 10 kB", Mail(20, 5_000_000)),
        ("text100", "text, one stuffed line in 100 octets", Mail(20, 5_000_000, stuffed=140)),
        ("base64", "base64 without a dot", Mail(20, 5_000_000, "base64", stuffed=0)),
    )
    return [
        Workload(
            f"parser-{name}",
            f"the parser alone, in memory: {title}",
            replace(mail, count=_count(mail.count, quick) if not quick else 2),
            rows,
            serve=False,
        )
        for name, title, mail in kinds
    ]
