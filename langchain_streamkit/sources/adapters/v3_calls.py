"""The model calls and tools of a graph's v3 events, in the nodes they belong to.

Guarantees: a call that its node leaves behind is failed (v3 never closes the message of a dead
attempt) as soon as that is certain; a tool that an interrupt left is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_streamkit.errors import AdaptError, SourceFailed
from langchain_streamkit.sources.adapters.plain_state import tool_output
from langchain_streamkit.sources.adapters.v3_messages import MessageReader, final, message_id_of
from langchain_streamkit.sources.piece_types import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.adapters.base import Adapter
    from langchain_streamkit.sources.adapters.namespaces import Namespace
    from langchain_streamkit.sources.adapters.nodes import Nodes, OpenNode

_RETRY_TAG = "retry:attempt:"
_RUN_ID_PREFIX = "lc_run--"


class OpenCall:
    """A model call that has begun, in ``node`` if its metadata tells."""

    __slots__ = ("key", "node", "reader")

    def __init__(self, key: object, node: OpenNode | None, reader: MessageReader) -> None:
        self.key = key
        self.node = node
        self.reader = reader


class ModelCalls:
    """The open model calls of one run."""

    def __init__(self, adapter: Adapter) -> None:
        self._tap = adapter.tap
        self._named = adapter.named
        self._take = adapter.token
        self._open: dict[object, OpenCall] = {}
        self._begun: set[UUID] = {adapter.root}
        self.tool_call_ids: set[str] = set()
        """Ids of the calls that messages ended with."""

    def __bool__(self) -> bool:
        return bool(self._open)

    def find(self, key: object) -> OpenCall | None:
        """The open call whose events have that key."""
        return self._open.get(key)

    def begin(
        self,
        key: object,
        graph: UUID,
        node: OpenNode | None,
        event: Mapping[str, Any],
        metadata: Mapping[str, Any],
    ) -> OpenCall:
        """A call begins with ``event``, usually ``message-start``."""
        starts = event["event"] == "message-start"
        message_id = message_id_of(event) if starts else None
        tags = [tag for tag in as_list(metadata.get("tags")) if isinstance(tag, str)]
        if node is not None:
            self._overtaken(node, tags)
        given: object = metadata.get("run_id")
        run_id = self._fresh(_uuid(given) or _uuid_of_message(message_id), key)
        fields = dict(metadata)
        stated = as_dict(event.get("metadata")) if starts else {}
        for ours, theirs in (("ls_provider", "provider"), ("ls_model_name", "model")):
            if isinstance(stated.get(theirs), str):
                fields.setdefault(ours, stated[theirs])
        name = str(fields.get("ls_model_name") or "model")
        self._tap.model_start(run_id, node.run_id if node else graph, name, tags, fields)
        call = OpenCall(key, node, MessageReader(run_id, message_id, self._take))
        self._open[key] = call
        return call

    def end(self, call: OpenCall, event: Mapping[str, Any]) -> BaseMessage | None:
        """``message-finish`` or ``error``."""
        self._open.pop(call.key, None)
        run_id = call.reader.run_id
        if event["event"] == "error":
            self._tap.failed(run_id, SourceFailed(str(event.get("message"))))
            return None
        try:
            message, cached = call.reader.end(event)
        except AdaptError:
            self._tap.answered(run_id, None)
            raise
        self._tap.answered(run_id, final(message), cached=cached)
        if message is not None:
            self._said(call.node, message)
        return message

    def whole(self, node: OpenNode, message: BaseMessage, metadata: Mapping[str, Any]) -> None:
        """A call that did not stream has ended with ``message``."""
        run_id = self._fresh(_uuid_of_message(message.id), message.id)
        name = str(metadata.get("ls_model_name") or "model")
        self._tap.model_start(run_id, node.run_id, name, (), metadata)
        self._tap.answered(run_id, final(message))
        self._said(node, message)

    def fell(self, error: BaseException) -> None:
        """The run fell by ``error``: if just one call is open, it is what raised it."""
        if len(self._open) == 1:
            _, call = self._open.popitem()
            self._tap.failed(call.reader.run_id, error)

    def abandon(self, node: UUID | None) -> None:
        """The node has returned (None: the run has ended): what it left open there has died."""
        for key, call in list(self._open.items()):
            if node is None or (call.node is not None and call.node.run_id == node):
                del self._open[key]
                error = SourceFailed("the model's message was never finished")
                self._tap.failed(call.reader.run_id, error)

    def _overtaken(self, node: OpenNode, tags: list[str]) -> None:
        """A second attempt of ``with_retry`` says that the first, if there is just one, died."""
        if not any(tag.startswith(_RETRY_TAG) and tag != f"{_RETRY_TAG}1" for tag in tags):
            return
        there = [call for call in self._open.values() if call.node is node]
        if len(there) == 1:
            self.abandon(node.run_id)

    def _fresh(self, run_id: UUID | None, key: object) -> UUID:
        """``run_id``, or one made of ``key`` if there is none, or it was had before."""
        if run_id is None or run_id in self._begun:
            run_id = self._named("model", key, len(self._begun))
        self._begun.add(run_id)
        return run_id

    def asked(self, message: BaseMessage) -> None:
        """Note which calls a message asks for."""
        for call in getattr(message, "tool_calls", ()):
            if call["id"]:
                self.tool_call_ids.add(call["id"])

    def _said(self, node: OpenNode | None, message: BaseMessage) -> None:
        self.asked(message)
        if node is not None:
            node.said.append(str(message.text))


class ToolCalls:
    """The open tool runs of one run, by the namespace of their graph and the id of the call."""

    def __init__(self, adapter: Adapter, nodes: Nodes, models: ModelCalls) -> None:
        self._tap = adapter.tap
        self._named = adapter.named
        self._nodes = nodes
        self._models = models
        self._open: dict[tuple[Namespace, str], UUID] = {}
        self._callers: set[UUID] = set()
        self._times: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def feed(self, namespace: Namespace, data: Mapping[str, Any]) -> None:
        """Take the data of a ``tools`` event."""
        kind, call_id = data["event"], data["tool_call_id"]
        if not isinstance(call_id, str):
            raise AdaptError(f"a {kind} has no tool_call_id")
        key = (namespace, call_id)
        if kind == "tool-started":
            self._start(key, data)
            return
        run_id = self._open.get(key)
        if run_id is None:
            if kind in ("tool-finished", "tool-error", "tool-output-delta"):
                raise AdaptError(f"a {kind} of a tool that has not started")
            return
        if kind == "tool-output-delta":
            self._tap.tool_progress(run_id, data.get("delta"))
        elif kind == "tool-finished":
            del self._open[key]
            self._tap.tool_end(run_id, tool_output(data.get("output")))
        elif kind == "tool-error":
            del self._open[key]
            self._tap.failed(run_id, SourceFailed(str(data.get("message"))))

    def caller(self, namespace: Namespace, call_id: object) -> UUID | None:
        """The tool that called the graph at ``namespace``: by id, else the only one it can be."""
        outer = namespace[:-1]
        if isinstance(call_id, str):
            run_id = self._open.get((outer, call_id))
        else:
            free = [run for run in self._there(outer) if run not in self._callers]
            run_id = free[0] if len(free) == 1 else None
        if run_id is not None:
            self._callers.add(run_id)
        return run_id

    def interrupted(self, namespace: Namespace, error: BaseException) -> None:
        """The one interrupt of a graph is that of the tool, if just one is open there."""
        there = self._there(namespace)
        if len(there) == 1:
            self._close(namespace)
            self._tap.failed(there[0], error)

    def suspend(self, error: BaseException) -> None:
        """The run paused: what is open waits for the answer."""
        for run_id in self._open.values():
            self._tap.failed(run_id, error)
        self._open.clear()

    def _there(self, namespace: Namespace) -> list[UUID]:
        return [run for (ns, _), run in self._open.items() if ns == namespace]

    def _close(self, namespace: Namespace) -> None:
        for key in [key for key in self._open if key[0] == namespace]:
            del self._open[key]

    def _start(self, key: tuple[Namespace, str], data: Mapping[str, Any]) -> None:
        namespace, call_id = key
        times = self._times[call_id] = self._times.get(call_id, 0) + 1
        run_id = self._named("tool", *namespace, call_id, times)
        # A tool that no message asked for has the id of its run (``langgraph/pregel/_tools.py``).
        asked = call_id if call_id in self._models.tool_call_ids or not _uuid(call_id) else None
        around = self._nodes.nodes_of(namespace)
        parent = around[0].run_id if len(around) == 1 else self._nodes.graph(namespace)
        name = str(data.get("tool_name") or "")
        self._open[key] = run_id
        self._tap.tool_start(run_id, parent, name, (), {}, data.get("input"), asked)


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _uuid_of_message(message_id: str | None) -> UUID | None:
    """The run id in the id that LangChain gives to a message without one."""
    if message_id is None or not message_id.startswith(_RUN_ID_PREFIX):
        return None
    return _uuid(message_id.removeprefix(_RUN_ID_PREFIX)[:36])
