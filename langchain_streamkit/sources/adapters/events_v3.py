"""``astream_events(version="v3")`` of a graph: protocol events in an envelope with a namespace.

Guarantees: a message is told once, whether as events, whole, or in the state; a node ends when the
next state of its graph comes, at the latest with the run; ``seq`` that jumps is said as a gap, an
event that is told again (as after a reconnect) is left out.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeGuard, cast
from uuid import UUID

from langchain_core.messages import BaseMessage, ToolMessage

from langchain_streamkit.errors import AdaptError, ProducerLost, SourceFailed
from langchain_streamkit.sources.adapters.base import Adapter, Opening
from langchain_streamkit.sources.adapters.nodes import Nodes
from langchain_streamkit.sources.adapters.plain import (
    as_message,
    messages_of_state,
    messages_of_update,
)
from langchain_streamkit.sources.adapters.v3_calls import ModelCalls, ToolCalls
from langchain_streamkit.sources.adapters.v3_messages import message_id_of
from langchain_streamkit.sources.node_output import snapshot
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import (
    CheckpointSeen,
    InterruptSeen,
    KnownMessages,
    MessagesSeen,
    Paused,
)
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from langchain_streamkit.sources.adapters.nodes import Namespace, OpenNode
    from langchain_streamkit.sources.lane import Lanes
    from langchain_streamkit.sources.tap import RunTap

_INTERRUPTS = "__interrupt__"
_DEEPEST = 64
"""Graphs within graphs: LangGraph's own limit of recursion is lower."""
_BREAKS = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading fields of an item raises if they are missing or of another type."""


def is_protocol_event(item: object) -> TypeGuard[dict[str, Any]]:
    """Whether an item is an event of a graph's v3 stream."""
    if not isinstance(item, dict):
        return False
    fields = cast("dict[str, Any]", item)
    return isinstance(fields.get("method"), str) and isinstance(fields.get("params"), dict)


