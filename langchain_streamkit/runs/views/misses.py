"""What a view was asked for in vain: a node or a path that the run never came to.

A name that is mistyped gives nothing, which looks as if there were nothing to give. So the log of
the package says it, with the nearest name, once the view has ended with a run that finished. Nodes
of the graph that was called, and of graphs within it, may have no turn: nothing is said of those.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from langchain_streamkit.failures import LOGGER
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.runs.views.selection import plain_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.views.feed import Feed
    from langchain_streamkit.runs.views.selection import Selection
    from langchain_streamkit.snapshot import RunSnapshot


def tell_misses(core: RunCore, feed: Feed[Any]) -> None:
    """Log what the view of ``feed`` named and no part of the finished run is called."""
    run = core.snapshot
    if run.outcome != "finished":
        return
    if feed.of_graphs and not any(step.kind == "graph" for step in run.steps):
        said: str | None = "run.values are the states of a graph, and no graph ran"
    else:
        said = _miss(core, feed.selection)
    if said is not None:
        LOGGER.warning("a view of run %s gave nothing: %s", core.run_id, said)


def _miss(core: RunCore, asked: Selection) -> str | None:
    if asked.node is None and not asked.path:
        return None
    paths = _paths(core.snapshot)
    ran = {name for path in paths for name in path}
    name, shown = _left_at(asked.path, paths), f"path={'/'.join(asked.path)!r}"
    if name is None and asked.node not in ran:
        name, shown = asked.node, f"node={asked.node!r}"
    if name is None or name in _declared(core):
        return None
    close = difflib.get_close_matches(name, sorted(ran), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    names = f"(ran: {', '.join(map(repr, sorted(ran)))})" if ran else "(no node did)"
    return f"{shown}, which never ran; {hint}{names}"


def _left_at(path: tuple[str, ...], paths: set[tuple[str, ...]]) -> str | None:
    """The first name with which ``path`` is no beginning of any that was seen."""
    for n, name in enumerate(path, 1):
        if not any(one[:n] == path[:n] for one in paths):
            return name
    return None


def _paths(run: RunSnapshot) -> set[tuple[str, ...]]:
    """Where anything was seen."""
    seen: Iterable[Any] = (*run.steps, *run.messages, *run.tool_calls)
    return {plain_path(one.path) for one in seen}


def _declared(core: RunCore) -> set[str]:
    """The nodes that the graph has, whether they ran or not."""
    if not core.plan.is_graph:
        return set()
    graph: Any = unwrapped(core.call.runnable)
    graphs = [graph, *(one for _, one in graph.get_subgraphs(recurse=True))]
    return {name for one in graphs for name in one.nodes}
