"""A POP3 server in the test's own process, mail to put into it, and certificates for its TLS."""

from ._certificates import Certificates, make_certificates
from ._mailbox import Mailbox
from ._messages import FileMessage, GeneratedMessage, Message, MessageLike
from ._samples import awkward_messages, sample_messages
from ._server import Account, Server
from ._session import CommandHook, Session

__all__ = (
    "Account",
    "Certificates",
    "CommandHook",
    "FileMessage",
    "GeneratedMessage",
    "Mailbox",
    "Message",
    "MessageLike",
    "Server",
    "Session",
    "awkward_messages",
    "make_certificates",
    "sample_messages",
)
