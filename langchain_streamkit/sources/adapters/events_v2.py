"""``astream_events(version="v2")``: dictionaries that mirror callbacks.

Guarantees: what v2 leaves out (see ``open_runs``) is found out from what comes next; live events
and recorded ones, written as JSON in any of LangChain's ways, give the same; a stream without its
root's events (filters of ``astream_events``) ends where its source does. The first root run is the
run: events of others are left out, and a diagnostic says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from langchain_core.messages import AIMessageChunk

from langchain_streamkit.errors import AdaptError, ProducerLost, SourceFailed
from langchain_streamkit.sources.adapters.base import Adapter, Opening
from langchain_streamkit.sources.adapters.belonging import Belonging
from langchain_streamkit.sources.adapters.event_fields import EventFields, read_event
from langchain_streamkit.sources.adapters.event_values import (
    answer_of,
    call_id_of,
    pieces_of,
    prompt_of,
)
from langchain_streamkit.sources.adapters.graph_chunks import INTERRUPTS
from langchain_streamkit.sources.adapters.open_runs import OpenRun, OpenRuns
from langchain_streamkit.sources.adapters.plain_messages import as_interrupts, with_messages
from langchain_streamkit.sources.adapters.root_chunks import RootChunks
from langchain_streamkit.sources.control_flow import LeftBehind, outcome_of
from langchain_streamkit.sources.node_output import snapshot
from langchain_streamkit.sources.pieces import extract, whole_pieces

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.tap import RunTap


_UNNAMED = "stream"
"""What a run is called whose root is not in the stream."""


class EventsV2(Adapter):
    """Adapts event dictionaries."""

    route = "astream_events(version='v2')"

    def __init__(self, tap: RunTap, token: Take, mode: str | None = None) -> None:
        super().__init__(tap, token)
        self._open = OpenRuns()
        self._chunks = RootChunks(tap, self._open, self._bury, mode)
        self._keys: dict[str, UUID] = {}
        """Our ids of runs, by those that the source writes."""
        self._begun: set[str] = set()
        self._speaking: dict[str, UUID] = {}
        """Models in the middle of an answer whose next chunk tells nothing but itself."""
        self._quiet: set[str] = set()
        """Chains whose chunks tell nothing."""
        self._buried: dict[str, OpenRun] = {}
        """Models that were taken for failed."""
        self._ended = False
        self._output: object = None

    # ---- the contract ------------------------------------------------------------------------

    def opening(self, first: Any) -> Opening:
        event = read_event(first)
        thread = event.metadata.get("thread_id")
        thread_id = thread if thread is None else str(thread)
        self._belonging = Belonging(event, self.tap)
        self._keys[self._belonging.root] = self.root
        if self._belonging.headless:
            return Opening(_UNNAMED, thread_id)
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
        if self._belonging.headless:
            return None
        if not self._ended:
            raise ProducerLost("the events stop before the end of the root run")
        output = self._output
        if self._chunks.interrupts and isinstance(output, dict):
            pending = {INTERRUPTS: list(self._chunks.interrupts.values())}
            return {**cast("dict[str, Any]", output), **pending}
        return output

    def broke(self, error: Exception) -> None:
        if outcome_of(error) is None:
            for run in reversed(self._open.single_line()):
                self._open.remove(run)
                self.tap.failed(run.key, error)

    # ---- which run it is about ---------------------------------------------------------------

    def _take(self, event: EventFields) -> None:
        if not self._belonging.ours(event, ended=self._ended):
            return
        if event.stage == "start":
            if event.run not in self._begun:
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
            if event.run in self._begun:
                return  # it has ended before
            if event.kind == "chain" and event.stage == "stream" and not self._is_root(event.run):
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

    def _is_root(self, text: str) -> bool:
        return text == self._belonging.root

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
        self._begun.add(event.run)
        if self._is_root(event.run):
            parent, fallbacks = None, None
            run = OpenRun(self._key(event.run), event, parent)
        else:
            parent = self._open.parent_of(event)
            run = OpenRun(self._key(event.run), event, parent)
            fallbacks = self._open.adopt(run)
            failed = self._open.failed_before(run, fallbacks)
            if fallbacks is not None and run.kind == "model":
                run.rivals, failed = failed, []
            for other in failed:
                self._bury(other)
            for other in self._open.left_before(run):
                self._bury(other, LeftBehind("handed_off"))
        self._open.add(run)
        run.rivals += self._open.rivals_of(run)
        for rival in run.rivals:
            self._speaking.pop(rival.text, None)
        given = with_messages(run.given)
        about = (run.key, run.parent.key if run.parent else None, run.name, run.tags)
        match run.kind:
            case "model":
                self.tap.model_start(*about, run.metadata, prompt_of(given))
            case "tool":
                call_id = call_id_of(run)
                self.tap.tool_start(*about, run.metadata, run.given, call_id)
            case _:
                retriever = run.kind == "retriever"
                self.tap.chain_start(*about, run.metadata, given, retriever=retriever)
                if not self._is_root(run.text):
                    self._quiet.add(run.text)
        return run

    # ---- chunks ------------------------------------------------------------------------------

    def _chunk(self, run: OpenRun, event: EventFields) -> None:
        if run.kind == "model":
            pieces, message_id = pieces_of(event.data.get("chunk"))
            self._speak(run)
            self.token(run.key, message_id, pieces)
        elif self._is_root(run.text) and run.kind == "chain":
            self._chunks.take(event.data.get("chunk"), output_deltas=self.output_deltas)

    def _speak(self, run: OpenRun) -> None:
        """The model says something: it is alive, and those it was asked after are not."""
        run.spoken = True
        rivals, run.rivals = run.rivals, []
        for rival in rivals:
            if self._open.get(rival.text) is rival and rival.text not in self._speaking:
                self._bury(rival)
        self._speaking[run.text] = run.key

    # ---- ends --------------------------------------------------------------------------------

    def _end(self, run: OpenRun, event: EventFields) -> None:
        output = with_messages(event.data.get("output"))
        self._close_below(run)
        self._open.remove(run)
        self._speaking.pop(run.text, None)
        self._quiet.discard(run.text)
        match run.kind:
            case "model":
                message, cached = answer_of(output)
                self._speak_last(run)
                output = event.data.get("output") if message is None else message
                self.tap.answered(run.key, message and snapshot(message), cached=cached)
            case "tool":
                self.tap.tool_end(run.key, output)
            case _:
                self.tap.chain_end(run.key, output)
        if self._is_root(run.text):
            self._ended, self._output = True, output
        elif run.is_node and run.parent is not None and self._is_root(run.parent.text):
            self._chunks.node_ended(run)

    def _speak_last(self, run: OpenRun) -> None:
        self._open.add(run)
        self._speak(run)
        self._speaking.pop(run.text, None)
        self._open.remove(run)

    def _close_below(self, run: OpenRun) -> None:
        """The run ends well: what is open in it has failed, or was left on purpose."""
        paused = self._is_root(run.text) and bool(self._chunks.interrupts)
        for child in reversed(list(run.children.values())):
            if paused:
                self._bury(child, LeftBehind("suspended"))
            elif child.is_node and not run.is_node:
                # Of a graph that ended well, only a node that waits for someone says no end.
                self._bury(child, LeftBehind("suspended"))
                if self._is_root(run.text):
                    self.tap.interrupts(self.root, (), ())
            elif child.kind != "tool":
                self._bury(child)

    def _fail(self, run: OpenRun, event: EventFields) -> None:
        error: Any = event.data.get("error")
        if not isinstance(error, BaseException):
            interrupts = as_interrupts(error)
            error = (
                LeftBehind("suspended", interrupts=interrupts)
                if interrupts
                else SourceFailed(str(error))
            )
        call_id: Any = event.data.get("tool_call_id")
        if run.parent is not None and isinstance(call_id, str):
            run.parent.tried.append((run.name, run.given, call_id))
        self._open.remove(run)
        self.tap.failed(run.key, error)

    def _bury(self, run: OpenRun, left: LeftBehind | None = None) -> None:
        """End a run of which the source says no more, with all that is open in it.

        It has failed, or was ``left`` on purpose.
        """
        for one in [*run.below(), run]:
            if one.kind == "tool" and left is None:
                continue  # of tools, v2 tells the failures
            self._open.remove(one)
            self._speaking.pop(one.text, None)
            if one.kind == "model":
                self._buried[one.text] = one
            if left is None:
                text = f"{one.name} has failed: its next attempt began, or its parent ended"
                self.tap.failed(one.key, SourceFailed(text))
            else:
                self.tap.failed(one.key, left if one is run else LeftBehind(left.outcome))

    def _revive(self, run: OpenRun, event: EventFields) -> None:
        """A model that was taken for failed has finished after all: its message is said anew."""
        message, cached = answer_of(with_messages(event.data.get("output")))
        if message is None:
            return
        key = self.named(run.text, "again")
        parent = self._open.parent_of(event)
        parent_key = parent.key if parent else None
        self.tap.model_start(key, parent_key, run.name, run.tags, run.metadata)
        self.token(key, None, whole_pieces(message))
        self.tap.answered(key, snapshot(message), cached=cached)
