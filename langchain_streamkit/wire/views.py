"""What of a run a wire shows: ``chat`` for the user's screen, ``steps`` for a developer's, ``all``.

Guarantees: what a view lets through obeys the grammar of views (``check_stream(view=True)``);
nothing passes ``chat`` or ``steps`` that is state, a prompt, an artifact, the graph's output or
the text of an exception; metadata passes no view unless its key was named; what needs no change
passes as the same object.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from msgspec.structs import replace

from langchain_streamkit import events as ev
from langchain_streamkit.errors import StreamUsageError

if TYPE_CHECKING:
    from collections.abc import Collection

View: TypeAlias = Literal["chat", "steps", "all"]

_OF_A_MESSAGE = frozenset(
    {
        ev.TextStarted,
        ev.TextDelta,
        ev.TextFinished,
        ev.ReasoningStarted,
        ev.ReasoningDelta,
        ev.ReasoningFinished,
        ev.ToolCallDelta,
        ev.ToolCallFinished,
        ev.ContentAdded,
        ev.MessageFinished,
        ev.MessageAborted,
        ev.MessageRetracted,
        ev.UsageUpdated,
    }
)
"""Shown or not as their message is. (``tool_call.started`` also, but it is looked into.)"""

_STATE = frozenset({ev.StateUpdate, ev.StateSnapshot, ev.Checkpoint})
_STEPS = frozenset({ev.StepStarted, ev.StepFinished, ev.StepFailed})


class Projection:
    """One view of the events of a run, applied in their order.

    * ``chat``: ``run.*`` without the graph's output, messages for the user with all of their
      blocks, tool calls and tool runs without artifacts, interrupts, ``output.delta``,
      ``custom``, ``usage.updated``. Internal messages (``audience="internal"``) are left out
      with their blocks and the tools they call.
    * ``steps``: that, ``step.*`` without input and output, and the internal messages.
    * ``all``: every event.

    In ``chat`` and ``steps``, ``tool.failed`` has no ``content`` (it quotes the exception), and
    of the diagnostics only ``gap`` remains. ``metadata`` names the keys of ``run.started`` and
    ``message.started`` metadata that may pass; by default none does, in any view.

    One projection may see several runs mixed. Raises ``StreamUsageError`` for an unknown view.
    """

    def __init__(self, view: View = "chat", *, metadata: Collection[str] = ()) -> None:
        if view not in get_args(View):
            raise StreamUsageError(f"view={view!r} is not known; write 'chat', 'steps' or 'all'")
        if isinstance(metadata, str):
            raise StreamUsageError(f"metadata takes a list of keys; write metadata=[{metadata!r}]")
        self._chat = view == "chat"
        self._everything = view == "all"
        self._left_out = _STATE | _STEPS if self._chat else _STATE
        self._keys = frozenset(metadata)
        self.hidden: set[tuple[str, str]] = set()
        """(run, message) of internal messages, and (run, step) of tools that they call."""
        self._hidden_calls: set[tuple[str, str]] = set()

    def apply(self, event: ev.Event) -> ev.Event | None:
        """Return the event as this view shows it, ``None`` when it does not."""
        if type(event) in _OF_A_MESSAGE:
            hidden = self.hidden
            if hidden and (event.run_id, cast("ev.TextDelta", event).message_id) in hidden:
                return None
            return event
        if self._everything:
            return self._started(event) if isinstance(event, _WITH_METADATA) else event
        if type(event) in self._left_out:
            return None
        return self._look_into(event)

    def _look_into(self, event: ev.Event) -> ev.Event | None:
        match event:
            case ev.MessageStarted():
                return self._message(event)
            case ev.ToolCallStarted():
                return self._call(event)
            case ev.ToolStarted() | ev.ToolProgress() | ev.ToolFinished() | ev.ToolFailed():
                return self._tool(event)
            case ev.StepStarted(input=value) if value is not None:
                return replace(event, input=None)
            case ev.StepFinished(output=value) if value is not None:
                return replace(event, output=None)
            case ev.RunStarted():
                return self._started(event)
            case ev.RunFinished() | ev.RunInterrupted() | ev.RunFailed() | ev.RunCancelled():
                self._forget(event.run_id)
                if isinstance(event, ev.RunFinished) and event.output is not None:
                    return replace(event, output=None)
                return event
            case ev.Diagnostic(code=code):
                return event if code == "gap" else None
            case _:
                return event

    def _started(self, event: ev.RunStarted | ev.MessageStarted) -> ev.Event:
        kept = {key: value for key, value in event.metadata.items() if key in self._keys}
        return event if len(kept) == len(event.metadata) else replace(event, metadata=kept)

    def _message(self, event: ev.MessageStarted) -> ev.Event | None:
        key = (event.run_id, event.message_id)
        if self._chat and event.audience == "internal":
            self.hidden.add(key)
            return None
        self.hidden.discard(key)
        return self._started(event)

    def _call(self, event: ev.ToolCallStarted) -> ev.Event | None:
        call = (event.run_id, event.tool_call_id)
        if (event.run_id, event.message_id) in self.hidden:
            self._hidden_calls.add(call)
            return None
        self._hidden_calls.discard(call)  # ids repeat; the last message that asked is meant
        return event

    def _tool(
        self, event: ev.ToolStarted | ev.ToolProgress | ev.ToolFinished | ev.ToolFailed
    ) -> ev.Event | None:
        step = (event.run_id, event.step_id)
        if isinstance(event, ev.ToolStarted) and (event.run_id, event.tool_call_id) in (
            self._hidden_calls
        ):
            self.hidden.add(step)
        if step in self.hidden:
            return None
        if isinstance(event, ev.ToolFailed) and event.content is not None:
            return replace(event, content=None)
        if isinstance(event, ev.ToolFinished):
            output = _without_artifacts(event.output)
            if event.artifact is not None or output is not event.output:
                return replace(event, artifact=None, output=output)
        return event

    def _forget(self, run_id: str) -> None:
        self.hidden -= {key for key in self.hidden if key[0] == run_id}
        self._hidden_calls = {key for key in self._hidden_calls if key[0] != run_id}


_WITH_METADATA = (ev.RunStarted, ev.MessageStarted)


def _without_artifacts(value: Any) -> Any:
    """Return plain JSON without the artifacts of the tool messages in it; the same if it has none.

    A tool may return a message, or a ``Command`` with messages in its update.
    """
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        changed = {key: _without_artifacts(item) for key, item in given.items()}
        if given.get("type") == "tool" and given.get("artifact") is not None:
            changed["artifact"] = None
        return changed if any(changed[key] is not given[key] for key in given) else given
    if isinstance(value, list):
        items = cast("list[object]", value)
        cleaned = [_without_artifacts(item) for item in items]
        return cleaned if any(map(operator.is_not, cleaned, items)) else items
    return value
