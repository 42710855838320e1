"""What a manager counts: plain numbers, for whoever exports them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Stats:
    """Since the manager was made, in this process."""

    started: int = 0
    """Runs that were accepted."""
    ended: Counter[str] = field(default_factory=Counter[str])
    """Runs that ended, by outcome."""
    refused: Counter[str] = field(default_factory=Counter[str])
    """Runs that were not accepted, by the reason's code: ``thread_busy``, a limit's name …"""
    events: int = 0
    """Events that went to logs."""
    input_tokens: int = 0
    output_tokens: int = 0
