"""What can go wrong with a Maildir, said in one sentence: what, where and what to do."""

from __future__ import annotations

import contextlib
import errno
import os

__all__ = ("MaildirError", "NotAMaildir", "QuotaError", "explain")


class MaildirError(OSError):
    """Something could not be done with a Maildir; nothing was left behind by it.

    ``errno`` is that of the system call which failed, and ``__cause__`` its exception. It is None where no system call
    failed: the object was closed, belongs to another event loop, or went through a fork.
    """

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
    """Return `error` as a MaildirError which says what was being done, where, and what to do."""
    if isinstance(error, MaildirError):
        return error
    reason = error.strerror or str(error)
    explained: MaildirError
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        explained = QuotaError(
            error.errno,
            f"No room to {doing} in {path!r}: {reason}{_free(error, path)}; make room and try again",
        )
    else:
        explained = MaildirError(
            error.errno,
            f"Could not {doing} in {path!r}: {reason}; {advice}",
        )
    explained.__cause__ = error
    return explained


def _free(error: OSError, path: str) -> str:
    # A quota leaves the file system's free space as it is, so the number would only mislead.
    if error.errno == errno.ENOSPC:
        with contextlib.suppress(OSError, AttributeError):
            found = os.statvfs(path)
            return f" ({found.f_bavail * found.f_frsize} octets and {found.f_favail} files are free there)"
    return ""
