"""What may follow what: the states of everything in a stream that begins and ends.

An event moves the one thing it names (``KEYS``) from its state to the next; an event that has no
row in its thing's present state is a breach. Things are never forgotten, so ``gone`` is a state
like the others, with no way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

State: TypeAlias = Literal["new", "open", "done", "gone"]
Thing: TypeAlias = Literal["run", "step", "tool", "message", "block"]

TRANSITIONS: Mapping[Thing, Mapping[State, Mapping[str, State]]] = {
    "run": {
        "new": {"run.started": "open"},
        "open": {
            "run.finished": "gone",
            "run.interrupted": "gone",
            "run.failed": "gone",
            "run.cancelled": "gone",
        },
    },
    "step": {
        "new": {"step.started": "open"},
        "open": {"step.finished": "gone", "step.failed": "gone"},
    },
    "tool": {
        "new": {"tool.started": "open"},
        "open": {"tool.progress": "open", "tool.finished": "gone", "tool.failed": "gone"},
    },
    "message": {
        "new": {"message.started": "open"},
        "open": {
            "usage.updated": "open",
            "message.finished": "done",
            "message.aborted": "gone",
        },
        "done": {"message.retracted": "gone"},
    },
    "block": {
        "new": {
            "text.started": "open",
            "reasoning.started": "open",
            "tool_call.started": "open",
            "content.added": "gone",
        },
        "open": {
            "text.delta": "open",
            "reasoning.delta": "open",
            "tool_call.delta": "open",
            "text.finished": "gone",
            "reasoning.finished": "gone",
            "tool_call.finished": "gone",
        },
    },
}

KEYS: Mapping[Thing, Callable[[Any], object]] = {
    "run": lambda _event: "run",
    "step": lambda event: event.step_id,
    "tool": lambda event: (event.step_id, event.tool_call_id),
    "message": lambda event: event.message_id,
    "block": lambda event: (event.message_id, event.index),
}
"""How an event names the thing it moves."""

THING_OF: Mapping[str, Thing] = {
    event_type: thing
    for thing, states in TRANSITIONS.items()
    for rows in states.values()
    for event_type in rows
}
"""The thing an event type moves; event types that are not here move nothing."""

CLOSERS: Mapping[Thing, str] = {
    "run": "one of run.finished, run.interrupted, run.failed, run.cancelled",
    "step": "step.finished or step.failed",
    "tool": "tool.finished or tool.failed",
    "message": "message.finished or message.aborted",
    "block": "its .finished event",
}
"""What ends a thing, in words."""

LABELS: Mapping[Thing, Callable[[Any], str]] = {
    "run": lambda _event: "the run",
    "step": lambda event: f"step {event.name!r} ({event.step_id!r})",
    "tool": lambda event: f"tool {event.name!r} ({event.step_id!r})",
    "message": lambda event: f"message {event.message_id!r}",
    "block": lambda event: f"{family(event.type)} block {event.index} of {event.message_id!r}",
}
"""How a thing is called, by the event that began it."""


def family(event_type: str) -> str:
    """Return the kind of an event type: ``text`` of ``text.delta``."""
    return event_type.partition(".")[0]
