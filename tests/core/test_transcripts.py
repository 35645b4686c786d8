"""Sessions replayed whole, octet by octet and at every two-way split of each burst: the events are the same."""

from __future__ import annotations

import pytest

from .transcript import Transcript, cuttings, load_all, parse, play

TRANSCRIPTS = load_all()


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda t: t.name)
def test_replay(transcript: Transcript) -> None:
    for cuts in cuttings(transcript):
        for eager in (True, False):
            try:
                play(transcript, cuts, eager=eager)
            except AssertionError as error:
                error.add_note(f"cut at {cuts}, eager={eager}")
                raise


def test_names_are_unique() -> None:
    names = [transcript.name for transcript in TRANSCRIPTS]
    assert len(set(names)) == len(names)
    assert len(names) > 80


@pytest.mark.parametrize(
    "wrong",
    [
        "S: +OK ready\nE: Greeting ok 'other'",
        "S: +OK ready",
        "S: +OK ready\nE: Greeting ok 'ready'\n= TRANSACTION",
        "S: +OK ready\nE: Greeting ok 'ready'\nC: CAPA\nS: +OK\nS: x\nS: .\nE: Reply 1 ok '' more\nEnd 1",
        "S: +OK ready\nE! RemoteProtocolError",
        "S: 220 ready\nE! LimitExceeded",
    ],
)
def test_the_player_notices(wrong: str) -> None:
    with pytest.raises(AssertionError):
        play(parse("wrong", wrong), {}, eager=True)
