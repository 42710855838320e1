"""What a user of AG-UI sees, by the client and by the run's snapshot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_streamkit.wire.ag_ui.tools import STOPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit import RunSnapshot
    from langchain_streamkit.snapshot import MessageView, ToolCallView
    from tests.protocols.ag_ui.clients import Ran

Shown: TypeAlias = dict[str, Any]
"""Texts and thoughts by message; calls with their results; custom data; state, outcome, usage."""
SPEAKERS = ("assistant", "user", "system")
OUTCOMES = {"finished": "success", "interrupted": "interrupt", "cancelled": "cancelled"}


def by_client(ran: Ran, sent: Sequence[str] = ()) -> Shown:
    """What the client shows; ``sent`` are the ids of the messages that it sent."""
    messages = [message for message in ran.messages if message["id"] not in sent]
    texts: list[tuple[str, str]] = []
    thoughts: list[str] = []
    asked: list[tuple[Any, ...]] = []
    results = {m["toolCallId"]: m for m in messages if m["role"] == "tool"}
    for message in messages:
        if message["role"] == "reasoning":
            thoughts += [message["content"]] if message["content"] else []
        elif message["role"] != "tool" and message.get("content"):
            texts.append((message["role"], message["content"]))
        for call in message.get("toolCalls", ()):
            result = results.pop(call["id"], None)
            came = None if result is None else (result["content"], result.get("error"))
            function = call["function"]
            asked.append((function["name"], _parsed(function["arguments"]), came))
    assert not results
    return {
        "texts": sorted(texts),
        "thoughts": sorted(thoughts),
        "calls": sorted(asked, key=repr),
        "customs": [
            (event["name"], event["value"])
            for event in ran.of("CUSTOM")
            if not event["name"].startswith("streamkit.")
        ],
        "state": ran.state,
        "outcome": ran.outcome,
        "error": ran.error,
        "asked": [one["id"] for one in ran.interrupts],
        "tokens": sum(item["outputTokens"] for item in ran.events[-1].get("usage", ())),
    }


def by_snapshot(snapshot: RunSnapshot) -> Shown:
    """The same, of the run."""
    messages = [m for m in snapshot.messages if m.audience == "user" and _stays(m)]
    spoken = [m for m in messages if m.role in SPEAKERS]
    hidden = {
        id(call)
        for message in snapshot.messages
        if message not in messages
        for call in message.tool_calls
    }
    left = snapshot.error.message if snapshot.error else None
    if snapshot.outcome == "cancelled":
        left = STOPPED
    error = snapshot.error
    assert snapshot.usage
    return {
        "texts": sorted((m.role, m.text) for m in spoken if m.text),
        "thoughts": sorted(
            block.text
            for message in messages
            for block in message.blocks
            if block.kind == "reasoning" and block.text
        ),
        "calls": sorted(
            (_call(call, left) for call in snapshot.tool_calls if id(call) not in hidden), key=repr
        ),
        "customs": [(custom.name or "custom", custom.data) for custom in snapshot.customs],
        "state": _state(snapshot),
        "outcome": OUTCOMES.get(snapshot.outcome),
        "error": None if error is None else {"message": error.message, "code": error.code},
        "asked": [one.interrupt_id for one in snapshot.interrupts]
        if snapshot.outcome == "interrupted"
        else [],
        "tokens": snapshot.usage.output_tokens,
    }


def _state(snapshot: RunSnapshot) -> Any:
    values = snapshot.state.get((), {})
    if not isinstance(values, dict):
        return values
    return {name: value for name, value in values.items() if name != "messages"}


def _stays(message: MessageView) -> bool:
    return message.stands or message.reason in ("cancelled", "budget")


def _call(call: ToolCallView, left: str | None) -> tuple[Any, ...]:
    """``left``: what became of calls that nobody ran, where the run was not whole."""
    value = call.input if call.args is None else call.args
    if call.invalid is not None:
        return call.name, _parsed(call.invalid.text), (call.invalid.error,) * 2
    if call.error is not None:
        came: Any = (call.error.message,) * 2
    elif call.status in ("cancelled", "dropped"):
        came = (STOPPED, STOPPED)
    elif call.status in ("requested", "suspended"):
        came = None if left is None else (left, left)
    elif call.content is not None:
        came = (call.content, None)
    else:
        came = ("" if call.output is None else json.dumps(call.output), None)
    return call.name, {} if value is None else value, came


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
