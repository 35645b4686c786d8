"""The options of a connection: each with its type, its default and its check, once for the library and the command.

How to add an option: a field of `Options` with its default and its docstring, its check in `__post_init__`, and its
type in `ConnectOptions` (or in `StreamOptions`, if it also makes sense where the connection exists already). A test
compares the three.
"""

from __future__ import annotations

import inspect
import math
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Literal, Protocol, TypeAlias, TypedDict, TypeVar, runtime_checkable

from pop3aio._wire._host import host_name
from pop3aio._wire._pin import parse_pin
from pop3aio._wire._stream import Stream
from pop3aio._wire._tls import unverified_ssl_context
from pop3core import Limits

__all__ = (
    "PORTS",
    "ConnectOptions",
    "Options",
    "SessionRecorder",
    "StreamOptions",
    "Tls",
    "check_type",
    "checked_port",
    "checked_seconds",
    "checked_window",
    "shows_options",
    "with_changes",
)

Tls: TypeAlias = Literal["implicit", "starttls", "none"]

PORTS: dict[Tls, int] = {"implicit": 995, "starttls": 110, "none": 110}
"""The usual port for each way to TLS."""

_Function = TypeVar("_Function", bound=Callable[..., object])


@runtime_checkable
class SessionRecorder(Protocol):
    """Writes down what goes over a connection, such as `pop3aio.Recorder`."""

    def tap(self, stream: Stream, /) -> Stream:
        """Return the stream to use in place of `stream`; it is asked for before the first octet."""
        ...


class StreamOptions(TypedDict, total=False):
    """The options of `Client.from_streams`; see `Options`."""

    ssl_context: ssl.SSLContext | None
    server_hostname: str | None
    timeout: float
    connect_timeout: float
    window: int
    limits: Limits
    bare_lf: bool
    capa: bool
    pin: str | None
    pin_only: bool
    record: SessionRecorder | None


class ConnectOptions(StreamOptions, total=False):
    """The options of `connect`; see `Options`."""

    tls: Tls
    sock: socket.socket | None
    local_addr: tuple[str, int] | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to connect, and what to expect of the server; the same for `connect`, `Client.from_streams` and the command.

    Every value is checked when the object is made: TypeError for a wrong type, ValueError for a value that cannot be.
    """

    tls: Tls = "implicit"
    """How the connection comes under TLS: "implicit" (port 995), "starttls" (port 110, and STLS or nothing) or "none".
    There is no "TLS if available": an attacker would make it unavailable."""

    ssl_context: ssl.SSLContext | None = None
    """What verifies the server's certificate; without it, the system's authorities do, and the name is verified."""

    server_hostname: str | None = None
    """The name that the certificate must be for, if that is not the host."""

    timeout: float = 60.0
    """Seconds that the server may take for a status line, or for the next piece of a message. All of a message may take
    five times as many, and more at ``limits.min_rate`` or above."""

    connect_timeout: float = 30.0
    """Seconds that TCP may take, and again the TLS handshake."""

    window: int = 256
    """How many commands may be in flight at most where the server announces PIPELINING; `Retrieval` says what else
    bounds them."""

    limits: Limits = Limits()  # noqa: RUF009 - frozen
    """How much the server may send."""

    bare_lf: bool = False
    """Whether LF alone ends a line."""

    capa: bool = True
    """Whether the server is asked for its capabilities. False never sends CAPA, for a server that hangs or hangs up at
    it: the login is by USER and PASS unless a mechanism is named, and one command is in flight at a time."""

    sock: socket.socket | None = None
    """A connected socket to use instead of connecting."""

    local_addr: tuple[str, int] | None = None
    """The local address and port to connect from."""

    pin: str | None = None
    """The SHA-256, in hex, of the server's certificate or of its public key. No other is accepted, and that one only if
    it is valid besides."""

    pin_only: bool = False
    """Whether the pin counts in place of authorities, name and dates: for a certificate that nobody has signed. A
    context that is given besides must not verify."""

    record: SessionRecorder | None = None
    """What writes the session down."""

    def __post_init__(self) -> None:
        if self.tls not in PORTS:
            raise ValueError(f"tls is 'implicit', 'starttls' or 'none', not {self.tls!r}")
        check_type("ssl_context", self.ssl_context, ssl.SSLContext, "an ssl.SSLContext")
        if self.server_hostname is not None:
            object.__setattr__(self, "server_hostname", host_name(self.server_hostname, "server_hostname"))
        checked_seconds("timeout", self.timeout)
        checked_seconds("connect_timeout", self.connect_timeout)
        checked_window(self.window)
        if not isinstance(self.limits, Limits):
            raise TypeError(f"limits is a Limits object, as in Limits(message=1000000), not {self.limits!r}")
        for name in ("bare_lf", "capa", "pin_only"):
            if type(value := getattr(self, name)) is not bool:
                raise TypeError(f"{name} is True or False, not {value!r}")
        check_type("sock", self.sock, socket.socket, "a connected socket.socket")
        _check_local_addr(self.local_addr)
        if self.pin is not None:
            parse_pin(self.pin)
        if self.pin_only and self.pin is None:
            raise ValueError("pin_only needs a pin: without one, any server would be accepted")
        if self.pin_only and self.ssl_context is not None and self.ssl_context.verify_mode != ssl.CERT_NONE:
            raise ValueError(
                "pin_only needs no ssl_context, or one that does not verify (ssl.CERT_NONE): the pin counts alone"
            )
        if self.record is not None and (
            isinstance(self.record, type) or not isinstance(self.record, SessionRecorder)
        ):
            raise TypeError(f"record is an object with a method tap(stream), not {self.record!r}")

    @property
    def pin_octets(self) -> bytes | None:
        """The pin as the 32 octets of a SHA-256, or None."""
        return None if self.pin is None else parse_pin(self.pin)

    @property
    def context(self) -> ssl.SSLContext | None:
        """The context to use, or None for that of the system's authorities, which takes long to make."""
        return unverified_ssl_context() if self.pin_only and self.ssl_context is None else self.ssl_context


