"""Tool calls that models ask for, joined with the runs of the tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_streamkit.events import ToolFinished, ToolProgress
from langchain_streamkit.snapshot.parts import ToolCallView

if TYPE_CHECKING:
    from langchain_streamkit.events import (
        StepOutcome,
        ToolCallFinished,
        ToolCallStarted,
        ToolFailed,
        ToolStarted,
    )
    from langchain_streamkit.snapshot.parts import MessageView, ToolStatus

_STATUS: dict[StepOutcome, ToolStatus] = {
    "ok": "finished",
    "suspended": "suspended",
    "handed_off": "handed_off",
    "cancelled": "cancelled",
}


class ToolCalls:
    """The tool calls of a run in order of their start.

    A tool run belongs to the last call of its ``tool_call_id`` that has no run yet, or, as a
    later attempt, to the call it ran for before. A run nobody asked for is a view of its own.
    """

    def __init__(self) -> None:
        self.views: list[ToolCallView] = []
        self._by_call: dict[str, list[ToolCallView]] = {}
        self._by_block: dict[tuple[str, int], ToolCallView] = {}
        self._by_run: dict[tuple[str, str], ToolCallView] = {}

    def asked(self, event: ToolCallStarted, message: MessageView | None) -> None:
        """Take in the start of a model's tool call."""
        view = self._add(event.tool_call_id, event.name, "streaming")
        view.message_id = event.message_id
        view.path = event.path
        self._by_block[event.message_id, event.index] = view
        if message is not None:
            message.tool_calls.append(view)

    def asked_whole(self, event: ToolCallFinished) -> None:
        """Take in the end of a model's tool call."""
        view = self._by_block.pop((event.message_id, event.index), None)
        if view is not None:
            view.name, view.args, view.invalid = event.name, event.args, event.invalid
            if view.status == "streaming":
                view.status = "requested"

    def started(self, event: ToolStarted) -> None:
        """Take in the start of a tool run."""
        given: object = event.input
        calls = self._by_call.get(event.tool_call_id, [])
        waiting = [view for view in calls if view.step_id is None and view.status != "dropped"]
        if waiting:
            view = waiting[-1]
        elif calls and event.attempt > 1:
            view = calls[-1]
        else:
            view = self._add(event.tool_call_id, event.name, "running")
            view.args = cast("dict[str, Any]", given) if isinstance(given, dict) else None
        view.status = "running"
        view.step_id, view.input, view.attempt = event.step_id, given, event.attempt
        view.path, view.started_ts = event.path, event.ts
        view.finished_ts, view.error = None, None
        self._by_run[event.step_id, event.tool_call_id] = view

    def ran(self, event: ToolProgress | ToolFinished | ToolFailed) -> None:
        """Take in what a tool reports, or its end."""
        view = self._by_run.get((event.step_id, event.tool_call_id))
        if view is None:
            return
        if isinstance(event, ToolProgress):
            view.progress.append(event.data)
            return
        view.finished_ts, view.content = event.ts, event.content
        if isinstance(event, ToolFinished):
            view.status = _STATUS[event.outcome]
            view.output, view.artifact = event.output, event.artifact
        else:
            view.status, view.error = "failed", event.error

    def of_run(self, step_id: str, tool_call_id: str) -> ToolCallView | None:
        """The call that this run of a tool is for."""
        return self._by_run.get((step_id, tool_call_id))

    def dropped(self, message: MessageView) -> None:
        """Take in that ``message`` does not stand: what it asked for and never ran is void."""
        for view in message.tool_calls:
            if view.step_id is None:
                view.status = "dropped"

    def _add(self, tool_call_id: str, name: str, status: ToolStatus) -> ToolCallView:
        view = ToolCallView(tool_call_id=tool_call_id, name=name, status=status)
        self.views.append(view)
        self._by_call.setdefault(tool_call_id, []).append(view)
        return view
