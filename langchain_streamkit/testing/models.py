"""``ScriptedModel``: a chat model that plays a script instead of asking a provider.

Guarantees: ``invoke``, ``ainvoke``, ``stream`` and ``astream`` of the same turn give the same
content, tool calls, finish reason and usage; asynchronous streaming gives control to the event loop
before each chunk, so that readers wake for each token as they do with a network model; every call
is recorded; the script itself never changes. Safe to use from many threads and loops.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast
from uuid import uuid4

from langchain_core.language_models.chat_models import BaseChatModel, generate_from_stream
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from langchain_streamkit.testing.faults import Malformed
from langchain_streamkit.testing.script import Script
from langchain_streamkit.testing.turns import (
    Piece,
    Reasoning,
    ScriptError,
    Turn,
    TurnLike,
    is_content,
)
from langchain_streamkit.testing.waiting import Gate, ahold, hold

if TYPE_CHECKING:
    from langchain_core.callbacks import (
        AsyncCallbackManagerForLLMRun,
        CallbackManagerForLLMRun,
    )
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.language_models.base import LangSmithParams
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

ChatScript: TypeAlias = "Sequence[TurnLike | ChatTurnFn] | ChatTurnFn"
ChatTurnFn: TypeAlias = "Callable[[list[BaseMessage]], TurnLike]"
Pause: TypeAlias = "float | Gate | BaseException"


@dataclass(frozen=True)
class ModelCall:
    """One call of a scripted model: what it was asked, and how."""

    messages: tuple[BaseMessage, ...]
    kwargs: Mapping[str, Any]
    """Everything passed to the call or bound to the model, e.g. ``tools`` in OpenAI's form."""
    stop: tuple[str, ...] | None
    streamed: bool


