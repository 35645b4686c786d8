"""The deletion policies: what is deleted from the server, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ("After", "Delete", "Keep", "Policy")


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave everything on the server."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete from the server what is durable and journalled here, whenever it was fetched."""


@dataclass(frozen=True, slots=True)
class After:
    """Delete from the server what was fetched more than `days` days ago.

    Args:
        days: a number from 0; 0 deletes at once, as `Delete` does.

    Raises:
        TypeError: `days` is no number.
        ValueError: `days` is below 0, or not finite.
    """

    days: float

    def __post_init__(self) -> None:
        if isinstance(self.days, bool) or not isinstance(self.days, int | float):
            raise TypeError(f"After needs a number of days, such as After(30), not {self.days!r}")
        if not (math.isfinite(self.days) and self.days >= 0):
            raise ValueError(f"After needs a number of days from 0, not {self.days!r}")


Policy: TypeAlias = Keep | Delete | After
"""What may be given as ``delete=``."""
