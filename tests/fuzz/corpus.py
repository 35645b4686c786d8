"""The inputs worth keeping: text files, an input a line, escaped as in a string of Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ("CORPUS", "DICTIONARY", "MAX_LENGTH", "load", "replace", "unpack")

CORPUS = Path(__file__).with_name("corpus")
DICTIONARY = Path(__file__).with_name("words.dict")

MAX_LENGTH = 2048
"""Octets of the longest input."""

# Never rewritten: what was found and mended, and what shows how inputs are written.
BY_HAND = "by_hand.txt"

# By its first octet an input is for one of these (see `target`).
FILES = {b"S": "sessions.txt", b"P": "answers.txt", b"M": "mechanisms.txt"}


def load(pattern: str = "*.txt") -> dict[str, bytes]:
    """Return all inputs, each by its file and line."""
    inputs = {}
    for path in sorted(CORPUS.glob(pattern)):
        for number, line in enumerate(path.read_text("ascii").splitlines(), 1):
            if not line.startswith("#"):
                inputs[f"{path.name}:{number}"] = line.encode().decode("unicode_escape").encode("latin-1")
    return inputs


def unpack(folder: Path) -> None:
    """Write the inputs as libFuzzer wants them, a file each."""
    for name, data in load().items():
        (folder / name).write_bytes(data)


def replace(inputs: Iterable[bytes]) -> None:
    """Write the corpus anew, shortest first."""
    # What has another first octet is played as a session.
    named = {data if data[:1] in FILES else b"S" + data[1:] for data in inputs if data}
    kept = sorted(named - set(load(BY_HAND).values()), key=lambda data: (len(data), data))
    for letter, name in FILES.items():
        lines = [
            data.decode("latin-1").encode("unicode_escape").decode() for data in kept if data[:1] == letter
        ]
        (CORPUS / name).write_text("".join(line + "\n" for line in lines), "ascii")
