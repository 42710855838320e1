"""Tool calls as parts of a UI message of the AI SDK: asked for, run, given up.

Guarantees: a part is told of before anything is said about it, under an id that no other part of
the run has; whatever way a call ends, its part does not stay open, unless the client is to answer.
Tools are dynamic ones, since the server does not know the tools that a client has types for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from langchain_streamkit.events import ToolFailed
from langchain_streamkit.wire.ai_sdk.continuing import numbered, unnumbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import (
        ToolCallDelta,
        ToolCallFinished,
        ToolCallStarted,
        ToolFinished,
        ToolStarted,
    )
    from langchain_streamkit.wire.ai_sdk.continuing import ToolPartsBefore

    Chunk = dict[str, Any]


def of_message(message_id: str) -> Chunk:
    """Return the provider metadata by which a part says which message it belongs to."""
    return {"streamkit": {"messageId": message_id}}


class Call(msgspec.Struct, kw_only=True, eq=False):
    """A tool part: a call of a model, a run that nobody asked for, or both."""

    part_id: str
    tool_call_id: str
    name: str
    step: int
    """Of the run; ``BEFORE`` for one before the last step of the message it goes on with."""
    message_id: str | None = None
    args: Any = None
    whole: bool = False
    step_id: str | None = None
    """Of the tool's last run."""
    ended: bool = False

    @property
    def waits(self) -> bool:
        """Whether it was asked for and nothing has come of it."""
        return self.whole and self.step_id is None and not self.ended


