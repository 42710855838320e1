"""Model calls and the messages they make; and messages that nodes made without a model.

Guarantees: a message starts with its first chunk and takes its id; it ends once, finished or
aborted; however many routes see a message, it appears once; a model call that never said anything
still has its usage record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from langchain_streamkit.events import (
    Diagnostic,
    MessageAborted,
    MessageFinished,
    MessageStarted,
    UsageUpdated,
)
from langchain_streamkit.sources.assembler import Ending, MessageAssembler, whole_message
from langchain_streamkit.sources.lane import TextLane
from langchain_streamkit.sources.model_calls import Call, Message, Said
from langchain_streamkit.sources.outbox import MessageWriter
from langchain_streamkit.sources.piece_types import TextPiece
from langchain_streamkit.sources.silence import UNSEEN, model_run_of, no_tokens
from langchain_streamkit.sources.tools import AskedCall
from langchain_streamkit.sources.tree import INTERNAL_KEYS, Finished
from langchain_streamkit.sources.unreported import unreported
from langchain_streamkit.sources.usage import read_counts
from langchain_streamkit.values import clean_text, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_streamkit.events import AbortReason, Role, Usage, UsageStatus
    from langchain_streamkit.sources.accounts import Accounts
    from langchain_streamkit.sources.lane import LaneQueue
    from langchain_streamkit.sources.outbox import Outbox
    from langchain_streamkit.sources.signals import ModelEnd, ModelStart, Token
    from langchain_streamkit.sources.tools import ToolRuns
    from langchain_streamkit.sources.tree import RunNode
    from langchain_streamkit.sources.usage import TokenCounts

_ROLES: dict[str, Role] = {
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "human": "user",
    "HumanMessageChunk": "user",
    "system": "system",
    "SystemMessageChunk": "system",
}


_STRIDE = 16
"""Tokens of a message from one ``usage.updated`` to the next."""


class ModelRuns:
    """The model calls and messages of one run, as events into its outbox."""

    def __init__(
        self,
        outbox: Outbox,
        accounts: Accounts,
        tools: ToolRuns,
        *,
        streaming: bool,
        show_subagents: bool,
        hears_models: bool,
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._tools = tools
        self._streaming = streaming
        self._show_subagents = show_subagents
        self._hears_models = hears_models
        self._live = accounts.how.live
        self._ids: set[str] = set()
        """Ids of messages of the input, and of all that were emitted."""
        self._emitted: set[str] = set()
        self._said: dict[str, list[Said]] = {}
        self._unreported: set[str] = set()
        """Models whose provider told no usage, once that was said."""

    def know(self, ids: Iterable[str]) -> None:
        """Messages with these ids are input or history."""
        self._ids.update(ids)

    # ---- a model's message -------------------------------------------------------------------

    def started(self, signal: ModelStart, node: RunNode) -> None:
        """A call begins; its message begins with the first chunk."""
        node.work = Call(signal)

    def token(self, signal: Token, node: RunNode) -> None:
        """A chunk of the answer."""
        call: Call = node.work
        message = call.message or self._begin(node, call, signal.message_id)
        assembler = message.assembler
        pieces = signal.pieces
        if type(pieces) is str:
            if not pieces:
                return
            if call.first_token is None:
                self._first_token(call, signal.ts, len(pieces))
            assembler.text(pieces)
            if self._live:
                self._tell_usage(node, call, message)
            return
        if call.first_token is None and pieces:
            size = sum(len(piece.text) for piece in pieces if isinstance(piece, TextPiece))
            self._first_token(call, signal.ts, size)
        assembler.feed(pieces)  # type: ignore[arg-type]
        if self._live:
            self._tell_usage(node, call, message)

    def open_lane(self, node: RunNode, queue: LaneQueue) -> None:
        """Let the text of a call take the short way, if its message has a text block open."""
        call: Call = node.work
        if call.message is None or self._live:
            return
        assembler, writer = call.message
        block = assembler.open_text
        if block is None:
            return
        lane = queue.lanes.find(node.key)
        if lane is None or not lane.open:
            # A new one always: text that lies in an old one comes before what was pushed since.
            call.lane = TextLane(node.key, assembler, block, writer, queue)
            queue.lanes.open(call.lane)

    def ended(self, signal: ModelEnd, node: RunNode) -> None:
        """The call finished: complete its message from the final one, record its usage."""
        call: Call = node.work
        call.close_lane()
        message = signal.message
        if call.message is None and message is None:
            self._record(node, call, None, "ok", cached=signal.cached)
            return
        given = message.id if message is not None else None
        assembler, writer = call.message or self._begin(node, call, given)
        ending = assembler.finish(message)
        call.model = ending.model or call.model
        if self._streaming and not signal.cached:
            self._check_tokens(node, call, ending)
        usage = self._record(node, call, ending.usage, "ok", cached=signal.cached)
        if ending.usage is None and call.first_token is not None and not signal.cached:
            self._check_usage(node, call)
        stored = message.id if message is not None else None
        # The id that LangChain makes up for an answer counts its generations, the chunks' does not.
        if stored is not None and stored.removesuffix("-0") == writer.message_id:
            stored = None
        if stored in self._emitted and stored != writer.message_id:
            stored = None  # a cached answer has the id of the message it was first
        if stored is not None:
            self._ids.add(stored)
        writer.event(
            MessageFinished,
            stored_id=stored if stored != writer.message_id else None,
            finish_reason=ending.finish_reason,
            raw_finish_reason=ending.raw_finish_reason,
            usage=usage,
        )
        self._finished(node, writer, ending)

    def abort(self, node: RunNode, reason: AbortReason) -> None:
        """The call died or was left: close its message with what there is."""
        call: Call = node.work
        call.close_lane()
        status: UsageStatus = "failed" if reason == "error" else "aborted"
        if call.message is None:
            self._record(node, call, None, status)
            return
        assembler, writer = call.message
        assembler.abort()
        call.model = assembler.model or call.model
        usage = self._record(node, call, assembler.usage, status)
        writer.event(MessageAborted, reason=reason, usage=usage)

    def _begin(self, node: RunNode, call: Call, message_id: str | None) -> Message:
        given = message_id or f"lc_run--{node.id}"
        unique = given
        if unique in self._emitted:  # a cached answer keeps the id it had the first time
            unique = f"lc_run--{node.id}"
        if unique in self._emitted:  # a node returned it before a source told of its call
            unique = f"{node.id}/{len(self._emitted)}"
        writer = self._writer(unique, node.step_id, node.path)
        meter = self._accounts.meter(call.model, call.provider)
        call.message = Message(MessageAssembler(writer, minter(unique), meter), writer)
        writer.event(
            MessageStarted,
            role="assistant",
            model=call.model,
            provider=call.provider,
            attempt=node.attempt(),
            audience=node.audience(show_subagents=self._show_subagents),
            counting=None if meter is None else "exact" if meter.exact else "estimate",
            metadata=node.shown_metadata,
        )
        return call.message

    def _first_token(self, call: Call, ts: int, size: int) -> None:
        call.first_token = ts
        call.first_size = size
        self._accounts.token_seen(ts)

    def _record(
        self,
        node: RunNode,
        call: Call,
        counts: TokenCounts | None,
        status: UsageStatus,
        *,
        cached: bool = False,
    ) -> Usage:
        now = self._outbox.now
        return self._accounts.record(node, call, counts, status, now, cached=cached)

    def _tell_usage(self, node: RunNode, call: Call, message: Message) -> None:
        """Say what the call has used so far, every so many tokens."""
        meter = message.assembler.meter
        if meter is not None and meter.total >= call.told_at + _STRIDE:
            call.told_at = meter.total
            usage = self._accounts.live(node, call, message.assembler.usage)
            message.writer.event(UsageUpdated, usage=usage)

    def _check_usage(self, node: RunNode, call: Call) -> None:
        """Say so, once for a model, if its provider told no usage."""
        name = call.model or node.name or "the model"
        found = unreported(name, call.provider, asked=call.known.asks_usage)
        if found is not None and name not in self._unreported:
            self._unreported.add(name)
            self._diagnose(node, found.code, found.message)

    def _check_tokens(self, node: RunNode, call: Call, ending: Ending) -> None:
        """Say so if the answer did not come token by token, and why."""
        whole = len(ending.text) or len(ending.calls)
        text = no_tokens(node.name, call.known.silent, call.first_size, whole)
        if text is not None:
            self._diagnose(node, "no_tokens", text)

    def _diagnose(self, node: RunNode, code: str, text: str) -> None:
        place = {"path": node.path, "step_id": node.step_id}
        self._outbox.add(Diagnostic, {**place, "code": code, "message": text})

    def _finished(self, node: RunNode, writer: MessageWriter, ending: Ending) -> None:
        message_id = writer.message_id
        if node.parent is not None:
            node.finished.append(Finished(message_id, writer.step_id, writer.path))
        calls = [AskedCall(c.tool_call_id, c.name, c.args, message_id) for c in ending.calls]
        self._tools.asked(calls)
        said = Said(message_id, ending.text, [(c.name, c.args) for c in ending.calls])
        self._said.setdefault(writer.step_id, []).append(said)

    def _writer(self, message_id: str, step_id: str, path: tuple[str, ...]) -> MessageWriter:
        self._emitted.add(message_id)
        self._ids.add(message_id)
        return MessageWriter(self._outbox, message_id, step_id, path)

    def retracted(self, message_id: str) -> None:
        """A message that had finished is taken back."""
        self._accounts.retracted(message_id)

    def late(self, signal: ModelEnd) -> None:
        """A call ended when the run had ended already: the ledgers take what it used."""
        message = signal.message
        told = read_counts(getattr(message, "usage_metadata", None))
        metadata = message.response_metadata if message is not None else {}
        model = metadata.get("model_name") or metadata.get("model")
        self._accounts.late(str(signal.run_id), None if signal.cached else told, model)

    def forget_step(self, step_id: str) -> None:
        """The step has ended: nothing can be claimed in it any more."""
        self._said.pop(step_id, None)

    # ---- messages that nodes return ----------------------------------------------------------

    def is_known(self, message: BaseMessage) -> bool:
        """Whether a message of this id was input, history or emitted."""
        return message.id is not None and message.id in self._ids

    def unseen(
        self, node: RunNode, messages: Iterable[BaseMessage]
    ) -> list[tuple[int, BaseMessage]]:
        """Those of the messages a node returned that the stream has not shown yet.

        Known ids are history or were streamed. A model's message that comes back as another
        object is claimed by text and calls, once, within the step it was said in. Each comes with
        its place in ``messages``.
        """
        fresh: list[tuple[int, BaseMessage]] = []
        for place, message in enumerate(messages):
            if self.is_known(message):
                continue
            if isinstance(message, ToolMessage) and self._tools.is_answered(message.tool_call_id):
                continue
            if isinstance(message, AIMessage) and self._claim(node.step_id, message):
                continue
            fresh.append((place, message))
        return fresh

    def _claim(self, step_id: str, message: AIMessage) -> bool:
        calls = [(call["name"], to_plain(call["args"])) for call in message.tool_calls]
        text = clean_text(str(message.text))  # the streamed text has its surrogate halves joined
        for said in self._said.get(step_id, ()):
            if not said.claimed and said.text == text and said.calls == calls:
                said.claimed = True
                if message.id is not None:
                    self._ids.add(message.id)
                return True
        return False

    def made_by_node(self, node: RunNode, message: BaseMessage) -> None:
        """Emit a message that no model streamed, whole."""
        message_id = message.id or f"{node.id}/{len(self._emitted)}"
        writer = self._writer(message_id, node.step_id, node.path)
        audience = node.audience(show_subagents=self._show_subagents)
        if any(message.additional_kwargs.get(key) for key in INTERNAL_KEYS):
            audience = "internal"
        writer.event(
            MessageStarted,
            role=_ROLES.get(message.type, "other"),
            name=message.name,
            attempt=node.attempt(),
            audience=audience,
            metadata=node.shown_metadata,
        )
        ending = whole_message(writer, message, minter(message_id))
        writer.event(
            MessageFinished,
            finish_reason=ending.finish_reason,
            raw_finish_reason=ending.raw_finish_reason,
            usage=self._unseen_usage(node, message_id, ending),
        )
        node.finished.append(Finished(message_id, writer.step_id, writer.path))
        calls = [AskedCall(c.tool_call_id, c.name, c.args, message_id) for c in ending.calls]
        self._tools.asked(calls)

    def _unseen_usage(self, node: RunNode, message_id: str, ending: Ending) -> Usage | None:
        """The record of a call that no callback told us of, and whose answer a node returned."""
        if not self._hears_models:
            return None
        call_id = model_run_of(message_id, since=self._accounts.started)
        if call_id is None or self._accounts.has(call_id):
            return None
        if self._streaming:
            text = f"the answer in {node.described} came in one piece: {UNSEEN}"
            self._diagnose(node, "no_tokens", text)
        return self._accounts.unseen(node, call_id, message_id, ending.usage, ending.model)


def minter(message_id: str) -> Callable[[], str]:
    """What makes up the ids of a message's tool calls: the same ones, in order, for the same id."""
    count = 0

    def mint() -> str:
        nonlocal count
        count += 1
        return f"call_{message_id}_{count}"

    return mint
