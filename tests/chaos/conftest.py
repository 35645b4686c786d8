"""What the tests here share with those of the adapter: the search for leaks, and certificates."""

from tests.kit.fixtures import certificates, no_leaks

__all__ = ("certificates", "no_leaks")
