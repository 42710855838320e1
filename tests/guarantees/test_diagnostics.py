"""An answer that comes without tokens says so, and why, where that can be known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_streamkit import StreamCallbackHandler, adapt, astream, stream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ScriptedLLM, ScriptedModel, ToolCall
from tests.guarantees.pains import all_of, asked_in_a_node, legal, of, on_screen
from tests.scenarios.told import HI, add, calls, graph, says, sync_node_of


class Whole(BaseChatModel):
    """A class that cannot stream."""

    @property
    def _llm_type(self) -> str:
        return "whole"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Hello you"))])


class OnlyAsync(Whole):
    """A class that streams in asynchronous code only."""

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for word in ("Hello", " you"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))


class Switched(ScriptedModel):
    """A class with the switch that most providers' classes have."""

    streaming: bool = False


class Silent(NamedTuple):
    make: Callable[[], Any]
    says: str


ADD = calls(ToolCall("add", {"a": 1, "b": 2}, id="c1"))
SILENT = {
    "disable_streaming": Silent(
        lambda: says("Hello you", disable_streaming=True), "disable_streaming=True"
    ),
    "disable_streaming for tools": Silent(
        lambda: says(ADD, disable_streaming="tool_calling").bind_tools([add]),
        "disable_streaming='tool_calling', and it is given tools",
    ),
    "streaming": Silent(lambda: Switched(turns=["Hello you"], streaming=False), "streaming=False"),
    "a class without it": Silent(Whole, "neither _stream nor _astream"),
}


def told_why(events: list[ev.Event], cause: str) -> None:
    (found,) = of(ev.Diagnostic, events)
    assert found.code == "no_tokens"
    assert cause in found.message
    (message,) = of(ev.MessageFinished, events)
    assert found.step_id == message.step_id


@pytest.mark.parametrize("name", SILENT)
async def test_an_answer_in_one_piece_says_which_switch_did_it(name: str) -> None:
    silent = SILENT[name]
    told_why(await all_of(astream(silent.make(), "hi")), silent.says)
    told_why(await all_of(astream(asked_in_a_node(silent.make()), HI)), silent.says)
    told_why(legal(list(stream(silent.make(), "hi"))), silent.says)


@pytest.mark.parametrize("name", SILENT)
async def test_a_handler_says_so_too(name: str) -> None:
    handler = StreamCallbackHandler()
    await asked_in_a_node(SILENT[name].make()).ainvoke(HI, {"callbacks": [handler]})
    told_why(legal(list(handler)), SILENT[name].says)


async def test_a_call_with_stream_switched_off_says_so() -> None:
    model = says("Hello you").bind(stream=False)
    told_why(await all_of(astream(asked_in_a_node(model), HI)), "called with stream=False")


async def test_a_model_that_streams_in_asynchronous_code_only_says_so_in_plain_code() -> None:
    plain = graph(writer=sync_node_of(OnlyAsync())).compile()
    told_why(legal(list(stream(plain, HI))), "asynchronous code only")
    assert of(ev.Diagnostic, await all_of(astream(asked_in_a_node(OnlyAsync()), HI))) == []


async def test_a_text_completion_model_that_is_invoked_says_how_it_would_stream() -> None:
    async def node(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(await ScriptedLLM(["Hello you"]).ainvoke("hi"))]}

    told_why(await all_of(astream(graph(writer=node).compile(), HI)), "only under stream()")


async def test_a_long_answer_in_one_chunk_is_a_provider_that_holds_back() -> None:
    long = "word " * 200
    told_why(await all_of(astream(says([long]), "hi")), "all 1000 characters came in one chunk")
    told_why(await all_of(astream(asked_in_a_node(says([long])), HI)), "came in one chunk")


@pytest.mark.parametrize("answer", ["Yes", ["word " * 150, "and more"], "word " * 200])
async def test_an_answer_in_tokens_needs_no_diagnostic(answer: Any) -> None:
    assert of(ev.Diagnostic, await all_of(astream(asked_in_a_node(says(answer)), HI))) == []


async def test_streaming_that_was_not_asked_for_is_not_missed() -> None:
    run = astream(asked_in_a_node(Whole()), HI, streaming=False)
    assert of(ev.Diagnostic, await all_of(run)) == []


async def test_a_stream_that_was_made_without_tokens_is_read_without_a_word_about_them() -> None:
    source = asked_in_a_node(says("Hello you")).astream(HI, stream_mode="updates")
    events = await all_of(adapt(source))
    assert on_screen(events) == ["Hello you"]
    assert of(ev.Diagnostic, events) == []
