"""Tests of logging in and of TLS: every mechanism, and nothing that a thief could use."""
