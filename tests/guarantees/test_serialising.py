"""Every event is plain JSON, whatever the application's own values are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Command, Send

from langchain_streamkit import astream, decode_event
from langchain_streamkit import events as ev
from tests.guarantees.pains import all_of, of
from tests.scenarios.kinds import KINDS
from tests.scenarios.told import HI, graph

EVERYTHING = {"inputs", "outputs", "state", "checkpoints"}


@pytest.mark.parametrize("name", KINDS)
async def test_every_event_of_every_runnable_goes_to_json_and_back(name: str) -> None:
    kind = KINDS[name]
    run = astream(
        kind.make(), kind.input, thread_id=kind.thread_id, capture=EVERYTHING, steps="all"
    )
    for event in await all_of(run):
        assert json.loads(json.dumps(event.to_dict())) == json.loads(event.to_json())
        assert decode_event(event.to_json()) == event


class Opaque:
    """Nothing that JSON knows."""

    def __repr__(self) -> str:
        return "<opaque>"


async def test_values_on_which_json_dumps_fails_are_plain_in_events() -> None:
    from langgraph.config import get_stream_writer

    def report(state: Any) -> Any:
        write = get_stream_writer()
        for value in (HumanMessage("hi"), Send("x", {"m": AIMessage("yo")}), Opaque(), {1, 2}):
            with pytest.raises(TypeError):
                json.dumps(value)
            write(value)
        return Command(update={})

    run = astream(graph(report=report).compile(), HI, capture=EVERYTHING)
    events = await all_of(run)
    data = [json.loads(event.to_json())["data"] for event in of(ev.Custom, events)]
    assert data[0]["content"] == "hi"
    assert data[1]["arg"]["m"]["content"] == "yo"
    assert data[2] == {"repr": "<opaque>", "unserializable": True}
    assert data[3] == [1, 2]
