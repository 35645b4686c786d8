"""A POP3 server for tests: mail to put into it, servers to be like, faults to show, certificates for its TLS."""

from ._certificates import Certificates, make_certificates
from ._chaos import ChaosProxy, Injected, Side, WireFault, WireFaultKind
from ._faults import Answer, CommandFault, Cut, Refuse
from ._mailbox import Mailbox
from ._messages import FileMessage, GeneratedMessage, Message, MessageLike
from ._profiles import PROFILES
from ._quirks import Quirks
from ._replay import ReplayMismatch, replay
from ._samples import awkward_messages, sample_messages
from ._server import Account, Server
from ._session import CommandHook, Session

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
    "make_certificates",
    "replay",
    "sample_messages",
)
