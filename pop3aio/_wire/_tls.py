"""The TLS context that is used where the caller gives none."""

from __future__ import annotations

import ssl

__all__ = ("default_ssl_context",)


def default_ssl_context(cafile: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies chain and name, the name by subjectAltName alone (RFC 9525 section 2).

    By the system's authorities, or by those in `cafile`, of which OSError or SSLError is raised if it is no good.
    """
    context = ssl.create_default_context(cafile=cafile)
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
