"""What can go wrong with a Maildir: facts as attributes, and one sentence that says what, where and what to do."""

from __future__ import annotations

import contextlib
import errno
import os

__all__ = ("MaildirError", "NotAMaildir", "QuotaError", "explain")


class MaildirError(OSError):
    """Something could not be done with a Maildir; unless the text says otherwise, nothing was left behind.

    The exception of the system call is ``__cause__``.

    Attributes:
        errno: the number of the system's error. None where no system call failed: the object was closed, belongs to
            another event loop, or went through a fork.
        path: the absolute path of the Maildir, or None where no system call failed.
        free: how many octets are free on its file system, if it was full (``ENOSPC``); otherwise None. A used-up quota
            (``EDQUOT``) leaves the free space as it is, so there the number would only mislead.
        free_files: how many more files that file system can hold, if it was full; otherwise None. A file system can be
            out of files with octets left.
    """

    path: str | None = None
    free: int | None = None
    free_files: int | None = None

    def __str__(self) -> str:
        return self.strerror or super().__str__()


class QuotaError(MaildirError):
    """The file system is full, or the owner's quota is used up (``ENOSPC``, ``EDQUOT``)."""


class NotAMaildir(MaildirError):
    """The path leads to something that is no Maildir, and that was not made into one."""


def explain(
    error: OSError,
    doing: str,
    path: str,
    advice: str = "nothing was left half done, so mend that and try again",
) -> MaildirError:
    """Return `error` as a MaildirError with the facts, which says what was being done, where, and what to do."""
    if isinstance(error, MaildirError):
        error.path = path
        return error
    reason = error.strerror or str(error)
    free, free_files = _free(error, path)
    explained: MaildirError
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        room = "" if free is None else f" ({free} octets and {free_files} files are free there)"
        explained = QuotaError(
            error.errno, f"No room to {doing} in {path!r}: {reason}{room}; make room and try again"
        )
    else:
        explained = MaildirError(error.errno, f"Could not {doing} in {path!r}: {reason}; {advice}")
    explained.path, explained.free, explained.free_files = path, free, free_files
    explained.__cause__ = error
    return explained


def _free(error: OSError, path: str) -> tuple[int | None, int | None]:
    """Return how many octets and files are free, if the lack of them was the error."""
    if error.errno == errno.ENOSPC:
        # Perhaps the Maildir itself could not be made: then its nearest parent tells.
        while not os.path.exists(path) and path != os.path.dirname(path):
            path = os.path.dirname(path)
        with contextlib.suppress(OSError, AttributeError):
            found = os.statvfs(path)
            return found.f_bavail * found.f_frsize, found.f_favail
    return None, None
