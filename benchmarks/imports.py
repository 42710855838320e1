"""What importing us costs beyond what every user of callbacks has imported anyway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

PLAIN = "import langchain_streamkit"
USED = "from langchain_streamkit import astream, sse_bytes, stream"

_TIMED = """
import langchain_core.callbacks
from time import perf_counter
begun = perf_counter()
{statement}
print((perf_counter() - begun) * 1000)
"""


def import_ms(statement: str, times: int) -> float:
    """Milliseconds that the statement takes after ``import langchain_core.callbacks``: the median
    of that many fresh Pythons, after one that writes the bytecode."""
    return median([_once(statement) for _ in range(times + 1)][1:])


def _once(statement: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(statement=statement)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return float(done.stdout)
