"""Durable delivery into a Maildir, for asyncio: a message is in the box, whole and on the disk, or it is not there."""

from ._errors import MaildirError, NotAMaildir, QuotaError
from ._maildir import Maildir, Source
from ._message import Delivered, Octets
from ._stream import Writer

__all__ = (
    "Delivered",
    "Maildir",
    "MaildirError",
    "NotAMaildir",
    "Octets",
    "QuotaError",
    "Source",
    "Writer",
)
