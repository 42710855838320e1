"""What a user of the AI SDK sees, by the client's message and by the run's snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_streamkit.wire.ai_sdk.tools import STOPPED

if TYPE_CHECKING:
    from langchain_streamkit import RunSnapshot
    from langchain_streamkit.snapshot import MessageView, ToolCallView

Shown: TypeAlias = dict[str, Any]
"""Texts and reasoning by message, in order; tools in order; data; outcome and usage."""


def by_client(message: dict[str, Any]) -> Shown:
    """What the parts of a message show; those that are void left out."""
    parts = message["parts"]
    dropped = {part["data"]["messageId"] for part in parts if part["type"] == "data-dropped"}
    said: dict[str, list[tuple[str, str]]] = {}
    tools: list[tuple[Any, ...]] = []
    for part in parts:
        whose = _message_of(part)
        if whose in dropped:
            continue
        if part["type"] in ("text", "reasoning"):
            assert part["state"] == "done", part
            said.setdefault(whose, []).append((part["type"], part["text"]))
        elif part["type"] == "dynamic-tool":
            assert part["state"] != "input-streaming", part
            tools.append(
                (
                    part["toolName"],
                    part["input"],
                    part["state"],
                    part.get("output", part.get("errorText")),
                )
            )
    metadata = message["metadata"]
    return {
        "said": list(said.values()),
        "tools": tools,
        "customs": [
            part for part in parts if part["type"].startswith("data-") and _is_custom(part)
        ],
        "run": (metadata["runId"], metadata["outcome"], metadata["usage"]["outputTokens"]),
    }


def by_snapshot(snapshot: RunSnapshot) -> Shown:
    """The same, of the run."""
    messages = [
        message
        for message in snapshot.messages
        if message.audience == "user" and message.role == "assistant" and _stays(message)
    ]
    said = [
        [
            (block.kind, block.text)
            for block in message.blocks
            if block.kind in ("text", "reasoning")
        ]
        for message in messages
    ]
    hidden = {
        id(call)
        for message in snapshot.messages
        if message not in messages
        for call in message.tool_calls
    }
    assert snapshot.usage
    left = snapshot.error.message if snapshot.error else None
    if snapshot.outcome == "cancelled":
        left = STOPPED
    return {
        "said": [blocks for blocks in said if blocks],
        "tools": [_tool(call, left) for call in snapshot.tool_calls if id(call) not in hidden],
        "customs": [
            {"type": f"data-{custom.name or 'custom'}", "data": custom.data}
            for custom in snapshot.customs
        ],
        "run": (snapshot.run_id, snapshot.outcome, snapshot.usage.output_tokens),
    }


def _message_of(part: dict[str, Any]) -> str:
    metadata = part.get("providerMetadata") or part.get("callProviderMetadata") or {}
    return str(metadata.get("streamkit", {}).get("messageId"))


def _is_custom(part: dict[str, Any]) -> bool:
    return part["type"] not in (
        "data-dropped",
        "data-interrupt",
        "data-message",
        "data-content",
        "data-tool-progress",
    )


def _stays(message: MessageView) -> bool:
    return message.stands or message.reason in ("cancelled", "budget")


def _tool(call: ToolCallView, left: str | None) -> tuple[Any, ...]:
    """``left``: what became of calls that nobody ran, where the run was not whole."""
    value = call.input if call.args is None else call.args
    if call.invalid is not None:
        return call.name, call.invalid.text, "output-error", call.invalid.error
    if call.error is not None:
        return call.name, value, "output-error", call.error.message
    if call.status in ("cancelled", "dropped"):
        return call.name, value, "output-error", STOPPED
    if call.status in ("requested", "suspended"):
        state = "input-available" if left is None else "output-error"
        return call.name, value, state, left
    came = call.output
    if isinstance(came, dict) and came.get("type") == "tool":
        came = call.content
    return call.name, value, "output-available", came