class ScriptedModel(BaseChatModel):
    """A chat model whose answers are written beforehand.

    ``turns`` is the script (see ``langchain_streamkit.testing.turns``): a list of turns, one for
    each call in order, where a function of the input messages may stand for a turn; or one such
    function for all calls. With ``cycle`` the list starts again when it is used up.

    ``chunk_ids`` puts a provider's message id on every chunk (else LangChain makes one of the run
    id). ``usage_on="every_chunk"`` repeats the usage so far on each chunk of a stream, as some
    providers do, instead of reporting it once at the end. A delay sleeps, a gate waits and an
    exception is raised at its place in the turn, also without streaming.

    Raises ScriptError for a script that cannot be played, ScriptExhausted for a call too many.

    >>> model = ScriptedModel(["Hello you", Turn(tool_calls=[ToolCall("search", {"q": "cats"})])])
    >>> model.invoke("hi").content
    'Hello you'
    """

    turns: Any = Field(repr=False)
    cycle: bool = False
    model_name: str = "scripted"
    chunk_ids: bool = False
    usage_on: Literal["last_chunk", "every_chunk"] = "last_chunk"
    _script: Script[ModelCall] = PrivateAttr()

    def __init__(
        self,
        turns: ChatScript,
        *,
        cycle: bool = False,
        model_name: str = "scripted",
        chunk_ids: bool = False,
        usage_on: Literal["last_chunk", "every_chunk"] = "last_chunk",
        **options: Any,
    ) -> None:
        fields: dict[str, Any] = {
            "turns": turns,
            "cycle": cycle,
            "model_name": model_name,
            "chunk_ids": chunk_ids,
            "usage_on": usage_on,
        }
        super().__init__(**fields, **options)
        self._script = Script(turns, cycle=cycle, owner="ScriptedModel")

    @property
    def calls(self) -> tuple[ModelCall, ...]:
        """All calls so far, in order."""
        return self._script.taken

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind the tools' schemas: the script ignores them, ``calls[n].kwargs`` has them."""
        from langchain_core.utils.function_calling import convert_to_openai_tool

        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    @property
    def _llm_type(self) -> str:
        return "scripted-chat-model"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "scripted"
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._play(self._steps(messages, stop, kwargs, streamed=False)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        steps = self._steps(messages, stop, kwargs, streamed=False)
        return generate_from_stream(iter([chunk async for chunk in self._aplay(steps)]))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        # LangChain itself tells the callbacks of each chunk, and passes no run_manager here.
        return self._play(self._steps(messages, stop, kwargs, streamed=True))

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        return self._aplay(self._steps(messages, stop, kwargs, streamed=True))

    def _play(self, steps: Iterator[ChatGenerationChunk | Pause]) -> Iterator[ChatGenerationChunk]:
        for step in steps:
            if isinstance(step, ChatGenerationChunk):
                yield step
            else:
                obey(step)

    async def _aplay(
        self, steps: Iterator[ChatGenerationChunk | Pause]
    ) -> AsyncIterator[ChatGenerationChunk]:
        for step in steps:
            if isinstance(step, ChatGenerationChunk):
                await asyncio.sleep(0)
                yield step
            else:
                await aobey(step)

    def _steps(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: Mapping[str, Any],
        *,
        streamed: bool,
    ) -> Iterator[ChatGenerationChunk | Pause]:
        call = ModelCall(tuple(messages), dict(kwargs), tuple(stop) if stop else None, streamed)
        turn = self._script.take(call, list(messages))
        pieces = list(turn.pieces())
        usage: dict[str, Any] | None = dict(turn.usage) if turn.usage else None
        every = streamed and self.usage_on == "every_chunk"
        total = sum(map(is_content, pieces))
        message_id = f"msg_{uuid4().hex}" if self.chunk_ids else None
        called = False
        sent = 0
        for piece in pieces:
            if not is_content(piece):
                yield _pause(piece)
                continue
            sent += 1
            message = to_chunk(piece)
            called = called or bool(message.tool_call_chunks)
            message.id = message.id or message_id
            if every and usage:
                message.usage_metadata = cast("Any", _so_far(usage, sent, total))
            yield ChatGenerationChunk(message=message)
        if turn.closes:
            yield self._closing(turn, usage, message_id, called=called)

    def _closing(
        self, turn: Turn, usage: dict[str, Any] | None, message_id: str | None, *, called: bool
    ) -> ChatGenerationChunk:
        reason = turn.finish_reason or ("tool_calls" if called else "stop")
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                id=message_id,
                usage_metadata=cast("Any", usage),
                response_metadata={"model_provider": "scripted"},
                chunk_position="last",
            ),
            generation_info={"finish_reason": reason, "model_name": self.model_name},
        )


def to_chunk(piece: Piece) -> AIMessageChunk:
    """The message chunk that LangChain's integrations would make of this piece."""
    if isinstance(piece, Reasoning):
        return AIMessageChunk(content="", additional_kwargs={"reasoning_content": str(piece)})
    if isinstance(piece, str):
        return AIMessageChunk(content=piece)
    if isinstance(piece, Mapping):
        from langchain_core.messages.tool import tool_call_chunk

        fields = {key: piece.get(key) for key in ("name", "args", "id", "index")}
        return AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(**fields)])
    # A copy, because LangChain writes the run's id and metadata into what it is given.
    return cast("AIMessageChunk", piece).model_copy(deep=True)


def _pause(piece: Piece) -> Pause:
    if isinstance(piece, Malformed):
        raise ScriptError(
            "Malformed() is bytes on a wire, which a model does not have; use scripted_provider, "
            "or an exception here"
        )
    return cast("Pause", piece)


def _so_far(usage: dict[str, Any], sent: int, total: int) -> dict[str, Any]:
    output = usage["output_tokens"] * sent // total
    return {**usage, "output_tokens": output, "total_tokens": usage["input_tokens"] + output}


def obey(pause: Pause) -> None:
    """Sleep, wait or raise, in this thread."""
    if isinstance(pause, BaseException):
        raise pause.with_traceback(None)
    if isinstance(pause, float | int):
        time.sleep(pause)
    else:
        hold(pause)


async def aobey(pause: Pause) -> None:
    """Sleep, wait or raise, in this task."""
    if isinstance(pause, BaseException):
        raise pause.with_traceback(None)
    if isinstance(pause, float | int):
        await asyncio.sleep(pause)
    else:
        await ahold(pause)
