"""How a plan is carried out: by ``ainvoke``, by its items, or by ``astream``; async and sync.

Guarantees: the result is what ``ainvoke``/``invoke`` returns; every iterator opened here is closed
here; nothing is caught that the caller does not see.
"""

from __future__ import annotations

from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.runnables import RunnableBinding

from langchain_streamkit.runs.adapted import read_source, read_source_sync
from langchain_streamkit.runs.opening import closed, closed_sync
from langchain_streamkit.runs.preparing import prepare, prepare_sync
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.sources.callers import known_of
from langchain_streamkit.sources.pieces import extract

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from langchain_core.runnables import Runnable

    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.sources.pieces import Piece


async def drive(core: RunCore) -> Any:
    """Make the call in the running loop and return its result; raises what the call raises.

    Of a run that was stopped by now nothing is called; what it was to read is closed.
    """
    if core.stopping:
        return await closed(core.plan.source) if core.plan.route == "source" else None
    await prepare(core.plan)
    core.called = True
    if core.plan.route == "source":
        return await (core.plan.read or read_source)(core, core.plan)
    plan = core.plan
    if plan.route == "items":
        return await _by_items(core)
    config = core.config()
    if plan.route == "invoke":
        return await plan.runnable.ainvoke(plan.input, config, **plan.kwargs)
    collected = Collected()
    stream = plan.runnable.astream(plan.input, config, **plan.kwargs)
    async with aclosing(as_agen(stream)) as chunks:
        async for chunk in chunks:
            if plan.options.output_deltas:
                core.tap.output_chunk(chunk)
            collected.add(chunk)
    return collected.value


def drive_sync(core: RunCore) -> Any:
    """The same in plain synchronous code."""
    if core.stopping:
        return closed_sync(core.plan.source) if core.plan.route == "source" else None
    prepare_sync(core.plan)
    core.called = True
    if core.plan.route == "source":
        return read_source_sync(core, core.plan)
    plan = core.plan
    if plan.route == "items":
        return _by_items_sync(core)
    config = core.config()
    if plan.route == "invoke":
        return plan.runnable.invoke(plan.input, config, **plan.kwargs)
    collected = Collected()
    with closing(_gen(plan.runnable.stream(plan.input, config, **plan.kwargs))) as chunks:
        for chunk in chunks:
            if plan.options.output_deltas:
                core.tap.output_chunk(chunk)
            collected.add(chunk)
    return collected.value


class Collected:
    """The sum of output chunks as LangChain forms it: added up, or the last if that fails."""

    __slots__ = ("_addable", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self._addable = True

    def add(self, chunk: Any) -> None:
        """Add a chunk."""
        if self.value is None or not self._addable:
            self.value = chunk
            return
        try:
            self.value = self.value + chunk
        except TypeError:
            self.value = chunk
            self._addable = False


async def _by_items(core: RunCore) -> BaseMessage | None:
    """A bare model by its own chunks: no callback of ours runs per token."""
    plan = core.call
    answer = Answer(core)
    answer.begin()
    stream = plan.runnable.astream(plan.input, plan.config, **plan.kwargs)
    try:
        async with aclosing(as_agen(stream)) as chunks:
            async for chunk in chunks:
                answer.add(chunk)
    except BaseException as exc:
        core.tap.failed(plan.run_id, exc)
        raise
    return answer.end()


def _by_items_sync(core: RunCore) -> BaseMessage | None:
    plan = core.call
    answer = Answer(core)
    answer.begin()
    try:
        with closing(_gen(plan.runnable.stream(plan.input, plan.config, **plan.kwargs))) as chunks:
            for chunk in chunks:
                answer.add(chunk)
    except BaseException as exc:
        core.tap.failed(plan.run_id, exc)
        raise
    return answer.end()


class Answer:
    """The chunks of one model's answer: signals as they come, the whole message at the end.

    Chunks of nothing but text are joined as text, the others merged by LangChain, once: its merge
    of a growing message is quadratic.
    """

    def __init__(self, core: RunCore) -> None:
        plan = core.call
        self._run_id = plan.run_id
        self._core = core
        self._say = core.lanes.token
        self._chunks: list[AIMessageChunk] = []
        self._texts: list[str] = []
        self._whole: BaseMessage | None = None

    def begin(self) -> None:
        """Signal the start of the call."""
        plan = self._core.call
        model: Any = unwrapped(plan.runnable)
        config = plan.config
        given = {**_bound(plan.runnable), **plan.kwargs}
        self._core.tap.model_start(
            self._run_id,
            None,
            plan.name,
            config.get("tags"),
            {**(config.get("metadata") or {}), **_model_params(model, plan.kwargs)},
            plan.input,
            tools=given.get("tools"),
            known=known_of(model, {**given, "stream": True}),
        )

    def add(self, chunk: BaseMessage) -> None:
        """Note a chunk and say it."""
        self.say(chunk, self.note(chunk))

    def note(self, chunk: BaseMessage) -> str | tuple[Piece, ...]:
        """Note a chunk; returns what ``extract`` does."""
        pieces = extract(chunk)
        # Only of a chunk of an AI message it is a string.
        if type(pieces) is str and self._chunks and chunk.chunk_position is None:  # type: ignore[attr-defined]
            self._texts.append(pieces)
        elif isinstance(chunk, AIMessageChunk):
            self._join_texts()
            self._chunks.append(chunk)
        else:
            self._whole = chunk  # the model does not stream
        return pieces

    def say(self, chunk: BaseMessage, pieces: str | tuple[Piece, ...]) -> None:
        """Say a chunk, of which ``note`` returned ``pieces``."""
        if chunk is not self._whole:
            self._say(self._run_id, chunk.id, pieces)

    def _join_texts(self) -> None:
        if self._texts:
            self._chunks.append(AIMessageChunk(content="".join(self._texts)))
            self._texts = []

    def end(self) -> BaseMessage | None:
        """Signal the end and return what ``ainvoke`` would have returned."""
        self._join_texts()
        message, chunks = self._whole, self._chunks
        if chunks:
            merged: Any = chunks[0] if len(chunks) == 1 else chunks[0] + chunks[1:]
            message = message_chunk_to_message(merged)
        final = message.model_copy() if message is not None else None
        self._core.tap.answered(self._run_id, final)
        self._core.run_ended(self._run_id)
        return message


def _bound(runnable: Runnable[Any, Any]) -> dict[str, Any]:
    """The arguments that the bindings around a model give it."""
    if not isinstance(runnable, RunnableBinding):
        return {}
    return {**_bound(runnable.bound), **runnable.kwargs}


def _model_params(model: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The ``ls_*`` parameters (provider, model name) LangChain gives tracers."""
    params = getattr(model, "_get_ls_params", None)
    if params is None:
        return {}
    return cast("dict[str, Any]", dict(params(**kwargs)))


def as_agen(iterator: Any) -> AsyncGenerator[Any, None]:
    """LangChain's streams are generators behind the type of an iterator."""
    return cast("AsyncGenerator[Any, None]", iterator)


def _gen(iterator: Any) -> Generator[Any, None, None]:
    return cast("Generator[Any, None, None]", iterator)
