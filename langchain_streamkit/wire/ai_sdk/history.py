"""The messages of a chat as the AI SDK keeps them, made LangChain's.

Guarantees: what a model is to see is in the result: text, reasoning, files, and the calls of tools
with what came of them, each answer of the model before the results of its own calls. What is for
the screen alone (data, sources, the bounds of steps) is left out; so are tool calls that nothing
came of, which models refuse, and what ``data-dropped`` says is void. Anything else is an error
that says where it is.

The parts: https://ai-sdk.dev/docs/reference/ai-sdk-core/ui-message
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, cast

import msgspec
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)

from langchain_streamkit.errors import StreamUsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Part: TypeAlias = dict[str, Any]


class UIMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a chat, its parts not yet looked into."""

    id: str
    role: Literal["system", "user", "assistant"]
    parts: list[Part]


class _Text(msgspec.Struct, frozen=True):
    text: str


class _File(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str
    url: str
    filename: str | None = None


class _Tool(msgspec.Struct, frozen=True, rename="camel"):
    tool_call_id: str
    state: str
    tool_name: str | None = None
    input: Any = None
    output: Any = None
    error_text: str = ""
    provider_executed: bool | None = None
    preliminary: bool | None = None


_T = TypeVar("_T")
_DATA_URL: Final = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,([A-Za-z0-9+/=_-]*)")
_FOR_THE_SCREEN: Final = ("step-start", "source-url", "source-document", "custom", "reasoning-file")
DENIED: Final = "The user denied this call."


def langchain_messages(messages: Sequence[UIMessage]) -> list[AnyMessage]:
    """Return the messages of a history.

    An assistant's message is one ``AIMessage`` for each step, each followed by its tools' results.
    Raises ``StreamUsageError`` for a part that is unknown, or not allowed where it is.
    """
    found: list[AnyMessage] = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        match message.role:
            case "assistant":
                found += _assistant(message, where)
            case "user":
                content = _content(message, where, files=True)
                found.append(HumanMessage(cast("Any", content), id=message.id))
            case "system":
                content = _content(message, where, files=False)
                found.append(SystemMessage(cast("Any", content), id=message.id))
    return found


def is_tool(part: Part) -> bool:
    """Whether a part is a tool's."""
    kind = part.get("type")
    return kind == "dynamic-tool" or (isinstance(kind, str) and kind.startswith("tool-"))


def last_step(message: UIMessage) -> list[Part]:
    """Return the parts after the last ``step-start``."""
    starts = [n for n, part in enumerate(message.parts) if part.get("type") == "step-start"]
    return message.parts[starts[-1] + 1 if starts else 0 :]


def _content(message: UIMessage, where: str, *, files: bool) -> str | list[Part]:
    """The content of a message of the user: plain text if it is one text."""
    blocks: list[Part] = []
    for part, at in _parts(message, where):
        match part.get("type"):
            case "text":
                blocks.append({"type": "text", "text": _as(part, _Text, at).text})
            case "file" if files:
                blocks.append(_file(part, at))
            case str(kind) if _for_the_screen(kind):
                pass
            case kind:
                raise _refused(f"a {message.role}'s message has no parts of type {kind!r}", at)
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return str(blocks[0]["text"])
    if not blocks:
        raise _refused("the message says nothing; send a text or a file", where)
    return blocks


def _assistant(message: UIMessage, where: str) -> Iterator[AnyMessage]:
    dropped = {
        part["data"].get("messageId")
        for part in message.parts
        if part.get("type") == "data-dropped" and isinstance(part.get("data"), dict)
    }
    blocks: list[Part] = []
    calls: list[ToolCall] = []
    results: list[ToolMessage] = []
    step = 0

    def whole() -> Iterator[AnyMessage]:
        if blocks or calls:
            text = blocks[0]["text"] if [b["type"] for b in blocks] == ["text"] else list(blocks)
            yield AIMessage(
                cast("Any", text or ""), tool_calls=list(calls), id=f"{message.id}/{step}"
            )
            yield from results

    for part, at in _parts(message, where):
        kind = part.get("type")
        if kind == "step-start":
            yield from whole()
            blocks, calls, results, step = [], [], [], step + 1
        elif dropped and _whose(part) in dropped:
            continue
        elif is_tool(part):
            if (told := _tool(part, at)) is not None:
                calls.append(told[0])
                results.append(told[1])
        elif kind == "text":
            if text := _as(part, _Text, at).text:
                blocks.append({"type": "text", "text": text})
        elif kind == "reasoning":
            blocks.append(_reasoning(part, at))
        elif kind == "file":
            blocks.append(_file(part, at))
        elif not (isinstance(kind, str) and _for_the_screen(kind)):
            raise _refused(f"parts of type {kind!r} are not known", at)
    yield from whole()


def _tool(part: Part, at: str) -> tuple[ToolCall, ToolMessage] | None:
    """A call with what came of it; None where nothing did, and for an interrupt."""
    tool = _as(part, _Tool, at)
    name = tool.tool_name or str(part["type"]).removeprefix("tool-")
    if part["type"] == "tool-interrupt" or tool.provider_executed:
        return None
    match tool.state:
        case "output-available" if not tool.preliminary:
            status, content = "success", _as_text(tool.output)
        case "output-error":
            status, content = "error", tool.error_text
        case "output-denied":
            status, content = "error", DENIED
        case _:
            return None
    given: object = tool.input
    args = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    call = ToolCall(name=name, args=args, id=tool.tool_call_id, type="tool_call")
    return call, ToolMessage(content, tool_call_id=tool.tool_call_id, name=name, status=status)


def _reasoning(part: Part, at: str) -> Part:
    block: Part = {"type": "reasoning", "reasoning": _as(part, _Text, at).text}
    match part.get("providerMetadata"):
        case {"streamkit": {"extras": {} as extras}}:
            block["extras"] = extras
        case _:
            pass
    return block


def _file(part: Part, at: str) -> Part:
    """A standard content block of LangChain."""
    file = _as(part, _File, at)
    kind = file.media_type.partition("/")[0].lower()
    block: Part = {"type": kind if kind in ("image", "audio", "video") else "file"}
    if file.url.startswith("data:"):
        found = _DATA_URL.fullmatch(file.url)
        if found is None:
            raise _refused("the data: URL of a file has to end in ;base64,<data>", f"{at}.url")
        block |= {"base64": found[2], "mime_type": found[1] or file.media_type}
    elif file.url.startswith(("https://", "http://")):
        block |= {"url": file.url, "mime_type": file.media_type}
    else:
        raise _refused("the URL of a file has to be one of https:, http: or data:", f"{at}.url")
    if file.filename is not None:
        block["filename"] = file.filename
    return block


def _parts(message: UIMessage, where: str) -> Iterable[tuple[Part, str]]:
    return ((part, f"{where}.parts[{number}]") for number, part in enumerate(message.parts))


def _for_the_screen(kind: str) -> bool:
    return kind in _FOR_THE_SCREEN or kind.startswith("data-")


def _whose(part: Part) -> str | None:
    """The message that a part says it belongs to."""
    match part.get("providerMetadata") or part.get("callProviderMetadata"):
        case {"streamkit": {"messageId": str(message_id)}}:
            return message_id
        case _:
            return None


def _as_text(output: Any) -> str:
    return output if isinstance(output, str) else msgspec.json.encode(output).decode()


def _as(part: Part, kind: type[_T], at: str) -> _T:
    try:
        return msgspec.convert(part, kind)
    except msgspec.ValidationError as exc:
        raise _refused(str(exc).replace("`$.", f"`{at}."), at) from exc


def _refused(text: str, at: str) -> StreamUsageError:
    said = text if at in text else f"{at}: {text}"
    return StreamUsageError(said, wire=said)
