"""What importing us costs beyond what the application has imported anyway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Import(NamedTuple):
    """A statement, and the module that is there before it."""

    statement: str
    after: str


PACKAGE = Import("import langchain_streamkit", "langchain_core.callbacks")
IN_USE = Import(
    "from langchain_streamkit import astream, sse_bytes",
    "langchain_core.language_models.chat_models",
)
"""Who calls ``astream`` holds a Runnable, so LangChain's own half a second is already spent."""

_TIMED = """
import {after}
from time import process_time
begun = process_time()
{statement}
print((process_time() - begun) * 1000)
"""


def import_ms(what: Import, times: int) -> float:
    """CPU milliseconds that the statement takes: the median of that many fresh Pythons, after one
    that writes the bytecode."""
    return median([_once(what) for _ in range(times + 1)][1:])


def _once(what: Import) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(**what._asdict())],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return float(done.stdout)
