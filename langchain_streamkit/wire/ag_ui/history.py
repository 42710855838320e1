"""The messages of an AG-UI client, and LangChain's for them.

Guarantees: what a model is to see is in LangChain's messages: text, files, reasoning with what its
provider signed, the calls of tools with what came of them. Calls that nothing came of are left out,
since models refuse them, and so is what is for the screen alone: activities, and what subagents
said. The client's own messages are kept as they are, to be told again.

The messages: https://docs.ag-ui.com/concepts/messages
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)

from langchain_streamkit.errors import StreamUsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

Block: TypeAlias = dict[str, Any]
DEVELOPER: Final = {"__openai_role__": "developer"}
"""How langchain-openai marks a system message that is to be sent as the developer's."""


class _Value(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, tag_field="type"
):
    pass


class Data(_Value, frozen=True, kw_only=True, tag="data"):
    """A file in the message itself, base64."""

    value: str
    mime_type: str


class Url(_Value, frozen=True, kw_only=True, tag="url"):
    """A file somewhere else."""

    value: str
    mime_type: str | None = None


class File(_Value, frozen=True, kw_only=True, tag="file"):
    """A file that a provider has, by its id."""

    value: str
    provider: str | None = None
    mime_type: str | None = None


class Text(_Value, frozen=True, kw_only=True, tag="text"):
    """A part of a content."""

    text: str
    id: str | None = None
    metadata: Any = None


class _Media(_Value, frozen=True, kw_only=True):
    source: Data | Url | File
    id: str | None = None
    metadata: Any = None


class Image(_Media, frozen=True, kw_only=True, tag="image"):
    """A part of a content."""


class Audio(_Media, frozen=True, kw_only=True, tag="audio"):
    """A part of a content."""


class Video(_Media, frozen=True, kw_only=True, tag="video"):
    """A part of a content."""


class Document(_Media, frozen=True, kw_only=True, tag="document"):
    """A part of a content."""


Content: TypeAlias = str | list[Text | Image | Audio | Video | Document]


class _Message(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, tag_field="role"
):
    id: str
    name: str | None = None
    subagent_run_id: str | None = None
    encrypted_value: str | None = None
    metadata: dict[str, Any] | None = None


class Developer(_Message, frozen=True, kw_only=True, tag="developer"):
    """What the application says."""

    content: str


class System(_Message, frozen=True, kw_only=True, tag="system"):
    """The same."""

    content: str


class User(_Message, frozen=True, kw_only=True, tag="user"):
    """What the user says."""

    content: Content


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """The name of a tool, and its arguments as JSON."""

    name: str
    arguments: str


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A tool call."""

    id: str
    function: Called
    encrypted_value: str | None = None
    metadata: dict[str, Any] | None = None


class Assistant(_Message, frozen=True, kw_only=True, tag="assistant"):
    """What a model said."""

    content: str | None = None
    tool_calls: list[Asked] | None = None


class Answer(_Message, frozen=True, kw_only=True, tag="tool"):
    """What came of a tool call."""

    tool_call_id: str
    content: Content
    error: str | None = None


class Reasoning(_Message, frozen=True, kw_only=True, tag="reasoning"):
    """What a model thought."""

    content: str


class Activity(_Message, frozen=True, kw_only=True, tag="activity"):
    """Something for the screen."""

    activity_type: str
    content: dict[str, Any]


Message: TypeAlias = Developer | System | User | Assistant | Answer | Reasoning | Activity

_DATA_URL: Final = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,([A-Za-z0-9+/=_-]*)")
_KINDS: Final[dict[type[_Media], str]] = {Image: "image", Audio: "audio", Video: "video"}


def langchain_messages(messages: Sequence[Message]) -> list[AnyMessage]:
    """Return the messages of a history. Reasoning is part of the answer that it stands before.

    Raises ``StreamUsageError`` for the address of a file that is not one of http:, https: or data:.
    """
    answered = {message.tool_call_id for message in messages if isinstance(message, Answer)}
    names = {
        call.id: call.function.name
        for message in messages
        if isinstance(message, Assistant)
        for call in message.tool_calls or ()
    }
    found: list[AnyMessage] = []
    thoughts: list[Block] = []
    for number, message in enumerate(messages):
        if message.subagent_run_id is not None:
            continue
        where = f"messages[{number}].content"
        match message:
            case Reasoning():
                thoughts += _thought(message)
                continue
            case Assistant():
                found += _answer(message, thoughts, answered)
            case User():
                content = _content(message.content, where)
                found.append(HumanMessage(content, id=message.id, name=message.name))
            case Answer():
                found.append(_result(message, names.get(message.tool_call_id), where))
            case System():
                found.append(SystemMessage(message.content, id=message.id, name=message.name))
            case Developer():
                kwargs = dict(DEVELOPER)
                text = message.content
                found.append(SystemMessage(text, id=message.id, additional_kwargs=kwargs))
            case Activity():
                continue
        thoughts = []
    return found


def _answer(message: Assistant, thoughts: list[Block], answered: set[str]) -> list[AnyMessage]:
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call in message.tool_calls or ():
        if call.id not in answered:
            continue
        name, text = call.function.name, call.function.arguments
        args = _arguments(text)
        if args is None:
            wrong = "the arguments are no JSON object"
            invalid.append(
                InvalidToolCall(
                    name=name, args=text, id=call.id, error=wrong, type="invalid_tool_call"
                )
            )
        else:
            calls.append(ToolCall(name=name, args=args, id=call.id, type="tool_call"))
    content: Any = message.content or ""
    if thoughts:
        content = [*thoughts, *([{"type": "text", "text": content}] if content else [])]
    if not content and not calls and not invalid:
        return []
    return [
        AIMessage(
            content, id=message.id, name=message.name, tool_calls=calls, invalid_tool_calls=invalid
        )
    ]


def _thought(message: Reasoning) -> list[Block]:
    block: Block = {"type": "reasoning", "reasoning": message.content}
    extras = _arguments(message.encrypted_value or "")
    if extras is not None:
        block["extras"] = extras
    return [block] if message.content or extras is not None else []


def _result(message: Answer, name: str | None, where: str) -> ToolMessage:
    return ToolMessage(
        _content(message.content, where),
        tool_call_id=message.tool_call_id,
        id=message.id,
        name=name,
        status="success" if message.error is None else "error",
    )


def _content(content: Content, where: str) -> Any:
    if isinstance(content, str):
        return content
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, Text)
        else _file(part, f"{where}[{number}].source.value")
        for number, part in enumerate(content)
    ]


def _file(part: _Media, where: str) -> Block:
    """A standard content block of LangChain."""
    block: Block = {"type": _KINDS.get(type(part), "file")}
    source = part.source
    if source.mime_type is not None:
        block["mime_type"] = source.mime_type
    if isinstance(source, Data):
        return block | {"base64": source.value}
    if isinstance(source, File):
        return block | {"file_id": source.value}
    if source.value.startswith(("https://", "http://")):
        return block | {"url": source.value}
    found = _DATA_URL.fullmatch(source.value)
    if found is None:
        said = f"{where}: the address of a file has to be one of https:, http: or data: in base64"
        raise StreamUsageError(said, wire=said)
    return {"mime_type": found[1]} | block | {"base64": found[2]}


def _arguments(text: str) -> dict[str, Any] | None:
    """The JSON object that ``text`` is; None for anything else."""
    try:
        value = msgspec.json.decode(text or "null")
    except (msgspec.DecodeError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
