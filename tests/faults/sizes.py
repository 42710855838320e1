"""How much is done: a short form for every day, the long one with ``STREAMKIT_CHAOS=long``."""

from __future__ import annotations

import os
import random
from typing import Final

from tests.lengths import LONG

TIMES: Final = 10 if LONG else 1
"""How many times longer runs are, and how many more of them there are, in the long form."""
SEED: Final = int(os.environ.get("STREAMKIT_CHAOS_SEED", "1"))
WAIT_S: Final = 40.0 * (TIMES**0.5)
"""No wait should come near this; it turns a hang into a failure."""


def chance() -> random.Random:
    """What is left to chance in one test; the same every time, for one seed."""
    return random.Random(SEED)
