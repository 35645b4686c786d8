"""What a caller of `fetch` or `collect` wishes, checked once."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from pop3aio._fetch._deletion import After, Delete, Keep, Policy
from pop3aio._fetch._report import Progress

__all__ = ("Wishes",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The choices of one run; see `fetch` for each.

    Raises:
        TypeError: a choice is of the wrong type.
        ValueError: a choice is out of its range.
    """

    delete: Policy = Keep()  # noqa: RUF009 - frozen
    limit: int | None = None
    max_size: int | None = None
    newest_first: bool = False
    since: datetime.date | None = None
    adopt: bool = False
    again: bool = False
    concurrency: int = 1
    progress: Callable[[Progress], object] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.delete, Keep | Delete | After):
            raise TypeError(f"delete is Keep(), Delete() or After(days), not {self.delete!r}")
        for name, least in (("limit", 0), ("max_size", 1), ("concurrency", 1)):
            value = getattr(self, name)
            if value is None and name != "concurrency":
                continue
            if type(value) is not int:
                raise TypeError(f"{name} is a whole number from {least}, not {value!r}")
            if value < least:
                raise ValueError(f"{name} is a whole number from {least}, not {value}")
        for name in ("newest_first", "adopt", "again"):
            if type(getattr(self, name)) is not bool:
                raise TypeError(f"{name} is True or False, not {getattr(self, name)!r}")
        if self.since is not None and not isinstance(self.since, datetime.date):
            raise TypeError(f"since is a datetime.date or datetime.datetime, not {self.since!r}")
        if self.progress is not None and not callable(self.progress):
            raise TypeError(f"progress is a function that takes a Progress, not {self.progress!r}")
        if self.adopt and self.again:
            raise ValueError("adopt and again exclude each other: take as known, or fetch a second time")

    @property
    def deletes_at_once(self) -> bool:
        """Whether a message is deleted in the session in which it is fetched."""
        return isinstance(self.delete, Delete) or (isinstance(self.delete, After) and self.delete.days == 0)

    @property
    def keep_seconds(self) -> float | None:
        """For how many seconds a message stays after it was fetched; None: for ever."""
        if isinstance(self.delete, Keep):
            return None
        return self.delete.days * 86400.0 if isinstance(self.delete, After) else 0.0

    @property
    def earliest(self) -> float | None:
        """The time before which messages are left, in seconds since 1970; None: there is none."""
        if self.since is None:
            return None
        if isinstance(self.since, datetime.datetime):
            return self.since.timestamp()
        return datetime.datetime.combine(self.since, datetime.time()).timestamp()
