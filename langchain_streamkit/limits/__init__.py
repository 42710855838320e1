"""Limits of each user of a server: ``Limits`` admits runs and readers, with a ``Hold`` for each.

``contract.py`` says what a store does, ``memory.py`` and ``redis.py`` do it; ``holds.py`` keeps
what is held, ``rates.py`` counts by the minute.
"""

from __future__ import annotations

from langchain_streamkit.errors import LimitExceeded, LimitsUnavailable
from langchain_streamkit.limits.holds import Hold
from langchain_streamkit.limits.user_limits import Limits

__all__ = ["Hold", "LimitExceeded", "Limits", "LimitsUnavailable"]
