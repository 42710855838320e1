"""How long tests look: a short form for every day, the long one with ``STREAMKIT_CHAOS=long``."""

from __future__ import annotations

import os
from typing import Final

LONG: Final = os.environ.get("STREAMKIT_CHAOS") == "long"


def examples(most: int) -> int:
    """How many random examples a test draws that draws ``most`` in the long form: a quarter."""
    return most if LONG else max(most // 4, 10)
