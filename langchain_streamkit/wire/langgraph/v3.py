"""LangGraph's agent streaming protocol: the events of a thread, run after run, by channels.

Protocol: the package ``langchain_protocol`` (``protocol.py``), as ``threads.stream`` of
``langgraph_sdk`` and ``@langchain/langgraph-sdk`` read it, and ``useStream`` of
``@langchain/react``.

Guarantees: a pure function of the run's number and its events from the first on, so that an event
has the same ``seq`` and ``event_id`` whenever, and by whatever process, it is sent; ``seq`` rises
over the runs of a thread; each run begins with ``running`` of the root and ends with its
``completed``, ``failed`` or ``interrupted``. A cancelled run is ``failed``: of these words it is
the one after which both clients stop waiting and nobody takes the answer for whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit import events as ev
from langchain_streamkit.failures import MESSAGES
from langchain_streamkit.wire.langgraph.v3_frames import Framer
from langchain_streamkit.wire.langgraph.v3_messages import MessageFrames
from langchain_streamkit.wire.langgraph.v3_places import Places
from langchain_streamkit.wire.views import Projection, View

if TYPE_CHECKING:
    from langchain_streamkit.wire.langgraph.v3_frames import Data, Frame, Namespace

STOPPED: Final = "The run was stopped."
CAPTURE: Final = frozenset({"state", "checkpoints"})
"""What a run has to capture to be told whole."""
_OF_GRAPHS: Final = (
    ev.StateSnapshot,
    ev.StateUpdate,
    ev.Checkpoint,
    ev.StepStarted,
    ev.StepFinished,
    ev.StepFailed,
)


class AgentEvents:
    """The events of one run, which has this number in its thread.

    State, its updates and checkpoints are told whatever ``view`` is; messages and tools as the
    view shows them: those inside of tools with ``steps`` and ``all`` alone.
    """

    def __init__(self, number: int, run_id: str, *, view: View = "chat") -> None:
        self._framer = Framer(number, run_id)
        self._view = Projection(view)
        self._places = Places()
        self._messages = MessageFrames()
        self._state: tuple[Namespace, int, Any] | None = None
        """Not told yet: clients take a checkpoint for that of the state after it."""
        self._has_state = False
        self._ended = False

    def feed(self, event: ev.Event) -> list[Frame]:
        """Return the frames of one event, in order; none after the terminal one."""
        if self._ended:
            return []
        if self._state is None:
            return self._frames(event)
        if isinstance(event, ev.Checkpoint) and event.namespace == self._state[0]:
            return [*self._frames(event), self._told_state()]
        return [self._told_state(), *self._frames(event)]

    def lost(self, ts: int) -> list[Frame]:
        """Return the end of a run that was lost before its first event; ``ts`` is when, in ms."""
        self._ended = True
        failed = {"event": "failed", "error": MESSAGES["producer_lost"]}
        return [self._framer.last((), ts, failed)]

    def _frames(self, event: ev.Event) -> list[Frame]:
        if isinstance(event, _OF_GRAPHS):
            return self._of_graph(event)
        shown = self._view.apply(event)
        match shown:
            case None:
                return []
            case ev.RunStarted():
                data = {"event": "running", "graph_name": shown.name}
                return [self._at((), shown, "lifecycle", data)]
            case ev.RunFinished() | ev.RunInterrupted() | ev.RunFailed() | ev.RunCancelled():
                return self._end(shown, event)
            case ev.ToolStarted() | ev.ToolProgress() | ev.ToolFinished() | ev.ToolFailed():
                return self._tool(shown)
            case ev.Custom():
                named = {} if shown.name is None else {"name": shown.name}
                data = {**named, "payload": shown.data}
                return [self._at(self._places.of(shown.step_id).inside, shown, "custom", data)]
            case ev.InterruptRequested():
                return [self._at(shown.namespace[:-1], shown, "input.requested", _asked(shown))]
            case _:
                return [
                    self._framer.frame("messages", namespace, shown.ts, data, node=node)
                    for namespace, node, data in self._messages.feed(shown, self._places)
                ]

    def _at(self, namespace: Namespace, event: ev.Event, method: str, data: Data) -> Frame:
        return self._framer.frame(method, namespace, event.ts, data)

    # ---- graphs ----------------------------------------------------------------------------------

    def _of_graph(self, event: ev.Event) -> list[Frame]:
        match event:
            case ev.StateSnapshot():
                self._state = self._places.of(event.step_id).graph, event.ts, _state(event)
                return []
            case ev.StateUpdate():
                data = {"node": event.node, "values": event.values}
                return [self._at(self._places.of(event.step_id).graph, event, "updates", data)]
            case ev.Checkpoint():
                return [self._at(event.namespace, event, "checkpoints", _checkpoint(event))]
            case ev.StepStarted():
                self._places.enter(event)
                return self._lifecycle(event, _begun(event))
            case ev.StepFinished() | ev.StepFailed():
                frames = self._lifecycle(event, _over(event))
                self._places.leave(event.step_id)
                return frames
            case _:
                return []

    def _told_state(self) -> Frame:
        assert self._state is not None  # noqa: S101 - the caller has looked
        (namespace, ts, values), self._state = self._state, None
        self._has_state = self._has_state or not namespace
        return self._framer.frame("values", namespace, ts, values)

    def _lifecycle(
        self, event: ev.StepStarted | ev.StepFinished | ev.StepFailed, data: Data
    ) -> list[Frame]:
        place = self._places.of(event.step_id)
        return [self._at(place.graph, event, "lifecycle", data)] if place.subgraph else []

    # ---- tools, the end --------------------------------------------------------------------------

    def _tool(
        self, event: ev.ToolStarted | ev.ToolProgress | ev.ToolFinished | ev.ToolFailed
    ) -> list[Frame]:
        if isinstance(event, ev.ToolStarted):
            self._places.enter_tool(event)
        namespace = self._places.of(event.step_id).inside
        if isinstance(event, ev.ToolFinished | ev.ToolFailed):
            self._places.leave(event.step_id)
        said = _of_tool(event)
        if said is None:
            return []
        data = {**said, "tool_call_id": event.tool_call_id}
        return [self._at(namespace, event, "tools", data)]

    def _end(
        self,
        event: ev.RunFinished | ev.RunInterrupted | ev.RunFailed | ev.RunCancelled,
        whole: ev.Event,
    ) -> list[Frame]:
        self._ended = True
        frames: list[Frame] = []
        match event:
            case ev.RunFinished():
                data: Data = {"event": "completed"}
                output = whole.output if isinstance(whole, ev.RunFinished) else None
                if not self._has_state and isinstance(output, dict):
                    frames.append(self._at((), event, "values", cast("Data", output)))
            case ev.RunInterrupted():
                data = {"event": "interrupted"}
            case ev.RunFailed():
                data = {"event": "failed", "error": event.error.message}
            case ev.RunCancelled():
                data = {"event": "failed", "error": STOPPED}
        return [*frames, self._framer.last((), event.ts, data)]


def _state(event: ev.StateSnapshot) -> Any:
    """Interrupts are told by themselves, and are no part of the state."""
    found: object = event.values
    if not isinstance(found, dict):
        return found
    values = cast("Data", found)
    return {key: value for key, value in values.items() if key != "__interrupt__"}


def _begun(event: ev.StepStarted) -> Data:
    data: Data = {"event": "started", "graph_name": event.name}
    if event.cause is not None:
        data["cause"] = {"type": "toolCall", "tool_call_id": event.cause}
    return data


def _over(event: ev.StepFinished | ev.StepFailed) -> Data:
    match event:
        case ev.StepFailed():
            return {"event": "failed", "error": event.error.message}
        case ev.StepFinished(outcome="suspended"):
            return {"event": "interrupted"}
        case ev.StepFinished(outcome="cancelled"):
            return {"event": "failed", "error": STOPPED}
        case ev.StepFinished():
            return {"event": "completed"}


def _of_tool(
    event: ev.ToolStarted | ev.ToolProgress | ev.ToolFinished | ev.ToolFailed,
) -> Data | None:
    match event:
        case ev.ToolStarted():
            return {"event": "tool-started", "tool_name": event.name, "input": event.input}
        case ev.ToolProgress():
            return {"event": "tool-output-delta", "delta": event.data}
        case ev.ToolFailed():
            return {"event": "tool-error", "message": event.error.message}
        case ev.ToolFinished(outcome="suspended"):
            return None  # it waits for a human, and begins anew with the answer
        case ev.ToolFinished(outcome="cancelled"):
            return {"event": "tool-error", "message": STOPPED}
        case ev.ToolFinished():
            output = event.content if event.output is None else event.output
            return {"event": "tool-finished", "output": output}


def _checkpoint(event: ev.Checkpoint) -> Data:
    found = {
        "id": event.checkpoint_id,
        "parent_id": event.parent_id,
        "step": event.step,
        "source": event.source,
    }
    return {key: value for key, value in found.items() if value is not None}


def _asked(event: ev.InterruptRequested) -> Data:
    """JavaScript's client reads ``payload``, Python's ``value``."""
    found = {"interrupt_id": event.interrupt_id, "payload": event.payload, "value": event.payload}
    if event.tool_call_id is not None:
        found["tool_call_id"] = event.tool_call_id
    if event.response_schema is not None:
        found["response_schema"] = event.response_schema
    return found
