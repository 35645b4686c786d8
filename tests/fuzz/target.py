"""One input of the fuzzer: the first octet says whether it is a session, an answer to parse, or a SASL exchange."""

from __future__ import annotations

from .session import fuzz_session
from .values import fuzz_mechanisms, fuzz_parsers

__all__ = ("fuzz_one",)

TARGETS = {b"S": fuzz_session, b"P": fuzz_parsers, b"M": fuzz_mechanisms}


def fuzz_one(data: bytes) -> None:
    """Play one input; raises whatever must not come out of the core."""
    TARGETS.get(data[:1], fuzz_session)(data[1:])
