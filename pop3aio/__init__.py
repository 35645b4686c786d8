"""POP3 for asyncio: a pipelining client, and the job of fetching mail."""

from __future__ import annotations

from pop3aio import sasl
from pop3aio._client import Client, Proof, ProofKind
from pop3aio._connect import Connect, connect
from pop3aio._errors import (
    AuthenticationError,
    CommandError,
    CommitUncertain,
    ConcurrencyError,
    ConnectionLost,
    CredentialsNotCarried,
    LoginDelay,
    MailboxInUse,
    MechanismUnavailable,
    ResponseTimeout,
    ServerPermanentError,
    ServerTemporaryError,
    TlsError,
    TlsRequired,
)
from pop3aio._fetch._changed import MaildropChanged
from pop3aio._fetch._collect import collect
from pop3aio._fetch._deletion import After, Delete, Keep, Policy
from pop3aio._fetch._fetch import fetch
from pop3aio._fetch._incoming import Incoming
from pop3aio._fetch._journal import Identity, Journal, JournalError, identities
from pop3aio._fetch._notes import FailureKind
from pop3aio._fetch._report import Failure, FetchReport, Progress, Resolved
from pop3aio._fetch._sqlite_journal import SQLiteJournal
from pop3aio._fetch._store import Deliver, LeaveOnServer, MessageStore, StopFetching
from pop3aio._fetch._unseen import unseen
from pop3aio._options import Options
from pop3aio._record._recorder import Recorder
from pop3aio._session._message import Message
from pop3aio._session._retrieval import Retrieval
from pop3aio._version import __version__
from pop3core import (
    Capabilities,
    Credentials,
    Greeting,
    LimitExceeded,
    Limits,
    LocalProtocolError,
    POP3Error,
    ProtocolError,
    RemoteProtocolError,
    Reply,
    Scan,
    StartTlsInjection,
    State,
    TruncatedResponse,
    Uid,
    UnsolicitedResponse,
)
from pop3core import DropListing as Stat

__all__ = (
    "After",
    "AuthenticationError",
    "Capabilities",
    "Client",
    "CommandError",
    "CommitUncertain",
    "ConcurrencyError",
    "Connect",
    "ConnectionLost",
    "Credentials",
    "CredentialsNotCarried",
    "Delete",
    "Deliver",
    "Failure",
    "FailureKind",
    "FetchReport",
    "Greeting",
    "Identity",
    "Incoming",
    "Journal",
    "JournalError",
    "Keep",
    "LeaveOnServer",
    "LimitExceeded",
    "Limits",
    "LocalProtocolError",
    "LoginDelay",
    "MailboxInUse",
    "MaildropChanged",
    "MechanismUnavailable",
    "Message",
    "MessageStore",
    "Options",
    "POP3Error",
    "Policy",
    "Progress",
    "Proof",
    "ProofKind",
    "ProtocolError",
    "Recorder",
    "RemoteProtocolError",
    "Reply",
    "Resolved",
    "ResponseTimeout",
    "Retrieval",
    "SQLiteJournal",
    "Scan",
    "ServerPermanentError",
    "ServerTemporaryError",
    "StartTlsInjection",
    "Stat",
    "State",
    "StopFetching",
    "TlsError",
    "TlsRequired",
    "TruncatedResponse",
    "Uid",
    "UnsolicitedResponse",
    "__version__",
    "collect",
    "connect",
    "fetch",
    "identities",
    "sasl",
    "unseen",
)
