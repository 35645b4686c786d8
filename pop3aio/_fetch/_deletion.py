"""The deletion policies: what is deleted from the server, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = (
    "After",
    "Delete",
    "Keep",
    "Policy",
)


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave everything on the server."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete from the server what is durable and journalled here, whenever it was fetched."""


@dataclass(frozen=True, slots=True)
class After:
    """Delete from the server what was fetched more than `days` days ago."""

    days: float

    def __post_init__(self) -> None:
        if not self.days >= 0:
            raise ValueError(f"After needs a number of days from 0, not {self.days!r}")


Policy: TypeAlias = Keep | Delete | After
