"""A snapshot as plain values and as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from langchain_streamkit.amounts import usage_facts
from langchain_streamkit.snapshot.parts import BlockView, MessageView, StepView, ToolCallView
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from langchain_streamkit.snapshot.run import RunSnapshot

_RUN_FIELDS = (
    "run_id",
    "name",
    "thread_id",
    "user",
    "metadata",
    "outcome",
    "text",
    "messages",
    "tool_calls",
    "steps",
    "interrupts",
    "customs",
    "diagnostics",
    "output",
    "error",
    "cancel_reason",
    "usage",
    "timing",
    "pending",
    "pending_tool_calls",
)


def run_dict(run: RunSnapshot) -> dict[str, Any]:
    """Return the snapshot as plain JSON values that later events do not change."""
    return {name: _plain(getattr(run, name)) for name in _RUN_FIELDS}


def _plain(value: object) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, BlockView):
        return value.to_dict()
    if isinstance(value, (MessageView, StepView, ToolCallView)):
        found = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
        if isinstance(value, MessageView):
            found["tool_calls"] = [view.tool_call_id for view in value.tool_calls]
        return found
    return to_plain(msgspec.to_builtins(value))


def run_text(run: RunSnapshot) -> str:
    """Return the run as a person reads it: who said what, what was called, how it ended."""
    lines = [f"{run.name or 'run'} ({run.run_id or 'not started'}): {ending(run)}"]
    shown: set[int] = set()
    for message in run.messages:
        if message.audience == "user":
            note = "" if message.status == "finished" else f" [{message.status}]"
            if message.text:
                lines.append(f"{message.name or message.role}{note}: {message.text}")
            lines += [f"  {tool_line(tool)}" for tool in message.tool_calls]
            shown.update(id(tool) for tool in message.tool_calls)
    lines += [f"  {tool_line(tool)}" for tool in run.tool_calls if id(tool) not in shown]
    return "\n".join(lines)


def tool_line(tool: ToolCallView) -> str:
    """Return one line that says which tool was called with what, and what came of it."""
    args = "…" if tool.args is None else ", ".join(f"{k}={v!r}" for k, v in tool.args.items())
    result: str = tool.status
    if tool.error is not None:
        result = f"failed: {tool.error.message}"
    elif tool.content is not None:
        result = tool.content if len(tool.content) <= 200 else tool.content[:199] + "…"
    return f"{tool.name}({args}) -> {result}"


def ending(run: RunSnapshot) -> str:
    """Return how the run ended or where it is, with its time and tokens."""
    parts: list[str] = [run.outcome]
    if run.error is not None:
        parts = [f"failed: {run.error.message} ({run.error.code}, {run.error.error_id})"]
    elif run.cancel_reason is not None:
        budget = run.cancel_reason == "budget"
        parts = ["stopped by the budget" if budget else f"cancelled ({run.cancel_reason})"]
    elif run.outcome == "interrupted":
        parts = [f"interrupted, {len(run.interrupts)} to answer"]
    if run.timing is not None:
        parts.append(f"{run.timing.duration_ms / 1000:.2f} s")
        if run.timing.first_token_ms is not None:
            parts.append(f"first token after {run.timing.first_token_ms / 1000:.2f} s")
    if run.usage is not None:
        parts += usage_facts(run.usage)
    return ", ".join(parts)
