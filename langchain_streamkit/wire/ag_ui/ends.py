"""How a run ends, in AG-UI's words: its outcome, what it asks, and what it used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.events import MessageAborted, MessageFinished, MessageStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import Event, InterruptInfo, Usage

    Told = dict[str, Any]

INTERRUPT: Final = "interrupt"
"""The reason of an interrupt that gives none."""


def interrupt(info: InterruptInfo, tool_call_id: str | None, owner: str | None) -> Told:
    """Return an interrupt; ``metadata.streamkit.payload`` is what the graph asked, whole.

    ``reason`` and ``message`` are the payload's own, where it is an object that has them; a payload
    that is text is the message.
    """
    payload = info.payload
    asked: Told = cast("Told", payload) if isinstance(payload, dict) else {}
    reason, message = asked.get("reason"), asked.get("message")
    told: Told = {
        "id": info.interrupt_id,
        "reason": reason if isinstance(reason, str) else INTERRUPT,
    }
    if isinstance(payload, str):
        message = payload
    if isinstance(message, str):
        told["message"] = message
    if tool_call_id is not None:
        told["toolCallId"] = tool_call_id
    schema: object = info.response_schema
    if isinstance(schema, dict):
        told["responseSchema"] = schema
    if owner is not None:
        told["subagentRunId"] = owner
    return {**told, "metadata": {"streamkit": {"payload": payload}}}


class Used:
    """What the models of a run have used, by provider and model."""

    def __init__(self) -> None:
        self._providers: dict[str, tuple[str | None, str | None]] = {}
        self._items: dict[tuple[str | None, str | None], dict[str, int]] = {}

    def feed(self, event: Event) -> None:
        """Take in the usage of a message, shown or not."""
        if isinstance(event, MessageStarted):
            self._providers[event.message_id] = event.provider, event.model
        elif isinstance(event, (MessageFinished, MessageAborted)):
            provider, model = self._providers.pop(event.message_id, (None, None))
            usage = event.usage
            if usage is not None and usage.source != "none":
                counts = self._items.setdefault((provider, usage.model or model), {})
                for name, count in _counts(usage):
                    counts[name] = counts.get(name, 0) + count

    def told(self, whole: Usage) -> list[Told]:
        """Return the items, whose sum is ``whole``: by model if all is known of each, else one."""
        if whole.source == "none":
            return []
        by_model = [
            {**_present(provider=provider, model=model), **counts}
            for (provider, model), counts in self._items.items()
        ]
        if all(sum(item[name] for item in by_model) == count for name, count in _counts(whole)):
            return by_model
        return [{**_present(model=whole.model), **dict(_counts(whole))}]


def _counts(usage: Usage) -> Iterator[tuple[str, int]]:
    yield "inputTokens", usage.input_tokens
    yield "outputTokens", usage.output_tokens
    yield "totalTokens", usage.total_tokens
    yield "reasoningTokens", usage.details.reasoning
    yield "cachedInputTokens", usage.details.cache_read
    yield "cacheWriteInputTokens", usage.details.cache_creation


def _present(**fields: str | None) -> Told:
    return {name: value for name, value in fields.items() if value is not None}
