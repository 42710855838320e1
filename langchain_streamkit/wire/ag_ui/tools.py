"""Tool calls as AG-UI has them: asked for by a message, with what came of it as a message.

Guarantees: a call is told of before anything is said about it, under an id that no other call of
the conversation has; its arguments are JSON; whatever way it ends, unless the client is to answer,
there is a result. What an exception says is in none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from langchain_streamkit.events import ToolFailed
from langchain_streamkit.wire.ag_ui.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import (
        ToolCallFinished,
        ToolCallStarted,
        ToolFinished,
        ToolStarted,
    )
    from langchain_streamkit.wire.ag_ui.conversation import Call, Conversation, Entry

    Told = dict[str, Any]

STOPPED: Final = "The run was stopped."
RESULT: Final = "/result"
"""What the id of a result ends with that the run has no message for."""


class Tools:
    """The tool calls of one run, in the client's conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._blocks: dict[tuple[str, int], Call] = {}
        self._runs: dict[tuple[str, str], Call] = {}

    def asked(
        self, event: ToolCallStarted, entry: Entry, owner: str | None
    ) -> tuple[Call, list[Told]]:
        """Take in a call that ``entry`` makes; return it and its start."""
        call = self._conversation.ask(entry, event.tool_call_id, event.name)
        self._blocks[event.message_id, event.index] = call
        return call, [_start(call, owner)]

    def asked_whole(self, event: ToolCallFinished) -> list[Told]:
        """Return the end of a call, and the error if its arguments are none."""
        call = self._blocks.pop((event.message_id, event.index))
        told: list[Told] = []
        if event.invalid is None:
            call.whole = True
            if not call.args:
                told += self._args(call, event.args or {})
            elif not _is_json("".join(call.args)):  # line breaks in a string, which we read
                call.args[:] = [to_json(event.args).decode()]
        told.append({"type": "TOOL_CALL_END", "toolCallId": call.id})
        if event.extras is not None:
            call.encrypted = to_json(event.extras).decode()
            told.append(
                {
                    "type": "REASONING_ENCRYPTED_VALUE",
                    "subtype": "tool-call",
                    "entityId": call.id,
                    "encryptedValue": call.encrypted,
                }
            )
        if event.invalid is not None:
            told += self._result(call, event.invalid.error, error=event.invalid.error)
        return told

    def started(self, event: ToolStarted, owner: str | None) -> list[Told]:
        """Return the call of a tool that runs, if nobody asked for it; else nothing."""
        call = self._asked_for(event)
        told: list[Told] = []
        if call is None:
            call, told = self._unasked(event, owner)
        call.step_id = event.step_id
        self._runs[event.step_id, event.tool_call_id] = call
        return told

    def of_run(self, step_id: str, tool_call_id: str) -> Call:
        """Return the call that a shown run of a tool is for."""
        return self._runs[step_id, tool_call_id]

    def spawning(self, tool_call_id: str | None, step_id: str | None) -> Call | None:
        """Return the call of the shown tool run of this step id."""
        return self._runs.get((step_id or "", tool_call_id or ""))

    def ran(self, event: ToolFinished | ToolFailed, owner: str | None) -> tuple[list[Told], bool]:
        """Return the result of a tool's run, none of one that waits for a human; and whether the
        client has an earlier one that is void.
        """
        call = self._runs[event.step_id, event.tool_call_id]
        if call.entry.void:
            return [], False
        again = call.result is not None
        if isinstance(event, ToolFailed):
            message = event.error.message
            return self._result(call, message, owner=owner, error=message), again
        if event.outcome == "suspended":
            return [], False
        if event.outcome == "cancelled":
            return self._result(call, STOPPED, owner=owner, error=STOPPED), again
        return self._result(call, _shown(event), event.message_id, owner=owner), again

    def pending(self) -> list[str]:
        """Return the ids of the calls that the client has to answer, in order of their start."""
        waiting = [call.id for call in self._conversation.calls if self._is_ours(call)]
        return waiting[::-1]

    def paused(self, tool_call_id: str) -> Call | None:
        """Return the last call of this id without a result."""
        return next((call for call in self._open() if call.tool_call_id == tool_call_id), None)

    def give_up(self, text: str, message_id: str | None = None) -> list[Told]:
        """Return results, ``text`` for each, of what nothing will come of: of one message's calls
        that have not run, or of all, those that run too.
        """
        told: list[Told] = []
        for call in [*self._open()][::-1]:
            if message_id is None:
                mine = call.step_id is not None or self._is_ours(call)
            else:
                mine = call.entry.message_id == message_id and call.step_id is None
            if mine:
                told += self._result(call, text, error=text)
        return told

    def _open(self) -> Iterator[Call]:
        return (call for call in self._conversation.calls if call.result is None)

    def _is_ours(self, call: Call) -> bool:
        return call.waits and call.entry.message_id is not None

    def _asked_for(self, event: ToolStarted) -> Call | None:
        """The call that a run is for: the last that has no run, or the one it ran for before."""
        known = [c for c in self._conversation.calls if c.tool_call_id == event.tool_call_id]
        waiting = next((call for call in known if call.waits), None)
        if waiting is not None:
            return waiting
        return known[0] if known and event.attempt > 1 else None

    def _unasked(self, event: ToolStarted, owner: str | None) -> tuple[Call, list[Told]]:
        fields = {"subagentRunId": owner}
        entry = self._conversation.add("assistant", event.tool_call_id, **fields)
        call = self._conversation.ask(entry, event.tool_call_id, event.name)
        call.whole = True
        given: object = {} if event.input is None else event.input
        end = {"type": "TOOL_CALL_END", "toolCallId": call.id}
        return call, [_start(call, owner), *self._args(call, given), end]

    def _args(self, call: Call, args: Any) -> list[Told]:
        text = to_json(args).decode()
        call.args.append(text)
        return [{"type": "TOOL_CALL_ARGS", "toolCallId": call.id, "delta": text}]

    def _result(
        self,
        call: Call,
        content: str,
        message_id: str | None = None,
        *,
        owner: str | None = None,
        error: str | None = None,
    ) -> list[Told]:
        owner = owner or call.entry.fields.get("subagentRunId")
        wanted = message_id or call.id + RESULT
        result = self._conversation.answer(call, wanted, content, error=error, subagentRunId=owner)
        told = {
            "type": "TOOL_CALL_RESULT",
            "messageId": result.id,
            "toolCallId": call.id,
            "content": content,
        }
        return [told if owner is None else {**told, "subagentRunId": owner}]


def _start(call: Call, owner: str | None) -> Told:
    told = {
        "type": "TOOL_CALL_START",
        "toolCallId": call.id,
        "toolCallName": call.name,
        "parentMessageId": call.entry.id,
    }
    return told if owner is None else {**told, "subagentRunId": owner}


def _shown(event: ToolFinished) -> str:
    """What came of a tool as text: what the model sees of it, else its output."""
    if event.content is not None:
        return event.content
    return "" if event.output is None else to_json(event.output).decode()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
