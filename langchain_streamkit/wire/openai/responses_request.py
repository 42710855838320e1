"""What clients of OpenAI's Responses ask for, in LangChain's words: see ``ModelRequest``.

Guarantees: those of ``openai_request.py``. The conversation is what ``input`` holds, whole: items
of a response may be sent back as they came. Thinking is left out, as it is another model's.
Format: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast

import msgspec
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_streamkit.wire.openai.chat_request import (
    DEVELOPER,
    ChoiceWord,
    Function,
    FunctionName,
    FunctionOnly,
    ModelRequest,
    choose,
    convert,
    decode,
    options,
)
from langchain_streamkit.wire.openai.parts import (
    Part,
    add_call,
    assistant_message,
    bad_request,
    content_of,
)


class _Item(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class _Said(_Item, frozen=True, kw_only=True, tag="message"):
    role: Literal["developer", "system", "user", "assistant"]
    content: str | list[Part]


class _Called(_Item, frozen=True, kw_only=True, tag="function_call"):
    call_id: str
    name: str
    arguments: str


class _Answered(_Item, frozen=True, kw_only=True, tag="function_call_output"):
    call_id: str
    output: str | list[Part]


class _Thought(_Item, frozen=True, kw_only=True, tag="reasoning"):
    pass


_AnyItem: TypeAlias = _Said | _Called | _Answered | _Thought


class _Tool(Function, frozen=True, kw_only=True, omit_defaults=True, tag="function"):
    """A function, in the form of Responses."""


class _Choice(FunctionName, frozen=True, kw_only=True):
    type: FunctionOnly = "function"


class _Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    effort: str | None = None


class _TextOptions(msgspec.Struct, frozen=True, kw_only=True):
    format: dict[str, Any] | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    model: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: ChoiceWord | _Choice | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    reasoning: _Reasoning | None = None
    parallel_tool_calls: bool | None = None
    text: _TextOptions | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    prompt: Any = None


def read_responses_request(body: bytes) -> ModelRequest:
    """Read the body of ``POST /v1/responses``.

    Raises ``StreamUsageError``, with ``wire``, for what is no such request or asks for what cannot
    be done: a conversation that is kept here (``previous_response_id``, ``conversation``,
    ``prompt``, references to items), work in the background, tools that the provider runs.
    """
    asked = decode(body, _Body)
    for name in ("previous_response_id", "conversation", "prompt"):
        if getattr(asked, name) is not None:
            raise bad_request(f"{name}: nothing is kept here; send the whole conversation as input")
    if asked.background:
        raise bad_request("background: an answer is given at once; leave it out")
    messages = _messages(asked.input)
    if asked.instructions:
        messages.insert(0, SystemMessage(asked.instructions))
    if not messages:
        raise bad_request("input: it holds no message; send text, or at least one item")
    choice = asked.tool_choice
    wanted = asked.text.format if asked.text is not None else None
    return ModelRequest(
        model=asked.model,
        messages=messages,
        tools=[tool.tool() for tool in asked.tools or ()],
        options=options(
            temperature=asked.temperature,
            top_p=asked.top_p,
            max_tokens=asked.max_output_tokens,
            reasoning_effort=asked.reasoning.effort if asked.reasoning is not None else None,
            tool_choice=choose(choice.name) if isinstance(choice, _Choice) else choice,
            parallel_tool_calls=asked.parallel_tool_calls,
            response_format=_format(wanted) if wanted is not None else None,
        ),
        stream=bool(asked.stream),
        user=asked.user,
        metadata=asked.metadata or {},
    )


def _messages(given: str | list[dict[str, Any]]) -> list[BaseMessage]:
    if isinstance(given, str):
        return [HumanMessage(given)]
    messages: list[BaseMessage] = []
    for place, raw in enumerate(given):
        # A message may leave its type out, which a tagged union cannot.
        typed = {"type": "message", **raw}
        item: _AnyItem = convert(typed, _AnyItem, where=f"input[{place}]")
        match item:
            case _Said():
                messages.append(_message(item))
            case _Called():
                if not messages or not isinstance(messages[-1], AIMessage):
                    messages.append(AIMessage(""))
                add_call(cast("AIMessage", messages[-1]), item.call_id, item.name, item.arguments)
            case _Answered():
                messages.append(ToolMessage(content_of(item.output), tool_call_id=item.call_id))
            case _Thought():
                pass
    return messages


def _message(said: _Said) -> BaseMessage:
    match said.role:
        case "assistant":
            return assistant_message(said.content)
        case "user":
            return HumanMessage(content_of(said.content))
        case "developer":
            return SystemMessage(content_of(said.content), additional_kwargs=dict(DEVELOPER))
        case "system":
            return SystemMessage(content_of(said.content))


def _format(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the form of an answer as chat completions have it."""
    if wanted.get("type") != "json_schema":
        return wanted
    schema = {name: value for name, value in wanted.items() if name != "type"}
    return {"type": "json_schema", "json_schema": schema}
