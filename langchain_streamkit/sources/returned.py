"""Messages that no model streamed: nodes made them, or returned what a hidden model said.

Guarantees: each is emitted whole, once; a model call that nobody told us of has its usage record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.events import Diagnostic, MessageFinished, MessageStarted
from langchain_streamkit.sources.assembler import whole_message
from langchain_streamkit.sources.shown import minter
from langchain_streamkit.sources.silence import UNSEEN, model_run_of
from langchain_streamkit.sources.tree import INTERNAL_KEYS

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from langchain_streamkit.events import Role, Usage
    from langchain_streamkit.sources.accounts import Accounts
    from langchain_streamkit.sources.attempts import OpenAttempts
    from langchain_streamkit.sources.endings import Ending
    from langchain_streamkit.sources.outbox import Outbox
    from langchain_streamkit.sources.shown import ShownMessages
    from langchain_streamkit.sources.tree import RunNode

_ROLES: dict[str, Role] = {
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "human": "user",
    "HumanMessageChunk": "user",
    "system": "system",
    "SystemMessageChunk": "system",
}


class ReturnedMessages:
    """Makes events of the messages of one run that came whole, out of nodes.

    ``hears_models`` tells that a model call of which there was no signal was hidden from us.
    """

    def __init__(
        self,
        outbox: Outbox,
        accounts: Accounts,
        shown: ShownMessages,
        attempts: OpenAttempts,
        *,
        streaming: bool,
        show_subagents: bool,
        hears_models: bool,
    ) -> None:
        self.shown = shown
        self._attempts = attempts
        self._outbox = outbox
        self._accounts = accounts
        self._streaming = streaming
        self._show_subagents = show_subagents
        self._hears_models = hears_models

    def show(self, node: RunNode, message: BaseMessage) -> None:
        """Emit a message that no model streamed, whole."""
        message_id = message.id or self.shown.minted(node)
        writer = self.shown.writer(message_id, node.step_id, node.path)
        audience = node.audience(show_subagents=self._show_subagents)
        if any(message.additional_kwargs.get(key) for key in INTERNAL_KEYS):
            audience = "internal"
        attempt = node.attempt()
        self._attempts.overtake(writer.path, attempt)
        writer.event(
            MessageStarted,
            role=_ROLES.get(message.type, "other"),
            name=message.name,
            attempt=attempt,
            audience=audience,
            metadata=node.shown_metadata,
        )
        ending = whole_message(writer, message, minter(message_id))
        writer.event(
            MessageFinished,
            finish_reason=ending.finish_reason,
            raw_finish_reason=ending.raw_finish_reason,
            usage=self._usage(node, message_id, ending),
        )
        self.shown.finished(node, writer, ending)

    def _usage(self, node: RunNode, message_id: str, ending: Ending) -> Usage | None:
        """The record of a call that no callback told us of, and whose answer a node returned."""
        if not self._hears_models:
            return None
        call_id = model_run_of(message_id, since=self._accounts.started)
        if call_id is None or self._accounts.has(call_id):
            return None
        if self._streaming:
            text = f"the answer in {node.described} came in one piece: {UNSEEN}"
            place = {"path": node.path, "step_id": node.step_id}
            self._outbox.add(Diagnostic, {**place, "code": "no_tokens", "message": text})
        return self._accounts.unseen(node, call_id, message_id, ending)
