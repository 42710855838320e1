"""What a prompt will take, estimated before it is sent.

Text is counted with a real encoding; how a provider frames messages and renders tools is nowhere
laid down, so the sum is never called exact. What the provider reports later replaces it.

* 3 tokens and a role for each message, 1 for a name, 3 for the reply that it begins: OpenAI
  cookbook, "How to count tokens with tiktoken"; 3 for the id of a tool call, as langchain-openai.
* Tools by the JSON of their OpenAI schema. OpenAI writes them in a shorter form that it does not
  document, so this is rather too much.
* Images, sound and files by a table (``media.py``); nothing is fetched, no base64 is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.text import short_repr
from langchain_streamkit.tokens.media import MEDIA, media_tokens
from langchain_streamkit.tokens.message_meter import counter_with
from langchain_streamkit.tokens.models import encoding_for_model
from langchain_streamkit.tokens.vocabularies import load_encoding
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    import tiktoken
    from langchain_core.messages import BaseMessage, MessageLikeRepresentation
    from langchain_core.prompt_values import PromptValue
    from langchain_core.tools import BaseTool

    from langchain_streamkit.tokens.message_meter import Method

    Prompt: TypeAlias = str | BaseMessage | PromptValue | Iterable[MessageLikeRepresentation]
    Tool: TypeAlias = Mapping[str, Any] | type | Callable[..., Any] | BaseTool

_PER_MESSAGE = 3 + 1  # the role is one token in all of OpenAI's encodings
_PER_NAME = 1
_PER_REPLY = 3
_PER_TOOL_CALL_ID = 3

_SAID_AGAIN = ("tool_use", "tool_call", "function_call")
"""Blocks that say again what ``message.tool_calls`` says."""
_UNSEEN = frozenset(
    {"type", "id", "index", "signature", "encrypted_content", "cache_control", "annotations"}
    | {"citations", "extras", "status", "mime_type", "call_id", "tool_use_id"}
)
"""Fields of a block that are no part of what the model reads."""
_BASE64 = re.compile(r"data:.*|[A-Za-z0-9+/_=-]{200,}", re.DOTALL)
_MAX_DEPTH = 32


class Count(NamedTuple):
    """Tokens of a prompt."""

    tokens: int
    exact: bool
    """False: the framing at least is an estimate."""
    method: str
    """The encoding, with ``~`` before it where it is not known to be the model's own, and what was
    estimated: ``o200k_base+framing``, ``~o200k_base+framing+tools+image``."""


def count_prompt(
    messages: Prompt, tools: Iterable[Tool] | None = None, model: str | None = None
) -> Count:
    """Estimate the tokens of a prompt; ``exact`` is always False.

    Takes what a chat model takes: a string, a prompt value, or messages as objects, dicts, strings
    and (role, text) pairs; ``tools`` as for ``bind_tools``. ``model`` chooses the encoding; one
    that is not OpenAI's is counted with o200k_base, which is off by some 5 % for English and by up
    to a third for other scripts. Never fetches a URL, never raises on a block, whatever it is;
    raises StreamUsageError on what holds no messages and on what is no tool, and what
    ``convert_to_messages`` raises on what is no message. The first call in a process loads the
    vocabulary (``aload_encoding``).
    """
    from langchain_core.messages import convert_to_messages

    if isinstance(messages, Mapping) and "messages" in messages and "content" not in messages:
        raise StreamUsageError(
            "count_prompt() takes messages, not a graph's state; write"
            " count_prompt(state['messages'])"
        )
    if isinstance(messages, str | Mapping) or hasattr(messages, "content"):
        messages = cast("Prompt", [messages])
    given: Any = messages
    if not (isinstance(given, Iterable) or hasattr(given, "to_messages")):
        raise StreamUsageError(
            f"count_prompt() takes a string or messages, not {type(messages).__name__}; write"
            " count_prompt('...') or count_prompt(state['messages'])"
        )
    if not isinstance(model, str | None):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise StreamUsageError(
            f"model= is a model's name, not {type(model).__name__}; write model='gpt-4.1-mini'"
        )
    checked = _checked_tools(tools)
    own = encoding_for_model(model)
    estimate = _Estimate(load_encoding(own or "o200k_base"), model)
    estimate.prompt(convert_to_messages(cast("Any", messages)), checked)
    parts = [("" if own else "~") + (own or "o200k_base"), "framing", *estimate.kinds]
    return Count(estimate.tokens, exact=False, method="+".join(parts))


def prompt_tokens(
    messages: Prompt, tools: Iterable[Tool] | None, model: str | None, method: Method
) -> int:
    """The same for a prompt that a model has been given, counted as its answer is."""
    from langchain_core.messages import convert_to_messages

    given: Any = [messages] if isinstance(messages, str) else messages
    estimate = _Estimate(method.encoding, model)
    estimate.prompt(convert_to_messages(given), tools)
    return estimate.tokens


def _checked_tools(tools: object) -> list[Tool]:
    """The tools as a list. Raises StreamUsageError for what is none."""
    if tools is None:
        return []
    # Asked first: one tool is iterable too, as every dict and Pydantic model.
    if _is_tool(tools) or isinstance(tools, str) or not isinstance(tools, Iterable):
        raise StreamUsageError(
            f"tools= is {_a(tools)}, not a list of tools; write tools=[tool, ...]"
        )
    found = list(cast("Iterable[object]", tools))
    for one in found:
        if not _is_tool(one):
            raise StreamUsageError(
                f"{short_repr(one)} in tools= is {_a(one)}, no tool; pass the tool itself, as to"
                " bind_tools()"
            )
    return cast("list[Tool]", found)


def _is_tool(value: object) -> bool:
    return isinstance(value, Mapping) or callable(value) or hasattr(value, "args_schema")


def _a(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIO' else 'a'} {name}"


class _Estimate:
    """The sum of one prompt."""

    def __init__(self, encoding: tiktoken.Encoding | None, model: str | None) -> None:
        self._encoding = encoding
        self._model = model
        self.tokens = 0
        self.kinds: dict[str, None] = {}
        """What was estimated, in the order in which it was met."""

    def prompt(self, messages: Iterable[BaseMessage], tools: Iterable[Tool] | None) -> None:
        for message in messages:
            self.message(message)
        for tool in tools or ():
            self.tool(tool)
        self.tokens += _PER_REPLY

    def message(self, message: BaseMessage) -> None:
        self.tokens += _PER_MESSAGE
        if message.name:
            self.tokens += _PER_NAME
            self._text(message.name)
        if getattr(message, "tool_call_id", None):
            self.tokens += _PER_TOOL_CALL_ID
        calls: list[dict[str, Any]] = getattr(message, "tool_calls", None) or []
        content: object = message.content
        for block in [content] if isinstance(content, str) else cast("list[object]", content):
            if isinstance(block, str):
                self._text(block)
                continue
            plain = to_plain(block)
            if not (calls and isinstance(plain, dict) and plain.get("type") in _SAID_AGAIN):
                self._value(plain, 0)
        for call in calls:
            self._text(str(call.get("name") or ""))
            self._text(json.dumps(to_plain(call.get("args")), ensure_ascii=False))

    def tool(self, tool: Tool) -> None:
        from langchain_core.utils.function_calling import convert_to_openai_tool

        self.kinds["tools"] = None
        try:
            schema: object = convert_to_openai_tool(cast("Any", tool))
        except Exception:  # noqa: BLE001 -- bind_tools will say what is wrong with it
            schema = tool
        self._text(json.dumps(to_plain(schema), ensure_ascii=False, separators=(",", ":")))

    def _value(self, value: object, depth: int) -> None:
        """Plain JSON, read as what a model may see of a block: all of its words."""
        if isinstance(value, str):
            if not _BASE64.fullmatch(value):
                self._text(value)
        elif isinstance(value, Mapping):
            self._block(cast("Mapping[str, object]", value), depth)
        elif isinstance(value, Sequence) and depth < _MAX_DEPTH:
            for item in cast("Sequence[object]", value):
                self._value(item, depth + 1)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._text(str(value))

    def _block(self, block: Mapping[str, object], depth: int) -> None:
        kind = block.get("type")
        medium = MEDIA.get(kind) if isinstance(kind, str) else None
        text = block.get("text")
        if medium is not None and not (medium == "file" and _holds_text(block)):
            self.kinds[medium] = None
            self.tokens += media_tokens(block, medium, self._model)
        elif isinstance(text, str):
            self._text(text)  # as it is, even if it looks like base64: the model reads it
        elif depth < _MAX_DEPTH:
            for name, value in block.items():
                if name not in _UNSEEN:
                    self._value(value, depth + 1)

    def _text(self, text: str) -> None:
        # a counter of its own, because it cannot raise on any text
        self.tokens += counter_with(self._encoding).feed(text)


def _holds_text(block: Mapping[str, object]) -> bool:
    """Whether a document is given as text (Anthropic) or as blocks, not as a file."""
    source = block.get("source")
    if not isinstance(source, Mapping):
        return False
    return cast("Mapping[str, object]", source).get("type") in ("text", "content")
