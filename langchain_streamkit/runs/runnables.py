"""What can be run, and what it is below its wrappings."""

from __future__ import annotations

import inspect
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableBinding

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.options import name_of
from langchain_streamkit.sources.langgraph import langgraph_loaded


def as_runnable(value: object) -> Runnable[Any, Any]:
    """``value`` itself if it is a Runnable; else StreamUsageError with what to write instead."""
    if isinstance(value, Runnable):
        return cast("Runnable[Any, Any]", value)  # type: ignore[redundant-cast]
    shown = name_of(value)
    if hasattr(value, "compile") and hasattr(value, "add_node"):
        advice = "an uncompiled graph; pass graph.compile()"
    elif hasattr(value, "__aiter__") or hasattr(value, "__next__"):
        advice = "a stream that is already running; pass the runnable it comes from"
    elif inspect.isclass(value):
        advice = f"a class; pass an instance of it: {shown}(...)"
    elif inspect.ismethod(value) and isinstance(value.__self__, Runnable):
        owner = name_of(cast("Any", value).__self__)
        advice = f"a method of {owner}; pass the {owner} itself"
    elif callable(value):
        advice = "a plain function; pass RunnableLambda(function)"
    else:
        advice = "not a LangChain Runnable; pass a model, chain, tool, retriever or compiled graph"
    raise StreamUsageError(f"{shown} is {advice}")


def unwrapped(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The runnable below its bindings (``bind``, ``with_config``, ``bind_tools``)."""
    while isinstance(runnable, RunnableBinding):
        runnable = runnable.bound
    return runnable


def is_graph(runnable: object) -> bool:
    """Whether it is a compiled graph of LangGraph, which is not loaded to find out."""
    if not langgraph_loaded():
        return False
    from langgraph.pregel import Pregel  # pyright: ignore[reportMissingTypeStubs]

    return isinstance(runnable, Pregel)