class ToolParts:
    """The tool parts of one run."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        """By part id, in order of their start."""
        self._blocks: dict[tuple[str, int], Call] = {}
        self._runs: dict[tuple[str, str], Call] = {}

    def take_over(self, before: ToolPartsBefore) -> None:
        """Begin with the parts that the client has."""
        known = before.open | before.ended
        for part_id in sorted(known):
            self._calls[part_id] = Call(
                part_id=part_id,
                tool_call_id=unnumbered(part_id, known),
                name="",
                step=BEFORE,
                ended=part_id in before.ended,
            )

    def asked(self, event: ToolCallStarted, step: int) -> Chunk:
        """Return the start of a call."""
        call = self._add(event.tool_call_id, event.name, step, event.message_id)
        self._blocks[event.message_id, event.index] = call
        return {
            "type": "tool-input-start",
            "toolCallId": call.part_id,
            "toolName": call.name,
            "dynamic": True,
        }

    def piece(self, event: ToolCallDelta) -> Chunk:
        """Return a piece of a call's arguments."""
        call = self._blocks[event.message_id, event.index]
        return {
            "type": "tool-input-delta",
            "toolCallId": call.part_id,
            "inputTextDelta": event.args,
        }

    def asked_whole(self, event: ToolCallFinished) -> Chunk:
        """Return the end of a call: its arguments, or what is wrong with them."""
        call = self._blocks.pop((event.message_id, event.index))
        call.name = event.name
        if event.invalid is None:
            call.args, call.whole = event.args, True
            return self._available(call, event.args)
        call.ended = True
        return self._available(call, event.invalid.text) | {
            "type": "tool-input-error",
            "errorText": event.invalid.error,
        }

    def started(self, event: ToolStarted, step: int, *, continued: bool) -> list[Chunk]:
        """Return the part of a tool that runs, if it has none yet.

        ``continued``: the client may have one from the run before, which has the arguments.
        """
        call = self._asked_for(event)
        known = call is not None
        if call is None:
            call = self._add(event.tool_call_id, event.name, step, None)
            call.args, call.whole = event.input, True
        call.step_id, call.ended = event.step_id, False
        self._runs[event.step_id, event.tool_call_id] = call
        if known or (continued and event.input is None):
            return []
        return [self._available(call, event.input)]

    def part_of(self, step_id: str, tool_call_id: str) -> str:
        """Return the part id of a tool's run."""
        return self._runs[step_id, tool_call_id].part_id

    def ran(self, event: ToolFinished | ToolFailed) -> list[Chunk]:
        """Return the end of a tool's run; none for one that waits for a human."""
        call = self._runs[event.step_id, event.tool_call_id]
        if isinstance(event, ToolFailed):
            return [self._error(call, event.error.message)]
        if event.outcome == "suspended":
            return []
        if event.outcome == "cancelled":
            return [self._error(call, STOPPED)]
        call.ended = True
        return [
            {
                "type": "tool-output-available",
                "toolCallId": call.part_id,
                "output": _shown(event),
                "dynamic": True,
            }
        ]

    def at_provider(self, block: Chunk, step: int) -> Chunk | None:
        """Return the part of a tool that the model's provider runs; None for another block."""
        match block:
            case {"type": "server_tool_call", "id": str(call_id), "name": str(name)}:
                call = self._add(call_id, name, step, None)
                self._runs["", call_id] = call
                return self._available(call, block.get("args")) | {"providerExecuted": True}
            case {"type": "server_tool_result", "tool_call_id": str(call_id)}:
                found = self._runs.get(("", call_id))
                if found is None:
                    return None
                if block.get("status") == "error":
                    return self._error(found, FAILED)
                found.ended = True
                return {
                    "type": "tool-output-available",
                    "toolCallId": found.part_id,
                    "output": block.get("output"),
                    "providerExecuted": True,
                    "dynamic": True,
                }
            case _:
                return None

    def waiting(self) -> Iterator[Call]:
        """The calls that nothing has come of."""
        return (call for call in self._calls.values() if call.waits)

    def paused(self, tool_call_id: str) -> Call | None:
        """The last call of this id whose run has not ended."""
        calls = reversed(self._calls.values())
        return next((c for c in calls if c.tool_call_id == tool_call_id and not c.ended), None)

    def open_in(self, step: int) -> Iterator[Call]:
        """The calls of a step that nothing has come of, whether they run or not."""
        return (call for call in self._calls.values() if call.step == step and not call.ended)

    def give_up(self, text: str, message_id: str | None = None) -> list[Chunk]:
        """Return the end of what nothing will come of, ``text`` in its place.

        Of the calls of one message; of all, and of the tools that run, without it.
        """
        return [
            self._error(call, text)
            for call in self._calls.values()
            if not call.ended
            and (call.waits if message_id is not None else True)
            and message_id in (None, call.message_id)
        ]

    def forget(self, message_id: str) -> None:
        """Take in that the client has no parts of this message any more."""
        self._calls = {
            part_id: call for part_id, call in self._calls.items() if call.message_id != message_id
        }

    def _asked_for(self, event: ToolStarted) -> Call | None:
        """The call that a run is for: the last that has no run, or the one it ran for before."""
        calls = [c for c in self._calls.values() if c.tool_call_id == event.tool_call_id]
        if waiting := [call for call in calls if call.waits]:
            return waiting[-1]
        if calls and event.attempt > 1:
            return calls[-1]
        before = (call for call in calls if call.step == BEFORE and call.step_id is None)
        return next(before, None)

    def _add(self, tool_call_id: str, name: str, step: int, message_id: str | None) -> Call:
        part_id = numbered(tool_call_id, self._calls)
        call = Call(
            part_id=part_id, tool_call_id=tool_call_id, name=name, step=step, message_id=message_id
        )
        self._calls[part_id] = call
        return call

    def _available(self, call: Call, value: Any) -> Chunk:
        chunk: Chunk = {
            "type": "tool-input-available",
            "toolCallId": call.part_id,
            "toolName": call.name,
            "input": value,
            "dynamic": True,
        }
        if call.message_id is not None:
            chunk["providerMetadata"] = of_message(call.message_id)
        return chunk

    def _error(self, call: Call, text: str) -> Chunk:
        call.ended = True
        return {
            "type": "tool-output-error",
            "toolCallId": call.part_id,
            "errorText": text,
            "dynamic": True,
        }


BEFORE = -1
STOPPED = "The run was stopped."
GIVEN_UP = "This attempt was given up."
FAILED = "A tool failed."


def _shown(event: ToolFinished) -> Any:
    """What came of a tool; of a message that it made, what it says."""
    match event.output:
        case {"type": "tool"} if event.content is not None:
            return event.content
        case None:
            return event.content
        case output:
            return output
