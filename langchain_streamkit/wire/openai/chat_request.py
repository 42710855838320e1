"""What clients of OpenAI's chat completions ask for, in LangChain's words.

Guarantees: whatever the body holds is a ``ModelRequest`` or a ``StreamUsageError`` whose ``wire``
says what is wrong, where, and what to send instead; ``error_body(error.wire)`` is its form. What
would have to be done and cannot is refused; unknown fields are ignored, as OpenAI adds some often.
Format: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_streamkit.wire.openai.parts import (
    Part,
    Refusal,
    Text,
    TextPart,
    add_call,
    assistant_message,
    bad_request,
    content_of,
)
from langchain_streamkit.wire.openai.terms import as_object

T = TypeVar("T")

FunctionOnly: TypeAlias = Literal["function"]
ChoiceWord: TypeAlias = Literal["none", "auto", "required"]
DEVELOPER = {"__openai_role__": "developer"}
"""How langchain-openai marks a system message that is to be sent as the developer's."""


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One request to a model, whichever of the two protocols it came by."""

    model: str | None
    messages: list[BaseMessage]
    tools: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The client's own tools in the form of chat completions, which ``bind_tools`` takes."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """How to answer, by the names of LangChain's chat models, only what the client said: some of
    ``temperature``, ``top_p``, ``max_tokens``, ``stop``, ``seed``, ``presence_penalty``,
    ``frequency_penalty``, ``reasoning_effort``, ``tool_choice``, ``parallel_tool_calls`` and
    ``response_format`` (of JSON)."""
    stream: bool = False
    include_usage: bool = False
    user: str | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def wants_json(self) -> bool:
        """Whether the answer is to be JSON, so that half of an attempt would spoil it."""
        return "response_format" in self.options


# ---- the body, as it is sent -------------------------------------------------------------------


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="role"):
    name: str | None = None


class _Developer(_Message, frozen=True, kw_only=True, tag="developer"):
    content: str | list[TextPart]

    def message(self) -> BaseMessage:
        return SystemMessage(
            content_of(self.content), name=self.name, additional_kwargs=dict(DEVELOPER)
        )


class _System(_Message, frozen=True, kw_only=True, tag="system"):
    content: str | list[TextPart]

    def message(self) -> BaseMessage:
        return SystemMessage(content_of(self.content), name=self.name)


class _User(_Message, frozen=True, kw_only=True, tag="user"):
    content: str | list[Part]

    def message(self) -> BaseMessage:
        return HumanMessage(content_of(self.content), name=self.name)


class _Called(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    function: _Called
    type: FunctionOnly = "function"


class _Assistant(_Message, frozen=True, kw_only=True, tag="assistant"):
    content: str | list[Text | Refusal] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None

    def message(self) -> BaseMessage:
        message = assistant_message(self.content, refusal=self.refusal, name=self.name)
        for call in self.tool_calls or ():
            add_call(message, call.id, call.function.name, call.function.arguments)
        return message


class _ToolAnswer(_Message, frozen=True, kw_only=True, tag="tool"):
    content: str | list[TextPart]
    tool_call_id: str

    def message(self) -> BaseMessage:
        return ToolMessage(content_of(self.content), tool_call_id=self.tool_call_id)


class Function(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function of the client, as it is offered to the model."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    def tool(self) -> dict[str, Any]:
        """Return it in the form of chat completions."""
        nothing: dict[str, Any] = {"type": "object", "properties": {}}
        said = {
            name: value for name, value in msgspec.structs.asdict(self).items() if value is not None
        }
        return {"type": "function", "function": {"parameters": nothing, **said}}


class _Tool(msgspec.Struct, frozen=True, kw_only=True):
    function: Function
    type: FunctionOnly = "function"


class FunctionName(msgspec.Struct, frozen=True, kw_only=True):
    """The function that a model has to call."""

    name: str


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    function: FunctionName
    type: FunctionOnly = "function"


class _StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    include_usage: bool | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    messages: Annotated[
        list[_Developer | _System | _User | _Assistant | _ToolAnswer], msgspec.Meta(min_length=1)
    ]
    model: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: ChoiceWord | _Choice | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    n: int | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    functions: Any = None
    audio: Any = None


def read_chat_request(body: bytes) -> ModelRequest:
    """Read the body of ``POST /v1/chat/completions``.

    Raises ``StreamUsageError``, with ``wire``, for what is no such request or asks for what cannot
    be done: several answers (``n``), ``logprobs``, sound as the answer, the old ``functions``,
    tools that the provider runs.
    """
    asked = decode(body, _Body)
    if asked.n not in (None, 1):
        raise bad_request("n: one answer is given to a request; leave it out, or send 1")
    if asked.logprobs:
        raise bad_request("logprobs: they are not known here; leave it out")
    if asked.audio is not None or "audio" in (asked.modalities or ()):
        raise bad_request('modalities: answers are text; leave "audio" out')
    if asked.functions is not None:
        raise bad_request("functions: these are of an older version; send them as tools")
    choice = asked.tool_choice
    return ModelRequest(
        model=asked.model,
        messages=[message.message() for message in asked.messages],
        tools=[tool.function.tool() for tool in asked.tools or ()],
        options=options(
            temperature=asked.temperature,
            top_p=asked.top_p,
            max_tokens=asked.max_completion_tokens or asked.max_tokens,
            stop=[asked.stop] if isinstance(asked.stop, str) else asked.stop,
            seed=asked.seed,
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            reasoning_effort=asked.reasoning_effort,
            tool_choice=choose(choice.function.name) if isinstance(choice, _Choice) else choice,
            parallel_tool_calls=asked.parallel_tool_calls,
            response_format=asked.response_format,
        ),
        stream=bool(asked.stream),
        include_usage=bool(asked.stream_options and asked.stream_options.include_usage),
        user=asked.user,
        metadata=asked.metadata or {},
    )


# ---- what both protocols need ------------------------------------------------------------------


def decode(body: bytes, kind: type[T]) -> T:
    """Return the body as ``kind``. Raises ``StreamUsageError``, with ``wire``."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        raise bad_request(_told(str(exc))) from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise bad_request(f"the body is no JSON: {exc}") from exc


