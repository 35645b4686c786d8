"""A POP3 server for tests: mail to put into it, servers to be like, faults to show, certificates for its TLS."""

from pop3aio.testing._certificates import Certificates, make_certificates
from pop3aio.testing._chaos import ChaosProxy, Injected, Side, WireFault, WireFaultKind
from pop3aio.testing._conformance import check_journal, check_store
from pop3aio.testing._faults import Answer, CommandFault, Cut, Refuse
from pop3aio.testing._mailbox import Mailbox
from pop3aio.testing._messages import FileMessage, GeneratedMessage, Message, MessageLike
from pop3aio.testing._profiles import PROFILES
from pop3aio.testing._quirks import Quirks
from pop3aio.testing._replay import ReplayMismatch, replay
from pop3aio.testing._samples import awkward_messages, sample_messages
from pop3aio.testing._server import Account, Server
from pop3aio.testing._session import CommandHook, Session

__all__ = (
    "PROFILES",
    "Account",
    "Answer",
    "Certificates",
    "ChaosProxy",
    "CommandFault",
    "CommandHook",
    "Cut",
    "FileMessage",
    "GeneratedMessage",
    "Injected",
    "Mailbox",
    "Message",
    "MessageLike",
    "Quirks",
    "Refuse",
    "ReplayMismatch",
    "Server",
    "Session",
    "Side",
    "WireFault",
    "WireFaultKind",
    "awkward_messages",
    "check_journal",
    "check_store",
    "make_certificates",
    "replay",
    "sample_messages",
)
