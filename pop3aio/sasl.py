"""The SASL mechanisms, under the name that users of the client expect: all of `pop3core.sasl`."""

from __future__ import annotations

from pop3core.sasl import *  # noqa: F403 - its __all__ is the only list of the names
from pop3core.sasl import __all__ as __all__
