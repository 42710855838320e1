"""The messages that the stream has shown, and those it need not show: what a node returns is
compared with them.

Guarantees: an id is shown once; a model's message that comes back as another object, or under
another id, is recognised once, in the step it was said in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from langchain_streamkit.sources.outbox import MessageWriter
from langchain_streamkit.sources.tools import AskedCall
from langchain_streamkit.sources.tree import Finished
from langchain_streamkit.values import clean_text, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_streamkit.sources.endings import Ending
    from langchain_streamkit.sources.outbox import Outbox
    from langchain_streamkit.sources.tools import ToolRuns
    from langchain_streamkit.sources.tree import RunNode


class _Said:
    """A finished model message that a node may yet return again under another object or id."""

    __slots__ = ("calls", "claimed", "text")

    def __init__(self, text: str, calls: list[Any]) -> None:
        self.text = text
        self.calls = calls
        self.claimed = False


class ShownMessages:
    """Which messages of one run were input, history or emitted."""

    def __init__(self, outbox: Outbox, tools: ToolRuns) -> None:
        self._outbox = outbox
        self._tools = tools
        self._ids: set[str] = set()
        """Ids of messages of the input, and of all that were emitted."""
        self._emitted: set[str] = set()
        self._said: dict[str, list[_Said]] = {}

    # ---- what is emitted ---------------------------------------------------------------------

    def know(self, ids: Iterable[str]) -> None:
        """Messages with these ids are input or history."""
        self._ids.update(ids)

    def writer(self, message_id: str, step_id: str, path: tuple[str, ...]) -> MessageWriter:
        """Begin a message under an id that is new."""
        self._emitted.add(message_id)
        self._ids.add(message_id)
        return MessageWriter(self._outbox, message_id, step_id, path)

    def new_id(self, node: RunNode, given: str | None) -> str:
        """What to call a model's message: the id its chunks have, unless another has it already."""
        own = f"lc_run--{node.id}"
        for one in (given or own, own):  # a cached answer keeps the id it had the first time
            if one not in self._emitted:
                return one
        return self.minted(node)  # a node returned it before a source told of its call

    def minted(self, node: RunNode) -> str:
        """An id for a message of this run that has none."""
        return f"{node.id}/{len(self._emitted)}"

    def stored_id(self, given: str | None, writer: MessageWriter) -> str | None:
        """The id a finished message is stored under, if it is another one than it was shown by."""
        # The id that LangChain makes up for an answer counts its generations, the chunks' does not.
        if given is None or given.removesuffix("-0") == writer.message_id:
            return None
        if given in self._emitted:
            return None  # its own, or that of the message a cached answer was first
        self._ids.add(given)
        return given

    def finished(self, node: RunNode, writer: MessageWriter, ending: Ending) -> None:
        """A message has ended well: its calls can be answered, and it can be taken back."""
        message_id = writer.message_id
        if node.parent is not None:
            node.finished.append(Finished(message_id, writer.step_id, writer.path))
        calls = [AskedCall(c.tool_call_id, c.name, c.args, message_id) for c in ending.calls]
        self._tools.asked(calls)

    def said(self, step_id: str, ending: Ending) -> None:
        """A model has said this in a step, whose node may return it again."""
        calls = [(call.name, call.args) for call in ending.calls]
        self._said.setdefault(step_id, []).append(_Said(ending.text, calls))

    def forget_step(self, step_id: str) -> None:
        """The step has ended: nothing can be claimed in it any more."""
        self._said.pop(step_id, None)

    # ---- what a node returns -----------------------------------------------------------------

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


def minter(message_id: str) -> Callable[[], str]:
    """What makes up the ids of a message's tool calls: the same ones, in order, for the same id."""
    count = 0

    def mint() -> str:
        nonlocal count
        count += 1
        return f"call_{message_id}_{count}"

    return mint
