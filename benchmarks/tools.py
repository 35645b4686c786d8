"""The tools that take part: which version is here, and how to get one that is not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass

__all__ = ("TOOLS", "Tool")


@dataclass(frozen=True)
class Tool:
    """A tool by the name of its distribution, its program, or neither if it comes with Python."""

    install: str = ""
    distribution: str = ""
    needs: tuple[str, ...] = ()
    program: str = ""

    def version(self) -> str | None:
        """Return the version that is installed, None if it is not."""
        if self.program:
            return self._of_program()
        if any(importlib.util.find_spec(name) is None for name in self.needs):
            return None
        if not self.distribution:
            return platform.python_version()
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def _of_program(self) -> str | None:
        path = shutil.which(self.program)
        if path is None:
            return None
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"\d+(\.\d+)+", shown)
        return found[0] if found else "unknown"


class _Ours(Tool):
    def version(self) -> str | None:
        from pop3aio import __version__

        return __version__ if importlib.util.find_spec("aiofiles") else None


TOOLS: dict[str, Tool] = {
    "pop3aio": _Ours(install="pip install aiofiles"),
    "uvloop": Tool(
        install="pip install uvloop aiofiles", distribution="uvloop", needs=("aiofiles", "uvloop")
    ),
    "python": Tool(),
    "Twisted": Tool(
        install="pip install twisted pyopenssl service_identity",
        distribution="twisted",
        needs=("twisted", "OpenSSL", "service_identity"),
    ),
    "curl": Tool(install="apt install curl", program="curl"),
    "mpop": Tool(install="apt install mpop", program="mpop"),
    "fetchmail": Tool(install="apt install fetchmail", program="fetchmail"),
}
