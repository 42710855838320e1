"""What the view tests share: graphs that do a bit of everything, and views read to their end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.prebuilt import ToolNode

from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn
from tests.runs.scenes import answering, graph, speaking
from tests.runs.watching import WAIT_S

if TYPE_CHECKING:
    from langchain_streamkit import RunSnapshot

T = TypeVar("T")


async def aread(view: AsyncIterable[T]) -> list[T]:
    """Everything a view gives; what hangs fails."""
    async with asyncio.timeout(WAIT_S):
        return [item async for item in view]


def read_in_threads(*views: Iterable[Any]) -> list[list[Any]]:
    """Everything that each view gives, each read in a thread of its own."""
    found: list[list[Any]] = [[] for _ in views]

    def read(view: Iterable[Any], into: list[Any]) -> None:
        into.extend(view)

    threads = [
        threading.Thread(target=read, args=pair, daemon=True)
        for pair in zip(views, found, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive(), "a view never ended"
    return found


@tool
def look_up(city: str) -> str:
    """Look something up."""
    get_stream_writer()({"looking": city})
    return f"sunny in {city}"


def agent(**options: Any) -> Any:
    """A graph that thinks, calls a tool, and says what it found."""
    model = ScriptedModel(
        [
            Turn(
                "Let me look.",
                reasoning="hm hm",
                tool_calls=[ToolCall("look_up", {"city": "Rome"})],
            ),
            Turn("It is sunny."),
        ],
        cycle=True,
    )
    return graph(
        ("ask", speaking(model, "ask")),
        ("tools", ToolNode([look_up])),
        ("tell", speaking(model, "tell")),
        **options,
    )


def two_voices() -> Any:
    """Two nodes that speak one after the other."""
    return graph(
        ("first", speaking(answering("One two three"), "first")),
        ("second", speaking(answering("Four five"), "second")),
    )


def user_text(snapshot: RunSnapshot) -> str:
    """All the text that stands, of messages for the user."""
    said = [m for m in snapshot.messages if m.audience == "user" and m.stands]
    return "".join(message.text for message in said)