def convert(value: object, kind: Any, *, where: str) -> Any:
    """Return a part of a body, found at ``where``, as ``kind``. Raises ``StreamUsageError``."""
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError as exc:
        raise bad_request(_told(str(exc), where)) from exc


def options(**said: Any) -> dict[str, Any]:
    """Return the options that were said; text is the form of every answer, and so no option."""
    if as_object(said.get("response_format")).get("type") == "text":
        said["response_format"] = None
    return {name: value for name, value in said.items() if value is not None}


def choose(name: str) -> dict[str, Any]:
    """Return the ``tool_choice`` of one function, in the form of chat completions."""
    return {"type": "function", "function": {"name": name}}


_HINTS = (
    (r"messages\[\d+\]\.role", "send developer, system, user, assistant or tool"),
    (r"tool(s\[\d+\]|_choice)\.type", "functions of the client are taken, no other tools"),
    (r"input\[\d+\]\.type", "send message, function_call, function_call_output or reasoning"),
    (r".*\.type", "text, images and files are taken, and audio in chat completions"),
)
"""What may stand in a place where something unknown does."""


def _told(error: str, where: str = "") -> str:
    """Return what is wrong, with its place in front: ``messages[0].role: ...``."""
    said, _, within = error.partition(" - at `$")
    place = (where + within.rstrip("`")).lstrip(".")
    told = f"{place}: {said}" if place else said
    if not said.startswith("Invalid"):
        return told
    return next((f"{told}; {hint}" for at, hint in _HINTS if re.fullmatch(at, place)), told)
