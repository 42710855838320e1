"""What LangGraph adds: handlers it treats as its own, and its stream, consumed where it is made.

Everything private of LangGraph that this library touches is in this file. Where a version lacks a
piece, the run goes on without it and a diagnostic says what is missing.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables.config import var_child_runnable_config

from langchain_streamkit.sources.callbacks import (
    StreamingTapHandler,
    TapHandler,
    context_parent,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from langchain_core.runnables import RunnableConfig

    from langchain_streamkit.sources.tap import RunTap

_INTERRUPT_KEY = "__interrupt__"
_CHECKPOINT_KEYS = frozenset({"thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map"})


def langgraph_loaded() -> bool:
    """Whether the application has imported LangGraph; without it there can be no graph, and we
    need not pay the third of a second that importing it costs.
    """
    return "langgraph.pregel.main" in sys.modules


def handler_base(*, streaming: bool) -> type[TapHandler]:
    """The class handlers of ours derive from, as far as LangGraph is loaded now."""
    return _handler_base(streaming, langgraph_loaded())


@functools.cache
def _handler_base(streaming: bool, graphs: bool) -> type[TapHandler]:  # noqa: FBT001
    base: type[TapHandler] = StreamingTapHandler if streaming else TapHandler
    if not graphs:
        return base
    from langgraph.callbacks import GraphCallbackHandler

    if not streaming:
        return _made((base, GraphCallbackHandler))
    try:
        # Being one of LangGraph's own stream handlers keeps its nodes on `ainvoke`: for any other
        # streaming handler it drives them by `astream`, which changes how fallbacks behave
        # (`use_astream` in langgraph/pregel/main.py).
        from langgraph.pregel._messages import StreamMessagesHandler  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:  # pragma: no cover -- no version within our bounds lacks it
        return _made((base, GraphCallbackHandler))
    bases = (base, StreamMessagesHandler, GraphCallbackHandler)
    return _made((_ToolProgress, *bases) if _reports_progress() else bases)


class _ToolProgress:
    """Gives ``ToolRuntime.emit_output_delta`` a writer while a tool runs.

    LangGraph itself sets one only in its ``tools`` stream mode (``langgraph/pregel/_tools.py``,
    from 1.2 on); that one goes on getting everything.
    """

    def on_tool_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        from langgraph.pregel import _tools  # pyright: ignore[reportMissingTypeStubs]

        handler: Any = super()
        handler.on_tool_start(*args, run_id=run_id, **kwargs)
        tap = cast("TapHandler", self).router.tap_of(run_id)
        current: Any = _tools._tool_call_writer  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if tap is not None:
            current.set(_ProgressWriter(tap, run_id, current.get()))


class _ProgressWriter:
    """Tells the tap what a tool reports, and the writer of LangGraph's that was there before."""

    def __init__(self, tap: RunTap, run_id: UUID, before: Any) -> None:
        self._tap = tap
        self._run_id = run_id
        # One of ours belongs to a tool around this one, which has not reported this.
        self._before = None if isinstance(before, _ProgressWriter) else before

    def __call__(self, delta: object) -> None:
        self._tap.tool_progress(self._run_id, delta)
        if self._before is not None:
            self._before(delta)


def _reports_progress() -> bool:
    return importlib.util.find_spec("langgraph.pregel._tools") is not None


def _made(bases: tuple[type[Any], ...]) -> type[TapHandler]:
    # `subgraphs` keeps LangGraph from dropping the handler in graphs called with their own thread.
    made: Any = type("GraphTapHandler", bases, {"subgraphs": True, "parent_ns": None})
    handler: type[TapHandler] = made
    return handler


def output_mode_of(graph: Any) -> str:
    """The mode in which the graph's own ``astream()`` would give its output."""
    mode = graph.stream_mode
    return mode if mode in ("values", "updates") else "values"


