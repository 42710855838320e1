"""Chat completions of the ``openai`` package: ``create(stream=True)`` and the helper ``stream()``.

Also of every server that speaks this protocol, with what they do differently: reasoning under any
of its names, tool calls without an index or an id, ids that change, usage on every chunk.

Guarantees: the choice with index 0 is the message. Further choices (``n`` above 1) are left out,
with one diagnostic: they are alternatives to the same message of one call with one usage record,
LangChain too returns only the first, and text of several would mix for whoever reads the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from langchain_streamkit.errors import AdaptError, ProducerLost
from langchain_streamkit.sources.adapters.answer import AnswerAdapter
from langchain_streamkit.sources.adapters.base import Opening
from langchain_streamkit.sources.adapters.openai_shapes import (
    PROVIDER,
    chat_chunk,
    fields,
    listed,
    plain,
    usage_metadata,
    word,
)
from langchain_streamkit.sources.pieces import WholeBlock, chunk_pieces

if TYPE_CHECKING:
    from langchain_streamkit.sources.adapters.answer import Answer
    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.adapters.openai_shapes import Fields
    from langchain_streamkit.sources.tap import RunTap

_TEXT_ONLY: Final = frozenset({"content", "role"})
_KWARGS: Final = (
    "reasoning_content",  # DeepSeek, Qwen, vLLM, SGLang, xAI
    "reasoning",  # OpenRouter, Groq, newer vLLM
    "reasoning_details",  # OpenRouter
    "executed_tools",  # Groq
    "function_call",  # before there were tools
)
"""Content beside the content, under the names LangChain's integrations give it too."""
_METADATA: Final = ("system_fingerprint", "service_tier", "id")


class ChatCompletions(AnswerAdapter):
    """Adapts chunks, and the ``chunk`` events of the helper, whose other events repeat them."""

    route = "OpenAI SDK chat completions"
    resource: ClassVar = "chat.completions"
    provider: ClassVar = PROVIDER

    def __init__(self, tap: RunTap, token: Take) -> None:
        super().__init__(tap, token)
        self._finished: str | None = None
        self._usage: dict[str, Any] | None = None
        self._metadata = {"model_provider": PROVIDER}
        self._told_of_choices = False

    def opening(self, first: Any) -> Opening:
        del first
        return Opening(self.resource)

    def feed(self, item: Any) -> None:
        chunk = chat_chunk(item)
        if chunk is None:
            self._other(fields(item))
            return
        if error := chunk.get("error"):
            self._failed(error)
            return
        usage: object = chunk.get("usage")
        if usage is None and "x_groq" in chunk:
            usage = fields(chunk["x_groq"]).get("usage")
        mine: Fields = {}
        for one in chunk["choices"]:
            choice = fields(one)
            usage = usage or choice.get("usage")  # Moonshot
            if choice.get("index") in (0, None):
                mine = choice
            elif not self._told_of_choices:
                self._told_of_choices = True
                self.tap.note(self.root, "choices_left_out", _CHOICES_LEFT_OUT)
        if self.answer is None and (mine or usage):
            self.begin(word(chunk.get("id")), word(chunk.get("model")))
        if self.answer is not None:
            self._take(self.answer, chunk, mine, usage_metadata(usage) if usage else None)

    def end(self) -> object:
        self.refuse_failed()
        if self.answer is None or self._finished is None:
            raise ProducerLost(
                "the chunks stop before a finish_reason: the connection broke off, or the"
                " recording was cut"
            )
        metadata = {"finish_reason": self._finished, **self._metadata}
        return self.finish(self.answer, metadata, self._usage)

    def _take(
        self, answer: Answer, chunk: Fields, choice: Fields, usage: dict[str, Any] | None
    ) -> None:
        delta = fields(choice.get("delta"))
        reason = word(choice.get("finish_reason"))
        content = delta.get("content")
        if usage is None and reason is None and (content is None or type(content) is str):
            rich = [name for name, value in delta.items() if value and name not in _TEXT_ONLY]
            if not rich:
                self.say(answer, content or "")
                return
        if choice:
            self._metadata |= {
                name: value for name in _METADATA if (value := word(chunk.get(name))) is not None
            }
        metadata = {"model_provider": PROVIDER}
        if reason is not None:
            self._finished = reason
            metadata["finish_reason"] = reason
        if model := word(chunk.get("model")):
            metadata["model_name"] = self._metadata["model_name"] = model
        self._usage = usage or self._usage
        given = {**_as_langchain(delta), "response_metadata": metadata, "usage_metadata": usage}
        pieces = chunk_pieces(given)
        refusal = delta.get("refusal")
        if refusal:
            said = {"type": "refusal", "refusal": plain(refusal)}
            pieces += (WholeBlock("refusal", {"type": "non_standard", "value": said}),)
        self.say(answer, pieces)

    def _other(self, found: Fields) -> None:
        """An item that is no chunk: an event of the helper, or an error as it was sent."""
        if error := found.get("error"):
            self._failed(error)
        elif not isinstance(found.get("type"), str):
            raise AdaptError(f"an item is no chat completion chunk: {_names(found)}")

    def _failed(self, error: object) -> None:
        said = fields(error)
        text = word(said.get("message")) or word(error) or "the provider sent an error"
        self.fail(text, word(said.get("code")) or word(said.get("type")))


_CHOICES_LEFT_OUT: Final = (
    "the call asked for several choices (n): the first is the message, the others are left out"
)


def _names(found: Fields) -> str:
    return f"it has {', '.join(map(str, found))}" if found else "it has no fields"


def _as_langchain(delta: Fields) -> dict[str, Any]:
    """A delta as the fields that an ``AIMessageChunk`` of it would have."""
    content: Any = delta.get("content") or ""
    images = listed(delta.get("images"))  # OpenRouter
    cited = [_flat(plain(one)) for one in listed(delta.get("annotations"))]
    if images or cited:
        text = {"type": "text", "text": content if isinstance(content, str) else ""}
        content = [*listed(content), {**text, "annotations": cited}, *map(_image, images)]
    kwargs = {name: plain(value) for name in _KWARGS if (value := delta.get(name))}
    if audio := plain(fields(delta.get("audio"))):
        kwargs["audio"] = audio
    return {
        "content": plain(content),
        "tool_calls": (),
        "tool_call_chunks": [_call(fields(one)) for one in listed(delta.get("tool_calls"))],
        "additional_kwargs": kwargs,
    }


def _call(call: Fields) -> dict[str, Any]:
    function = fields(call.get("function") or call.get("custom"))
    return {
        "index": call.get("index"),
        "id": word(call.get("id")),
        "name": word(function.get("name")),
        "args": plain(function.get("arguments") or function.get("input")),
    }


def _image(image: object) -> Any:
    """An image as LangChain's standard block."""
    url = word(fields(fields(image).get("image_url")).get("url"))
    if url is None:
        return image
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return {"type": "image", "base64": data, "mime_type": head.removeprefix("data:")}
    return {"type": "image", "url": url}


def _flat(annotation: Any) -> Any:
    """A citation in the flat form that the Responses API gives it, and translators read."""
    found = fields(annotation)
    kind = word(found.get("type")) or ""
    return {"type": kind, **fields(found[kind])} if kind in found else annotation
