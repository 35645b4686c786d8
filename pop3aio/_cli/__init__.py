"""The command ``pop3aio``: what a person types, and what a person reads."""

from __future__ import annotations

from pop3aio._cli._errors import Failed
from pop3aio._cli._exit_codes import ExitStatus
from pop3aio._cli._main import main

__all__ = ("ExitStatus", "Failed", "main")
