"""A run as the chunks of a UI message of Vercel's AI SDK; any transport may carry them.

Guarantees: nothing that is null where a client refuses it, nothing open across a step, no part
before its start, and whatever way the run ends, nothing stays open that nobody will go on with.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from langchain_streamkit import events as ev
from langchain_streamkit.wire.ai_sdk.blocks import file_of, sources_of, timing_of, usage_of
from langchain_streamkit.wire.ai_sdk.continuing import CONTINUES, ToolPartsBefore
from langchain_streamkit.wire.ai_sdk.interrupts import approvals, data_part, questions
from langchain_streamkit.wire.ai_sdk.steps import Steps
from langchain_streamkit.wire.ai_sdk.tools import GIVEN_UP, STOPPED, ToolParts, of_message
from langchain_streamkit.wire.views import Projection

SdkVersion: TypeAlias = Literal[5, 6, 7]
Chunk: TypeAlias = dict[str, Any]

_KEPT: Final = ("cancelled", "budget")
"""What was said until someone stopped it was no mistake, so the user keeps it."""
_FINISH_REASONS: Final = {"tool_calls": "tool-calls", "content_filter": "content-filter"}


class UIMessageChunks:
    """The chunks of one run, for a client of the major version ``version``.

    ``resumed``: for one that comes back to the run, with nothing of the message.
    """

    def __init__(self, version: SdkVersion, *, resumed: bool = False) -> None:
        self._version = version
        self._resumed = resumed
        self._view = Projection("chat")
        self._steps = Steps()
        self._tools = ToolParts()
        self._open: dict[tuple[str, int], tuple[str, str]] = {}
        """Open text and reasoning: kind and part id, by message and index."""
        self._roles: dict[str, str] = {}
        """Roles of messages that are not the assistant's."""
        self._parts = 0
        self._continued = False
        self._before = ToolPartsBefore()
        self._finish_reason: str | None = None
        self._ended = False

    def feed(self, event: ev.Event) -> list[Chunk]:
        """Return the chunks of one event; none after the terminal one."""
        if isinstance(event, (ev.TextDelta, ev.ReasoningDelta)):
            return self._piece(event)  # nothing is open of a message that is not shown
        shown = None if self._ended else self._view.apply(event)
        if shown is None:
            return []
        match shown:
            case ev.RunStarted():
                return self._begin(shown, event)
            case ev.RunFinished() | ev.RunInterrupted() | ev.RunFailed() | ev.RunCancelled():
                self._ended = True
                return self._end(shown)
            case ev.Custom():
                return self._data(shown.name or "custom", shown.data)
            case ev.OutputDelta():
                return [{"type": "data-output", "data": shown.data, "transient": True}]
            case ev.UsageUpdated():
                data = {"messageId": shown.message_id, "usage": usage_of(shown.usage)}
                return [{"type": "data-usage", "data": data, "transient": True}]
            case ev.ToolStarted() | ev.ToolProgress() | ev.ToolFinished() | ev.ToolFailed():
                return self._tool(shown)
            case _:
                return self._of_message(shown)

    def broken_off(self, code: str, message: str) -> list[Chunk]:
        """Return what closes all that is open and says that no more can be had."""
        if self._ended:
            return []
        self._ended = True
        chunks: list[Chunk] = [
            {"type": f"{kind}-end", "id": part_id} for kind, part_id in self._open.values()
        ]
        self._open.clear()
        chunks += [*self._tools.give_up(message), *self._steps.end()]
        chunks.append(_metadata(error={"code": code}))
        return [*chunks, {"type": "error", "errorText": message}]

    # ---- the run -----------------------------------------------------------------------------

    def _begin(self, shown: ev.RunStarted, event: ev.Event) -> list[Chunk]:
        told = event.metadata if isinstance(event, ev.RunStarted) else {}
        given = told.get(CONTINUES)
        self._continued = isinstance(given, str)
        if self._continued and not self._resumed:
            self._before = ToolPartsBefore.from_metadata(told)
            self._tools.take_over(self._before)
        metadata: Chunk = {"runId": shown.run_id}
        if shown.thread_id is not None:
            metadata["threadId"] = shown.thread_id
        message_id = given if self._continued else shown.run_id
        return [{"type": "start", "messageId": message_id, "messageMetadata": metadata}]

    def _end(
        self, event: ev.RunFinished | ev.RunInterrupted | ev.RunFailed | ev.RunCancelled
    ) -> list[Chunk]:
        told: Chunk = {"usage": usage_of(event.usage), "timing": timing_of(event.timing)}
        match event:
            case ev.RunFinished():
                reason = self._finish_reason or "stop"
                told |= {"outcome": "finished", "finishReason": reason}
                rest = [] if any(self._tools.waiting()) else self._settled()
                return [*rest, *self._steps.end(), self._finish(told, reason)]
            case ev.RunInterrupted():
                told |= {"outcome": "interrupted", "finishReason": "tool-calls"}
                asked = self._interrupts(event.interrupts)
                return [*asked, *self._steps.end(), self._finish(told, "tool-calls")]
            case ev.RunCancelled():
                told |= {"outcome": "cancelled", "reason": event.reason}
                rest = [*self._tools.give_up(STOPPED), *self._settled(), *self._steps.end()]
                return [*rest, _metadata(**told), {"type": "abort"}]
            case ev.RunFailed():
                error = event.error
                told["outcome"] = "failed"
                told["error"] = {
                    "code": error.code,
                    "errorId": error.error_id,
                    "retryable": error.retryable,
                }
                rest = [*self._tools.give_up(error.message), *self._steps.end()]
                return [*rest, _metadata(**told), {"type": "error", "errorText": error.message}]

    def _settled(self) -> list[Chunk]:
        """A last step without tools: clients take one with results for a question to be sent on."""
        left_over = self._continued and not self._steps.number
        return self._steps.fresh() if self._steps.has_tools or left_over else []

    def _finish(self, told: Chunk, reason: str) -> Chunk:
        chunk: Chunk = {"type": "finish", "messageMetadata": told}
        if self._version > 5:  # early releases of 5 refuse the field
            chunk["finishReason"] = reason
        return chunk

    def _interrupts(self, interrupts: tuple[ev.InterruptInfo, ...]) -> list[Chunk]:
        chunks = [data_part(interrupt) for interrupt in interrupts]
        if self._version > 5:
            asked = approvals(interrupts, self._tools, self._steps.number)
            if asked is not None:
                return chunks + asked
        # Clients send answers when no tool in the last step is without an output.
        alone = interrupts and self._steps.has_tools
        chunks += self._steps.fresh() if alone else self._steps.ensure()
        taken = self._before.questions
        return chunks + questions(interrupts, taken, approve=self._version > 5)

    # ---- messages ----------------------------------------------------------------------------

    def _of_message(self, event: ev.Event) -> list[Chunk]:
        match event:
            case ev.MessageStarted():
                if event.role == "assistant":
                    return self._steps.message(event.message_id)
                self._roles[event.message_id] = event.role
                return []
            case ev.TextStarted() | ev.ReasoningStarted():
                return self._block(event)
            case ev.TextFinished() | ev.ReasoningFinished():
                return self._block_end(event)
            case ev.ToolCallStarted():
                self._steps.has_tools = True
                return [self._tools.asked(event, self._steps.number)]
            case ev.ToolCallDelta():
                return [self._tools.piece(event)]
            case ev.ToolCallFinished():
                return [self._tools.asked_whole(event)]
            case ev.ContentAdded():
                return [self._content(event)]
            case ev.MessageFinished():
                if event.message_id not in self._roles:
                    reason = event.finish_reason
                    self._finish_reason = _FINISH_REASONS.get(reason, reason)
                self._steps.done(event.message_id)
                return []
            case ev.MessageAborted() | ev.MessageRetracted():
                return self._drop(event)
            case _:
                return []

    def _block(self, event: ev.TextStarted | ev.ReasoningStarted) -> list[Chunk]:
        if event.message_id in self._roles:
            return []
        kind = "text" if isinstance(event, ev.TextStarted) else "reasoning"
        self._parts += 1
        part_id = str(self._parts)
        self._open[event.message_id, event.index] = kind, part_id
        whose = of_message(event.message_id)
        return [{"type": f"{kind}-start", "id": part_id, "providerMetadata": whose}]

    def _piece(self, event: ev.TextDelta | ev.ReasoningDelta) -> list[Chunk]:
        found = self._open.get((event.message_id, event.index))
        if found is None:
            return []
        kind, part_id = found
        return [{"type": f"{kind}-delta", "id": part_id, "delta": event.text}]

    def _block_end(self, event: ev.TextFinished | ev.ReasoningFinished) -> list[Chunk]:
        if (role := self._roles.get(event.message_id)) is not None:
            data = {"messageId": event.message_id, "role": role, "text": event.text}
            return self._data("message", data)
        kind, part_id = self._open.pop((event.message_id, event.index))
        chunk: Chunk = {"type": f"{kind}-end", "id": part_id}
        if event.extras is not None and kind == "reasoning":
            whose = of_message(event.message_id)["streamkit"]
            chunk["providerMetadata"] = {"streamkit": {**whose, "extras": event.extras}}
        return [chunk, *sources_of(event.annotations, part_id)]

    def _content(self, event: ev.ContentAdded) -> Chunk:
        if event.message_id not in self._roles:
            tool = self._tools.at_provider(event.block, self._steps.number)
            if tool is not None:
                self._steps.has_tools = True
                return tool
            if (file := file_of(event.block)) is not None:
                return file
        self._steps.other()
        return {
            "type": "data-content",
            "data": {"messageId": event.message_id, "block": event.block},
        }

    def _drop(self, event: ev.MessageAborted | ev.MessageRetracted) -> list[Chunk]:
        message_id = event.message_id
        self._steps.done(message_id)
        if event.reason in _KEPT:
            return self._tools.give_up(STOPPED, message_id)
        if message_id in self._roles:
            return []
        if self._version == 7 and self._steps.holds_only(message_id):
            self._steps.emptied()
            self._tools.forget(message_id)
            return [{"type": "reset-step"}]
        chunks = self._tools.give_up(GIVEN_UP, message_id)
        data = {"messageId": message_id, "reason": event.reason}
        return [*chunks, *self._data("dropped", data, message_id)]

    # ---- tools and data ----------------------------------------------------------------------

    def _tool(
        self, event: ev.ToolStarted | ev.ToolProgress | ev.ToolFinished | ev.ToolFailed
    ) -> list[Chunk]:
        if isinstance(event, ev.ToolStarted):
            chunks = [] if self._continued else self._steps.ensure()
            number = self._steps.number
            chunks += self._tools.started(event, number, continued=self._continued)
            self._steps.work((event.step_id, event.tool_call_id))
            self._steps.has_tools = True
            return chunks
        if isinstance(event, ev.ToolProgress):
            part_id = self._tools.part_of(event.step_id, event.tool_call_id)
            return self._data("tool-progress", {"toolCallId": part_id, "data": event.data}, part_id)
        self._steps.done((event.step_id, event.tool_call_id))
        return self._tools.ran(event)

    def _data(self, name: str, data: Any, part_id: str | None = None) -> list[Chunk]:
        self._steps.other()
        chunk: Chunk = {"type": f"data-{name}", "data": data}
        if part_id is not None:
            chunk["id"] = part_id
        return [chunk]


def _metadata(**told: Any) -> Chunk:
    return {"type": "message-metadata", "messageMetadata": told}
