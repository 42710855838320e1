"""The LangChain callback handler: every callback handed to the tap of the run it belongs to.

Guarantees: an error of ours never reaches the user's run (it is reported instead); the only
exceptions that leave a callback are ``StopRun``, once a stop was asked for, ``BudgetExceeded`` and
``RunTimeout``, and those of a quota that cannot be kept.
Models stream under ``invoke`` because the handler passes for a streaming handler
(``_StreamingCallbackHandler`` is a runtime-checkable protocol: having the two ``tap_output``
methods is enough).
"""

# mypy: disable-error-code="override"
# pyright: reportIncompatibleMethodOverride=false
# The base class declares parameters that are passed by keyword and that we do not all name.

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, manager
from langchain_core.callbacks.manager import ahandle_event
from langchain_core.runnables.config import var_child_runnable_config

from langchain_streamkit.errors import BudgetExceeded, RunTimeout
from langchain_streamkit.sources.callers import Known, known_of_caller, next_streaming_handler
from langchain_streamkit.sources.pieces import extract
from langchain_streamkit.sources.silence import TEXT_MODEL
from langchain_streamkit.tokens.quota import QuotaKeyError, QuotaStoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
    from types import FrameType
    from uuid import UUID

    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult

    from langchain_streamkit.sources.router import Router
    from langchain_streamkit.sources.tap import RunTap

_T = TypeVar("_T")
_TEXT_MODEL = Known(TEXT_MODEL, None)


def context_parent() -> UUID | None:
    """The run in whose context this is called, as LangChain's own context variable has it."""
    config = var_child_runnable_config.get()
    manager: Any = config.get("callbacks") if config else None
    return getattr(manager, "parent_run_id", None)