class EventsV3(Adapter):
    """Adapts protocol events."""

    route = "astream_events(version='v3')"

    def __init__(self, tap: RunTap, lanes: Lanes) -> None:
        super().__init__(tap, lanes)
        self._models = ModelCalls(self)
        self._nodes = Nodes(self, self._models.abandon)
        self._tools = ToolCalls(self, self._nodes, self._models)
        self._seq: int | None = None
        self._seen: set[str] = set()
        """Keys of messages that were told, or are input."""
        self._states: dict[Namespace, str | None] = {}
        """Graphs whose state was seen, with the key of its first message."""
        self._latest: dict[Namespace, object] = {}
        self._interrupts: dict[str, Any] = {}
        self._paused: list[OpenNode] = []
        self._output: Any = None
        self._failure: str | None = None
        self._methods: dict[str, Callable[[Namespace, Any, Mapping[str, Any]], None]] = {
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
        self._nodes.scope = _namespace(params)
        data = params.get("data")
        metadata: Any = data[1] if isinstance(data, list | tuple) and len(data) == 2 else {}  # noqa: PLR2004 # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        metadata = cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else {}
        name, thread_id = metadata.get("lc_agent_name"), metadata.get("thread_id")
        self._name = str(name or "graph")
        self._begun = False
        return Opening(self._name, thread_id if isinstance(thread_id, str) else None)

    def feed(self, item: Any) -> None:
        if not self._begun:
            self._begun = True
            self._nodes.begin(self._nodes.scope, self._name, {})
        try:
            seq = item.get("seq")
            if seq is not None and seq != self._seq:
                if not self._in_order(seq):
                    return
                self._seq = seq + 1
            elif seq is not None:
                self._seq = seq + 1
            method = item["method"]
            params = item["params"]
            data = params["data"]
            if method == "messages":
                self._message(params, data)
                return
            handle = self._methods.get(method)
            if handle is not None:
                handle(_namespace(params), data, params)
            elif method.startswith("custom:"):
                self._custom(_namespace(params), method.removeprefix("custom:"), data)
        except _BREAKS as error:
            raise AdaptError(f"an event of v3 breaks its format: {error!r}") from error

    def end(self) -> object:
        if self._failure is not None:
            raise SourceFailed(self._failure)
        if not self.live and not self._interrupts:
            self._check_whole()
        output = self._output
        if self._interrupts:
            from langgraph.errors import GraphInterrupt

            self._tools.suspend(GraphInterrupt(()))
            for node in self._paused:
                self._nodes.end_node(node, GraphInterrupt(()))
            if isinstance(output, dict):
                output = {**output, _INTERRUPTS: list(self._interrupts.values())}
        self._models.abandon(None)
        self._nodes.end_all()
        self.tap.chain_end(self.root, output)
        return cast("object", output)

    def _check_whole(self) -> None:
        """A recording tells no end: it is cut if something in it must have gone on."""
        if self._models:
            raise ProducerLost("the events stop in the middle of a message")
        if self._tools:
            raise ProducerLost("the events stop while a tool runs")
        if not self._states:
            raise ProducerLost("the events hold no state of the graph: they are only a part")

    def _in_order(self, seq: Any) -> bool:
        """Whether an event with this number is new; says what is missing before it."""
        if not isinstance(seq, int):
            raise AdaptError(f"seq is {seq!r}, not a number")
        expected = self._seq
        if expected is None or self._nodes.scope:  # a part of a run has a part of its numbers
            return True
        if seq < expected:
            return False
        lost = seq - expected
        self.tap.note(self.root, "gap", f"{lost} events before number {seq} are missing", lost)
        return True

    # ---- messages ----------------------------------------------------------------------------

    def _message(self, params: Mapping[str, Any], data: Any) -> None:
        if type(data) is dict:  # without LangGraph's metadata, as over a wire
            payload, metadata = cast("Any", data), cast("Any", {})
            key = self._key_on_wire(_namespace(params), payload)
        else:
            payload, metadata = data
            key = metadata.get("run_id")
        call = self._models.find(key)
        if call is not None:
            if payload["event"] in ("message-finish", "error"):
                self._told(self._models.end(call, payload))
            else:
                call.reader.feed(payload)
            return
        namespace = _namespace(params)
        node = self._node_of(metadata)
        message = None if isinstance(payload, dict) and "event" in payload else as_message(payload)
        if message is not None:
            self._whole(namespace, node, message, metadata)
        elif payload["event"] == "message-start" and payload.get("role", "ai") != "ai":
            return  # those of people and tools are told whole, in the state
        elif payload["event"] not in ("message-finish", "error"):
            graph = self.root if node is not None else self._nodes.graph(namespace)
            call = self._models.begin(key, graph, node, payload, metadata)
            if (given := message_id_of(payload)) is not None:
                self._seen.add(given)
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

    def _told(self, message: BaseMessage | None) -> None:
        if message is not None:
            self._seen.add(_key(message))

    def _whole(
        self,
        namespace: Namespace,
        node: OpenNode | None,
        message: BaseMessage,
        metadata: Mapping[str, Any],
    ) -> None:
        """A message in one piece: what a model said that did not stream, or a node returned."""
        key = _key(message)
        if key in self._seen:
            return
        self._seen.add(key)
        if "ls_model_type" in metadata:
            graph = self.root if node is not None else self._nodes.graph(namespace)
            self._models.whole(graph, node, message, metadata)
        elif node is not None:
            self._models.abandon(node.run_id)
            self._returned(node.run_id, [message])
        else:
            self._returned(self._nodes.graph(namespace), [message])

    def _returned(self, run_id: UUID, messages: Iterable[BaseMessage]) -> None:
        copies = tuple(map(snapshot, messages))
        if copies:
            self.tap.push(MessagesSeen(now_ms(), run_id, copies))

    # ---- state -------------------------------------------------------------------------------

    def _values(self, namespace: Namespace, data: Any, params: Mapping[str, Any]) -> None:
        messages = list(messages_of_state(data))
        fresh = [message for message in messages if _key(message) not in self._seen]
        self._seen.update(map(_key, fresh))
        interrupts = params.get("interrupts") or ()
        if self._begins(namespace, messages, fresh):
            self._history(fresh)
        else:
            nodes = self._nodes.nodes_of(namespace)
            if not interrupts:  # with them, it is told before the other nodes are done
                for node in nodes:
                    self._models.abandon(node.run_id)
            self._new_in_state(namespace, nodes, fresh)
            if not interrupts:
                self._nodes.end_nodes_of(namespace)
        if namespace == self._nodes.scope:
            self._output = data
        if "state" in self.tap.capture:
            self.tap.state(namespace, None, data)
        self._interrupted(namespace, interrupts)

    def _begins(
        self, namespace: Namespace, messages: list[BaseMessage], fresh: list[BaseMessage]
    ) -> bool:
        """Whether this is the state with which a graph begins: input and history."""
        first = _key(messages[0]) if messages else None
        before = self._states.get(namespace)
        known = namespace in self._states
        self._states[namespace] = first
        if not known:
            return not self._nodes.nodes_of(namespace)
        # A tool may call its graph again, with another input, in the same namespace.
        again = bool(fresh) and len(fresh) == len(messages) and first != before
        return again and namespace != self._nodes.scope

    def _history(self, messages: list[BaseMessage]) -> None:
        ids = tuple(message.id for message in messages if message.id)
        if ids:
            self.tap.push(KnownMessages(now_ms(), self.root, ids))
        for message in messages:
            calls = getattr(message, "tool_calls", ())
            self._models.tool_call_ids.update(call["id"] for call in calls if call["id"])

    def _new_in_state(
        self, namespace: Namespace, nodes: list[OpenNode], messages: list[BaseMessage]
    ) -> None:
        """Tell what no event told: answers of tools, and messages that the reducer made."""
        for message in messages:
            text = str(message.text)
            by = nodes[0] if len(nodes) == 1 else next((n for n in nodes if text in n.said), None)
            if by is None:
                self._returned(self._nodes.graph(namespace), [message])
            else:
                self._returned(by.run_id, [message])
                if text in by.said:
                    by.said.remove(text)

    def _updates(self, namespace: Namespace, data: Any, _: Mapping[str, Any]) -> None:
        for name, update in data.items():
            if name == _INTERRUPTS:
                self._interrupted(namespace, update)
                continue
            found = [m for m in messages_of_update(update) if m.id and _key(m) not in self._seen]
            self._seen.update(map(_key, found))
            nodes = [node for node in self._nodes.nodes_of(namespace) if node.name == name]
            self._new_in_state(namespace, nodes, found)
            if "state" in self.tap.capture:
                self.tap.state(namespace, name, update)

    def _checkpoint(self, namespace: Namespace, data: Any, _: Mapping[str, Any]) -> None:
        if "checkpoints" not in self.tap.capture:
            return
        if "config" in data:
            self.tap.checkpoint(namespace, data)
            return
        seen = (data["id"], data.get("parent_id"), data.get("source"), data.get("step"))
        self.tap.push(CheckpointSeen(now_ms(), self.root, namespace, *seen))

    def _custom(self, namespace: Namespace, name: str | None, data: Any) -> None:
        self.tap.custom(self._nodes.graph(namespace), name, data)

    # ---- interrupts and graphs ---------------------------------------------------------------

    def _requested(self, namespace: Namespace, data: Any, _: Mapping[str, Any]) -> None:
        self._interrupted(namespace, [{"id": data["interrupt_id"], "value": data.get("payload")}])

    def _interrupted(self, namespace: Namespace, interrupts: Iterable[Any]) -> None:
        """Pending interrupts of the graph; those of graphs in it are told again here."""
        given = [SimpleNamespace(**one) if isinstance(one, dict) else one for one in interrupts]  # pyright: ignore[reportUnknownArgumentType]
        if not given:
            return
        from langgraph.errors import GraphInterrupt
        from langgraph.types import Interrupt

        for one in given:
            if one.id in self._interrupts:
                continue
            self._interrupts[one.id] = one
            self._tools.interrupted(namespace, GraphInterrupt((one,)))
            run_id, where = self._nodes.graph(namespace), namespace
            for node in self._nodes.nodes_of(namespace):
                # LangGraph makes the id of an interrupt from the namespace of its node.
                if Interrupt.from_ns(None, "|".join(node.namespace)).id == one.id:
                    run_id, where = node.run_id, node.namespace
                    self._paused.append(node)
            schema = to_plain(getattr(one, "response_schema", None))
            value = to_plain(one.value)
            self.tap.push(InterruptSeen(now_ms(), run_id, str(one.id), value, where, schema))
        self.tap.push(Paused(now_ms(), self._nodes.graph(namespace)))

    def _lifecycle(self, namespace: Namespace, data: Any, _: Mapping[str, Any]) -> None:
        at = _namespace(data) if "namespace" in data else namespace
        kind = data["event"]
        error: BaseException | None = None
        if kind == "started":
            if len(at) > len(self._nodes.scope):
                caused: Any = data.get("cause") or {}
                parent = self._tools.caller(at, caused.get("tool_call_id"))
                name: object = data.get("graph_name")
                self._nodes.graph(at, name if isinstance(name, str) else None, parent)
            return
        if kind == "failed":
            error = SourceFailed(str(data.get("error")))
            if at == self._nodes.scope:
                self._failure = str(data.get("error"))
        elif kind in ("interrupted", "drained"):
            from langgraph.errors import GraphInterrupt

            error = GraphInterrupt(())
            if at == self._nodes.scope:
                self.tap.push(Paused(now_ms(), self.root))
        elif kind != "completed":
            return
        if at != self._nodes.scope:
            self._nodes.end_at(at, error)


def _namespace(params: Mapping[str, Any]) -> Namespace:
    return _checked(tuple(params["namespace"]))


def _checked(namespace: tuple[Any, ...]) -> Namespace:
    if len(namespace) > _DEEPEST:
        raise AdaptError(f"a namespace has {len(namespace)} parts")
    for part in namespace:
        if not isinstance(part, str) or not part:
            raise AdaptError(f"{part!r} is no part of a namespace")
    return namespace


def _key(message: BaseMessage) -> str:
    """What tells a message from others: its id, or what it says if nobody gave it one."""
    if message.id:
        return message.id
    call = message.tool_call_id if isinstance(message, ToolMessage) else ""
    return f"{message.type}/{call}/{message.text}"
