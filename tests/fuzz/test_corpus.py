"""Every input that the fuzzer found worth keeping is played on every Python, without the fuzzer."""

from __future__ import annotations

import random
from itertools import islice

from pop3core import (
    BodyEnd,
    ConnectionClosed,
    Continuation,
    Greeting,
    RemoteProtocolError,
    Reply,
    StartTls,
    State,
)

from .blind import mutations
from .corpus import CORPUS, MAX_LENGTH, load
from .session import Options, play, whole
from .target import fuzz_one

LARGEST = 300 << 10


def test_corpus() -> None:
    inputs = load()
    assert len(inputs) > 100
    for name, data in inputs.items():
        try:
            fuzz_one(data)
        except BaseException as error:
            error.add_note(f"tests/fuzz/corpus/{name}: {data!r}")
            raise


def test_mutations() -> None:
    corpus = list(load().values())
    for data in islice(mutations(corpus, random.Random(1939)), len(corpus), len(corpus) + 1000):
        fuzz_one(data)


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < LARGEST
    assert max(map(len, load().values())) <= MAX_LENGTH


def test_the_corpus_goes_everywhere() -> None:
    """Otherwise the mutations would start from nowhere."""
    seen: set[object] = set()
    for data in load().values():
        if data[:1] == b"S" and len(data) > 1:
            trace = play(data[1:], whole, eager=True)
            seen.update(entry if isinstance(entry, type) else type(entry) for entry in trace)
            seen.update(entry[1] for entry in trace if isinstance(entry, tuple))
            seen.add(Options.of(data[1]))
    assert seen >= {Greeting, Reply, BodyEnd, Continuation, StartTls, ConnectionClosed, *State} - {
        State.ERROR
    }
    assert {kind for kind in seen if isinstance(kind, type)} >= set(RemoteProtocolError.__subclasses__())
    assert len([options for options in seen if isinstance(options, Options)]) > 30