def with_changes(options: Options | None, changes: ConnectOptions | StreamOptions) -> Options:
    """Return `options`, or the defaults, with some of them changed; raises TypeError and ValueError as Options does."""
    if options is None:
        return Options(**changes)
    if not isinstance(options, Options):
        raise TypeError(f"options is an Options object, as in Options(timeout=20), not {options!r}")
    return replace(options, **changes)


def checked_window(window: int) -> int:
    """Return `window`; raises ValueError if it cannot be one."""
    if type(window) is not int or window < 1:
        raise ValueError(f"the window is a count of commands from 1, not {window!r}")
    return window


def checked_port(port: int | None, tls: Tls) -> int:
    """Return the port to connect to, which `tls` decides if it is None; raises TypeError or ValueError for no port."""
    if port is None:
        return PORTS[tls]
    if type(port) is not int:
        raise TypeError(f"port is a whole number from 1 to 65535, or None, not {port!r}")
    if not 1 <= port <= 65535:
        raise ValueError(f"port is a whole number from 1 to 65535, or None, not {port!r}")
    return port


def shows_options(kind: type) -> Callable[[_Function], _Function]:
    """Return a decorator for a function that takes ``**changes`` of the TypedDict `kind`: `help` shows them all."""

    def show(function: _Function) -> _Function:
        defaults = {field.name: field.default for field in fields(Options)}
        own = inspect.signature(function)
        parameters = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        parameters += (
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotation
            )
            for name, annotation in Options.__annotations__.items()
            if name in kind.__annotations__
        )
        function.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return function

    return show


def check_type(name: str, value: object, kind: type, what: str) -> None:
    """Raise TypeError unless a value is of this kind, or None; `what` says what to give."""
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} is {what}, or None, not {value!r}")


def checked_seconds(name: str, value: float) -> float:
    """Return a number of seconds; raises TypeError or ValueError for what is none."""
    if type(value) not in (int, float):
        raise TypeError(f"{name} is a number of seconds, as in {name}=30, not {value!r}")
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} is a number of seconds above 0 and not endless, not {value!r}")
    return value


def _check_local_addr(value: object) -> None:
    match value:
        case None | (str(), int()):
            return
    raise TypeError(f"local_addr is an address and a port, as in ('192.0.2.1', 0), not {value!r}")
