"""What a graph's own output chunks tell, whichever stream modes they were asked in.

Guarantees: the forms of ``graph.astream`` are told apart as far as they can be: ``(mode, data)``,
``(namespace, mode, data)`` and ``(namespace, data)``, also as the lists that JSON makes of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTS: Final = "__interrupt__"
_MODES: Final = frozenset(
    ("values", "updates", "messages", "custom", "debug", "tasks", "checkpoints", "tools")
)
_ANSWERED: Final = 32
"""How many answers within one task are tried when an interrupt's node is looked for."""


class GraphChunk(NamedTuple):
    """One chunk; ``mode`` is None where the chunk does not tell it."""

    namespace: tuple[str, ...]
    mode: str | None
    data: Any


def read_chunk(chunk: Any, mode: str | None) -> GraphChunk:
    """Take a chunk apart; ``mode`` is that of the stream, where its chunks do not tell."""
    if isinstance(chunk, list | tuple):
        parts = cast("list[Any]", chunk)
        if len(parts) == 3 and _is_mode(parts[1]) and (ns := _namespace(parts[0])) is not None:
            return GraphChunk(ns, parts[1], parts[2])
        if len(parts) == 2:
            if _is_mode(parts[0]):
                return GraphChunk((), parts[0], parts[1])
            if (ns := _namespace(parts[0])) is not None:
                return GraphChunk(ns, mode, parts[1])
    return GraphChunk((), mode, chunk)


def raiser_of(interrupt_id: str, namespaces: list[str]) -> str | None:
    """The namespace of the node that raised an interrupt: its id is made of it.

    LangGraph's ``_interrupt_id``, ``xxh3_128("<checkpoint_ns>[|<answers>]")``.
    """
    digest = _digest()
    if digest is None:
        return None
    for namespace in namespaces:
        if digest(namespace.encode()) == interrupt_id:
            return namespace
        for answered in range(1, _ANSWERED):
            if digest(f"{namespace}|{answered}".encode()) == interrupt_id:
                return namespace
    return None


def _digest() -> Callable[[bytes], str] | None:
    try:
        module: Any = importlib.import_module("xxhash")
    except ImportError:  # it comes with LangGraph, which whoever reads a recording may not have
        return None
    return cast("Callable[[bytes], str]", module.xxh3_128_hexdigest)


def _is_mode(value: Any) -> bool:
    return isinstance(value, str) and value in _MODES


def _namespace(value: Any) -> tuple[str, ...] | None:
    """``("node:task id", ...)``, or nothing for the root graph."""
    if not isinstance(value, list | tuple):
        return None
    parts = cast("list[Any]", value)
    if all(isinstance(part, str) and ":" in part for part in parts):
        return tuple(parts)
    return None
