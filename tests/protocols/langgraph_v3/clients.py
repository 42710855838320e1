"""LangGraph's own clients: what they make of what a server sends, as plain values."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from langgraph_sdk import get_client

from scripts.npm import LANGGRAPH_REACT
from tests.protocols.node import NodeProcess
from tests.serve.servers import WAIT_S

SCRIPT = Path(__file__).parent / "threads.mjs"
TRANSPORTS = ("sse", "websocket")


class Told(NamedTuple):
    """What became of a thread."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    values: Any
    interrupts: list[dict[str, Any]]
    results: list[Any]
    """Of the commands that were done."""
    refused: list[dict[str, Any]]
    events: list[dict[str, Any]]
    requests_after: int
    """How often the client asked again when all was told."""
    thread_id: str

    @property
    def statuses(self) -> list[str]:
        """How the root's runs went."""
        return [
            event["params"]["data"]["event"]
            for event in self.events
            if event["method"] == "lifecycle" and not event["params"]["namespace"]
        ]


class JsClient(NodeProcess):
    """``threads.stream`` of ``@langchain/langgraph-sdk``, in one process of Node.js."""

    def __init__(self) -> None:
        super().__init__(LANGGRAPH_REACT, SCRIPT, "@langchain/langgraph-sdk/dist/index.js")

    def thread(self, url: str, *steps: dict[str, Any], **given: Any) -> Told:
        """Play a thread: commands, and how many runs have to have ended before the next one."""
        told = self.ask_silent(url=url, steps=steps, **given)
        told["requests_after"] = told.pop("requestsAfter")
        told["thread_id"] = told.pop("threadId")
        return Told(**{"values": None, **told})


def run(value: Any, ends: int = 1) -> dict[str, Any]:
    """A step that runs the graph."""
    return {"start": {"input": value}, "ends": ends}


class PyThread:
    """A thread of ``langgraph_sdk``, whose projections are read while a run goes on."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    async def run(self, value: Any) -> tuple[list[Any], list[Any]]:
        """Run the graph; return what its messages and tools came to."""
        await self.stream.run.start(input=value)
        return await self.read()

    async def read(self) -> tuple[list[Any], list[Any]]:
        """Return what the messages and tools of the run that goes on come to.

        In one iteration: of two that begin together the client closes the first one's request, and
        waits for ever for its answer when that would have been the later one.
        """
        messages, tools = [], []
        async with asyncio.timeout(2 * WAIT_S):
            async for name, one in self.stream.interleave_projections(["messages", "tool_calls"]):
                if name == "messages":
                    messages.append(asyncio.create_task(_message(one)))
                else:
                    tools.append(asyncio.create_task(_tool(one)))
            return await asyncio.gather(*messages), await asyncio.gather(*tools)


async def _message(stream: Any) -> dict[str, Any]:
    try:
        output = await stream.output
    except RuntimeError as exc:
        return {"id": stream.message_id, "error": str(exc)}
    return {"id": stream.message_id, "text": output.text, "calls": output.tool_calls}


async def _tool(call: Any) -> dict[str, Any]:
    told = {"name": call.name, "input": call.input}
    try:
        return {**told, "output": await call.output}
    except RuntimeError as exc:
        return {**told, "error": str(exc)}


def py_client(url: str) -> Any:
    """Return ``langgraph_sdk``'s client of a server."""
    return get_client(url=url, api_key=None, timeout=WAIT_S)
