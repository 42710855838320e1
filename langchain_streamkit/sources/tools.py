"""Tool runs, and the answers of tools that never ran.

Guarantees: a tool run is keyed by its own run; without a ``tool_call_id`` the open call of the
last message with the same name and arguments gives it, else one is minted. The content of a failed
tool is what the model gets to see of it, which is known only when its node returns, so
``tool.failed`` waits for that (and no longer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.events import (
    PendingToolCall,
    ToolFailed,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from langchain_streamkit.sources.results import offered_calls

if TYPE_CHECKING:
    from langchain_core.messages import ToolMessage

    from langchain_streamkit.events import ErrorInfo, StepOutcome
    from langchain_streamkit.sources.outbox import Outbox
    from langchain_streamkit.sources.signals import ToolEnd, ToolProgressed, ToolStart
    from langchain_streamkit.sources.tree import RunNode
    from langchain_streamkit.values import JSON


class AskedCall:
    """A call a model's message asked for, until a tool run claims it."""

    __slots__ = ("args", "message_id", "name", "tool_call_id")

    def __init__(self, tool_call_id: str, name: str, args: JSON, message_id: str) -> None:
        self.tool_call_id = tool_call_id
        self.name = name
        self.args = args
        self.message_id = message_id


class _OpenTool:
    """A tool run; ``error`` is set while its failure waits for the content."""

    __slots__ = ("error", "name", "node", "tool_call_id")

    def __init__(self, node: RunNode, tool_call_id: str, name: str) -> None:
        self.node = node
        self.tool_call_id = tool_call_id
        self.name = name
        self.error: ErrorInfo | None = None


