"""The stream of LangGraph's runs API: a run as the chunks of the stream modes that were asked for.

Protocol: what the ``runs.stream`` of ``langgraph_sdk``, ``RemoteGraph`` and ``useStream`` of
``@langchain/langgraph-sdk`` read; ``event: <mode>`` or ``<mode>|<namespace>``, ``data: <JSON>``.
The run has to be started with ``capture=CAPTURE``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

import msgspec

from langchain_streamkit import events as ev
from langchain_streamkit.values import to_plain
from langchain_streamkit.wire.langgraph.messages import (
    MessagePieces,
    ToolMessages,
    WholeMessage,
    is_dropped,
    removal,
)
from langchain_streamkit.wire.sse import OK, PING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

StreamMode: TypeAlias = Literal[
    "values", "updates", "messages", "messages-tuple", "custom", "checkpoints"
]
MODES: Final = frozenset(get_args(StreamMode))
CAPTURE: Final = frozenset({"state", "checkpoints"})
ASKED: Final = "streamkit_stream_modes"
"""The key in a run's metadata that says which modes it was started for, so that whoever comes back
is sent the same: modes with commas between them, ``subgraphs`` among them for their chunks too."""
STOPPED: Final = "The run was stopped."
_INTERRUPT: Final = "__interrupt__"

Part: TypeAlias = tuple[str, bytes]
"""An event's name, and its data."""
_encode = msgspec.json.Encoder().encode


