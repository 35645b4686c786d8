"""The limits are tried like everything else of the adapter: nothing may be left."""

from tests.kit.fixtures import certificates, no_leaks

__all__ = ("certificates", "no_leaks")
