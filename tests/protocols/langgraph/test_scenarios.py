"""What LangGraph's client ends with is what each kind of run came to."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_streamkit.values import to_plain
from tests.protocols.langgraph.apps import served
from tests.scenarios.kinds import KINDS

if TYPE_CHECKING:
    from langchain_streamkit import RunSnapshot
    from langchain_streamkit.snapshot import MessageView

MODES: Any = ["values", "updates", "messages-tuple", "messages", "custom", "checkpoints"]


@pytest.mark.parametrize("name", KINDS)
async def test_client_ends_with_what_the_run_came_to(name: str) -> None:
    kind = KINDS[name]
    made = kind.make()
    snapshots: list[RunSnapshot] = []
    with served(made, parse_input=lambda _: kind.input, on_end=snapshots.append) as server:
        async with server.client() as client:
            stream = client.runs.stream(
                kind.thread_id,
                "agent",
                input={},
                stream_mode=MODES,
                if_not_exists="create",
                stream_subgraphs=True,
            )
            parts = [part async for part in stream]
        (snapshot,) = snapshots
        assert parts[-1].event == "end"
        assert [part.event for part in parts].count("end") == 1
        assert texts_by_pieces(parts) == texts_by_state(parts) == texts_of(snapshot)
        assert outcome_of(parts) == (
            snapshot.outcome,
            [one.interrupt_id for one in snapshot.interrupts],
            snapshot.error and snapshot.error.message,
        )
        customs = [part.data for part in parts if part.event.partition("|")[0] == "custom"]
        assert customs == [
            one.data if one.name is None else {"name": one.name, "data": one.data}
            for one in snapshot.customs
        ]
        values = [part.data for part in parts if part.event == "values"]
        if snapshot.outcome == "finished":
            assert values[-1] == snapshot.output
        if kind.thread_id is not None:
            state = await made.aget_state({"configurable": {"thread_id": kind.thread_id}})
            values[-1].pop("__interrupt__", None)
            assert values[-1] == to_plain(state.values)
            saved = [part.data["config"] for part in parts if part.event == "checkpoints"]
            assert saved[-1] == {**state.config, "configurable": saved[-1]["configurable"]}
            assert saved[-1]["configurable"].items() >= state.config["configurable"].items()


def texts_of(snapshot: RunSnapshot) -> dict[str, str]:
    """What is said to the user, by message."""
    return {
        message.message_id: message.text
        for message in snapshot.messages
        if message.audience == "user" and message.role == "assistant" and stays(message)
    }


def stays(message: MessageView) -> bool:
    return message.stands or message.reason in ("cancelled", "budget")


def texts_by_pieces(parts: list[Any]) -> dict[str, str]:
    """By ``messages-tuple``."""
    pieces: dict[str, list[Any]] = {}
    for part in parts:
        if part.event.partition("|")[0] != "messages":
            continue
        message, about = part.data
        assert isinstance(about, dict)
        if message["type"] == "remove":
            del pieces[message["id"]]
        elif message["type"] == "AIMessageChunk":
            pieces.setdefault(message["id"], []).append(AIMessageChunk(**message))
    return {key: reduce(add, found).text for key, found in pieces.items()}


def texts_by_state(parts: list[Any]) -> dict[str, str]:
    """By ``messages``."""
    said: dict[str, str] = {}
    for part in parts:
        if part.event in ("messages/partial", "messages/complete"):
            for message in part.data:
                if message["type"] == "remove":
                    del said[message["id"]]
                elif message["type"] == "ai":
                    content = message["content"]
                    blocks = [content] if isinstance(content, str) else content
                    said[message["id"]] = "".join(
                        block if isinstance(block, str) else block.get("text", "")
                        for block in blocks
                    )
    return said


def outcome_of(parts: list[Any]) -> tuple[str, list[str], str | None]:
    errors = [part.data for part in parts if part.event == "error"]
    if errors:
        return "failed", [], errors[-1]["message"]
    asked = [
        one["id"]
        for part in parts
        if part.event == "values" and isinstance(part.data, dict)
        for one in part.data.get("__interrupt__", ())
    ]
    return ("interrupted" if asked else "finished"), asked, None
