"""Steps and subagents of a run, as AG-UI has them.

Guarantees: a step spans its work; steps that are open at the same time under one owner have
different names; a subagent is a graph that a tool runs, and what is inside says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from langchain_streamkit.events import StepFailed, StepFinished
from langchain_streamkit.wire.ag_ui.tools import STOPPED

if TYPE_CHECKING:
    from langchain_streamkit.events import InterruptRequested, StepStarted, ToolStarted
    from langchain_streamkit.wire.ag_ui.conversation import Call

    Told = dict[str, Any]


class _Step(msgspec.Struct, kw_only=True, eq=False):
    path: tuple[str, ...]
    owner: str | None
    """The subagent it is inside of."""
    name: str | None = None
    """What the client calls it, if it is told of it."""
    is_subagent: bool = False


class Work:
    """What is going on in one run."""

    def __init__(self) -> None:
        self._steps: dict[str, _Step] = {}
        self._tools: dict[str, str | None] = {}
        """Owners of the tools that have run, by step id."""
        self._roots: dict[str, tuple[str, ...]] = {}
        """The paths of subagents, by their ids."""
        self._interrupts: dict[str, str] = {}
        """Owners of interrupts."""

    def owner(self, step_id: str, path: tuple[str, ...]) -> str | None:
        """Return the subagent that something of this step and path is inside of."""
        if step_id in self._tools:
            return self._tools[step_id]
        if (step := self._steps.get(step_id)) is not None:
            return step_id if step.is_subagent else step.owner
        around = [
            step
            for step in self._steps.values()
            if not step.is_subagent and step.path == path[: len(step.path)]
        ]
        return max(around, key=lambda step: len(step.path)).owner if around else None

    def tool(self, event: ToolStarted) -> None:
        """Take in that a tool runs, shown or not."""
        self._tools[event.step_id] = self.owner(event.step_id, event.path)

    def asked(self, event: InterruptRequested) -> None:
        """Take in who asks."""
        if (owner := self.owner(event.step_id, event.path)) is not None:
            self._interrupts[event.interrupt_id] = owner

    def asker(self, interrupt_id: str) -> str | None:
        """Return the subagent that asks this."""
        return self._interrupts.get(interrupt_id)

    def started(self, event: StepStarted, call: Call | None) -> list[Told]:
        """Return the start of a step; ``call`` is the shown tool call that spawned it."""
        owner = self.owner(event.parent_id or "", event.path)
        step = _Step(path=event.path, owner=owner)
        self._steps[event.step_id] = step
        if event.kind == "graph" and event.parent_id in self._tools:
            return [self._subagent(event, step, call)]
        if event.kind != "node":
            return []
        step.name = self._name(step)
        return [_tagged({"type": "STEP_STARTED", "stepName": step.name}, owner)]

    def ended(self, event: StepFinished | StepFailed) -> list[Told]:
        """Return the end of a step."""
        step = self._steps.pop(event.step_id, None)
        if step is None:
            return []
        if step.is_subagent:
            return [self._subagent_end(event)]
        if step.name is None:
            return []
        return [_tagged({"type": "STEP_FINISHED", "stepName": step.name}, step.owner)]

    def _name(self, step: _Step) -> str:
        inside = self._roots.get(step.owner or "", ())
        wanted = "/".join(step.path[len(inside) :]) or "node"
        taken = {one.name for one in self._steps.values() if one.owner == step.owner}
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}#{number}"
        return name

    def _subagent(self, event: StepStarted, step: _Step, call: Call | None) -> Told:
        step.is_subagent = True
        self._roots[event.step_id] = event.path
        told: Told = {
            "type": "SUBAGENT_STARTED",
            "subagentRunId": event.step_id,
            "name": event.name,
        }
        if event.description is not None:
            told["description"] = event.description
        if step.owner is not None:
            told["parentSubagentRunId"] = step.owner
        if call is not None:
            told |= {"parentToolCallId": call.id, "parentMessageId": call.entry.id}
        return told

    def _subagent_end(self, event: StepFinished | StepFailed) -> Told:
        who = {"subagentRunId": event.step_id}
        if isinstance(event, StepFailed):
            error = event.error
            return {"type": "SUBAGENT_ERROR", **who, "message": error.message, "code": error.code}
        if event.outcome == "cancelled":
            return {"type": "SUBAGENT_ERROR", **who, "message": STOPPED, "code": "cancelled"}
        if event.outcome == "suspended":
            ids = [name for name, owner in self._interrupts.items() if owner == event.step_id]
            outcome: Told = {"type": "suspended", **({"interruptIds": ids} if ids else {})}
        else:
            outcome = {"type": "success"}
        return {"type": "SUBAGENT_FINISHED", **who, "outcome": outcome}


def _tagged(told: Told, owner: str | None) -> Told:
    return told if owner is None else {**told, "subagentRunId": owner}
