"""What a run is asked to do, checked before anything starts, and how the runnable will be driven.

Guarantees: callbacks, tags and metadata of the caller's config, and of the context it is called in,
are kept; every mistake that can be seen here raises ``StreamUsageError`` saying what to write.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.runnables import Runnable, RunnableSequence
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.utils.uuid import uuid7

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.keepable import check_kept
from langchain_streamkit.runs.options import CONFIG_KEYS, OWN_OPTIONS, checked_user, name_of
from langchain_streamkit.runs.runnables import as_runnable, unwrapped
from langchain_streamkit.runs.runnables import is_graph as runs_graph

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.runnables import RunnableConfig

    from langchain_streamkit.runs.options import Options

Route: TypeAlias = Literal["items", "invoke", "astream"]
"""``items``: a bare model by its own chunks, the cheapest; ``invoke``: callbacks under ``ainvoke``;
``astream``: where ``invoke`` would not stream (old text models) or output chunks are asked for."""


class Plan(NamedTuple):
    """One call of a runnable, ready to be made."""

    runnable: Runnable[Any, Any]
    input: Any
    config: RunnableConfig
    kwargs: dict[str, Any]
    run_id: UUID
    name: str
    route: Route
    is_graph: bool
    thread_id: str | None
    user: str | None
    options: Options

    def config_for(self, handler: BaseCallbackHandler) -> RunnableConfig:
        """The config of the call, with ``handler`` beside the callbacks that would be called.

        An explicit config hides the callbacks of the run it is made in, except for graphs, which
        merge them themselves (``ensure_config`` in langchain-core and in langgraph).
        """
        callbacks: Any = self.config.get("callbacks")
        ambient = var_child_runnable_config.get()
        if callbacks is None and ambient is not None and not self.is_graph:
            callbacks = ambient.get("callbacks")
        return {**self.config, "callbacks": with_handler(callbacks, handler)}


def with_handler(callbacks: object, handler: BaseCallbackHandler) -> Any:
    """The callbacks with ``handler`` after those that are there; what was given is not changed."""
    if callbacks is None:
        return [handler]
    if isinstance(callbacks, BaseCallbackManager):
        manager = callbacks.copy()
        manager.add_handler(handler, inherit=True)
        return manager
    return [*cast("list[BaseCallbackHandler]", callbacks), handler]


def plan_run(
    runnable: object,
    input: object,
    config: object,
    *,
    thread_id: str | None,
    user: str | None,
    context: object,
    call: Mapping[str, Any] | None,
    options: Options,
    check_graph: bool = True,
) -> Plan:
    """Check everything that can be checked and decide the route. Raises StreamUsageError."""
    target = as_runnable(runnable)
    options = options.checked()
    bare = unwrapped(target)
    is_graph = runs_graph(bare)
    made = _config(config, thread_id)
    kwargs = _call_options(call)
    if context is not None:
        if not is_graph:
            raise StreamUsageError(
                f"context= is for graphs, {name_of(runnable)} is none; put the value in the input"
                " or in config={'configurable': {...}}"
            )
        kwargs["context"] = context
    # LangChain takes unknown keys of a config for configurable ones.
    thread = made.get("configurable", {}).get("thread_id", cast("Any", made).get("thread_id"))
    if is_graph and check_graph:
        _check_graph_call(bare, input, made)
    if options.on_cancel == "keep_partial":
        check_kept(bare if is_graph else None, name_of(runnable), has_thread=thread is not None)
    return Plan(
        runnable=target,
        input=input,
        config=made,
        kwargs=kwargs,
        run_id=cast("UUID", made.get("run_id")),
        name=made.get("run_name") or target.get_name(),
        route=_route(bare, options, is_graph=is_graph),
        is_graph=is_graph,
        thread_id=None if thread is None else str(thread),
        user=checked_user(user),
        options=options,
    )


def _route(bare: Runnable[Any, Any], options: Options, *, is_graph: bool) -> Route:
    if isinstance(bare, BaseChatModel):
        return "items" if options.streaming and not _has_cache(bare) else "invoke"
    if not options.streaming or is_graph:
        return "invoke"
    return "astream" if options.output_deltas or _has_text_model(bare) else "invoke"


def _has_cache(model: BaseChatModel) -> bool:
    if model.cache is not None:
        return bool(model.cache)
    from langchain_core.globals import get_llm_cache

    return get_llm_cache() is not None


def _has_text_model(runnable: Runnable[Any, Any]) -> bool:
    """Whether an old text-completion model is in the chain: it streams under ``astream`` only."""
    bare = unwrapped(runnable)
    if isinstance(bare, RunnableSequence):
        return any(_has_text_model(step) for step in bare.steps)
    return isinstance(bare, BaseLLM)


def _config(config: object, thread_id: str | None) -> RunnableConfig:
    if config is not None and not isinstance(config, Mapping):
        raise StreamUsageError(
            f"config is a {name_of(config)}, not a dict; "
            "write config={'configurable': {...}, 'callbacks': [...]}"
        )
    given = dict(cast("Mapping[str, Any]", config or {}))
    for key in given.keys() - CONFIG_KEYS:
        close = difflib.get_close_matches(key, CONFIG_KEYS, n=1)
        if close:
            raise StreamUsageError(f"config has no key {key!r}; did you mean {close[0]!r}?")
    callbacks = given.get("callbacks")
    if callbacks is not None and not isinstance(callbacks, list | tuple | BaseCallbackManager):
        raise StreamUsageError(
            f"config['callbacks'] is a {name_of(callbacks)}; write a list: [handler]"
        )
    found: object = given.get("configurable") or {}
    if not isinstance(found, Mapping):
        raise StreamUsageError(
            f"config['configurable'] is a {name_of(found)}, not a dict; "
            "write {'configurable': {'thread_id': '1'}}"
        )
    configurable = cast("Mapping[str, Any]", found)
    if thread_id is not None:
        known = configurable.get("thread_id")
        if known is not None and known != thread_id:
            raise StreamUsageError(
                f"thread_id={thread_id!r} but config has {known!r}; give it in one place"
            )
        given["configurable"] = {**configurable, "thread_id": thread_id}
    given["run_id"] = _run_id(given.get("run_id"))
    return cast("RunnableConfig", given)


def _run_id(value: object) -> UUID:
    if value is None:
        return uuid7()
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        raise StreamUsageError(
            f"config['run_id'] = {value!r} is no UUID; leave it out, or write uuid.uuid4()"
        ) from None


def _call_options(call: object) -> dict[str, Any]:
    if call is None:
        return {}
    if not isinstance(call, Mapping):
        raise StreamUsageError(
            f"call is a {name_of(call)}; write call={{'stop': [...]}}: keyword arguments for the"
            " runnable itself"
        )
    options = dict(cast("Mapping[str, Any]", call))
    for key in options:
        if key in OWN_OPTIONS:
            raise StreamUsageError(f"call={{{key!r}: ...}} is refused: {OWN_OPTIONS[key]}")
    return options


def _check_graph_call(graph: Any, value: object, config: RunnableConfig) -> None:
    if isinstance(value, str) and _wants_dict(graph):
        raise StreamUsageError(
            f"a graph's input is its state, not a str; write"
            f' {{"messages": [("user", {value[:40]!r})]}}',
            wire='"input" has to be an object, such as'
            ' {"messages": [{"role": "user", "content": "..."}]}',
        )
    checkpointer = graph.checkpointer
    known = {*config.get("configurable", {}), *config}
    if not checkpointer or known & {"thread_id", "checkpoint_id", "checkpoint_ns"}:
        return
    raise StreamUsageError(
        f"{graph.get_name()} has a checkpointer, so it needs to know which conversation this is;"
        " write thread_id='...'",
        wire='"thread_id" is missing: this graph keeps conversations; name yours by a string of'
        ' your choice, {"input": ..., "thread_id": "1"}',
    )


def _wants_dict(graph: Any) -> bool:
    """Whether the graph's input is a dict of channels (not a functional-API or root graph)."""
    builder = getattr(graph, "builder", None)
    channels = getattr(builder, "channels", None)
    return channels is not None and "__root__" not in channels
