"""Model calls and the messages they make.

Guarantees: a message starts with its first chunk and takes its id; it ends once, finished or
aborted; however many routes see a message, it appears once; a model call that never said anything
still has its usage record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.events import (
    Diagnostic,
    MessageAborted,
    MessageFinished,
    MessageStarted,
    UsageUpdated,
)
from langchain_streamkit.sources.assembler import Ending, MessageAssembler
from langchain_streamkit.sources.lane import TextLane
from langchain_streamkit.sources.model_calls import Call, Message
from langchain_streamkit.sources.piece_types import MetaPiece, TextPiece, UsagePiece
from langchain_streamkit.sources.shown import minter
from langchain_streamkit.sources.silence import no_tokens
from langchain_streamkit.sources.unreported import unreported
from langchain_streamkit.sources.usage import read_counts

if TYPE_CHECKING:
    from langchain_streamkit.events import AbortReason, Usage, UsageStatus
    from langchain_streamkit.sources.accounts import Accounts
    from langchain_streamkit.sources.attempts import OpenAttempts
    from langchain_streamkit.sources.lane import LaneQueue
    from langchain_streamkit.sources.outbox import Outbox
    from langchain_streamkit.sources.shown import ShownMessages
    from langchain_streamkit.sources.signals import Failure, ModelEnd, ModelStart, Token
    from langchain_streamkit.sources.tree import RunNode
    from langchain_streamkit.sources.usage import TokenCounts

_SILENT = (MetaPiece, UsagePiece)
"""Pieces of a chunk with which the model has not said anything yet."""
_STRIDE = 16
"""Tokens of a message from one ``usage.updated`` to the next."""


class ModelRuns:
    """The model calls and messages of one run, as events into its outbox."""

    def __init__(
        self,
        outbox: Outbox,
        accounts: Accounts,
        shown: ShownMessages,
        attempts: OpenAttempts,
        *,
        streaming: bool,
        show_subagents: bool,
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._shown = shown
        self._attempts = attempts
        self._streaming = streaming
        self._show_subagents = show_subagents
        self._live = accounts.how.live
        self._unreported: set[str] = set()
        """Models whose provider told no usage, once that was said."""

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
        if call.first_token is None and not all(isinstance(piece, _SILENT) for piece in pieces):
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
        said = call.message or self._begin(node, call, given)
        assembler, writer = said
        self._attempts.end(said)
        ending = assembler.finish(message)
        call.model = ending.model or call.model
        if self._streaming and not signal.cached:
            self._check_tokens(node, call, ending)
        usage = self._record(node, call, ending.usage, "ok", cached=signal.cached)
        if ending.usage is None and call.first_token is not None and not signal.cached:
            self._check_usage(node, call)
        writer.event(
            MessageFinished,
            stored_id=self._shown.stored_id(given, writer),
            finish_reason=ending.finish_reason,
            raw_finish_reason=ending.raw_finish_reason,
            usage=usage,
        )
        self._shown.finished(node, writer, ending)
        self._shown.said(writer.step_id, ending)

    def abort(self, node: RunNode, reason: AbortReason) -> None:
        """The call died or was left: close its message with what there is.

        The failure of a message that a later attempt has left behind is not that attempt's reason:
        only its usage says that it failed.
        """
        call: Call = node.work
        call.close_lane()
        status: UsageStatus = "failed" if reason == "error" else "aborted"
        if call.message is None:
            self._record(node, call, None, status)
            return
        assembler, writer = call.message
        if self._attempts.end(call.message) and reason == "error":
            reason = "cancelled"
        assembler.abort()
        call.model = assembler.model or call.model
        usage = self._record(node, call, assembler.usage, status)
        writer.event(MessageAborted, reason=reason, usage=usage)

    def _begin(self, node: RunNode, call: Call, message_id: str | None) -> Message:
        unique = self._shown.new_id(node, message_id)
        writer = self._shown.writer(unique, node.step_id, node.path)
        meter = self._accounts.meter(call.model, call.provider)
        call.message = Message(MessageAssembler(writer, minter(unique), meter), writer)
        attempt = node.attempt()
        self._attempts.begin(call.message, attempt)
        writer.event(
            MessageStarted,
            role="assistant",
            model=call.model,
            provider=call.provider,
            attempt=attempt,
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

    def retracted(self, message_id: str) -> None:
        """A message that had finished is taken back."""
        self._accounts.retracted(message_id)

    def failed_late(self, signal: Failure) -> None:
        """Something failed when the run had ended already; perhaps a call."""
        self._accounts.failed_late(str(signal.run_id))

    def late(self, signal: ModelEnd) -> None:
        """A call ended when the run had ended already: the ledgers take what it used."""
        message = signal.message
        told = read_counts(getattr(message, "usage_metadata", None))
        metadata = message.response_metadata if message is not None else {}
        model = metadata.get("model_name") or metadata.get("model")
        self._accounts.late(str(signal.run_id), None if signal.cached else told, model)
