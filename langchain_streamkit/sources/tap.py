"""LangChain's callbacks of one run, turned into signals where they happen.

Guarantees: values are made plain at once, so later changes of the user's objects change nothing;
the user's objects are only read, never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import BaseMessage, ToolMessage

from langchain_streamkit.sources.awaited_ids import AwaitedIds
from langchain_streamkit.sources.callers import UNKNOWN
from langchain_streamkit.sources.control_flow import handed_over, outcome_of
from langchain_streamkit.sources.node_output import known_ids, returned_messages, snapshot
from langchain_streamkit.sources.results import (
    configurable_of,
    final_message,
    message_of_command,
    now_ms,
    prompt_messages,
)
from langchain_streamkit.sources.signals import (
    ChainEnd,
    ChainStart,
    CheckpointSeen,
    CustomData,
    Failure,
    InterruptSeen,
    KnownMessages,
    ModelEnd,
    ModelStart,
    Note,
    OutputChunk,
    Paused,
    StateSeen,
    ToolEnd,
    ToolProgressed,
    ToolStart,
)
from langchain_streamkit.sources.tree import COMPOSITION_TAGS, HIDDEN_NODE
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from uuid import UUID

    from langchain_core.outputs import LLMResult

    from langchain_streamkit.sources.awaited_ids import Namespace
    from langchain_streamkit.sources.callers import Known
    from langchain_streamkit.sources.guard import Guard
    from langchain_streamkit.sources.signals import AnySignal


class RunTap:
    """Signals of one root run. ``push`` must be safe to call from any thread."""

    __slots__ = (
        "_awaited",
        "_graph_ns",
        "_handed",
        "_node_ns",
        "_open",
        "capture",
        "guard",
        "push",
        "report",
        "root",
        "root_end",
    )

    def __init__(
        self,
        root: UUID,
        push: Callable[[AnySignal], None],
        report: Callable[[str, Exception], None],
        capture: Collection[str] = frozenset(),
    ) -> None:
        self.push = push
        self.report = report
        self.capture = capture
        self.guard: Guard | None = None
        """Holds the run to its budgets."""
        self.root = root
        self.root_end: tuple[object, BaseException | None] | None = None
        """What the root returned or raised, once it has ended."""
        self._open: dict[UUID, UUID | None] = {}
        self._node_ns: dict[UUID, tuple[Namespace, object, bool]] = {}
        self._graph_ns: dict[UUID, Namespace] = {}
        self._awaited = AwaitedIds(push)
        self._handed: dict[int, BaseMessage] = {}
        """Messages handed to another graph, by identity; kept so that ids are not used again."""

    def enter(
        self,
        run_id: UUID,
        parent_id: UUID | None,
        context_id: UUID | None,
        tags: list[str] | None,
    ) -> tuple[UUID | None, list[str] | None]:
        """Note that a run opens; returns the parent it really has, and its tags.

        LangChain's fallbacks report the runs they try as their siblings, with their own tags
        (``RunnableWithFallbacks`` passes its own config on); ``context_id``, the run of
        LangChain's context variable, knows better whenever it lies right below the reported parent.
        """
        parent = parent_id
        if (
            context_id is not None
            and context_id != parent_id
            and context_id in self._open
            and (parent_id is None or self._open[context_id] == parent_id)
        ):
            parent = context_id
            tags = [tag for tag in tags or () if not tag.startswith(COMPOSITION_TAGS)]
        self._open[run_id] = parent
        return parent, tags

    # ---- chains, graphs, nodes, retrievers ---------------------------------------------------

    def chain_start(
        self,
        run_id: UUID,
        parent_id: UUID | None,
        name: str,
        tags: Sequence[str] | None,
        metadata: Mapping[str, Any] | None,
        inputs: object,
        *,
        retriever: bool = False,
        graph: bool = False,
    ) -> None:
        meta = dict(metadata) if metadata else {}
        checkpoint_ns = meta.get("langgraph_checkpoint_ns")
        is_node = bool(checkpoint_ns) and name == meta.get("langgraph_node")
        if is_node:
            ns = tuple(str(checkpoint_ns).split("|"))
            step = meta.get("langgraph_step")
            self._node_ns[run_id] = (ns, step, HIDDEN_NODE in (tags or ()))
            if parent_id is not None and parent_id not in self._node_ns:
                self._graph_ns[parent_id] = ns[:-1]
            if self._awaited:
                self._awaited.stored(ns[:-1], inputs, unless_step=step)
        if (is_node or run_id == self.root) and (ids := known_ids(inputs)):
            self.push(KnownMessages(now_ms(), run_id, ids))
        captured = to_plain(inputs) if "inputs" in self.capture else None
        about = (name, tuple(tags or ()), meta, retriever, graph)
        self.push(ChainStart(now_ms(), run_id, parent_id, *about, captured))

    def _ended(self, run_id: UUID, output: object, error: BaseException | None = None) -> None:
        self._open.pop(run_id, None)
        if run_id == self.root:
            self.root_end = (output, error)

    def chain_end(self, run_id: UUID, outputs: object) -> None:
        self._ended(run_id, outputs)
        output = to_plain(outputs) if "outputs" in self.capture else None
        node = self._node_ns.pop(run_id, None)
        if node is None:
            self._graph_ended(run_id, outputs)
            self.push(ChainEnd(now_ms(), run_id, output))
            return
        ns, step, hidden = node
        returned = returned_messages(outputs)
        if hidden:  # LangGraph's own input node: what it returns is the input
            self._input_passed(run_id, ns, step, returned)
            self.push(ChainEnd(now_ms(), run_id, output))
            return
        waiting = any(message.id is None for message in returned)
        copies = tuple(snapshot(message) for message in returned)
        self.push(ChainEnd(now_ms(), run_id, output, copies, waiting))
        if waiting:
            self._awaited.wait(ns[:-1], run_id, returned, step)

    def _input_passed(
        self, run_id: UUID, ns: Namespace, step: object, messages: list[BaseMessage]
    ) -> None:
        if ids := tuple(message.id for message in messages if message.id):
            self.push(KnownMessages(now_ms(), run_id, ids))
        if any(message.id is None for message in messages):
            self._awaited.wait(ns[:-1], run_id, messages, step)

    def failed(self, run_id: UUID, error: BaseException) -> None:
        self._ended(run_id, None, error)
        node = self._node_ns.pop(run_id, None)
        self._graph_ended(run_id, None)
        messages: tuple[BaseMessage, ...] = ()
        update = handed_over(error)
        if node is not None and update is not None:
            # Each graph on the way raises it anew with the same messages: the first says them.
            handed = [m for m in returned_messages(update) if id(m) not in self._handed]
            self._handed.update((id(message), message) for message in handed)
            messages = tuple(map(snapshot, handed))
        self.push(Failure(now_ms(), run_id, error, messages))
        if self.guard is not None:
            self.guard.failed(run_id, aborted=outcome_of(error) is not None)

    def stored(self, namespace: Namespace, state: object) -> None:
        """The reducer of the graph at ``namespace`` has run and left ``state`` as its values."""
        if self._awaited:
            self._awaited.stored(namespace, state)

    def _graph_ended(self, run_id: UUID, state: object) -> None:
        ns = self._graph_ns.pop(run_id, None)
        if ns is not None and self._awaited:
            self._awaited.stored(ns, state)

    # ---- models ------------------------------------------------------------------------------

    def model_start(
        self,
        run_id: UUID,
        parent_id: UUID | None,
        name: str,
        tags: Sequence[str] | None,
        metadata: Mapping[str, Any] | None,
        prompt: Any = None,
        *,
        tools: Any = None,
        known: Known = UNKNOWN,
    ) -> None:
        meta = dict(metadata) if metadata else {}
        if run_id == self.root:
            ids = tuple(m.id for m in prompt_messages(prompt) if m.id)
            if ids:
                self.push(KnownMessages(now_ms(), run_id, ids))
        # A list of messages is the user's own, and may grow.
        said: Any = tuple(cast("Any", prompt)) if isinstance(prompt, list) else prompt
        start = ModelStart(
            now_ms(),
            run_id,
            parent_id,
            name,
            tuple(tags or ()),
            meta,
            meta.get("ls_model_name"),
            meta.get("ls_provider"),
            said,
            tools,
            known,
        )
        if self.guard is not None:
            self.guard.model_starts(start)
        self.push(start)

    def model_end(self, run_id: UUID, response: LLMResult) -> None:
        message, cached = final_message(response)
        self._ended(run_id, message)
        self.answered(run_id, message, cached=cached)

    def answered(self, run_id: UUID, message: BaseMessage | None, *, cached: bool = False) -> None:
        """A model has answered; ``message`` is a snapshot that nobody else holds."""
        self.push(ModelEnd(now_ms(), run_id, message, cached))
        if self.guard is not None:
            self.guard.model_ended(run_id, message, cached=cached)

    # ---- tools -------------------------------------------------------------------------------

    def tool_start(
        self,
        run_id: UUID,
        parent_id: UUID | None,
        name: str,
        tags: Sequence[str] | None,
        metadata: Mapping[str, Any] | None,
        inputs: object,
        tool_call_id: str | None,
    ) -> None:
        if self.guard is not None:
            self.guard.tool_starts()
        self.push(
            ToolStart(
                now_ms(),
                run_id,
                parent_id,
                name,
                tuple(tags or ()),
                dict(metadata) if metadata else {},
                tool_call_id,
                to_plain(inputs),
            )
        )

    def tool_end(self, run_id: UUID, output: object) -> None:
        self._ended(run_id, output)
        message = output if isinstance(output, ToolMessage) else message_of_command(output)
        if message is None:
            content = output if isinstance(output, str) else None
            self.push(ToolEnd(now_ms(), run_id, to_plain(output), content, None, None))
            return
        plain = to_plain(output if message is not output else message.content)
        self.push(
            ToolEnd(
                now_ms(),
                run_id,
                plain,
                str(message.text),
                to_plain(message.artifact),
                message.id,
                message.status == "error",
                message.tool_call_id,
            )
        )

    def tool_progress(self, run_id: UUID, data: object) -> None:
        self.push(ToolProgressed(now_ms(), run_id, to_plain(data)))

    # ---- what else a run says ----------------------------------------------------------------

    def custom(self, run_id: UUID, name: str | None, data: object) -> None:
        self.push(CustomData(now_ms(), run_id, name, to_plain(data)))

    def interrupts(self, run_id: UUID, namespace: Namespace, interrupts: Iterable[Any]) -> None:
        for one in interrupts:
            schema = getattr(one, "response_schema", None)
            self.push(
                InterruptSeen(
                    now_ms(), run_id, str(one.id), to_plain(one.value), namespace, to_plain(schema)
                )
            )
        self.push(Paused(now_ms(), run_id))

    def state(self, namespace: Namespace, node: str | None, values: object) -> None:
        self.push(StateSeen(now_ms(), self.root, namespace, node, to_plain(values)))

    def checkpoint(self, namespace: Namespace, payload: Mapping[str, Any]) -> None:
        config = configurable_of(payload.get("config"))
        parent = configurable_of(payload.get("parent_config"))
        metadata: Mapping[str, Any] = payload.get("metadata") or {}
        self.push(
            CheckpointSeen(
                now_ms(),
                self.root,
                namespace,
                str(config.get("checkpoint_id", "")),
                parent.get("checkpoint_id"),
                metadata.get("source"),
                metadata.get("step"),
            )
        )

    def note(self, run_id: UUID, code: str, message: str, lost: int | None = None) -> None:
        """A diagnostic of what happens outside the callbacks."""
        self.push(Note(now_ms(), run_id, code, message, lost))

    def output_chunk(self, data: object) -> None:
        self.push(OutputChunk(now_ms(), self.root, to_plain(data)))
