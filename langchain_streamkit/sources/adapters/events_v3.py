"""``astream_events(version="v3")`` of a graph: protocol events in an envelope with a namespace.

Guarantees: a message is told once, whether as events, whole, or in the state; a node ends when the
next state of its graph comes, at the latest with the run; ``seq`` that jumps is said as a gap, an
event that is told again (as after a reconnect) is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard, cast

from langchain_streamkit.errors import AdaptError, ProducerLost, SourceFailed
from langchain_streamkit.sources.adapters.base import Adapter, Opening
from langchain_streamkit.sources.adapters.namespaces import check_depth
from langchain_streamkit.sources.adapters.nodes import Nodes
from langchain_streamkit.sources.adapters.plain_messages import as_message
from langchain_streamkit.sources.adapters.v3_calls import ModelCalls, ToolCalls
from langchain_streamkit.sources.adapters.v3_messages import BREAKS, message_id_of
from langchain_streamkit.sources.adapters.v3_state import INTERRUPTS, Interrupts, States
from langchain_streamkit.sources.piece_types import as_dict
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import CheckpointSeen, Paused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.adapters.namespaces import Namespace
    from langchain_streamkit.sources.adapters.nodes import OpenNode
    from langchain_streamkit.sources.tap import RunTap

    Handle = Callable[[Namespace, Any, Mapping[str, Any]], None]

_DEEPEST = 64
"""Graphs within graphs: more than anybody has, few enough to open one in the other."""


def is_protocol_event(item: object) -> TypeGuard[dict[str, Any]]:
    """Whether an item is an event of a graph's v3 stream."""
    fields = as_dict(item)
    return isinstance(fields.get("method"), str) and isinstance(fields.get("params"), dict)


