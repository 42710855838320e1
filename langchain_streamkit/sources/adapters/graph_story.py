"""What each stream mode of a graph tells, said as signals.

Guarantees: the modes complete each other, in whatever list they come: what one has told, another
does not tell again. Nodes end by the result of their task, where ``tasks`` are told, else by their
update, else when their graph goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import ToolMessage

from langchain_streamkit.errors import AdaptError, SourceFailed
from langchain_streamkit.sources.adapters import graph_payloads as read
from langchain_streamkit.sources.adapters.graph_forms import mapping
from langchain_streamkit.sources.adapters.graph_messages import Messages
from langchain_streamkit.sources.adapters.graph_payloads import INTERRUPT, METADATA
from langchain_streamkit.sources.adapters.graph_tools import Tools
from langchain_streamkit.sources.adapters.plain_messages import with_messages
from langchain_streamkit.sources.node_output import (
    returned_messages,
    snapshot,
    state_messages,
)
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import InterruptSeen, KnownMessages, Paused
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.adapters.graph_payloads import Asked
    from langchain_streamkit.sources.adapters.graph_tree import Part, Tree
    from langchain_streamkit.sources.adapters.namespaces import Namespace
    from langchain_streamkit.sources.tap import RunTap


class Story:
    """One run, told mode by mode."""

    def __init__(self, tap: RunTap, token: Take, tree: Tree) -> None:
        self._tap = tap
        self._tree = tree
        self._told: set[str] = set()
        """Of ``messages``, ``updates`` and ``tasks``, which tell messages where they are made."""
        self._pending: dict[str, tuple[Asked, Namespace]] = {}
        """Interrupts of ``updates`` and ``values``, which do not say whose they are."""
        self._checkpoints: set[str] = set()
        self.messages = Messages(tap, token, tree)
        self.paused = False
        """Whether the root graph stopped for a human."""
        self.failure: BaseException | None = None
        """What the last of the root's tasks failed with."""
        self.result: Any = None
        """The last values of the root."""
        tools = Tools(tap, tree)
        self._modes: dict[str, Callable[[Namespace, Any], None]] = {
            "updates": self.updates,
            "values": self.values,
            "tasks": self.tasks,
            "debug": self.debug,
            "checkpoints": self.checkpoints,
            "tools": tools.take,
            "custom": tools.custom,
            "error": self._server_error,
        }

    def take(self, namespace: Namespace | None, mode: str, payload: Any) -> None:
        """Take an item. Raises AdaptError if it is none of its mode."""
        if mode in ("messages", "messages-tuple"):
            self._told.add("messages")
            self.messages.take(namespace, payload)
        elif (tell := self._modes.get(mode)) is not None:
            tell(namespace or (), payload)
        elif mode in ("messages/partial", "messages/complete"):
            self._told.add("messages")
            self.messages.partial(namespace, payload, complete=mode == "messages/complete")
        elif mode == "messages/metadata":
            self.messages.metadata(payload)
        elif mode not in ("metadata", "end", "feedback"):
            raise AdaptError(f"{mode!r} is no stream mode of a graph")

    # ---- tasks -------------------------------------------------------------------------------

    def tasks(self, namespace: Namespace, payload: Any, step: object = None) -> None:
        """A task begins, or has a result."""
        fields = read.fields_of(payload, "tasks")
        task_id = read.text_of(fields, "id", "tasks")
        segment = f"{read.text_of(fields, 'name', 'tasks')}:{task_id}"
        part = self._tree.nodes.get(segment)
        if "result" in fields:
            part = part or self._task(namespace, segment, {}, step)
            if part.open:
                self._result(namespace, part, fields)
        elif "input" not in fields:
            raise AdaptError("a 'tasks' item has an 'input' or a 'result', this one has neither")
        elif part is None:
            self._task(namespace, segment, fields, step)

    def _task(
        self, namespace: Namespace, segment: str, fields: dict[str, Any], step: object
    ) -> Part:
        self._told.add("tasks")
        if not namespace:
            self.failure = None  # the graph goes on, so a handler has dealt with it
        inputs = with_messages(fields.get("input"))
        metadata = dict(read.fields_of(fields.get("metadata") or {}, "tasks"))
        if step is not None:
            metadata["langgraph_step"] = step
        caller = None
        if read.is_call(inputs):
            nodes = [
                one for one in self._tree.graph(namespace).open_children("node") if one.is_task
            ]
            caller = nodes[0] if len(nodes) == 1 else None
        part = self._tree.node(namespace, segment, metadata=metadata, inputs=inputs, caller=caller)
        part.is_task = True
        self._known(state_messages(inputs))
        self._known(state_messages((mapping(inputs) or {}).get("state")))
        calls = read.tool_calls_of(inputs)
        part.runs_tool = len(calls) == 1
        for call in calls:
            self._tree.tool(part, call["id"], call["name"], call["args"])
        return part

    def _result(self, namespace: Namespace, part: Part, fields: dict[str, Any]) -> None:
        interrupts = read.interrupts_of(fields.get("interrupts"))
        error = read.error_of(fields.get("error"))
        if interrupts:
            self.paused = self.paused or not namespace
            self._tree.leave(part, _interrupt(interrupts))
        elif error is not None:
            if not namespace:
                self.failure = error
            self._tree.leave(part, error)
        else:
            self._end(part, fields["result"])

    def _end(self, part: Part, result: Any) -> None:
        """A node has returned ``result``."""
        update = read.update_of(result)
        returned = returned_messages(update)
        for message in returned:
            if isinstance(message, ToolMessage):
                self.messages.answered(message)
        inner = [one for one in part.below() if one.kind == "graph"]
        if any(node.is_task for one in inner for node in one.open_children("node")):
            self._hand_off(part, update)
        else:
            self._tree.end(part, update, {m.id: snapshot(m) for m in returned if m.id})
        self.messages.ids.update(m.id for m in returned if m.id)

    def _hand_off(self, part: Part, update: Any) -> None:
        """A node of a graph in it has no result: it left with a command to the graph around."""
        from langgraph.errors import ParentCommand
        from langgraph.types import Command

        error = ParentCommand(Command(update=update))
        for one in reversed([part, *part.below()]):
            if one.kind != "tool" and one.open:
                self._tree.leave(one, error)

    def debug(self, namespace: Namespace, payload: Any) -> None:
        """``tasks`` and ``checkpoints`` in a wrapper."""
        fields = read.fields_of(payload, "debug")
        inner = fields.get("payload")
        match fields.get("type"):
            case "checkpoint":
                self.checkpoints(namespace, inner)
            case "task" | "task_result":
                self.tasks(namespace, inner, fields.get("step"))
            case kind:
                raise AdaptError(f"a 'debug' item has the type {kind!r}")

    # ---- updates -----------------------------------------------------------------------------

    def updates(self, namespace: Namespace, payload: Any) -> None:
        """What nodes have returned, and what they wait for."""
        fields = read.fields_of(payload, "updates")
        if INTERRUPT in fields:
            self._asked(namespace, fields[INTERRUPT])
        cached = (mapping(fields.get(METADATA)) or {}).get("cached")
        for name, value in fields.items():
            if name in (INTERRUPT, METADATA):
                continue
            if "state" in self._tap.capture:
                self._tap.state(namespace, name, value)
            if cached:
                self._remembered(namespace, name, value)
            elif "tasks" not in self._told:
                self._update(namespace, name, value)
        self._told.add("updates")

    def _remembered(self, namespace: Namespace, name: str, value: Any) -> None:
        """The node did not run: what it returns was made, and told, at another time."""
        self._known(returned_messages(read.update_of(value)))
        for one in self._tree.graph(namespace).open_children("node"):
            if one.name == name:
                self._tree.end(one)
                return

    def _update(self, namespace: Namespace, name: str, value: Any) -> None:
        update = read.update_of(value)
        returned = returned_messages(update)
        self._known(self._history(returned))
        ids = {message.id for message in returned}
        graph = self._tree.graph(namespace)
        nodes = [one for one in graph.open_children("node") if one.name == name]
        whose = [one for one in nodes if not ids.isdisjoint(one.calls)]
        if not whose and len(nodes) == 1:
            latest = nodes[0].latest
            if latest is None or not latest.open:
                whose = nodes
        part = whose[0] if whose else self._tree.node(namespace, name)
        self._end(part, update)

    def _history(self, returned: list[BaseMessage]) -> list[BaseMessage]:
        """What hand-offs, and graphs that are nodes, repeat in their updates.

        ``messages`` mode has shown every message with an id; without it, what stands before a
        message that was seen is older than that.
        """
        if "messages" in self._told:
            return [m for m in returned if not isinstance(m, ToolMessage)]
        seen = [n for n, m in enumerate(returned) if m.id in self.messages.ids]
        return returned[: seen[-1]] if seen else []

    # ---- values ------------------------------------------------------------------------------

    def values(self, namespace: Namespace, payload: Any) -> None:
        """The state of a graph after a step."""
        graph = self._tree.graph(namespace)
        asked = (mapping(payload) or {}).get(INTERRUPT)
        if asked is not None:
            self._asked(namespace, asked)
        if not namespace:
            self.result = payload
        state = with_messages(payload)
        if "state" in self._tap.capture:
            self._tap.state(namespace, None, payload)
        self._tap.stored(namespace, state)
        messages = state_messages(state)
        if graph.stood:
            for message in messages:
                if message.id not in self.messages.ids and self._is_news(message):
                    self.messages.whole(graph, message)
        self._known(messages)
        graph.stood = True
        if not asked:
            for one in graph.open_children("node"):
                if not one.is_task:
                    self._tree.end(one)

    def _is_news(self, message: BaseMessage) -> bool:
        """Whether nothing but the state tells of a message that is new in it.

        ``messages`` tell all, but for the answer of a tool that hands over to another graph.
        """
        if isinstance(message, ToolMessage):
            return self._told.isdisjoint(("updates", "tasks"))
        return not self._told

    def _known(self, messages: list[BaseMessage]) -> None:
        ids = tuple(m.id for m in messages if m.id and m.id not in self.messages.ids)
        if ids:
            self.messages.ids.update(ids)
            self._tap.push(KnownMessages(now_ms(), self._tap.root, ids))

    # ---- the rest ----------------------------------------------------------------------------

    def _asked(self, namespace: Namespace, given: Any) -> None:
        """Somebody in the graph of ``namespace`` waits; the result of its task tells who."""
        self.paused = self.paused or not namespace
        for one in read.interrupts_of(given):
            if "tasks" in self._told:
                self._pending.setdefault(one.id, (one, namespace))
            else:
                self._request(one, namespace)

    def _request(self, asked: Asked, namespace: Namespace) -> None:
        try:
            graph = self._tree.graph(namespace)
        except AdaptError:  # it is over
            graph = self._tree.root
        payload, schema = to_plain(asked.value), to_plain(asked.response_schema)
        self._tap.push(InterruptSeen(now_ms(), graph.run_id, asked.id, payload, namespace, schema))

    def checkpoints(self, namespace: Namespace, payload: Any) -> None:
        """A checkpoint was written."""
        fields = read.fields_of(payload, "checkpoints")
        if "checkpoints" in self._tap.capture:
            told = repr((namespace, fields.get("config")))
            if told not in self._checkpoints:  # `debug` repeats it
                self._checkpoints.add(told)
                self._tap.checkpoint(namespace, fields)

    def _server_error(self, _: Namespace, payload: Any) -> None:
        self.failure = read.error_of(payload) or SourceFailed("the server says that it failed")

    # ---- the end -----------------------------------------------------------------------------

    def end(self) -> None:
        """The source is over, and the run with it."""
        for asked, namespace in self._pending.values():
            self._request(asked, namespace)
        if self.paused:
            self._tap.push(Paused(now_ms(), self._tap.root))
            for part in self._tree.root.open_children():  # what has not ended waits
                self._tree.leave(part, _interrupt([]))
        self._tree.end(self._tree.root, self.result)

    def cut(self) -> str | None:
        """What proves that the source must have said more, None if nothing does."""
        if self.paused:
            return None
        for part in self._tree.root.below():
            call = part.latest
            if part.is_task and part.kind == "node":
                return f"node {part.name!r} has not ended"
            if call is not None and call.open and call.tells_end:
                return f"a message of node {part.name!r} has not ended"
        return None


def _interrupt(asked: list[Asked]) -> BaseException:
    """What a node raises that waits."""
    from langgraph.errors import GraphInterrupt

    given: Any = asked
    return GraphInterrupt(given)