def _guarded(method: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(method)
    def guarded(self: TapHandler, *args: Any, **kwargs: Any) -> None:
        try:
            method(self, *args, **kwargs)
        except (BudgetExceeded, RunTimeout, QuotaKeyError, QuotaStoreError):
            raise
        except Exception as exc:  # noqa: BLE001 -- the user's run must not see our error
            self.router.report(method.__name__, exc)

    return guarded


class _TextModelStart:
    """``on_llm_start``: the method, or its async twin where LangChain would take us amiss.

    ``AsyncCallbackManager.on_llm_start`` calls the ordinary handlers only where there is no inline
    one, so that we alone would take the start of text models away from them. Asked from there we
    are a coroutine function, which hands the start on to them.
    """

    def __init__(self, method: Callable[..., None]) -> None:
        self._method = method

    def __get__(self, handler: TapHandler | None, owner: type[Any]) -> Any:
        if handler is None:
            return self._method
        caller = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        bound = self._method.__get__(handler)
        return _HandingOn(handler, bound).start if caller.f_code is _ASYNC_CALLER else bound


class _HandingOn(NamedTuple):
    handler: TapHandler
    method: Callable[..., None]

    async def start(self, *args: Any, **kwargs: Any) -> None:
        self.method(*args, **kwargs)
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        while frame is not None and frame.f_code is not _ASYNC_START:
            frame = frame.f_back
        asker = frame.f_locals.get("self") if frame is not None else None
        handlers: list[BaseCallbackHandler] = getattr(asker, "handlers", [])
        inline = [handler for handler in handlers if handler.run_inline]
        if inline and inline[0] is self.handler and all(isinstance(h, TapHandler) for h in inline):
            others = [handler for handler in handlers if not handler.run_inline]
            await ahandle_event(others, "on_llm_start", "ignore_llm", *args, **kwargs)


_ASYNC_START = AsyncCallbackManager.on_llm_start.__code__
_ASYNC_CALLER = getattr(getattr(manager, "_ahandle_event_for_handler", None), "__code__", None)


class TapHandler(BaseCallbackHandler):
    """The handler; ``router`` decides whose run each callback is about."""

    run_inline = True
    raise_error = True  # of ours only StopRun comes; what we hand on raises as without us

    def __init__(self, router: Router) -> None:
        self.router = router
        self.lanes = router.lanes

    def __deepcopy__(self, memo: dict[int, Any]) -> TapHandler:
        """Itself: a config that is copied is still watched by the same handler."""
        return self

    @contextmanager
    def _refusable(self, tap: RunTap, run_id: UUID) -> Generator[None, None, None]:
        """Of a root that is refused its start, LangChain does not tell the end: it is told here."""
        try:
            yield
        except (BudgetExceeded, QuotaStoreError) as exc:
            if run_id == tap.root:
                tap.failed(run_id, exc)
                self.router.run_ended(run_id)
            raise

    # ---- models ------------------------------------------------------------------------------

    @_guarded
    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = _name(serialized, kwargs)
        if tap := self.router.tap_of_start(run_id, parent_run_id, name, metadata):
            parent, tags = tap.enter(run_id, parent_run_id, context_parent(), tags)
            known = known_of_caller(sys._getframe(1))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            prompt = messages[0] if messages else None
            params: dict[str, Any] = kwargs.get("invocation_params") or {}
            tools = params.get("tools")
            with self._refusable(tap, run_id):
                tap.model_start(
                    run_id, parent, name, tags, metadata, prompt, tools=tools, known=known
                )

    @_TextModelStart
    @_guarded
    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = _name(serialized, kwargs)
        if tap := self.router.tap_of_start(run_id, parent_run_id, name, metadata):
            parent, tags = tap.enter(run_id, parent_run_id, context_parent(), tags)
            prompt = prompts[0] if prompts else None
            with self._refusable(tap, run_id):
                tap.model_start(run_id, parent, name, tags, metadata, prompt, known=_TEXT_MODEL)

    def on_llm_new_token(
        self,
        token: object,
        *,
        chunk: Any = None,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        try:
            try:
                message = chunk.message
            except AttributeError:  # of a text model, which has none
                text = token if isinstance(token, str) else str(getattr(chunk, "text", ""))
                self.lanes.token(run_id, None, text)
            else:
                self.lanes.token(run_id, message.id, extract(message))
        except (BudgetExceeded, RunTimeout, QuotaStoreError):
            raise
        except Exception as exc:  # noqa: BLE001 -- as in _guarded, without its cost per token
            self.router.report("on_llm_new_token", exc)

    @_guarded
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        if tap := self.router.tap_of(run_id):
            tap.model_end(run_id, response)
            self.router.run_ended(run_id)

    # ---- chains, graphs, nodes, retrievers ---------------------------------------------------

    @_guarded
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = _name(serialized, kwargs)
        if tap := self.router.tap_of_start(run_id, parent_run_id, name, metadata):
            parent, tags = tap.enter(run_id, parent_run_id, context_parent(), tags)
            tap.chain_start(run_id, parent, name, tags, metadata, inputs)

    @_guarded
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if tap := self.router.tap_of(run_id):
            tap.chain_end(run_id, outputs)
            self.router.run_ended(run_id)

    @_guarded
    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = _name(serialized, kwargs)
        if tap := self.router.tap_of_start(run_id, parent_run_id, name, metadata):
            parent, tags = tap.enter(run_id, parent_run_id, context_parent(), tags)
            tap.chain_start(run_id, parent, name, tags, metadata, query, retriever=True)

    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **kwargs: Any) -> None:
        self.on_chain_end(documents, run_id=run_id)

    @_guarded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if tap := self.router.tap_of(run_id):
            tap.failed(run_id, error)
            self.router.run_ended(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.on_chain_error(error, run_id=run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.on_chain_error(error, run_id=run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.on_chain_error(error, run_id=run_id)

    # ---- tools -------------------------------------------------------------------------------

    @_guarded
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = (serialized or {}).get("name") or _name(serialized, kwargs)
        if tap := self.router.tap_of_start(run_id, parent_run_id, name, metadata):
            parent, tags = tap.enter(run_id, parent_run_id, context_parent(), tags)
            given = input_str if inputs is None else inputs
            tool_call_id = kwargs.get("tool_call_id")
            with self._refusable(tap, run_id):
                tap.tool_start(run_id, parent, name, tags, metadata, given, tool_call_id)

    @_guarded
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if tap := self.router.tap_of(run_id):
            tap.tool_end(run_id, output)
            self.router.run_ended(run_id)

    # ---- what else a run says ----------------------------------------------------------------

    @_guarded
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if tap := self.router.tap_of(run_id):
            tap.custom(run_id, name, data)

    @_guarded
    def on_interrupt(self, event: Any) -> None:
        """LangGraph's ``GraphCallbackHandler`` hook: a graph paused."""
        if event.run_id is not None and (tap := self.router.tap_of(event.run_id)):
            tap.interrupts(event.run_id, event.checkpoint_ns, event.interrupts)

    def on_resume(self, event: Any) -> None:
        """LangGraph's hook for a resumed graph: nothing to say, the run itself tells it."""


class StreamingTapHandler(TapHandler):
    """A handler for which models stream under ``invoke``; the outputs of chains pass untouched."""

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[_T]) -> AsyncIterator[_T]:
        tap = next_streaming_handler(sys._getframe(1), TapHandler)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if tap is None:
            return output
        return cast("AsyncIterator[_T]", tap.tap_output_aiter(run_id, output))

    def tap_output_iter(self, run_id: UUID, output: Iterator[_T]) -> Iterator[_T]:
        tap = next_streaming_handler(sys._getframe(1), TapHandler)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if tap is None:
            return output
        return cast("Iterator[_T]", tap.tap_output_iter(run_id, output))


def _name(serialized: dict[str, Any] | None, kwargs: dict[str, Any]) -> str:
    """The run's name as LangChain's tracers find it."""
    name = kwargs.get("name")
    if not name and serialized:
        name = serialized.get("name") or (serialized.get("id") or [None])[-1]
    return str(name or "")
