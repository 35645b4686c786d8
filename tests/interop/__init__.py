"""The client against real servers, each unpacked and started on loopback; ``python -m tests.interop`` runs all."""
