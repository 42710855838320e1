"""What an AG-UI client posts to run an agent: ``RunAgentInput``.

Guarantees: any bytes are an ``AgUiRequest`` or a ``StreamUsageError`` whose ``wire`` says what is
wrong, where, in the words of the body; what is null counts as left out, unknown keys are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

import msgspec
from langchain_core.messages import ToolMessage

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.wire.ag_ui.history import Assistant, Message, langchain_messages
from langchain_streamkit.wire.ag_ui.tools import RESULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import AnyMessage

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
CANCELLED: Final = {"status": "cancelled"}
"""What a graph gets for an answer to an interrupt that the user declined to answer."""
_REPEATED: Final = re.compile(r"(.+)#[0-9]+")


class ClientTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the client runs; ``parameters`` is a JSON Schema."""

    name: str
    description: str = ""
    parameters: Any = None

    def to_openai(self) -> dict[str, Any]:
        """Return it as ``model.bind_tools`` takes it."""
        schema: object = self.parameters
        if not isinstance(schema, dict):
            schema = {"type": "object", "properties": {}}
        about = {
            "name": self.name,
            "description": self.description,
            "parameters": cast("object", schema),
        }
        return {"type": "function", "function": about}


class ContextItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the application tells the agent."""

    description: str
    value: str


class _Resume(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    interrupt_id: _Name
    status: Literal["resolved", "cancelled"]
    payload: Any = None


class _Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: _Name
    run_id: _Name
    messages: list[Message]
    parent_run_id: _Name | None = None
    state: Any = None
    tools: list[ClientTool] | None = None
    context: list[ContextItem] | None = None
    forwarded_props: Any = None
    resume: list[_Resume] | None = None


@dataclass(frozen=True, kw_only=True)
class AgUiRequest:
    """A request to run an agent.

    Either ``resume`` has answers to the interrupts of the thread, or ``messages`` is the whole
    history, for a graph that keeps none; of it, ``new_messages`` are those since the model last
    spoke (the user's, or results of tools that the client ran), for a graph with a checkpointer.
    """

    thread_id: str
    run_id: str
    """The client's name of the run, which no other run of the thread has."""
    parent_run_id: str | None = None
    messages: list[AnyMessage] = field(default_factory=list["AnyMessage"])
    new_messages: list[AnyMessage] = field(default_factory=list["AnyMessage"])
    history: tuple[dict[str, Any], ...] = ()
    """The messages as the client has them, for ``AgUiEncoder``."""
    state: Any = None
    """The client's state; ``{}`` or None of one that has none."""
    tools: tuple[ClientTool, ...] = ()
    context: tuple[ContextItem, ...] = ()
    forwarded_props: Any = None
    resume: dict[str, Any] | None = None
    """Answers by interrupt id; ``CANCELLED`` where the user declined."""


_decode = msgspec.json.Decoder(_Body).decode


def read_run_input(body: bytes) -> AgUiRequest:
    """Read the body of an AG-UI client's ``POST``. Raises ``StreamUsageError``, with ``wire``."""
    try:
        asked = _decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        said = f"{exc}; the body has to be a RunAgentInput of AG-UI 1.0"
        raise StreamUsageError(said, wire=said) from exc
    messages = langchain_messages(asked.messages)
    return AgUiRequest(
        thread_id=asked.thread_id,
        run_id=asked.run_id,
        parent_run_id=asked.parent_run_id,
        messages=messages,
        new_messages=_since_the_model(messages, asked.messages),
        history=tuple(cast("dict[str, Any]", msgspec.to_builtins(one)) for one in asked.messages),
        state=asked.state,
        tools=tuple(asked.tools or ()),
        context=tuple(asked.context or ()),
        forwarded_props=asked.forwarded_props,
        resume=_answers(asked.resume) if asked.resume else None,
    )


def _answers(entries: Sequence[_Resume]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, entry in enumerate(entries):
        if entry.interrupt_id in found:
            said = f"resume[{number}].interruptId: {entry.interrupt_id!r} is answered twice"
            raise StreamUsageError(said, wire=said)
        found[entry.interrupt_id] = entry.payload if entry.status == "resolved" else dict(CANCELLED)
    return found


def _since_the_model(
    messages: Sequence[AnyMessage], history: Sequence[Message]
) -> list[AnyMessage]:
    """What the graph does not have: results of tools that it ran itself are no news."""
    spoke = [number for number, message in enumerate(history) if isinstance(message, Assistant)]
    later = {message.id for message in history[spoke[-1] + 1 if spoke else 0 :]}
    calls = {
        call.id
        for message in history
        if isinstance(message, Assistant)
        for call in message.tool_calls or ()
    }
    return [
        _as_the_graph_has_it(message, calls)
        for message in messages
        if message.id in later and not (isinstance(message, ToolMessage) and _is_ours(message))
    ]


def _is_ours(message: ToolMessage) -> bool:
    return message.id == message.tool_call_id + RESULT


def _as_the_graph_has_it(message: AnyMessage, calls: set[str]) -> AnyMessage:
    """With the id of the call as it was before it was made unlike an earlier one."""
    if isinstance(message, ToolMessage):
        repeated = _REPEATED.fullmatch(message.tool_call_id)
        if repeated is not None and repeated[1] in calls:
            return message.model_copy(update={"tool_call_id": repeated[1]})
    return message
