"""Where the figures come from: machine, Python, versions."""

from __future__ import annotations

import os
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

from langchain_streamkit import __version__

_PACKAGES = ("langchain-core", "langgraph", "langchain", "msgspec", "tiktoken")


def describe() -> str:
    """One line."""
    python = platform.python_version()
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{_cpu()}, {os.cpu_count()} cores; Python {python}; "
        f"langchain-streamkit {__version__}, {packages}"
    )


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


class Elsewhere:
    """The processor time that everybody but us takes, from now on.

    Of our children, those count as ours that have ended and been waited for.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._ours = _ours_s()
        self._all = _all_s()

    def cores(self) -> float | None:
        """How many on average; None where the system does not tell (it is told in /proc)."""
        now = _all_s()
        if now is None or self._all is None:
            return None
        theirs = now - self._all - (_ours_s() - self._ours)
        return max(0.0, theirs) / (time.monotonic() - self._begun)


def _ours_s() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def _all_s() -> float | None:
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _idle, _wait, irq, soft, steal = map(
        int, stat.read_text().split(maxsplit=9)[1:9]
    )
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
