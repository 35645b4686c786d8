"""The TLS context that is used where the caller gives none."""

# How it works. To read the system's authorities takes 50 ms and more of CPU, so they are read once for each file and
# process, in a thread, while the loop goes on. Invariant: a context is never changed after it is in the cache, since
# all connections share it; a file that has changed is read anew.

from __future__ import annotations

import asyncio
import os
import ssl
from threading import Lock
from typing import TypeAlias

__all__ = ("default_ssl_context", "shared_ssl_context", "unverified_ssl_context")

# What a file is, and when it was changed: device, inode, octets, nanoseconds. None where there is no such file.
_Stamp: TypeAlias = tuple[tuple[int, int, int, int] | None, ...]

_shared: dict[str | None, tuple[_Stamp, ssl.SSLContext]] = {}
_making = Lock()


def default_ssl_context(cafile: str | None = None) -> ssl.SSLContext:
    """Return a new context that verifies chain and name, the name by subjectAltName alone (RFC 9525 section 2).

    This reads files, and takes 50 ms or more: call it where no loop runs, or in a thread.

    Args:
        cafile: a file of authorities in PEM form; without it, the system's authorities count.

    Raises:
        OSError, ssl.SSLError: `cafile` cannot be read, or has no certificates in it.
    """
    if cafile is not None and not os.fspath(cafile):
        # OpenSSL takes an empty name for none, and would trust the system's authorities.
        raise FileNotFoundError(2, os.strerror(2), cafile)
    context = ssl.create_default_context(cafile=cafile)
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def unverified_ssl_context() -> ssl.SSLContext:
    """Return a new context that verifies nothing: what it reaches must be checked by a pin."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def shared_ssl_context(cafile: str | None = None) -> ssl.SSLContext:
    """Return the context of `default_ssl_context` that all connections share; it must not be changed.

    It is made in a thread. Raises what `default_ssl_context` does; cancelling loses nothing.
    """
    return await asyncio.to_thread(_share, cafile)


def _share(cafile: str | None) -> ssl.SSLContext:
    # Under the lock, so that of many connections at once only the first has the work.
    with _making:
        stamp = _stamp(cafile)
        known = _shared.get(cafile)
        if known is None or known[0] != stamp:
            known = _shared[cafile] = stamp, default_ssl_context(cafile)
        return known[1]


def _stamp(cafile: str | None) -> _Stamp:
    # The paths follow the environment variables SSL_CERT_FILE and SSL_CERT_DIR.
    paths = ssl.get_default_verify_paths()
    return tuple(_stamp_of(path) for path in ((paths.cafile, paths.capath) if cafile is None else (cafile,)))


def _stamp_of(path: str | None) -> tuple[int, int, int, int] | None:
    try:
        status = os.stat(path) if path is not None else None
    except OSError:
        status = None
    return status and (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
