"""Where the figures come from: machine, Python, versions."""

from __future__ import annotations

import os
import platform
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
