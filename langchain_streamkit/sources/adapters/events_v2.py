"""``astream_events(version="v2")``: dictionaries that mirror callbacks.

Guarantees: what v2 leaves out (see ``open_runs``) is found out from what comes next; live events
and recorded ones, written as JSON in any of LangChain's ways, give the same; a stream without its
root's events (filters of ``astream_events``) ends where its source does. The first root run is the
run: events of others are left out, and a diagnostic says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

from langchain_streamkit.errors import AdaptError, ProducerLost, SourceFailed
from langchain_streamkit.sources.adapters.base import Adapter, Opening, Unadaptable
from langchain_streamkit.sources.adapters.event_fields import EventFields, read_event
from langchain_streamkit.sources.adapters.graph_chunks import INTERRUPTS, raiser_of, read_chunk
from langchain_streamkit.sources.adapters.open_runs import OpenRun, OpenRuns
from langchain_streamkit.sources.adapters.plain_messages import (
    Interrupt,
    as_interrupts,
    as_message,
    with_messages,
)
from langchain_streamkit.sources.control_flow import LeftBehind
from langchain_streamkit.sources.node_output import snapshot
from langchain_streamkit.sources.pieces import extract, whole_pieces
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import ModelEnd
from langchain_streamkit.sources.tree import COMPOSITION_TAGS

if TYPE_CHECKING:
    from langchain_streamkit.events import StepOutcome
    from langchain_streamkit.sources.adapters.graph_chunks import GraphChunk
    from langchain_streamkit.sources.lane import Lanes
    from langchain_streamkit.sources.tap import RunTap

V1 = (
    "these are events of astream_events(version='v1'), which do not say which run is part of"
    " which and cost ever more per token; call astream_events(..., version='v2')"
)
_UNNAMED = "stream"
_OTHER_ROOT = (
    "events of another root run were left out: adapt() reads one run; adapt each stream by itself"
    " (if this is a recording of astream_events(version='v1'), record version='v2')"
)


class EventsV2(Adapter):
    """Adapts event dictionaries."""

    route = "astream_events(version='v2')"

    def __init__(self, tap: RunTap, lanes: Lanes, mode: str | None = None) -> None:
        super().__init__(tap, lanes)
        self._mode = mode
        self._open = OpenRuns()
        self._keys: dict[str, UUID] = {}
        """Every run there was, by the id that the source writes."""
        self._speaking: dict[str, UUID] = {}
        """Models in the middle of an answer whose next chunk tells nothing but itself."""
        self._quiet: set[str] = set()
        """Chains whose chunks tell nothing."""
        self._buried: dict[str, OpenRun] = {}
        """Models that were taken for failed."""
        self._others: set[str] = set()
        """Root runs besides ours."""
        self._interrupts: dict[str, Interrupt] = {}
        self._root = ""
        self._above = ""
        """The parent of our root, in a stream from within another run, or without its root."""
        self._headless = False
        self._nested = False
        """Whether any event has told its parents: those of v1 never do."""
        self._ended = False
        self._output: Any = None

    # ---- the contract ------------------------------------------------------------------------

    def opening(self, first: Any) -> Opening:
        event = read_event(first)
        thread = event.metadata.get("thread_id")
        thread_id = thread if thread is None else str(thread)
        self._root = event.run
        if event.parents:
            self._above = event.parents[0]
            # The run of a stream that was made inside another run has that one for its parent.
            is_node = event.name == event.metadata.get("langgraph_node")
            if len(event.parents) > 1 or event.stage != "start" or is_node:
                self._headless, self._root = True, event.parents[0]
                return Opening(_UNNAMED, thread_id)
        self._keys[self._root] = self.root
        return Opening(event.name, thread_id, event.metadata)

    def feed(self, item: Any) -> None:
        try:
            kind = item["event"]
            if kind == "on_chat_model_stream":
                chunk = item["data"]["chunk"]
                run_id = self._speaking[item["run_id"]]
            elif kind == "on_chain_stream" and item["run_id"] in self._quiet:
                return
            else:
                chunk = run_id = None
        except (KeyError, TypeError):
            chunk = run_id = None
        if run_id is not None and type(chunk) is AIMessageChunk:
            self.token(run_id, chunk.id, extract(chunk))
        else:
            self._take(read_event(item))

    def end(self) -> object:
        if self._headless:
            return None
        if not self._ended:
            raise ProducerLost("the events stop before the end of the root run")
        if self._interrupts and isinstance(self._output, dict):
            output = cast("dict[str, Any]", self._output)
            return {**output, INTERRUPTS: list(self._interrupts.values())}
        return self._output

    # ---- which run it is about ---------------------------------------------------------------

    def _take(self, event: EventFields) -> None:
        if self._ended and not self._headless and event.run == self._root:
            return
        if not self._is_ours(event):
            return
        if event.stage == "start":
            if event.run not in self._keys or (event.run == self._root and not self._seen(event)):
                self._start(event)
            return
        if event.stage == "custom":
            run = self._open.get(event.run) or self._open.parent_of(event)
            self.tap.custom(run.key if run else self.root, event.name, with_messages(event.data))
            return
        run = self._open.get(event.run)
        if run is None:
            if event.run in self._buried and event.stage == "end":
                self._revive(self._buried.pop(event.run), event)
                return
            if event.run in self._keys and event.run != self._root:
                return  # it has ended before
            if event.kind == "chain" and event.stage == "stream" and event.run != self._root:
                self._quiet.add(event.run)
                return
            run = self._start(event)  # the part of the stream that said so is missing
        elif run.kind != event.kind:
            raise AdaptError(f"run {event.run} is a {run.kind}, and ends as a {event.kind}")
        match event.stage:
            case "stream":
                self._chunk(run, event)
            case "end":
                self._end(run, event)
            case _:
                self._fail(run, event)

    def _seen(self, event: EventFields) -> bool:
        return self._ended or self._open.get(event.run) is not None

    def _is_ours(self, event: EventFields) -> bool:
        """Whether the event belongs to the run. Raises Unadaptable for events of version 1."""
        if event.run == self._root:
            return True
        if event.parents:
            self._nested = True
            if self._root in event.parents:
                return True
            if not self._above or self._above not in event.parents:
                return self._other(event)
            self._headless = True  # what was taken for the root has a sibling
            return True
        if event.run not in self._others and not self._nested and not self._above:
            is_part = any(tag.startswith(COMPOSITION_TAGS) for tag in event.tags)
            if (is_part or event.metadata.get("langgraph_checkpoint_ns")) and not self._ended:
                raise Unadaptable(V1)
        return self._other(event)

    def _other(self, event: EventFields) -> bool:
        if not self._others:
            self.tap.note(self.root, "item_skipped", _OTHER_ROOT)
        self._others.add(event.run)
        return False

    def _key(self, text: str) -> UUID:
        found = self._keys.get(text)
        if found is None:
            try:
                found = UUID(text)
            except ValueError:
                found = self.named(text)
            if str(found) != text:
                found = self.named(text)
            self._keys[text] = found
        return found

    # ---- starts ------------------------------------------------------------------------------

    def _start(self, event: EventFields) -> OpenRun:
        if event.run == self._root:
            parent, fallbacks = None, None
            run = OpenRun(self._key(event.run), event, parent)
        else:
            parent = self._open.parent_of(event)
            run = OpenRun(self._key(event.run), event, parent)
            fallbacks = self._open.adopt(run)
            for other in self._open.failed_before(run, fallbacks):
                self._bury(other, "failed")
            for other in self._open.left_before(run):
                self._bury(other, "handed_off")
        self._open.add(run)
        run.rivals = self._open.rivals_of(run)
        for rival in run.rivals:
            self._speaking.pop(rival.text, None)
        given = with_messages(run.given)
        about = (run.key, run.parent.key if run.parent else None, run.name, run.tags)
        match run.kind:
            case "model":
                self.tap.model_start(*about, run.metadata, _prompt(given))
            case "tool":
                call_id = _call_id(run)
                self.tap.tool_start(*about, run.metadata, run.given, call_id)
            case _:
                retriever = run.kind == "retriever"
                self.tap.chain_start(*about, run.metadata, given, retriever=retriever)
                if run.text != self._root:
                    self._quiet.add(run.text)
        return run

    # ---- chunks ------------------------------------------------------------------------------

    def _chunk(self, run: OpenRun, event: EventFields) -> None:
        if run.kind == "model":
            pieces, message_id = _pieces(event.data.get("chunk"))
            self._speak(run)
            self.token(run.key, message_id, pieces)
        elif run.text == self._root and run.kind == "chain":
            self._root_chunk(event.data.get("chunk"))

    def _speak(self, run: OpenRun) -> None:
        """The model says something: it is alive, and those it was asked after are not."""
        run.spoken = True
        rivals, run.rivals = run.rivals, []
        for rival in rivals:
            if self._open.get(rival.text) is rival and rival.text not in self._speaking:
                self._bury(rival, "failed")
        self._speaking[run.text] = run.key

    def _root_chunk(self, given: Any) -> None:
        chunk = read_chunk(given, self._mode)
        data = chunk.data
        if isinstance(data, dict) and INTERRUPTS in data and chunk.mode in (None, "updates", "values"):
            self._interrupted(as_interrupts(cast("dict[str, Any]", data)[INTERRUPTS]))
        if chunk.mode == "custom":
            self.tap.custom(self._writer(chunk), None, with_messages(data))
            return
        if chunk.mode in ("updates", "values") and "state" in self.tap.capture:
            self._state(chunk)
        if chunk.mode == "checkpoints" and "checkpoints" in self.tap.capture:
            if isinstance(data, dict):
                self.tap.checkpoint(chunk.namespace, cast("dict[str, Any]", data))
        elif self.output_deltas and not chunk.namespace and chunk.mode in (None, "updates", "values"):
            self.tap.output_chunk(with_messages(data))

    def _writer(self, chunk: GraphChunk) -> UUID:
        """The run that wrote custom data: the one node open in its graph, if there is just one."""
        inside = [
            run
            for run in self._open.nodes()
            if tuple(run.namespace.split("|"))[:-1] == chunk.namespace
        ]
        if len(inside) == 1:
            return inside[0].key
        around = "|".join(chunk.namespace)
        holder = next((run for run in self._open.nodes() if run.namespace == around), None)
        return holder.key if holder is not None else self.root

    def _state(self, chunk: GraphChunk) -> None:
        data = with_messages(chunk.data)
        if chunk.mode == "values":
            self.tap.state(chunk.namespace, None, data)
        elif isinstance(data, dict):
            for node, values in cast("dict[str, Any]", data).items():
                if node != INTERRUPTS:
                    self.tap.state(chunk.namespace, node, values)

    def _interrupted(self, interrupts: list[Interrupt]) -> None:
        self._interrupts.update({one.id: one for one in interrupts})
        nodes = self._open.nodes()
        for one in interrupts:
            namespace = raiser_of(one.id, [node.namespace for node in nodes])
            raiser = next((node for node in nodes if node.namespace == namespace), None)
            if raiser is None and len(self._leaves()) == 1:
                raiser = self._leaves()[0]
            if raiser is not None and self._open.get(raiser.text) is raiser:
                self._bury(raiser, "suspended", [one])
        self.tap.interrupts(self.root, (), interrupts)

    def _leaves(self) -> list[OpenRun]:
        return [run for run in self._open.nodes() if not any(one.is_node for one in run.below())]

    # ---- ends --------------------------------------------------------------------------------

    def _end(self, run: OpenRun, event: EventFields) -> None:
        output = with_messages(event.data.get("output"))
        self._close_below(run)
        self._open.remove(run)
        self._speaking.pop(run.text, None)
        self._quiet.discard(run.text)
        match run.kind:
            case "model":
                message, cached = _answer(output)
                self._speak_last(run)
                output = event.data.get("output") if message is None else message
                self.tap.push(ModelEnd(now_ms(), run.key, message and snapshot(message), cached))
            case "tool":
                self.tap.tool_end(run.key, output)
            case _:
                self.tap.chain_end(run.key, output)
        if run.text == self._root:
            self._ended, self._output = True, output

    def _speak_last(self, run: OpenRun) -> None:
        self._open.add(run)
        self._speak(run)
        self._speaking.pop(run.text, None)
        self._open.remove(run)

    def _close_below(self, run: OpenRun) -> None:
        """The run ends well: what is open in it has failed, or was left on purpose."""
        paused = run.text == self._root and bool(self._interrupts)
        for child in reversed(list(run.children.values())):
            if paused:
                self._bury(child, "suspended")
            elif child.is_node and not run.is_node:
                # Of a graph that ended well, only a node that waits for someone says no end.
                self._bury(child, "suspended")
                if run.text == self._root:
                    self.tap.interrupts(self.root, (), ())
            elif child.kind != "tool":
                self._bury(child, "failed")

    def _fail(self, run: OpenRun, event: EventFields) -> None:
        error: Any = event.data.get("error")
        if not isinstance(error, BaseException):
            interrupts = as_interrupts(error)
            error = LeftBehind("suspended", interrupts) if interrupts else SourceFailed(str(error))
        call_id: Any = event.data.get("tool_call_id")
        if run.parent is not None and isinstance(call_id, str):
            run.parent.tried.append((run.name, run.given, call_id))
        self._open.remove(run)
        self.tap.failed(run.key, error)

    def _bury(
        self,
        run: OpenRun,
        how: StepOutcome | str,
        interrupts: list[Interrupt] | None = None,
    ) -> None:
        """End a run of which the source says no more, with all that is open in it."""
        for one in [*run.below(), run]:
            if one.kind == "tool" and how == "failed":
                continue
            self._open.remove(one)
            self._speaking.pop(one.text, None)
            if one.kind == "model":
                self._buried[one.text] = one
            if how == "failed":
                text = f"{one.name} has failed: its next attempt began, or its parent ended"
                error: Exception = SourceFailed(text)
            else:
                outcome = cast("StepOutcome", how)
                error = LeftBehind(outcome, interrupts if one is run and interrupts else ())
            self.tap.failed(one.key, error)

    def _revive(self, run: OpenRun, event: EventFields) -> None:
        """A model that was taken for failed has finished after all: its message is said anew."""
        message, cached = _answer(with_messages(event.data.get("output")))
        if message is None:
            return
        key = self.named(run.text, "again")
        parent = self._open.parent_of(event)
        parent_key = parent.key if parent else None
        self.tap.model_start(key, parent_key, run.name, run.tags, run.metadata)
        self.token(key, None, whole_pieces(message))
        self.tap.push(ModelEnd(now_ms(), key, snapshot(message), cached))


def _pieces(chunk: Any) -> tuple[Any, str | None]:
    """What a model's chunk says, and the id of its message. Raises AdaptError."""
    message = as_message(chunk)
    if message is not None:
        return extract(message), message.id
    if isinstance(chunk, dict):
        fields = cast("dict[str, Any]", chunk)
        text = fields.get("text", fields.get("kwargs", fields))
        text = cast("dict[str, Any]", text).get("text") if isinstance(text, dict) else text
    else:
        text = getattr(chunk, "text", chunk)  # a text model's GenerationChunk, or its text itself
    if not isinstance(text, str):
        raise AdaptError(f"a model's chunk is no message but a {type(chunk).__name__}")
    return text, None


