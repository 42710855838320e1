"""``run.show()``: a run as people like to watch it, in a notebook or on a terminal."""

from __future__ import annotations

import importlib
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from langchain_streamkit.sinks.console import ConsoleSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.snapshot import RunSnapshot

_REDRAW_S = 0.05
"""Seconds between two redraws in a notebook: what the eye takes for continuous."""


class LiveDisplay(Protocol):
    """Shows a run while it goes on."""

    def update(self, events: Sequence[Event], snapshot: RunSnapshot) -> None:
        """There are new events, already in the snapshot."""
        ...

    def close(self, snapshot: RunSnapshot) -> None:
        """The run has ended."""
        ...


def live_display() -> LiveDisplay:
    """A notebook cell's display in Jupyter, else the terminal."""
    return _Notebook() if _in_notebook() else _Terminal()


def _in_notebook() -> bool:
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class _Terminal:
    def __init__(self) -> None:
        self._sink = ConsoleSink()

    def update(self, events: Sequence[Event], snapshot: RunSnapshot) -> None:
        self._sink.send(events)

    def close(self, snapshot: RunSnapshot) -> None:
        self._sink.close()


class _Notebook:
    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn = 0.0

    def update(self, events: Sequence[Event], snapshot: RunSnapshot) -> None:
        if time.monotonic() - self._drawn >= _REDRAW_S:
            self._draw(snapshot)

    def close(self, snapshot: RunSnapshot) -> None:
        self._draw(snapshot)

    def _draw(self, snapshot: RunSnapshot) -> None:
        notebook: Any = importlib.import_module("IPython.display")  # Jupyter's, and untyped
        card = notebook.HTML(snapshot._repr_html_())  # pyright: ignore[reportPrivateUsage]
        if self._handle is None:
            self._handle = notebook.display(card, display_id=True)
        else:
            self._handle.update(card)
        self._drawn = time.monotonic()