class ToolRuns:
    """The tool runs of one run, as events into its outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._asked: dict[str, AskedCall] = {}
        self._failures: dict[str, int] = {}
        self._answered: set[str] = set()
        self._waiting: dict[str, RunNode] = {}
        self._minted = 0

    def pending(self, output: object) -> tuple[PendingToolCall, ...]:
        """The calls that the run's output ends with and that nothing has answered."""
        try:
            offered = offered_calls(output)
        except Exception:  # noqa: BLE001 -- of a user's container, which cannot be gone through
            return ()
        return tuple(
            PendingToolCall(
                tool_call_id=call.tool_call_id,
                name=call.name,
                args=call.args,
                message_id=call.message_id,
            )
            for call in self._asked.values()
            if call.tool_call_id in offered
        )

    def is_answered(self, tool_call_id: str) -> bool:
        """Whether a tool run, or an answer shown before, has answered this call."""
        return tool_call_id in self._answered

    def asked(self, calls: list[AskedCall]) -> None:
        """A message finished with these calls."""
        for call in calls:
            self._asked[call.tool_call_id] = call

    def disowned(self, message_id: str) -> None:
        """The message was retracted: nobody has to answer its calls."""
        for key in [k for k, call in self._asked.items() if call.message_id == message_id]:
            del self._asked[key]

    def superseded(self, tool_call_id: str | None) -> RunNode | None:
        """Emit the failure of the last attempt at a call that is tried again; returns its run."""
        node = self._waiting.get(tool_call_id) if tool_call_id is not None else None
        if node is not None:
            self.settle(node, None)
        return node

    def started(self, signal: ToolStart, node: RunNode) -> None:
        tool_call_id = signal.tool_call_id or self._find(signal)
        self._asked.pop(tool_call_id, None)
        node.work = _OpenTool(node, tool_call_id, signal.name)
        node.cause = tool_call_id
        self._add(
            ToolStarted,
            node.work,
            name=signal.name,
            input=signal.input,
            attempt=1 + self._failures.get(tool_call_id, 0),
        )

    def progressed(self, signal: ToolProgressed, node: RunNode) -> None:
        self._add(ToolProgress, node.work, data=signal.data)

    def finished(self, signal: ToolEnd, node: RunNode, error: ErrorInfo | None) -> None:
        """``error`` is set when the tool turned its own error into an answer."""
        tool: _OpenTool = node.work
        self._answered.add(tool.tool_call_id)
        if signal.tool_call_id is not None:
            self._answered.add(signal.tool_call_id)
            self._asked.pop(signal.tool_call_id, None)
        if error is not None:
            self._count_failure(tool)
            self._add(ToolFailed, tool, error=error, content=signal.content)
            return
        self._add(
            ToolFinished,
            tool,
            output=signal.output,
            content=signal.content,
            artifact=signal.artifact,
            message_id=signal.message_id,
        )

    def left(self, node: RunNode, outcome: StepOutcome) -> None:
        """The run ended neither well nor badly: suspended, handed off or cancelled."""
        tool: _OpenTool = node.work
        if tool.tool_call_id in self._waiting:
            self.settle(node, None)
            return
        if outcome == "handed_off":
            self._answered.add(tool.tool_call_id)
        self._add(ToolFinished, tool, outcome=outcome)

    def failed(self, node: RunNode, error: ErrorInfo) -> None:
        """The tool raised; the event waits until ``settle`` brings what the model will see."""
        tool: _OpenTool = node.work
        tool.error = error
        self._waiting[tool.tool_call_id] = node
        self._count_failure(tool)

    def settle_answered(self, answers: dict[str, ToolMessage]) -> list[RunNode]:
        """Emit the waiting failures that ``answers`` (by tool_call_id) are the answer to."""
        settled = [node for key, node in self._waiting.items() if key in answers]
        for node in settled:
            self.settle(node, answers[node.work.tool_call_id])
        return settled

    def settle(self, node: RunNode, answer: ToolMessage | None) -> None:
        """Emit the failure that waited, with the content of its answer if there is one."""
        tool: _OpenTool = node.work
        if self._waiting.pop(tool.tool_call_id, None) is None:
            return  # said already, when the next attempt began
        if answer is not None:
            self._answered.add(tool.tool_call_id)
        content = str(answer.text) if answer is not None else None
        self._add(ToolFailed, tool, error=tool.error, content=content)

    def answer(
        self, message: ToolMessage, step_id: str, path: tuple[str, ...], error: ErrorInfo | None
    ) -> None:
        """A ToolMessage a node returned: nothing if its tool ran, else a synthetic tool run."""
        tool_call_id = message.tool_call_id
        if tool_call_id in self._answered:
            return
        self._answered.add(tool_call_id)
        call = self._asked.pop(tool_call_id, None)
        name = message.name or (call.name if call is not None else "")
        common: dict[str, Any] = {
            "path": path,
            "step_id": f"{step_id}/{tool_call_id}",
            "tool_call_id": tool_call_id,
        }
        given = call.args if call is not None else None
        self._outbox.add(ToolStarted, {**common, "name": name, "input": given, "synthetic": True})
        if error is not None:
            self._outbox.add(ToolFailed, {**common, "error": error, "content": str(message.text)})
            return
        self._outbox.add(
            ToolFinished,
            {
                **common,
                "output": message.content,
                "content": str(message.text),
                "artifact": message.artifact,
                "message_id": message.id,
            },
        )

    def _count_failure(self, tool: _OpenTool) -> None:
        self._failures[tool.tool_call_id] = self._failures.get(tool.tool_call_id, 0) + 1

    def _find(self, signal: ToolStart) -> str:
        alike = [
            call
            for call in self._asked.values()
            if call.name == signal.name and call.args == signal.input
        ]
        for call in alike:  # those of one message are run in their order
            if call.message_id == alike[-1].message_id:
                return call.tool_call_id
        self._minted += 1
        return f"call_{signal.run_id.hex}_{self._minted}"

    def _add(self, cls: type[Any], tool: _OpenTool, **fields: Any) -> None:
        node = tool.node
        self._outbox.add(
            cls,
            {
                "path": node.path,
                "step_id": node.id,
                "tool_call_id": tool.tool_call_id,
                **fields,
            },
        )
