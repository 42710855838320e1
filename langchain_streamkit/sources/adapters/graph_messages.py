"""``messages`` mode: chunks of models, and the messages that nodes return.

Guarantees: a message appears once, however it is told; the per-token path is three look-ups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, RemoveMessage, ToolMessage

from langchain_streamkit.errors import AdaptError
from langchain_streamkit.sources.adapters.graph_forms import elements, mapping
from langchain_streamkit.sources.adapters.plain_messages import as_message
from langchain_streamkit.sources.node_output import snapshot
from langchain_streamkit.sources.pieces import extract
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import MessagesSeen
from langchain_streamkit.sources.tree import NS_SEPARATOR
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.adapters.graph_tree import Part, Tree
    from langchain_streamkit.sources.adapters.namespaces import Namespace
    from langchain_streamkit.sources.tap import RunTap

_MODEL_KEY = "ls_model_type"
"""Metadata of a model call always has it, that of a node never."""


class Messages:
    """The ``messages`` items of one run."""

    def __init__(self, tap: RunTap, token: Take, tree: Tree) -> None:
        self._tap = tap
        self._token = token
        self._tree = tree
        self._places: dict[str, Part] = {}
        """Nodes by ``langgraph_checkpoint_ns``."""
        self._partial: dict[str, Mapping[str, Any]] = {}
        """Metadata by message id, of a server's ``messages/metadata``."""
        self.ids: set[str] = set()
        """Of all messages that were seen."""

    def take(self, namespace: Namespace | None, payload: Any) -> None:
        """Take ``(message, metadata)``."""
        try:
            message, metadata = payload
            part = self._places.get(metadata["langgraph_checkpoint_ns"])
        except (TypeError, ValueError, KeyError, AttributeError):
            self._odd(namespace, payload)
            return
        if part is not None and part.open and type(message) is AIMessageChunk:
            call = part.calls.get(message.id)
            if call is not None and call.open:
                self._token(call.run_id, message.id, extract(message))
                if message.chunk_position == "last":
                    self._tree.end_call(call, None)
                return
        self._first(namespace, message, metadata)

    def _odd(self, namespace: Namespace | None, payload: Any) -> None:
        several = elements(payload)
        metadata = mapping(several[1]) if len(several) == 2 else None
        if metadata is None:
            raise AdaptError(f"'messages' items are (message, metadata), not {short_repr(payload)}")
        self._first(namespace, several[0], metadata)

    def _first(self, namespace: Namespace | None, given: Any, metadata: Mapping[str, Any]) -> None:
        message = as_message(given)
        if message is None:
            raise AdaptError(f"{short_repr(given)} is no message")
        if isinstance(message, RemoveMessage):
            return
        part = self.place(namespace, metadata)
        if isinstance(message, AIMessageChunk):
            self._chunk(part, message, metadata, tells_end=_tells_end(given))
        else:
            self.whole(part, message, metadata)

    def place(self, namespace: Namespace | None, metadata: Mapping[str, Any]) -> Part:
        """The node that says a message, which begins if nothing has told of it before."""
        told: object = metadata.get("langgraph_checkpoint_ns")
        key = told if isinstance(told, str) and told else str(metadata.get("langgraph_node") or "")
        if not key:
            return self._tree.graph(namespace or ())
        segments = key.split(NS_SEPARATOR)
        part = self._places.get(key) or self._tree.nodes.get(segments[-1])
        if part is None:
            calls = _calls_around(metadata.get("langgraph_path"))
            around = tuple(segments[: -1 - calls])
            if namespace is not None and (not around or namespace[-len(around) :] == around):
                around = namespace
            caller = self._tree.nodes.get(segments[-2]) if calls and len(segments) > 1 else None
            part = self._tree.node(around, segments[-1], metadata=metadata, caller=caller)
        self._places[key] = part
        if not part.open:
            raise AdaptError(f"node {part.name!r} has ended, and here it says something")
        return part

    def _chunk(
        self,
        part: Part,
        message: AIMessageChunk,
        metadata: Mapping[str, Any],
        *,
        tells_end: bool,
    ) -> None:
        call = part.calls.get(message.id)
        if call is None:
            call = self._tree.call(part, message.id, metadata, tells_end=tells_end)
            self._know(message)
        if call.open:
            self._token(call.run_id, message.id, extract(message))
            if message.chunk_position == "last":
                self._tree.end_call(call, None)

    def whole(
        self, part: Part, message: BaseMessage, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """A message that comes in one piece: a model's answer, or one that a node has made."""
        call = part.calls.get(message.id) if message.id else None
        if isinstance(message, AIMessage):
            if call is None and metadata is not None and _MODEL_KEY in metadata:
                call = self._tree.call(part, message.id, metadata, tells_end=True)
            if call is not None:
                if call.open:
                    self._tree.end_call(call, snapshot(message))
                self._know(message)
                return
        self._know(message)
        if isinstance(message, ToolMessage) and self.answered(message):
            return
        self._tap.push(MessagesSeen(now_ms(), part.run_id, (snapshot(message),)))

    def answered(self, message: ToolMessage) -> bool:
        """Whether a tool that was open has ended with this answer."""
        tool = self._tree.tools.get(message.tool_call_id)
        if tool is None or not tool.open:
            return False
        self._tree.end_tool(tool, message)
        return True

    def _know(self, message: BaseMessage) -> None:
        if message.id:
            self.ids.add(message.id)

    # ---- what only a LangGraph server sends --------------------------------------------------

    def metadata(self, payload: Any) -> None:
        """``messages/metadata``: where the messages are from, by their ids."""
        for message_id, one in (mapping(payload) or {}).items():
            about = mapping(one) or {}
            self._partial[message_id] = mapping(about.get("metadata")) or {}

    def partial(self, namespace: Namespace | None, payload: Any, *, complete: bool) -> None:
        """``messages/partial`` and ``messages/complete``: each message so far, or whole."""
        for given in elements(payload):
            message = as_message(given)
            if message is None:
                raise AdaptError(f"{short_repr(given)} is no message")
            metadata = self._partial.get(message.id or "", {})
            part = self.place(namespace, metadata)
            if not isinstance(message, AIMessage):
                self.whole(part, message)
                continue
            call = part.calls.get(message.id) or self._tree.call(
                part, message.id, metadata, tells_end=True
            )
            self._know(message)
            text = str(message.text)
            if complete and call.open:
                self._tree.end_call(call, snapshot(message))
            elif call.open and text.startswith(call.text) and text != call.text:
                self._token(call.run_id, message.id, text[len(call.text) :])
                call.text = text


def _tells_end(given: Any) -> bool:
    """Whether chunks of this make say which one is the last: those of JavaScript do not."""
    fields = mapping(given)
    if fields is None:
        return True
    return "chunk_position" in (
        mapping(fields.get("kwargs")) or mapping(fields.get("data")) or fields
    )


def _calls_around(path: object) -> int:
    """How many functions called with ``@task`` a node's path goes through (``graph_namespace``)."""
    found = 0
    several = elements(path)
    while len(several) == 4 and several[-1] is True:
        found += 1
        several = elements(several[1])
    return found
