"""What a client of a thread ends with, by what it assembled and by the run's snapshot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_streamkit.wire.langgraph.v3 import STOPPED

if TYPE_CHECKING:
    from langchain_streamkit import RunSnapshot
    from langchain_streamkit.snapshot import ToolCallView
    from tests.protocols.langgraph_v3.clients import Told

Shown: TypeAlias = dict[str, Any]
"""Messages with text, reasoning and calls; tools with input and outcome; custom data; status."""

STATUS = {"finished": "completed", "interrupted": "interrupted"}


def by_client(told: Told) -> Shown:
    """What the client has; messages that were said to be void left out."""
    void = {
        event["params"]["data"]["id"]
        for event in told.events
        if event["method"] == "messages" and event["params"]["data"]["event"] == "error"
    }
    return {
        "messages": [
            (message["id"], message["text"], message["reasoning"], _calls(message["calls"]))
            for message in told.messages
            if message["id"] not in void
        ],
        "tools": [
            (tool["name"], tool["input"], tool.get("output"), tool.get("error"))
            for tool in told.tools
        ],
        "interrupts": [(one["interruptId"], one["payload"]) for one in told.interrupts],
        "status": told.statuses,
    }


def by_snapshot(snapshot: RunSnapshot) -> Shown:
    """The same, of the run."""
    messages = [
        message
        for message in snapshot.messages
        if message.audience == "user"
        and message.role != "other"
        and (message.status != "aborted" or message.reason in ("cancelled", "budget"))
    ]
    hidden = {
        id(call)
        for message in snapshot.messages
        if message.audience != "user"
        for call in message.tool_calls
    }
    ran = [call for call in snapshot.tool_calls if call.step_id and id(call) not in hidden]
    return {
        "messages": [
            (
                message.message_id,
                "".join(block.text for block in message.blocks if block.kind == "text"),
                "".join(block.text for block in message.blocks if block.kind == "reasoning"),
                [
                    (call.name, call.args)
                    for call in message.tool_calls
                    if call.args is not None and call.invalid is None
                ],
            )
            for message in messages
        ],
        "tools": [(call.name, call.input, *_outcome(call)) for call in ran],
        "interrupts": [(one.interrupt_id, one.payload) for one in snapshot.interrupts],
        "status": ["running", STATUS.get(str(snapshot.outcome), "failed")],
    }


def last_values(told: Told) -> Any:
    """The last state of the root that the client was sent."""
    return [
        event["params"]["data"]
        for event in told.events
        if event["method"] == "values" and not event["params"]["namespace"]
    ][-1]


def _calls(calls: list[Any]) -> list[tuple[str, Any]]:
    return [(call["name"], call["args"]) for call in calls]


def _outcome(call: ToolCallView) -> tuple[Any, str | None]:
    if call.error is not None:
        return None, call.error.message
    if call.status == "cancelled":
        return None, STOPPED
    if call.status == "suspended":
        return None, None
    output = call.content if call.output is None else call.output
    if isinstance(output, dict) and output.get("type") == "tool":
        output = output["content"]
    return _parsed(output), None


def _parsed(output: Any) -> Any:
    """The client reads JSON in a tool's text."""
    if isinstance(output, str) and output.strip()[:1] in ("{", "["):
        return json.loads(output)
    return output
