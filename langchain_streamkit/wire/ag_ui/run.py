"""A run as the events of AG-UI; any transport may carry them.

Guarantees: all that the protocol's ``verifyEvents`` demands, of every legal stream: nothing before
its start, nothing open at the end, no id twice, whatever is inside a subagent tagged with it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_streamkit import events as ev
from langchain_streamkit.wire.ag_ui.conversation import Conversation
from langchain_streamkit.wire.ag_ui.ends import Used, interrupt
from langchain_streamkit.wire.ag_ui.frames import Piece, to_json
from langchain_streamkit.wire.ag_ui.state import SharedState
from langchain_streamkit.wire.ag_ui.tools import STOPPED, Tools
from langchain_streamkit.wire.ag_ui.work import Work
from langchain_streamkit.wire.views import Projection

if TYPE_CHECKING:
    from collections.abc import Collection

    from langchain_streamkit.wire.ag_ui.conversation import Entry
    from langchain_streamkit.wire.ag_ui.request import AgUiRequest

    Told = dict[str, Any]

PROTOCOL_VERSION: Final = "1.0"
_SPEAKERS: Final = ("assistant", "user", "system")
"""Roles that AG-UI streams text of."""
_KEPT: Final = ("cancelled", "budget")
"""What was said until someone stopped it was no mistake, so the user keeps it."""


class AgUiRun:
    """The events of one run, for the client that sent ``request``, if one did."""

    def __init__(self, request: AgUiRequest | None, channels: Collection[str] | bool) -> None:  # noqa: FBT001
        self._request = request
        self._ids: Told = {}
        """Of the thread and the run, by the client's names for them."""
        self._view = Projection("chat")
        self._conversation = Conversation(request.history if request else ())
        self._tools = Tools(self._conversation)
        self._work = Work()
        self._state = SharedState(channels)
        self._used = Used()
        self._roles: dict[str, tuple[str, str | None]] = {}
        """Roles and names of the messages that are shown."""
        self._entries: dict[tuple[str, str], Entry] = {}
        """The client's messages of text and calls, by the run's message and their role."""
        self._thoughts: dict[tuple[str, int], Entry] = {}
        self._speaking: dict[str, set[int]] = {}
        """Open blocks of text by message."""
        self.pieces: dict[tuple[str, int], Piece] = {}
        """Open blocks by message and index."""
        self._ended = False

    def feed(self, event: ev.Event) -> list[Told]:
        """Return what to tell of one event that is no piece; nothing after the terminal one."""
        if self._ended:
            return []
        self._used.feed(event)
        match event:
            case ev.StepStarted():
                return self._work.started(event, self._tools.spawning(event.cause, event.parent_id))
            case ev.StepFinished() | ev.StepFailed():
                return self._work.ended(event)
            case ev.StateSnapshot():
                return self._state.feed(event)
            case ev.InterruptRequested():
                self._work.asked(event)
                return []
            case ev.ToolStarted():
                self._work.tool(event)
            case _:
                pass
        shown = self._view.apply(event)
        return [] if shown is None else self._show(shown)

    def broken_off(self, code: str, message: str) -> list[Told]:
        """Return what says that no more can be had."""
        if self._ended:
            return []
        self._ended = True
        return [{"type": "RUN_ERROR", "message": message, "code": code}]

    def _show(self, event: ev.Event) -> list[Told]:
        match event:
            case ev.RunStarted():
                return [self._begin(event)]
            case ev.RunFinished() | ev.RunInterrupted() | ev.RunFailed() | ev.RunCancelled():
                return self._end(event)
            case ev.ToolStarted():
                return self._tools.started(event, self._owner(event))
            case ev.ToolProgress():
                call = self._tools.of_run(event.step_id, event.tool_call_id)
                return self._custom("tool_progress", event, toolCallId=call.id, data=event.data)
            case ev.ToolFinished() | ev.ToolFailed():
                told, again = self._tools.ran(event, self._owner(event))
                return [*told, self._snapshot()] if again else told
            case ev.Custom():
                custom = {"type": "CUSTOM", "name": event.name or "custom", "value": event.data}
                return [self._tagged(custom, event)]
            case ev.OutputDelta():
                return self._custom("output", event, data=event.data)
            case ev.UsageUpdated():
                used = {"inputTokens": event.usage.input_tokens}
                used["outputTokens"] = event.usage.output_tokens
                return self._custom("usage", event, messageId=event.message_id, usage=used)
            case ev.Diagnostic():
                return self._custom("gap", event, lost=event.lost)
            case _:
                return self._of_message(event)

    # ---- the run -----------------------------------------------------------------------------

    def _begin(self, event: ev.RunStarted) -> Told:
        request = self._request
        if request is None:
            thread_id = event.run_id if event.thread_id is None else event.thread_id
            self._ids = {"threadId": thread_id, "runId": event.run_id}
        else:
            self._ids = {"threadId": request.thread_id, "runId": request.run_id}
        told: Told = {
            "type": "RUN_STARTED",
            **self._ids,
            "protocolVersion": PROTOCOL_VERSION,
            "metadata": {"streamkit": {"runId": event.run_id}},
        }
        if request is not None and request.parent_run_id is not None:
            told["parentRunId"] = request.parent_run_id
        return told

    def _end(self, event: ev.TerminalEvent) -> list[Told]:
        self._ended = True
        usage = self._used.told(event.usage)
        used: Told = {"usage": usage} if usage else {}
        if isinstance(event, ev.RunFailed):
            error = event.error
            rest = self._tools.give_up(error.message)
            about = {"errorId": error.error_id, "retryable": error.retryable}
            told: Told = {"type": "RUN_ERROR", "message": error.message, "code": error.code}
            return [*rest, self._snapshot(), told | used | {"metadata": {"streamkit": about}}]
        rest, outcome = self._outcome(event)
        told = {"type": "RUN_FINISHED", **self._ids, "outcome": outcome}
        return [*rest, self._snapshot(), told | used]

    def _outcome(
        self, event: ev.RunFinished | ev.RunInterrupted | ev.RunCancelled
    ) -> tuple[list[Told], Told]:
        if isinstance(event, ev.RunFinished):
            pending = self._tools.pending()
            return [], {"type": "success", **({"pendingToolCallIds": pending} if pending else {})}
        if isinstance(event, ev.RunCancelled):
            return self._tools.give_up(STOPPED), {"type": "cancelled"}
        asked: list[Told] = []
        for info in event.interrupts:
            call = self._tools.paused(info.tool_call_id) if info.tool_call_id else None
            owner = self._work.asker(info.interrupt_id)
            asked.append(interrupt(info, call.id if call else None, owner))
        return [], {"type": "interrupt", "interrupts": asked}

    def _snapshot(self) -> Told:
        return {"type": "MESSAGES_SNAPSHOT", "messages": self._conversation.told()}

    # ---- messages ----------------------------------------------------------------------------

    def _of_message(self, event: ev.Event) -> list[Told]:
        match event:
            case ev.MessageStarted():
                self._roles[event.message_id] = event.role, event.name
                return []
            case ev.TextStarted():
                return self._text(event)
            case ev.TextFinished():
                return self._text_end(event)
            case ev.ReasoningStarted():
                return self._reasoning(event)
            case ev.ReasoningFinished():
                return self._reasoning_end(event)
            case ev.ToolCallStarted():
                entry = self._entry(event, "assistant")
                call, told = self._tools.asked(event, entry, self._owner(event))
                args = {"type": "TOOL_CALL_ARGS", "toolCallId": call.id}
                self.pieces[event.message_id, event.index] = Piece(args, call.args.append)
                return told
            case ev.ToolCallFinished():
                del self.pieces[event.message_id, event.index]
                return self._tools.asked_whole(event)
            case ev.ContentAdded():
                block = event.block
                return self._custom("content", event, messageId=event.message_id, block=block)
            case ev.MessageAborted() | ev.MessageRetracted():
                if event.reason in _KEPT:
                    return self._tools.give_up(STOPPED, event.message_id)
                dropped = self._conversation.drop(event.message_id)
                return [self._snapshot()] if dropped else []
            case _:
                return []

    def _entry(self, event: ev.TextStarted | ev.ToolCallStarted, role: str) -> Entry:
        """The client's message that a text or a call is part of; only an assistant's has calls."""
        message_id = event.message_id
        entry = self._entries.get((message_id, role))
        if entry is None:
            _, name = self._roles[message_id]
            fields = {"name": name, "subagentRunId": self._owner(event)}
            entry = self._conversation.add(role, message_id, message_id, **fields)
            self._entries[message_id, role] = entry
        return entry

    def _text(self, event: ev.TextStarted) -> list[Told]:
        role, name = self._roles[event.message_id]
        if role not in _SPEAKERS:
            return []
        entry = self._entry(event, role)
        pieces = entry.blocks.setdefault(event.index, [])
        content = {"type": "TEXT_MESSAGE_CONTENT", "messageId": entry.id}
        self.pieces[event.message_id, event.index] = Piece(content, pieces.append)
        speaking = self._speaking.setdefault(event.message_id, set())
        speaking.add(event.index)
        if len(speaking) > 1:
            return []
        told = {"type": "TEXT_MESSAGE_START", "messageId": entry.id, "role": role}
        if name is not None:
            told["name"] = name
        return [self._tagged(told, event)]

    def _text_end(self, event: ev.TextFinished) -> list[Told]:
        role, _ = self._roles[event.message_id]
        if role not in _SPEAKERS:
            about = {"messageId": event.message_id, "role": role, "text": event.text}
            return self._custom("message", event, **about)
        entry = self._entries[event.message_id, role]
        told: Told = {"type": "TEXT_MESSAGE_END", "messageId": entry.id}
        if event.annotations:
            entry.fields.setdefault("metadata", {"streamkit": {"annotations": []}})
            cited = entry.fields["metadata"]["streamkit"]["annotations"]
            cited += event.annotations
            told["metadata"] = {"streamkit": {"annotations": list(cited)}}
        del self.pieces[event.message_id, event.index]
        speaking = self._speaking[event.message_id]
        speaking.remove(event.index)
        return [] if speaking else [told]

    def _reasoning(self, event: ev.ReasoningStarted) -> list[Told]:
        wanted = f"{event.message_id}/reasoning/{event.index}"
        owner = {"subagentRunId": self._owner(event)}
        entry = self._conversation.add("reasoning", wanted, event.message_id, **owner)
        entry.blocks[0] = []
        self._thoughts[event.message_id, event.index] = entry
        content = {"type": "REASONING_MESSAGE_CONTENT", "messageId": entry.id}
        self.pieces[event.message_id, event.index] = Piece(content, entry.blocks[0].append)
        told = {"messageId": entry.id}
        start = {"type": "REASONING_MESSAGE_START", **told, "role": "reasoning"}
        return [
            self._tagged({"type": "REASONING_START", **told}, event),
            self._tagged(start, event),
        ]

    def _reasoning_end(self, event: ev.ReasoningFinished) -> list[Told]:
        del self.pieces[event.message_id, event.index]
        entry = self._thoughts.pop((event.message_id, event.index))
        told: list[Told] = [{"type": "REASONING_MESSAGE_END", "messageId": entry.id}]
        if event.extras is not None:
            value = entry.fields["encryptedValue"] = to_json(event.extras).decode()
            encrypted = {"subtype": "message", "entityId": entry.id, "encryptedValue": value}
            told.append({"type": "REASONING_ENCRYPTED_VALUE", **encrypted})
        return [*told, {"type": "REASONING_END", "messageId": entry.id}]

    # ---- where something is --------------------------------------------------------------------

    def _owner(self, event: ev.StepEvent) -> str | None:
        return self._work.owner(event.step_id, event.path)

    def _tagged(self, told: Told, event: ev.StepEvent) -> Told:
        owner = self._owner(event)
        return told if owner is None else {**told, "subagentRunId": owner}

    def _custom(self, name: str, event: ev.StepEvent, **value: Any) -> list[Told]:
        told = {"type": "CUSTOM", "name": f"streamkit.{name}", "value": value}
        return [self._tagged(told, event)]
