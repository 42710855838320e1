"""The runnables that descriptions (``random_graphs``) describe.

The same description built twice gives runnables that behave alike: which call of a model fails
depends on the number of the call only.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, assert_never

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnableParallel
from langchain_core.runnables.base import coerce_to_runnable
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import RetryPolicy, Send, interrupt
from pydantic import BaseModel

from langchain_streamkit.testing import ScriptedLLM, ScriptedModel, ToolCall, Turn
from tests.scenarios.random_graphs import (
    Agent,
    Ask,
    Both,
    Break,
    Canned,
    Chain,
    Fallback,
    Function,
    Graph,
    OldSay,
    Parse,
    Report,
    Retry,
    Say,
    Speak,
)

if TYPE_CHECKING:
    from tests.scenarios.random_graphs import Node, Part, Pieces, Root, Round

MANY = 50
"""More calls of one model than any example makes."""


class Mishap(Exception):
    """What fails here fails with this."""


def text_of(value: Any) -> str:
    """What any part gives, as text."""
    if isinstance(value, BaseMessage):
        return str(value.text)
    if isinstance(value, dict) and "messages" in value:
        return text_of(value["messages"][-1])
    if isinstance(value, dict):
        return " ".join(text_of(value[key]) for key in sorted(value))
    return str(value)


def _state_of(value: Any) -> dict[str, Any]:
    return {"messages": [("user", text_of(value))]}


def is_graph(root: Root) -> bool:
    return isinstance(root, Graph | Agent)


class Numbers(BaseModel):
    """What every tool takes; made once, as making a schema costs more than a whole run."""

    a: int
    b: int


class Built:
    """One runnable made of a description, and what its models and nodes have said.

    ``plain_only``: no coroutine in it. With coroutines it runs under ``invoke`` as well, as plain
    code in it may call it so.
    """

    def __init__(self, root: Root, *, plain_only: bool) -> None:
        self._plain_only = plain_only
        self._models: list[tuple[Any, list[str]]] = []
        self._agents = 0
        self.canned: list[str] = []
        """Texts of messages that nodes made."""
        self.stored: list[str] = []
        """Texts of messages that nodes made of what parts had said, other than by repeating it."""
        self.runnable: Any = self._old(root) if isinstance(root, OldSay) else self._part(root)

    @property
    def spoken(self) -> list[str]:
        """The text of every model call, in any order; of models that never fail."""
        return [text for model, texts in self._models for text in _told(model, texts)]

    def _part(self, part: Part) -> Any:
        match part:
            case Say():
                return self._model(part)
            case Parse():
                return StrOutputParser() if part.kind == "text" else JsonOutputParser()
            case Function():
                return self._function(part)
            case Chain():
                return self._chain(part)
            case Both():
                return RunnableParallel(one=self._step(part.one), two=self._step(part.two))
            case Fallback():
                return self._step(part.first).with_fallbacks([self._step(part.second)])
            case Retry():
                return self._step(part.part).with_retry(
                    stop_after_attempt=2, wait_exponential_jitter=False
                )
            case Graph() | Agent():
                return self._graph(part)
            case _:
                assert_never(part)

    def _step(self, part: Part) -> Any:
        """A part that takes text."""
        made = self._part(part)
        return RunnableLambda(_state_of) | made if is_graph(part) else made

    def _chain(self, chain: Chain) -> Any:
        made = RunnableLambda(text_of) | self._step(chain.parts[0])
        for before, part in zip(chain.parts, chain.parts[1:], strict=False):
            if isinstance(before, Say) and isinstance(part, Parse):
                made |= self._step(part)
            else:
                made = made | RunnableLambda(text_of) | self._step(part)
        return made

    def _model(self, say: Say) -> ScriptedModel:
        whole, cut = _whole(say), _cut(say)
        turns = [cut] if say.always else [cut, *[whole] * MANY]
        model = ScriptedModel(turns, cycle=True, chunk_ids=say.chunk_ids, usage_on=say.usage_on)
        self._models.append((model, [_text(say.pieces)]))
        return model

    def _old(self, say: OldSay) -> Any:
        model = ScriptedLLM([Turn(chunks=say.pieces)], cycle=True)
        self._models.append((model, [_text(say.pieces)]))
        return model | StrOutputParser() if say.parsed else model

    def _function(self, function: Function) -> Any:
        called = RunnableLambda(text_of) if function.calls is None else self._step(function.calls)

        def plain(value: Any) -> str:
            if function.kind == "mishap":
                raise Mishap("function", text_of(value))
            return text_of(called.invoke(text_of(value))).upper()

        async def awaited(value: Any) -> str:
            return text_of(await called.ainvoke(text_of(value))).upper()

        def letters(values: Iterator[Any]) -> Iterator[str]:
            for value in values:
                yield from text_of(value)

        async def aletters(values: AsyncIterator[Any]) -> AsyncIterator[str]:
            async for value in values:
                for letter in text_of(value):
                    yield letter

        if function.kind == "generator":
            return RunnableLambda(text_of) | called | RunnableGenerator(letters, aletters)
        if function.kind == "async" and not self._plain_only:
            return RunnableLambda(plain, awaited)
        return RunnableLambda(plain)

    def _graph(self, graph: Graph | Agent) -> Any:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
        if isinstance(graph, Agent):
            self._loop(builder, graph)
            return builder.compile()
        if graph.shape == "send":
            self._send(builder, graph.nodes)
        before = START
        for number, node in enumerate(graph.nodes if graph.shape != "send" else ()):
            name = f"n{number}"
            builder.add_node(name, self._node(node), retry_policy=_policy(node))
            builder.add_edge(before, name)
            before = name if graph.shape == "line" else START
        return builder.compile(checkpointer=InMemorySaver() if graph.checkpointed else None)

    def _send(self, builder: Any, nodes: tuple[Node, ...]) -> None:
        made = [coerce_to_runnable(self._node(node)) for node in nodes]

        def work(task: Any) -> Any:
            return made[task["number"]].invoke(task)

        async def awork(task: Any) -> Any:
            return await made[task["number"]].ainvoke(task)

        def fan_out(state: Any) -> list[Send]:
            return [Send("worker", {**state, "number": number}) for number in range(len(made))]

        builder.add_node("worker", work if self._plain_only else RunnableLambda(work, awork))
        builder.add_conditional_edges(START, fan_out, ["worker"])

    def _node(self, node: Node) -> Any:
        match node:
            case Speak():
                return self._speaker(node)
            case Graph() | Agent():
                return self._graph(node)
            case Canned():

                def canned(state: Any) -> dict[str, Any]:
                    self.canned.append(node.text)
                    return {"messages": [AIMessage(node.text)]}

                return canned
            case Report():
                return _report
            case Break():
                return _breaks(once=node.retried)
            case Ask():
                return _ask
            case _:
                assert_never(node)

    def _speaker(self, node: Speak) -> Any:
        part = self._step(node.part)
        # the model's own message as another object: the stream tells it once
        repeats = isinstance(node.part, Say) and all(isinstance(p, str) for p in node.part.pieces)

        def update(said: Any) -> dict[str, Any]:
            if isinstance(said, AIMessage) and not node.anew:
                return {"messages": [said]}
            if not repeats:
                self.stored.append(text_of(said))
            return {"messages": [AIMessage(text_of(said))]}

        if node.how == "runnable":
            return RunnableLambda(text_of) | part | RunnableLambda(update)

        def plain(state: Any) -> dict[str, Any]:
            return update(part.invoke(text_of(state)))

        async def awaited(state: Any) -> dict[str, Any]:
            return update(await part.ainvoke(text_of(state)))

        return plain if self._plain_only or node.how == "plain" else RunnableLambda(plain, awaited)

    def _loop(self, builder: Any, agent: Agent) -> None:
        self._agents += 1
        mine = f"agent{self._agents}."
        turns = [_round(mine, number, one) for number, one in enumerate(agent.rounds)]
        turns.append(_cut(agent.last))

        def turn_of(messages: list[BaseMessage]) -> Turn:
            asked = [m for m in messages if isinstance(m, AIMessage) and m.tool_calls]
            return turns[sum(str(m.tool_calls[0]["id"]).startswith(mine) for m in asked)]

        model = ScriptedModel(turn_of)
        texts = ["".join(one.text) for one in agent.rounds]
        self._models.append((model, [*texts, _text(agent.last.pieces)]))

        def plain(state: Any) -> dict[str, Any]:
            return {"messages": [model.invoke(state["messages"])]}

        async def awaited(state: Any) -> dict[str, Any]:
            return {"messages": [await model.ainvoke(state["messages"])]}

        tools = ToolNode(self._tools(agent), handle_tool_errors=agent.handles_errors)
        builder.add_node("model", plain if self._plain_only else RunnableLambda(plain, awaited))
        builder.add_node("tools", tools)
        builder.add_edge(START, "model")
        builder.add_conditional_edges("model", tools_condition)
        builder.add_edge("tools", "model")

    def _tools(self, agent: Agent) -> list[Any]:
        thinker = self._model(agent.thinks)

        def add(a: int, b: int) -> int:
            return a + b

        def multiply(a: int, b: int) -> int:
            return a * b

        async def amultiply(a: int, b: int) -> int:
            return a * b

        def think(a: int, b: int) -> str:
            return str(thinker.invoke(f"{a} {b}").text)

        def report(a: int, b: int) -> str:
            _report({})
            return "reported"

        def mishap(a: int, b: int) -> str:
            raise Mishap("tool", a, b)

        asked = {name for one in agent.rounds for name in one.tools}
        return [
            StructuredTool(
                name=function.__name__,
                description="A tool.",
                args_schema=Numbers,
                func=function,
                coroutine=amultiply if function is multiply else None,
            )
            for function in (add, multiply, think, report, mishap)
            if function is add or function.__name__ in asked
        ]


def _breaks(*, once: bool) -> Any:
    runs = itertools.count()

    def broken(state: Any) -> dict[str, Any]:
        if next(runs) == 0 or not once:
            raise Mishap("node")
        return {}

    return broken


def _report(state: Any) -> dict[str, Any]:
    get_stream_writer()({"done": 1})
    dispatch_custom_event("progress", {"done": 2})
    return {}


def _ask(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage(interrupt("sure?"))]}


def _policy(node: Node) -> RetryPolicy | None:
    if not isinstance(node, Speak | Break) or not node.retried:
        return None
    return RetryPolicy(initial_interval=0.0, jitter=False, max_attempts=2, retry_on=Mishap)


def _round(mine: str, number: int, asks: Round) -> Turn:
    args = json.dumps({"a": number, "b": 7})
    cut = [args[start : start + asks.cut] for start in range(0, len(args), asks.cut)]
    calls = [
        ToolCall(name, cut, id=f"{mine}{number}.{place}") for place, name in enumerate(asks.tools)
    ]
    return Turn(asks.text, tool_calls=calls, interleave=asks.interleave)


def _whole(say: Say) -> Turn:
    return Turn(chunks=say.pieces, usage={"input_tokens": 3, "output_tokens": 4})


def _cut(say: Say) -> Turn:
    """The turn that fails, if one does."""
    if say.fails_after is None:
        return _whole(say)
    return Turn(chunks=say.pieces, fail_after=say.fails_after, error=Mishap("model", *say.pieces))


def _text(pieces: Pieces) -> str:
    return "".join(piece for piece in pieces if type(piece) is str)


def _told(model: Any, texts: list[str]) -> list[str]:
    return [texts[number % len(texts)] for number in range(len(model.calls))]
