"""Certificates made on the fly."""

from __future__ import annotations

import ssl
import sys

import pytest

from pop3aio.testing import Server, make_certificates


def test_the_client_context_trusts_its_own_authority_only() -> None:
    certificates = make_certificates(["mail.example"])
    assert certificates.ca_pem.startswith(b"-----BEGIN CERTIFICATE-----")
    context = certificates.client_context()
    assert len(context.get_ca_certs()) == 1
    assert context.check_hostname
    assert "PRIVATE" not in repr(certificates)
    assert isinstance(certificates.server_context(), ssl.SSLContext)


def test_a_missing_trustme_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(RuntimeError, match="pip install trustme"):
        Server(tls="implicit")
