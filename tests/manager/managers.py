"""Managers as processes would have them, and graphs for them to run."""

from __future__ import annotations

import asyncio
import operator
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from langchain_streamkit import RunManager
from langchain_streamkit.testing import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langchain_streamkit.events import Event
    from tests.log.stores import Place

WAIT_S = 10.0
SAID = "It is sunny in Paris today."


@asynccontextmanager
async def managing(place: Place, **options: Any) -> AsyncIterator[RunManager]:
    """One more process, as it were; its log is closed with the place."""
    lease_s = options.pop("lease_s", 60.0)
    async with RunManager(log=place.log(lease_s=lease_s), shutdown_grace_s=0.2, **options) as one:
        yield one


def speaker() -> ScriptedModel:
    """A model that says ``SAID`` whenever it is asked."""
    return ScriptedModel([SAID], cycle=True)


class Talking:
    """A model that says a word, waits until it is let go on, and says another."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        pieces: list[Any] = ["first ", self.gate, "second"]
        self.model = ScriptedModel([pieces], cycle=True)


async def read(manager: RunManager, run_id: str, since: str | None = None) -> list[Event]:
    async with asyncio.timeout(WAIT_S):
        return [event async for event in manager.events(run_id, since)]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if event.type == "text.delta")


async def until_said(manager: RunManager, run_id: str) -> None:
    """Return when the run has said something."""
    async with asyncio.timeout(WAIT_S):
        async for event in manager.events(run_id):
            if event.type == "text.delta":
                return


class Asked(TypedDict):
    answers: Annotated[list[str], operator.add]


def asking_graph() -> Any:
    """A graph that asks a human for a colour, and keeps its threads."""

    def ask(state: Asked) -> Asked:
        return {"answers": [interrupt("Which colour?")]}

    builder = StateGraph(Asked)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    return builder.compile(checkpointer=InMemorySaver())