class EventsV3(Adapter):
    """Adapts protocol events."""

    route = "astream_events(version='v3')"

    def __init__(self, tap: RunTap, token: Take) -> None:
        super().__init__(tap, token)
        self._models = ModelCalls(self)
        self._nodes = Nodes(self, self._models.abandon)
        self._tools = ToolCalls(self, self._nodes, self._models)
        self._states = States(self, self._nodes, self._models)
        self._interrupts = Interrupts(self, self._nodes, self._tools)
        self._next: int | None = None
        self._latest: dict[Namespace, object] = {}
        self._output: Any = None
        self._failure: str | None = None
        self._name = "graph"
        self._begun = False
        self._methods: dict[str, Handle] = {
            "values": self._values,
            "updates": self._updates,
            "lifecycle": self._lifecycle,
            "tools": lambda namespace, data, _: self._tools.feed(namespace, data),
            "custom": lambda namespace, data, _: self._custom(namespace, None, data),
            "input.requested": self._requested,
            "checkpoints": self._checkpoint,
        }

    def opening(self, first: Any) -> Opening:
        params = first["params"]
        try:
            self._nodes.scope = _namespace(params)
        except BREAKS as error:
            raise AdaptError(f"the first event has no namespace: {error!r}") from error
        data: Any = params.get("data")
        metadata = as_dict(data[1]) if isinstance(data, list | tuple) and len(data) > 1 else {}  # pyright: ignore[reportUnknownArgumentType]
        self._name = str(metadata.get("lc_agent_name") or self._name)
        thread_id = metadata.get("thread_id")
        return Opening(self._name, thread_id if isinstance(thread_id, str) else None)

    def feed(self, item: Any) -> None:
        if not self._begun:
            self._begun = True
            self._nodes.begin(self._name)
        try:
            seq = item.get("seq")
            if seq is not None:
                if seq != self._next and not self._in_order(seq):
                    return
                self._next = seq + 1
            method = item["method"]
            params = item["params"]
            data = params["data"]
            if method == "messages":
                self._message(params, data)
                return
            handle = self._methods.get(method)
            if handle is not None:
                handle(self._at(params), data, params)
            elif method.startswith("custom:"):
                self._custom(self._at(params), method.removeprefix("custom:"), data)
        except BREAKS as error:
            raise AdaptError(f"an event of v3 breaks its format: {error!r}") from error

    def end(self) -> object:
        if self._failure is not None:
            raise SourceFailed(self._failure)
        pending = list(self._interrupts.pending.values())
        if not self.live and not pending:
            self._check_whole()
        output = self._output
        if pending and isinstance(output, dict):
            output = {**cast("dict[str, Any]", output), INTERRUPTS: pending}
        self._interrupts.end()
        self._models.abandon(None)
        self._nodes.end_all()
        self.tap.chain_end(self.root, output)
        return cast("object", output)

    def broke(self, error: Exception) -> None:
        if self._nodes.in_line:
            self._models.fell(error)
            self._nodes.end_graph((), error)
        self.tap.failed(self.root, error)

    def _check_whole(self) -> None:
        """A recording tells no end: it is cut if something in it must have gone on."""
        if self._models:
            raise ProducerLost("the events stop in the middle of a message")
        if self._tools:
            raise ProducerLost("the events stop while a tool runs")
        if not self._states:
            raise ProducerLost("the events hold no state of the graph: they are only a part")

    def _in_order(self, seq: Any) -> bool:
        """Whether an event with another number than the next is new; says what is missing."""
        if not isinstance(seq, int):
            raise AdaptError(f"seq is {seq!r}, not a number")
        expected = self._next
        if expected is None or self._nodes.scope:  # a part of a run has a part of its numbers
            return True
        if seq < expected:
            return False
        lost = seq - expected
        self.tap.note(self.root, "gap", f"{lost} events before number {seq} are missing", lost)
        return True

    def _at(self, params: Mapping[str, Any]) -> Namespace:
        namespace = _namespace(params)
        scope = self._nodes.scope
        if namespace[: len(scope)] != scope:  # the recording began within a graph of this one
            self._nodes.scope = ()
            self._next = None
        return namespace

    # ---- messages ----------------------------------------------------------------------------

    def _message(self, params: Mapping[str, Any], data: Any) -> None:
        payload: Any
        metadata: Any
        if type(data) is dict:  # over a wire, without LangGraph's metadata
            payload, metadata = cast("Any", data), {}
            key = self._key_on_wire(self._at(params), payload)
        else:
            payload, metadata = data
            key = metadata.get("run_id")
        call = self._models.find(key)
        if call is not None:
            if payload["event"] in ("message-finish", "error"):
                message = self._models.end(call, payload)
                if message is not None:
                    self._states.note(message)
            else:
                call.reader.feed(payload)
            return
        namespace = self._at(params)
        node = self._node_of(metadata)
        graph = self.root if node is not None else self._nodes.graph(namespace)
        if (message := as_message(payload)) is not None:
            self._whole(node, message, metadata)
            return
        kind = payload["event"]
        if kind in ("message-finish", "error"):
            raise AdaptError(f"a {kind} of a message that has not begun")
        if kind == "message-start" and payload.get("role", "ai") != "ai":
            return  # those of people and tools are told whole, in the state
        call = self._models.begin(key, graph, node, payload, metadata)
        if call.reader.message_id is not None:
            self._states.note(call.reader.message_id)
        call.reader.feed(payload)

    def _key_on_wire(self, namespace: Namespace, event: Mapping[str, Any]) -> object:
        """Which call an event is of, without a run id: that of its message id, else the latest."""
        given = message_id_of(event)
        if given is not None or event["event"] == "message-start":
            self._latest[namespace] = (namespace, given)
        return self._latest.get(namespace, (namespace, None))

    def _node_of(self, metadata: Mapping[str, Any]) -> OpenNode | None:
        where = metadata.get("langgraph_checkpoint_ns")
        if not isinstance(where, str) or not where:
            return None
        return self._nodes.node(_checked(tuple(where.split("|"))), metadata)

    def _whole(
        self, node: OpenNode | None, message: BaseMessage, metadata: Mapping[str, Any]
    ) -> None:
        """A message in one piece: what a model said that did not stream, or a node returned."""
        if node is None:
            raise AdaptError("a whole message does not tell its node")
        if not self._states.note(message):
            return
        if "ls_model_type" in metadata:
            self._models.whole(node, message, metadata)
        else:
            self._models.abandon(node.run_id)
            self._states.returned(node.run_id, message)

    # ---- state, graphs, and what else there is -----------------------------------------------

    def _values(self, namespace: Namespace, data: Any, params: Mapping[str, Any]) -> None:
        interrupts = params.get("interrupts") or ()
        self._states.whole(namespace, data, pausing=bool(interrupts))
        if namespace == self._nodes.scope:
            self._output = data
        if "state" in self.tap.capture:
            self.tap.state(namespace, None, data)
        self._interrupts.feed(namespace, interrupts)

    def _updates(self, namespace: Namespace, data: Any, _: Mapping[str, Any]) -> None:
        for name, update in data.items():
            if name == INTERRUPTS:
                self._interrupts.feed(namespace, update)
                continue
            self._states.update(namespace, name, update)
            if "state" in self.tap.capture:
                self.tap.state(namespace, str(name), update)

    def _requested(self, namespace: Namespace, data: Any, _: Mapping[str, Any]) -> None:
        one = {"id": data["interrupt_id"], "value": data.get("payload")}
        self._interrupts.feed(namespace, [one])

    def _checkpoint(self, namespace: Namespace, data: Any, _: Mapping[str, Any]) -> None:
        if "checkpoints" not in self.tap.capture:
            return
        if "config" in data:
            self.tap.checkpoint(namespace, data)
            return
        seen = (str(data["id"]), data.get("parent_id"), data.get("source"), data.get("step"))
        self.tap.push(CheckpointSeen(now_ms(), self.root, namespace, *seen))

    def _custom(self, namespace: Namespace, name: str | None, data: Any) -> None:
        self.tap.custom(self._nodes.graph(namespace), name, data)

    def _lifecycle(self, namespace: Namespace, data: Any, _: Mapping[str, Any]) -> None:
        at = self._at(data) if "namespace" in data else namespace
        is_root = at == self._nodes.scope
        error: BaseException | None = None
        match data["event"]:
            case "started":
                if not is_root:
                    parent = self._tools.caller(at, as_dict(data.get("cause")).get("tool_call_id"))
                    name: object = data.get("graph_name")
                    self._nodes.graph(at, name if isinstance(name, str) else None, parent)
                return
            case "completed":
                pass
            case "failed":
                error = SourceFailed(str(data.get("error")))
                if is_root:
                    self._failure = str(error)
            case "interrupted" | "drained":
                from langgraph.errors import GraphInterrupt

                error = GraphInterrupt(())
                if is_root:
                    self.tap.push(Paused(now_ms(), self.root))
            case _:
                return
        if not is_root:
            self._nodes.end_at(at, error)


def _namespace(params: Mapping[str, Any]) -> Namespace:
    return _checked(tuple(params["namespace"]))


def _checked(namespace: tuple[Any, ...]) -> Namespace:
    check_depth(namespace)
    for part in namespace:
        if not isinstance(part, str) or not part:
            raise AdaptError(f"{part!r} is no part of a namespace")
    return namespace
