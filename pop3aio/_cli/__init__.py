"""The command ``pop3aio``: what a person types, and what a person reads."""

from __future__ import annotations

from ._errors import ExitStatus, Failed
from ._main import main

__all__ = ("ExitStatus", "Failed", "main")
