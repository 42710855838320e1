"""Rules 5 and 6: each message appears once, and a dead attempt is gone before the next begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.events import (
    ContentAdded,
    MessageAborted,
    MessageFinished,
    MessageRetracted,
    MessageStarted,
    ReasoningDelta,
    StepFailed,
    StepFinished,
    StepStarted,
    TextDelta,
    ToolCallDelta,
)
from langchain_streamkit.grammar.items import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import Event


class AttemptRules:
    """Follows the messages of a stream: what they are stored as, and which attempts are alive."""

    def __init__(self) -> None:
        self._alive: dict[str, MessageStarted] = {}
        self._stored: dict[str, str] = {}
        # messages that were open when a later attempt began beside them, and have been silent since
        self._overtaken: dict[str, MessageStarted] = {}
        self._nodes: dict[str, tuple[StepStarted, list[str]]] = {}
        self._failed: dict[tuple[str, ...], list[str]] = {}
        self._replaced: dict[tuple[str, ...], list[str]] = {}

    def feed(self, event: Event) -> Iterator[Wrong]:
        """Yield what is wrong with ``event``."""
        match event:
            case MessageStarted():
                yield from self._start(event)
            case TextDelta() | ReasoningDelta() | ToolCallDelta() | ContentAdded():
                self._overtaken.pop(event.message_id, None)
            case MessageFinished():
                self._overtaken.pop(event.message_id, None)
                yield from self._store(event)
            case MessageAborted():
                self._alive.pop(event.message_id, None)
                later = self._overtaken.pop(event.message_id, None)
                if later is not None and event.reason in ("error", "retry"):
                    yield Wrong(
                        6,
                        f"message {event.message_id!r} is aborted after attempt {later.attempt} "
                        f"began at seq {later.seq}",
                        "the abort before it",
                    )
            case MessageRetracted():
                self._alive.pop(event.message_id, None)
            case StepStarted():
                self._begin_node(event)
            case StepFinished():
                self._nodes.pop(event.step_id, None)
            case StepFailed():
                if event.step_id in self._nodes:
                    node, messages = self._nodes.pop(event.step_id)
                    self._failed[node.namespace] = messages
            case _:
                pass

    def _start(self, event: MessageStarted) -> Iterator[Wrong]:
        owner = self._stored.get(event.message_id)
        if owner is not None:
            yield Wrong(5, f"message {event.message_id!r} starts", f"it only once, as {owner!r}")
        for message_id in self._replaced.pop(event.path, ()):
            if message_id in self._alive:
                yield Wrong(
                    6,
                    f"message {message_id!r} of the failed attempt still stands",
                    f"it aborted or retracted before {event.message_id!r}",
                )
        if event.attempt > 1:
            for message_id, other in self._alive.items():
                if other.path == event.path and other.attempt < event.attempt:
                    self._overtaken[message_id] = event
        self._alive[event.message_id] = event
        for node, messages in self._nodes.values():
            if node.path == event.path:
                messages.append(event.message_id)

    def _store(self, event: MessageFinished) -> Iterator[Wrong]:
        stored = event.stored_id
        if stored is None or stored == event.message_id:
            return
        if stored in self._alive or stored in self._stored:
            yield Wrong(
                5,
                f"message {event.message_id!r} is stored as {stored!r}, which appeared already",
                "one logical message under one id",
            )
        self._stored[stored] = event.message_id

    def _begin_node(self, event: StepStarted) -> None:
        # a retried node has the namespace of the attempt before; another visit has its own
        if event.kind == "node" and event.namespace:
            self._nodes[event.step_id] = (event, [])
            if event.namespace in self._failed:
                self._replaced[event.path] = self._failed.pop(event.namespace)
