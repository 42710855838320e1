"""AG-UI over one run: what we make of it, and what ag-ui-langgraph makes, in CPU time and bytes.

The same scripted graph, the same request, read to the end; the rounds are in turns. Beside them
what LangServe streams of the graph, in its own form. Nobody's web server takes part.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
import warnings
from collections.abc import AsyncIterator, Callable
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ag_ui.core import RunAgentInput
from ag_ui.encoder import EventEncoder
from ag_ui_langgraph import LangGraphAgent  # type: ignore[import-untyped]
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.warnings import LangGraphDeprecationWarning
from langserve import APIHandler
from sse_starlette.event import ensure_bytes
from starlette.requests import Request

from benchmarks.routes import SilentHandler
from benchmarks.workloads import WORKLOADS
from langchain_streamkit import AsyncRun, astream, sse_bytes
from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder
from langchain_streamkit.wire.ag_ui.request import read_run_input

if TYPE_CHECKING:
    from starlette.types import Message

ALONE: Final = "the graph alone, streaming, nothing delivered"
OURS: Final = "ours"
LEAN: Final = "ag-ui-langgraph, without raw events"
DEFAULT: Final = "ag-ui-langgraph, its default"
LANGSERVE: Final = "LangServe, stream_events"
SPOKEN: Final = ("W3", "W4")
"""The workloads that are graphs, as ag-ui-langgraph takes nothing else."""
UNABLE: Final = {("W4", LANGSERVE)}
"""LangServe 0.3.3 breaks off at the first ``Send`` of a graph, which it has no JSON for."""
_BODY: Final = {
    "threadId": "thread-1",
    "runId": "run-1",
    "protocolVersion": "1.0",
    "state": {},
    "messages": [{"id": "u1", "role": "user", "content": "What does watching cost?"}],
    "tools": [],
    "context": [],
    "forwardedProps": {},
}


class Sent(NamedTuple):
    """What one run cost: microseconds of CPU time and bytes, for each token."""

    cpu_us: float
    size: float


class Protocols(NamedTuple):
    """What was seen of each contender in each round, by workload."""

    tokens: int
    rounds: dict[str, dict[str, list[Sent]]]

    def typical(self, workload: str, contender: str) -> Sent:
        """Return the median of each figure."""
        figures = zip(*self.rounds[workload][contender], strict=True)
        return Sent(*(median(one) for one in figures))

    def ratio(self, workload: str, base: str) -> float:
        """Return our CPU time over that of another, in one round."""
        seen = self.rounds[workload]
        pairs = zip(seen[OURS], seen[base], strict=True)
        return median(one.cpu_us / other.cpu_us for one, other in pairs)

    def beyond(self, workload: str, base: str) -> float:
        """Return the same of what each takes beyond the graph alone."""
        seen = self.rounds[workload]
        rounds = zip(seen[ALONE], seen[OURS], seen[base], strict=True)
        return median(
            (one.cpu_us - alone.cpu_us) / (other.cpu_us - alone.cpu_us)
            for alone, one, other in rounds
        )


async def _alone(graph: Any, body: bytes) -> AsyncIterator[bytes]:
    asked = read_run_input(body)
    config = {"configurable": {"thread_id": asked.thread_id}, "callbacks": [SilentHandler()]}
    await graph.ainvoke({"messages": asked.new_messages}, config)
    yield b""


def _ours(graph: Any, body: bytes) -> AsyncIterator[bytes]:
    asked = read_run_input(body)
    value = {"messages": asked.new_messages}
    run: AsyncRun[Any] = astream(
        graph, value, thread_id=asked.thread_id, capture={"state"}, tokens="off"
    )
    sent: AsyncIterator[bytes] = sse_bytes(run, protocol=AgUiEncoder(asked))
    return sent


def _theirs(*, raw: bool) -> Callable[[Any, bytes], AsyncIterator[bytes]]:
    async def frames(graph: Any, body: bytes) -> AsyncIterator[bytes]:
        asked = RunAgentInput.model_validate_json(body)
        encoder = EventEncoder()
        agent = LangGraphAgent(name="agent", graph=graph, emit_raw_events=raw)
        async for event in agent.run(asked):
            yield encoder.encode(event).encode()

    return frames


async def _langserve(graph: Any, body: bytes) -> AsyncIterator[bytes]:
    asked = read_run_input(body)
    given = [{"type": "human", "content": one.content} for one in asked.new_messages]
    posted = json.dumps({"input": {"messages": given}}).encode()

    def in_thread(config: dict[str, Any], _: Request) -> dict[str, Any]:
        return {**config, "configurable": {"thread_id": asked.thread_id}}

    async def receive() -> Message:
        return {"type": "http.request", "body": posted}

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)
    handler = APIHandler(graph, path="", per_req_config_modifier=in_thread)
    async for event in (await handler.astream_events(request)).body_iterator:
        yield ensure_bytes(event, "\r\n")


CONTENDERS: Final[dict[str, Callable[[Any, bytes], AsyncIterator[bytes]]]] = {
    ALONE: _alone,
    OURS: _ours,
    LEAN: _theirs(raw=False),
    DEFAULT: _theirs(raw=True),
    LANGSERVE: _langserve,
}


def measure_protocols(tokens: int, rounds: int, *, tell: Callable[[str], None]) -> Protocols:
    """Measure every contender."""
    seen: dict[str, dict[str, list[Sent]]] = {
        name: {one: [] for one in CONTENDERS if (name, one) not in UNABLE} for name in SPOKEN
    }
    with warnings.catch_warnings(), asyncio.Runner() as runner:
        warnings.simplefilter("ignore", LangGraphDeprecationWarning)  # of what theirs calls
        for turn in range(-1, rounds):  # the first one imports and fills caches
            for name in SPOKEN:
                order = list(seen[name])
                random.Random(turn).shuffle(order)
                for contender in order:
                    sent = runner.run(_sample(name, contender, tokens))
                    if turn >= 0:
                        seen[name][contender].append(sent)
            tell(f"protocols, round {turn + 1} of {rounds}")
    return Protocols(tokens, seen)


async def _sample(name: str, contender: str, tokens: int) -> Sent:
    work = WORKLOADS[name][1](tokens)
    graph: Any = work.runnable
    graph = graph.copy(update={"checkpointer": InMemorySaver()})
    body = json.dumps(_BODY).encode()
    gc.collect()
    gc.freeze()  # what was imported is nobody's, and one collection of it costs as much as a run
    begun = time.process_time()
    sent = [piece async for piece in CONTENDERS[contender](graph, body)]
    cpu_us = (time.process_time() - begun) * 1e6 / tokens
    gc.unfreeze()
    stream = b"".join(sent)
    arrived = sum(map(_said, stream.replace(b"\r", b"").split(b"\n\n")))
    if contender != ALONE and arrived != sum(map(len, work.answers)):
        raise RuntimeError(f"{contender}, {name}: {arrived} characters of text arrived")
    return Sent(cpu_us, len(stream) / tokens)


def _said(frame: bytes) -> int:
    """How much text of an answer is in a frame."""
    data = frame.partition(b"data: ")[2]
    event = json.loads(data) if data.startswith(b"{") else {}
    if event.get("type") == "TEXT_MESSAGE_CONTENT":
        return len(event["delta"])
    if event.get("event") == "on_chat_model_stream":
        return len(event["data"]["chunk"]["content"])
    return 0
