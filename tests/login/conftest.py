"""What all tests of the login share: the search for leaks, and certificates."""

from tests.kit.fixtures import certificates, no_leaks

__all__ = ("certificates", "no_leaks")
