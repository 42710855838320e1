"""Messages, commands and interrupts that were written down, read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
    message_to_dict,
)
from langgraph.types import Command, Interrupt

from langchain_streamkit.sources.adapters.plain_messages import (
    as_interrupts,
    as_message,
    with_messages,
)

CALL: Any = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
MESSAGES: list[BaseMessage] = [
    HumanMessage("hi", id="1"),
    AIMessage("hello", id="2", tool_calls=[CALL]),
    AIMessage([{"type": "text", "text": "hello"}]),
    AIMessageChunk(content="he", id="3"),
    ToolMessage("3", tool_call_id="c1", name="add", status="error"),
    RemoveMessage(id="1"),
]
FORMS: dict[str, Any] = {
    "model_dump": lambda message: message.model_dump(),
    "dumpd": dumpd,
    "message_to_dict": message_to_dict,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_being_written_down(message: BaseMessage, form: str) -> None:
    written = json.loads(json.dumps(FORMS[form](message)))
    assert as_message(written) == message
    assert with_messages({"a": [{"b": written}]}) == {"a": [{"b": message}]}


def test_the_mark_of_a_cached_answer_survives() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "total_cost": 0}
    read = as_message({"type": "ai", "content": "x", "usage_metadata": usage})
    assert isinstance(read, AIMessage)
    assert read.usage_metadata == usage


@pytest.mark.parametrize(
    "value",
    [None, 1, "x", [], {}, {"type": "ai"}, {"type": "tool", "content": "no id"}, {"lc": 1}],
    ids=repr,
)
def test_what_is_no_message_is_left_alone(value: object) -> None:
    assert as_message(value) is None
    assert with_messages(value) is value


def test_a_state_of_live_messages_is_the_very_object() -> None:
    state = {"messages": MESSAGES, "n": ({"x": 1},)}
    assert with_messages(state) is state


@pytest.mark.parametrize("write", [str, dumpd], ids=["str", "dumpd"])
def test_a_command_written_as_text_still_carries_its_messages(write: Any) -> None:
    answer = ToolMessage("done", tool_call_id="c1")
    command: Any = Command(goto="x", update={"messages": [answer], "odd": {1, 2}})
    assert with_messages([write(command)])[0].update["messages"] == [answer]


@pytest.mark.parametrize(
    "written",
    [
        (Interrupt("sure?", id="12"),),
        dumpd([Interrupt("sure?", id="12")]),
        [str(Interrupt("sure?", id="12"))],
        str((Interrupt("sure?", id="12"),)),
        [{"value": "sure?", "id": "12"}],
    ],
    ids=["live", "dumpd", "each as text", "all as text", "fields"],
)
def test_an_interrupt_survives_being_written_down(written: Any) -> None:
    assert [(one.id, one.value) for one in as_interrupts(written)] == [("12", "sure?")]


def test_nothing_but_literals_is_read_from_text() -> None:
    assert as_interrupts("Interrupt(value=__import__('os').getcwd(), id='1')")[0].value == (
        "__import__('os').getcwd()"
    )
