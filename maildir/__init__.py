"""Durable delivery into a Maildir, for asyncio: a message is in the box, whole and on the disk, or it is not there."""

from maildir._draft import Delivered, Octets
from maildir._errors import MaildirError, NotAMaildir, QuotaError
from maildir._maildir import Maildir
from maildir._source import Source
from maildir._writer import Writer

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