def _answer(output: Any) -> tuple[BaseMessage | None, bool]:
    """A model's final message, and whether it came from LangChain's cache."""
    message = as_message(output)
    if message is not None:
        usage: Any = getattr(message, "usage_metadata", None) or {}
        return message, isinstance(usage, dict) and usage.get("total_cost") == 0
    if isinstance(output, str):
        return AIMessage(output), False
    try:  # a text model's generations, as plain dictionaries
        text: Any = output["generations"][0][0]["text"]
    except (KeyError, IndexError, TypeError):
        return None, False
    return (AIMessage(text), False) if isinstance(text, str) else (None, False)


def _prompt(given: Any) -> list[list[BaseMessage]]:
    """A model's messages, one list of them for each prompt."""
    batches: Any = given.get("messages") if isinstance(given, dict) else given
    if not isinstance(batches, list):
        return []
    items = cast("list[Any]", batches)
    if items and not isinstance(items[0], list):
        items = [items]
    return [
        [one for one in batch if isinstance(one, BaseMessage)]
        for batch in items
        if isinstance(batch, list)
    ]


def _call_id(run: OpenRun) -> str | None:
    """The id of the call that a tool answers, where its node or an attempt before it tells it."""
    around = run.parent
    if around is None:
        return None
    for name, given, call_id in around.tried:
        if name == run.name and given == run.given:
            return call_id
    given: Any = around.given
    if isinstance(given, dict):
        given = [cast("dict[str, Any]", given).get("tool_call")]
    calls: list[Any] = given if isinstance(given, list) else []
    found = [
        call["id"]
        for call in calls
        if isinstance(call, dict) and call.get("name") == run.name and call.get("args") == run.given
    ]
    one = len(calls) == 1 and isinstance(calls[0], dict) and calls[0].get("name") == run.name
    found = [calls[0].get("id")] if one else found[:1] if len(found) == 1 else []
    return found[0] if found and isinstance(found[0], str) else None