class ClassicEncoder:
    """Makes the stream of one run; an ``Encoder`` (see ``wire/protocol.py``).

    ``modes`` are by default those that the run's metadata has under ``ASKED``, else ``values``;
    with ``subgraphs``, what comes from a subgraph is shown, with its namespace. ``metadata`` names
    keys of messages' metadata that are shown beside LangGraph's and LangSmith's own.

    Of messages, those for the user are shown, wherever they were made. The last ``values``
    are the output, also of what is no graph.
    """

    media_type = "text/event-stream"
    headers: Mapping[str, str] = MappingProxyType({})
    ping = PING

    def __init__(
        self,
        modes: Collection[StreamMode] | None = None,
        *,
        subgraphs: bool = False,
        metadata: Collection[str] = (),
    ) -> None:
        self._modes: frozenset[str] | None = None if modes is None else frozenset(modes)
        self._subgraphs = subgraphs
        self._keys = frozenset(metadata)
        self._thread_id: str | None = None
        self._namespaces: dict[str, tuple[str, ...]] = {}
        """Of graphs, by their step; of nodes, that of the graph they are in."""
        self._values: dict[tuple[str, ...], Any] = {}
        self._pieces: dict[str, MessagePieces] = {}
        self._whole: dict[str, WholeMessage] = {}
        self._about: dict[str, dict[str, Any]] = {}
        self._tools = ToolMessages()

    def opening(self) -> bytes:
        """Return what is sent before the first event."""
        return OK

    def encode(self, event: ev.Event, /) -> list[bytes]:
        """Return the frames of one event; after the terminal event's, nothing follows."""
        return [
            frame(part, f"{event.seq}.{number}") for number, part in enumerate(self.parts(event))
        ]

    def broken_off(self, code: str, message: str, /) -> list[bytes]:
        """Return the frames that say that no more can be had."""
        return [frame(part) for part in broken_off(code, message)]

    def parts(self, event: ev.Event) -> list[Part]:
        """Return what one event comes to, in order."""
        return [(name, _json(data)) for name, data in self._told(event)]

    def _told(self, event: ev.Event) -> Iterator[tuple[str, Any]]:
        match event:
            case ev.RunStarted():
                self._begin(event)
                yield "metadata", {"run_id": event.run_id, "attempt": 1}
            case ev.StepStarted():
                inside = event.namespace if event.kind == "graph" else event.namespace[:-1]
                self._namespaces[event.step_id] = inside
            case ev.StateSnapshot():
                yield from self._snapshot(event)
            case ev.StateUpdate():
                yield from self._tool_messages(event, event.values)
                yield from self._in("updates", event, {event.node: event.values})
            case ev.Checkpoint():
                yield from self._checkpoint(event)
            case ev.Custom():
                named = {"name": event.name, "data": event.data}
                data = event.data if event.name is None else named
                yield from self._in("custom", event, data, everywhere=True)
            case ev.InterruptRequested():
                yield from self._wanted("updates", {_INTERRUPT: [_interrupt(event)]})
            case ev.MessageStarted(audience="user"):
                yield from self._message(event)
            case ev.ToolFinished() | ev.ToolFailed():
                self._tools.ended(event)
            case ev.RunFinished() | ev.RunInterrupted() | ev.RunFailed() | ev.RunCancelled():
                yield from self._ended(event)
                yield "end", {}
            case _ if (message_id := getattr(event, "message_id", None)) in self._about:
                yield from self._said(event, cast("str", message_id))
            case _:
                pass

    def _begin(self, event: ev.RunStarted) -> None:
        self._thread_id = event.thread_id
        if self._modes is None:
            asked = str(event.metadata.get(ASKED) or "values").split(",")
            self._modes = MODES & frozenset(asked)
            self._subgraphs = "subgraphs" in asked

    # ---- state -------------------------------------------------------------------------------

    def _snapshot(self, event: ev.StateSnapshot) -> Iterator[tuple[str, Any]]:
        values = event.values
        if isinstance(values, dict) and _INTERRUPT in values:
            given = cast("dict[str, Any]", values)
            values = {key: value for key, value in given.items() if key != _INTERRUPT}
        self._values[self._namespaces.get(event.step_id, ())] = values
        yield from self._tool_messages(event, values)
        yield from self._in("values", event, values)

    def _checkpoint(self, event: ev.Checkpoint) -> Iterator[tuple[str, Any]]:
        found = {
            "config": self._config(event.namespace, event.checkpoint_id),
            "parent_config": self._config(event.namespace, event.parent_id),
            "values": self._values.get(event.namespace, {}),
            "metadata": {"source": event.source, "step": event.step},
        }
        yield from self._in("checkpoints", event, found)

    def _config(self, namespace: tuple[str, ...], checkpoint_id: str | None) -> Any:
        if checkpoint_id is None:
            return None
        named = {"thread_id": self._thread_id, "checkpoint_ns": "|".join(namespace)}
        return {"configurable": {**named, "checkpoint_id": checkpoint_id}}

    # ---- messages ----------------------------------------------------------------------------

    def _message(self, event: ev.MessageStarted) -> Iterator[tuple[str, Any]]:
        about = {
            key: value
            for key, value in event.metadata.items()
            if key in self._keys or key.startswith(("langgraph_", "ls_"))
        }
        message_id = event.message_id
        self._about[message_id] = about
        self._pieces[message_id] = MessagePieces(event)
        self._whole[message_id] = WholeMessage(event)
        yield from self._wanted("messages", {message_id: {"metadata": about}}, "messages/metadata")

    def _said(self, event: ev.Event, message_id: str) -> Iterator[tuple[str, Any]]:
        about = self._about[message_id]
        name = "messages" + self._suffix(_namespace_of(about))
        if isinstance(event, ev.MessageAborted | ev.MessageRetracted):
            if is_dropped(event):
                gone = removal(message_id)
                yield from self._wanted("messages-tuple", [gone, about], name)
                yield from self._wanted("messages", [gone], "messages/complete")
            return
        piece = self._pieces[message_id].feed(event)
        if piece is not None:
            yield from self._wanted("messages-tuple", [piece, about], name)
        whole = self._whole[message_id]
        if "messages" in self._asked and whole.feed(event):
            over = isinstance(event, ev.MessageFinished)
            yield f"messages/{'complete' if over else 'partial'}", [whole.message()]

    def _tool_messages(self, event: ev.StepEvent, values: Any) -> Iterator[tuple[str, Any]]:
        namespace = self._namespaces.get(event.step_id, ())
        for message in self._tools.found(values):
            name = "messages" + self._suffix(namespace)
            yield from self._wanted("messages-tuple", [message, {}], name)
            yield from self._wanted("messages", [message], "messages/complete")

    # ---- the end -----------------------------------------------------------------------------

    def _ended(self, event: ev.TerminalEvent) -> Iterator[tuple[str, Any]]:
        match event:
            case ev.RunFinished():
                if () not in self._values or self._values[()] != event.output:
                    yield from self._wanted("values", event.output)
            case ev.RunInterrupted():
                pending = [_interrupt(one) for one in event.interrupts]
                if not pending:  # at a breakpoint of the caller's
                    yield from self._wanted("updates", {_INTERRUPT: []})
                values = self._values.get((), {})
                if pending and isinstance(values, dict):
                    yield from self._wanted("values", {**values, _INTERRUPT: pending})
            case ev.RunFailed(error=error):
                said = {"error": error.code, "message": error.message, "error_id": error.error_id}
                yield "error", said
            case ev.RunCancelled():
                yield "error", {"error": "cancelled", "message": STOPPED}

    # ---- modes -------------------------------------------------------------------------------

    @property
    def _asked(self) -> frozenset[str]:
        return self._modes or frozenset({"values"})

    def _wanted(self, mode: str, data: Any, name: str | None = None) -> Iterable[tuple[str, Any]]:
        return [(name or mode, data)] if mode in self._asked else ()

    def _in(
        self, mode: str, event: ev.StepEvent, data: Any, *, everywhere: bool = False
    ) -> Iterable[tuple[str, Any]]:
        """Chunks of a subgraph are shown where they were asked for; ``everywhere``, in any case."""
        namespace = self._namespaces.get(event.step_id, ())
        if namespace and not self._subgraphs and not everywhere:
            return ()
        return self._wanted(mode, data, mode + self._suffix(namespace))

    def _suffix(self, namespace: tuple[str, ...]) -> str:
        return "".join(f"|{_one_line(name)}" for name in namespace) if self._subgraphs else ""


def frame(part: Part, event_id: str | None = None) -> bytes:
    """Return the frame of a part."""
    name, data = part
    line = "" if event_id is None else f"id: {event_id}\n"
    return b"event: %b\ndata: %b\n%b\n" % (name.encode(errors="replace"), data, line.encode())


def broken_off(code: str, message: str) -> list[Part]:
    """Return what says that the events of a run cannot be had any further."""
    return [("error", _json({"error": code, "message": message})), ("end", b"{}")]


def _one_line(name: str) -> str:
    """Return the name of a node as a frame can have it; it may be any text."""
    return name if name.isprintable() else " ".join(name.split())


def _namespace_of(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    named = str(metadata.get("langgraph_checkpoint_ns") or "")
    return tuple(named.split("|"))[:-1]


def _interrupt(one: ev.InterruptRequested | ev.InterruptInfo) -> dict[str, Any]:
    found: dict[str, Any] = {"value": one.payload, "id": one.interrupt_id}
    schema = one.response_schema
    return found if schema is None else {**found, "response_schema": schema}


def _json(data: Any) -> bytes:
    try:
        return _encode(data)
    except UnicodeEncodeError:  # a half surrogate in an id or a name
        return _encode(to_plain(data))
