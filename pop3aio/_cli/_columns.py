"""How wide text is on a terminal, and what of it fits."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

__all__ = ("cut", "padded", "width")

# Combining marks, and format characters such as the joiners.
_NO_WIDTH = ("Mn", "Me", "Cf")
# It makes the character before it an emoji, which takes two columns.
_EMOJI = "\ufe0f"


def width(text: str) -> int:
    """Return how many columns `text` takes, rather too many than too few."""
    return sum(columns for _, columns in _measured(text))


def cut(text: str, columns: int, mark: str = "…") -> str:
    """Return what of `text` fits into so many columns, with a mark at its end if something is missing."""
    used = fitting = 0
    for end, taken in _measured(text):
        used += taken
        if used <= columns - len(mark):
            fitting = end
    return text if used <= columns else text[:fitting] + mark


def padded(text: str, columns: int) -> str:
    """Return `text` with blanks behind it, so that it takes so many columns at least."""
    return text + " " * (columns - width(text))


def _measured(text: str) -> Iterator[tuple[int, int]]:
    """Yield for each character where it ends, and how many columns it adds."""
    before = 0
    for place, letter in enumerate(text, start=1):
        if letter == _EMOJI:
            # Only a narrow one gets wider.
            taken = 1 if before == 1 else 0
        elif unicodedata.category(letter) in _NO_WIDTH:
            taken = 0
        else:
            taken = before = 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        yield place, taken