def watch_graph(
    config: RunnableConfig, tap: RunTap, *, is_graph: bool, output_mode: str | None = None
) -> RunnableConfig:
    """Let the graphs run under ``config`` hand their stream to ``tap``, at the point of the call.

    Returns a new config. State updates, values and the data of ``get_stream_writer()`` then reach
    us in call order with the callbacks; taken from ``graph.astream`` they would come later than
    the callbacks that followed them. What the root gives in ``output_mode`` ("values", "updates")
    becomes output chunks. A consumer or writer that is already there goes on getting
    everything.
    """
    if not langgraph_loaded():
        return config
    from langgraph._internal._constants import (  # pyright: ignore[reportMissingTypeStubs]
        CONFIG_KEY_RUNTIME,
        CONFIG_KEY_STREAM,
    )
    from langgraph.pregel.protocol import StreamProtocol  # pyright: ignore[reportMissingTypeStubs]
    from langgraph.runtime import Runtime

    modes: set[Any] = {"values", output_mode} if output_mode else {"values"}
    if "state" in tap.capture:
        modes.add("updates")
    if "checkpoints" in tap.capture:
        modes.add("checkpoints")
    configurable = _effective_configurable(config, is_graph=is_graph)
    outer_stream: Any = configurable.get(CONFIG_KEY_STREAM)
    outer_runtime: Any = configurable.get(CONFIG_KEY_RUNTIME)
    consume = _consumer(tap, output_mode=output_mode)

    def stream(chunk: tuple[tuple[str, ...], Any, Any]) -> None:
        if chunk[1] in modes:
            consume(chunk)
        if outer_stream is not None and chunk[1] in outer_stream.modes:
            outer_stream(chunk)

    def writer(data: object) -> None:
        run_id = context_parent()
        tap.custom(run_id if run_id is not None else tap.root, None, data)
        if outer_runtime is not None:
            outer_runtime.stream_writer(data)

    every_mode = modes if outer_stream is None else modes | outer_stream.modes
    configurable[CONFIG_KEY_STREAM] = StreamProtocol(stream, every_mode)
    configurable[CONFIG_KEY_RUNTIME] = (
        Runtime(stream_writer=writer)
        if outer_runtime is None
        else outer_runtime.override(stream_writer=writer)
    )
    return {**config, "configurable": configurable}


def _effective_configurable(config: RunnableConfig, *, is_graph: bool) -> dict[str, Any]:
    """``configurable`` as the call would see it, that of the run around it included.

    Mirrors ``ensure_config``: langchain-core takes the surrounding one only where there is none,
    langgraph merges them unless the given one addresses a checkpoint of its own.
    """
    given: dict[str, Any] = dict(config.get("configurable") or {})
    ambient = var_child_runnable_config.get()
    surrounding: dict[str, Any] = dict((ambient or {}).get("configurable") or {})
    if is_graph and not given.keys() & _CHECKPOINT_KEYS:
        return {**surrounding, **given}
    return given or ({} if is_graph else surrounding)


def _consumer(tap: RunTap, *, output_mode: str | None) -> Any:
    capture_state = "state" in tap.capture

    def consume(chunk: tuple[tuple[str, ...], str, Any]) -> None:
        namespace, mode, payload = chunk
        try:
            if mode == output_mode and not namespace:
                tap.output_chunk(payload)
            if mode == "values":
                tap.stored(namespace, payload)
                if capture_state:
                    tap.state(namespace, None, payload)
            elif mode == "updates" and capture_state:
                _updates(tap, namespace, payload)
            elif mode == "checkpoints":
                tap.checkpoint(namespace, payload)
        except Exception as exc:  # noqa: BLE001 -- the user's run must not see our error
            tap.report("stream", exc)

    return consume


def _updates(tap: RunTap, namespace: tuple[str, ...], payload: Mapping[str, Any]) -> None:
    for node, values in payload.items():
        if node != _INTERRUPT_KEY:
            tap.state(namespace, node, values)
