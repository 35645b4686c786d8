"""What TLS is made of: whom to trust, and the client's own certificate."""

from __future__ import annotations

import argparse
import contextlib
import os
import ssl
import warnings
from collections.abc import Callable, Iterator

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._output import Output
from pop3aio._cli._passwords import warn_if_readable
from pop3aio._wire._tls import default_ssl_context, unverified_ssl_context

__all__ = ("OLD_VERSIONS", "lenient_contexts", "make_ssl_context", "old_context", "weak_context")

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME (x509_vfy.h), which Python has no name for.
_NO_CHECK_TIME = 0x200000
# OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT (ssl.h), for servers from before RFC 5746.
_LEGACY_SERVER = 0x4
# The level at which OpenSSL 3 has TLS 1.0 and 1.1, and short keys.
_LOWEST = "@SECLEVEL=0"

OLD_VERSIONS = {"1.1": ssl.TLSVersion.TLSv1_1, "1.0": ssl.TLSVersion.TLSv1}
"""The versions that RFC 8996 forbids, the newer one first."""

_VERSIONS = {**OLD_VERSIONS, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def make_ssl_context(arguments: argparse.Namespace, output: Output) -> ssl.SSLContext:
    """Return the context that the arguments ask for, and say what is given up by them; raises Failed.

    Without any of them it verifies by the system's authorities.
    """
    context = unverified_ssl_context() if arguments.pin_only else _verifying(arguments.ca_file)
    if arguments.pin_only:
        output.caution(
            "--pin-only: authorities, name and dates of the certificate are not checked, the pin alone is"
        )
    elif arguments.tls_name is not None:
        output.caution(
            f"--tls-name: the certificate is checked for {arguments.tls_name}, not for the host of the URL"
        )
    if arguments.ciphers is not None:
        _set_ciphers(context, arguments.ciphers)
        output.caution("--ciphers: with weak ciphers anyone on the way may read mail and password")
    if arguments.tls_min is not None:
        _set_minimum(context, arguments.tls_min, arguments.ciphers)
        if arguments.tls_min in OLD_VERSIONS:
            output.caution(
                f"--tls-min: TLS {arguments.tls_min} is broken, so that anyone on the way may read mail and password"
            )
    if arguments.client_cert is not None:
        _present(context, arguments.client_cert, output.warn)
    return context


def lenient_contexts(ca_file: str | None) -> Iterator[ssl.SSLContext]:
    """Yield contexts for a look at what there is: the first accepts any name and date, the second everything.

    Neither presents a certificate of the client.
    """
    context = _verifying(ca_file)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    yield context
    yield unverified_ssl_context()


def old_context(version: str) -> ssl.SSLContext:
    """Return a context that verifies nothing and speaks one of `OLD_VERSIONS` alone."""
    context = unverified_ssl_context()
    _set_minimum(context, version, None)
    with _no_deprecation():
        context.maximum_version = OLD_VERSIONS[version]
    return context


def weak_context() -> ssl.SSLContext:
    """Return a context that verifies nothing and takes any cipher and any key."""
    context = unverified_ssl_context()
    context.set_ciphers(f"ALL:{_LOWEST}")
    context.options |= _LEGACY_SERVER
    return context


def _set_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError as error:
        raise Failed(
            f"--ciphers: OpenSSL knows no cipher in {ciphers!r}; it takes lists such as DEFAULT:@SECLEVEL=1",
            ExitStatus.USAGE,
        ) from error


def _set_minimum(context: ssl.SSLContext, version: str, ciphers: str | None) -> None:
    if version in OLD_VERSIONS:
        if ciphers is None or "@SECLEVEL" not in ciphers:
            context.set_ciphers(f"{ciphers or 'DEFAULT'}:{_LOWEST}")
        context.options |= _LEGACY_SERVER
    with _no_deprecation():
        context.minimum_version = _VERSIONS[version]


@contextlib.contextmanager
def _no_deprecation() -> Iterator[None]:
    # Python warns of the old versions; the person who asks for one is warned in better words.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _verifying(ca_file: str | None) -> ssl.SSLContext:
    try:
        return default_ssl_context(ca_file)
    except ssl.SSLError as error:
        raise Failed(f"there are no certificates in PEM form in {ca_file}", ExitStatus.USAGE) from error
    except OSError as error:
        raise Failed(
            f"cannot read the certificates in {ca_file}: {error.strerror}", ExitStatus.USAGE
        ) from error


def _present(context: ssl.SSLContext, file: str, warn: Callable[[str], object]) -> None:
    def refuse() -> str:
        # Otherwise OpenSSL itself would ask on the terminal.
        raise Failed(
            f"the private key in the client certificate {file} is encrypted: give a file with a key that is not, "
            "and let only yourself read the file",
            ExitStatus.USAGE,
        )

    try:
        context.load_cert_chain(file, password=refuse)
        warn_if_readable(os.stat(file), f"client certificate {file}", warn)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"the private key in the client certificate {file} belongs to another certificate"
        else:
            why = (
                f"the client certificate {file} must hold a certificate and its private key, both in PEM form"
            )
        raise Failed(why, ExitStatus.USAGE) from error
    except OSError as error:
        raise Failed(
            f"cannot read the client certificate {file}: {error.strerror}", ExitStatus.USAGE
        ) from error
