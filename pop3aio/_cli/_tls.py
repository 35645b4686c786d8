"""What TLS is made of: whom to trust, and the client's own certificate."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._passwords import warn_if_readable
from pop3aio._wire._tls import default_ssl_context

__all__ = ("lenient_contexts", "make_ssl_context")

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME (x509_vfy.h), which Python has no name for.
_NO_CHECK_TIME = 0x200000


def make_ssl_context(
    ca_file: str | None, client_cert: str | None, warn: Callable[[str], object]
) -> ssl.SSLContext:
    """Return a context that verifies, by the system's authorities or those of a file; raises Failed."""
    context = _verifying(ca_file)
    if client_cert is not None:
        _present(context, client_cert, warn)
    return context


def lenient_contexts(ca_file: str | None) -> Iterator[ssl.SSLContext]:
    """Yield contexts for one who only wants to look: the first accepts any name and date, the second everything.

    Neither presents a certificate of the client.
    """
    context = _verifying(ca_file)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    yield context
    context = _verifying(ca_file)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    yield context


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
            "for nobody else to read",
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
