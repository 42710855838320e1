"""The four workloads: a scripted model alone, in a chain, in an agent, in parallel subgraphs.

The model lets the loop run before each token, so that the reader wakes for every token as it does
with a model on a network; without that every queue looks free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send
from typing_extensions import TypedDict  # Pydantic, and so ag-ui-langgraph, refuses typing's

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun

AnyRunnable: TypeAlias = Runnable[Any, Any]
Hook: TypeAlias = Callable[[], None]

BRANCHES = 4
"""Parallel subgraphs of W4, which share its tokens."""
_WORDS = (" the", " of", " stream", " and", " token", " event", " in", " run", " a", " to")
_QUESTION = "What does watching cost?"


class Workload(NamedTuple):
    """One call to watch."""

    runnable: AnyRunnable
    input: Any
    answers: tuple[str, ...]
    """The text of each answer, as it must arrive."""
    is_graph: bool


def answer_text(tokens: int) -> str:
    """The text of that many tokens."""
    return "".join(_WORDS[n % len(_WORDS)] for n in range(tokens))


class ScriptedChat(BaseChatModel):
    """Says ``tokens`` tokens, then its usage; with ``calls_tool``, first asks for the tool."""

    tokens: int
    calls_tool: bool = False
    on_token: Hook | None = None
    """Called before each token of an answer."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> AnyRunnable:
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("not streamed, this would measure something else")

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        asks = self.calls_tool and not isinstance(messages[-1], ToolMessage)
        for chunk in _tool_call() if asks else self._answer():
            await asyncio.sleep(0)
            yield ChatGenerationChunk(message=chunk)

    def _answer(self) -> Iterator[AIMessageChunk]:
        on_token = self.on_token
        for n in range(self.tokens):
            if on_token is not None:
                on_token()
            yield AIMessageChunk(content=_WORDS[n % len(_WORDS)])
        yield AIMessageChunk(
            content="",
            usage_metadata={
                "input_tokens": 10,
                "output_tokens": self.tokens,
                "total_tokens": self.tokens + 10,
            },
        )


def _tool_call() -> Iterator[AIMessageChunk]:
    for name, call_id, args in (("price_of", "call_1", ""), (None, None, '{"thing": "tea"}')):
        call = tool_call_chunk(name=name, id=call_id, args=args, index=0)
        yield AIMessageChunk(content="", tool_call_chunks=[call])


def price_of(thing: str) -> str:
    """Return what a thing costs."""
    return f"{thing} costs nothing"


def bare_model(tokens: int) -> Workload:
    return Workload(ScriptedChat(tokens=tokens), _QUESTION, (answer_text(tokens),), is_graph=False)


def chain(tokens: int) -> Workload:
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    runnable = prompt | ScriptedChat(tokens=tokens) | StrOutputParser()
    return Workload(runnable, {"question": _QUESTION}, (answer_text(tokens),), is_graph=False)


def agent(tokens: int) -> Workload:
    runnable = create_agent(ScriptedChat(tokens=tokens, calls_tool=True), [price_of])
    given = {"messages": [HumanMessage(_QUESTION)]}
    return Workload(runnable, given, (answer_text(tokens),), is_graph=True)


class _State(TypedDict):
    messages: Annotated[list[BaseMessage], add_messages]


def parallel(tokens: int, on_token: Hook | None = None) -> Workload:
    share = max(1, tokens // BRANCHES)
    model = ScriptedChat(tokens=share, on_token=on_token)

    async def write(state: _State) -> dict[str, list[BaseMessage]]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def spread(state: _State) -> list[Send]:
        return [Send("branch", {"messages": [HumanMessage(f"part {n}")]}) for n in range(BRANCHES)]

    inner: StateGraph[_State] = StateGraph(_State)
    inner.add_node("write", write)
    inner.add_edge(START, "write")
    outer: StateGraph[_State] = StateGraph(_State)
    outer.add_node("branch", inner.compile())
    outer.add_conditional_edges(START, spread, ["branch"])
    given = {"messages": [HumanMessage(_QUESTION)]}
    return Workload(outer.compile(), given, (answer_text(share),) * BRANCHES, is_graph=True)


WORKLOADS: dict[str, tuple[str, Callable[[int], Workload]]] = {
    "W1": ("model", bare_model),
    "W2": ("prompt | model | parser", chain),
    "W3": ("agent, one tool round", agent),
    "W4": ("subgraph x 4 in parallel", parallel),
}
"""What each is called, and what builds it for a number of tokens."""
