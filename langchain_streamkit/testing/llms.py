"""``ScriptedLLM``: an old text-completion model that plays a script.

Guarantees those of ``ScriptedModel``, as far as plain text goes: the same text from ``invoke``,
``ainvoke``, ``stream`` and ``astream``, one wake of the event loop per piece, every call recorded.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from langchain_core.language_models.llms import LLM
from langchain_core.outputs import GenerationChunk
from pydantic import Field, PrivateAttr

from langchain_streamkit.testing.models import Pause, aobey, obey
from langchain_streamkit.testing.script import Script
from langchain_streamkit.testing.turns import Reasoning, ScriptError, TurnLike, is_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from langchain_core.callbacks import (
        AsyncCallbackManagerForLLMRun,
        CallbackManagerForLLMRun,
    )

TextScript: TypeAlias = "Sequence[TurnLike | Callable[[str], TurnLike]] | Callable[[str], TurnLike]"


@dataclass(frozen=True)
class TextCall:
    """One call of a ``ScriptedLLM``."""

    prompt: str
    kwargs: Mapping[str, Any]
    stop: tuple[str, ...] | None
    streamed: bool


class ScriptedLLM(LLM):
    """A text-completion model (``BaseLLM``) whose answers are written beforehand.

    ``turns`` and ``cycle`` as in ``ScriptedModel``; functions get the prompt; each prompt of a
    batch takes a turn. As with LangChain's own, ``invoke`` does not stream.

    Raises ScriptError when a turn has tool calls, reasoning or message chunks, which text
    completion does not have; ScriptExhausted for a call too many.
    """

    turns: Any = Field(repr=False)
    cycle: bool = False
    model_name: str = "scripted-text"
    _script: Script[TextCall] = PrivateAttr()

    def __init__(
        self,
        turns: TextScript,
        *,
        cycle: bool = False,
        model_name: str = "scripted-text",
        **options: Any,
    ) -> None:
        fields: dict[str, Any] = {"turns": turns, "cycle": cycle, "model_name": model_name}
        super().__init__(**fields, **options)
        self._script = Script(turns, cycle=cycle, owner="ScriptedLLM")

    @property
    def calls(self) -> tuple[TextCall, ...]:
        """All calls so far, in order."""
        return self._script.taken

    @property
    def _llm_type(self) -> str:
        return "scripted-llm"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_name": self.model_name}

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        return "".join(self._play(self._steps(prompt, stop, kwargs, streamed=False)))

    async def _acall(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        steps = self._steps(prompt, stop, kwargs, streamed=False)
        return "".join([text async for text in self._aplay(steps)])

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        for text in self._play(self._steps(prompt, stop, kwargs, streamed=True)):
            chunk = GenerationChunk(text=text)
            if run_manager:
                run_manager.on_llm_new_token(text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[GenerationChunk]:
        async for text in self._aplay(self._steps(prompt, stop, kwargs, streamed=True)):
            chunk = GenerationChunk(text=text)
            if run_manager:
                await run_manager.on_llm_new_token(text, chunk=chunk)
            yield chunk

    def _play(self, steps: Iterator[str | Pause]) -> Iterator[str]:
        for step in steps:
            if isinstance(step, str):
                yield step
            else:
                obey(step)

    async def _aplay(self, steps: Iterator[str | Pause]) -> AsyncIterator[str]:
        for step in steps:
            if isinstance(step, str):
                await asyncio.sleep(0)
                yield step
            else:
                await aobey(step)

    def _steps(
        self, prompt: str, stop: list[str] | None, kwargs: Mapping[str, Any], *, streamed: bool
    ) -> Iterator[str | Pause]:
        call = TextCall(prompt, dict(kwargs), tuple(stop) if stop else None, streamed)
        for piece in self._script.take(call, prompt).pieces():
            if isinstance(piece, str) and not isinstance(piece, Reasoning):
                yield piece
            elif not is_content(piece):
                yield cast("Pause", piece)
            else:
                raise ScriptError(
                    f"{piece!r} in the script of a ScriptedLLM, which has only text; "
                    "use ScriptedModel"
                )
