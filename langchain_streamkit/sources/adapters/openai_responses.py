"""The Responses API of the ``openai`` package: ``create(stream=True)`` and ``stream()``.

Guarantees: unknown events are passed over; what a server leaves out of the deltas is taken from the
``done`` events, and at last from the whole response. What the API does between the items (a search
that goes on, images before they are complete) has no event of ours and is not told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from langchain_streamkit.errors import AdaptError, ProducerLost
from langchain_streamkit.sources.adapters.answer import AnswerAdapter
from langchain_streamkit.sources.adapters.base import Opening
from langchain_streamkit.sources.adapters.openai_items import Items, thought
from langchain_streamkit.sources.adapters.openai_shapes import (
    PROVIDER,
    fields,
    listed,
    plain,
    usage_metadata,
    word,
)
from langchain_streamkit.sources.endings import read_metadata
from langchain_streamkit.sources.pieces import ReasoningPiece, TextPiece, UsagePiece, WholeBlock
from langchain_streamkit.sources.usage import read_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from langchain_streamkit.sources.adapters.answer import Answer
    from langchain_streamkit.sources.adapters.base import Take
    from langchain_streamkit.sources.adapters.openai_shapes import Fields
    from langchain_streamkit.sources.pieces import Piece
    from langchain_streamkit.sources.tap import RunTap

_TEXT_DELTA: Final = "response.output_text.delta"
_METADATA: Final = (
    "created_at",
    "id",
    "incomplete_details",
    "metadata",
    "model",
    "object",
    "service_tier",
    "status",
    "user",
)
"""Fields of a response that LangChain keeps as ``response_metadata``."""


class Responses(AnswerAdapter):
    """Adapts the events of one response."""

    route = "OpenAI SDK responses"
    resource: ClassVar = "responses"
    provider: ClassVar = PROVIDER
    asks_usage: ClassVar = True  # it always tells

    def __init__(self, tap: RunTap, token: Take) -> None:
        super().__init__(tap, token)
        self._items = items = Items()
        self._result: object = None
        self._place: tuple[object, ...] = ()
        """Where the text belongs that was the last thing told: what follows is plain text."""
        part, key = items.part_of, items.key_of
        self._pieces: dict[str, Callable[[Fields], Iterable[Piece]]] = {
            "response.output_text.annotation.added": lambda e: items.annotation(
                part(e), e.get("annotation")
            ),
            "response.output_text.done": self._text_done,
            "response.content_part.done": lambda e: items.whole_part(
                part(e), fields(e.get("part"))
            ),
            "response.refusal.delta": lambda e: items.refusal(part(e), e.get("delta")),
            "response.refusal.done": lambda e: items.whole_part(
                part(e), {"type": "refusal", "refusal": e.get("refusal")}
            ),
            "response.function_call_arguments.delta": lambda e: items.args(key(e), e.get("delta")),
            "response.reasoning_summary_part.added": self._summary_part,
            "response.reasoning_summary_text.delta": lambda e: items.reasoning(
                part(e, "summary_index"), e.get("delta")
            ),
            "response.reasoning_text.delta": lambda e: items.reasoning(
                thought(key(e), e.get("content_index"), raw=True), e.get("delta")
            ),
            "response.audio.delta": lambda e: _audio({"base64": word(e.get("delta")) or ""}),
            "response.audio.transcript.delta": lambda e: _audio(
                {"extras": {"transcript": word(e.get("delta")) or ""}}
            ),
            "response.output_item.added": lambda e: items.added(key(e), fields(e.get("item"))),
            "response.output_item.done": lambda e: items.done(key(e), fields(e.get("item"))),
        }
        self._endings: dict[str, Callable[[Answer, Fields], None]] = {
            "response.completed": self._completed,
            "response.incomplete": self._completed,
            "response.failed": self._failed,
            "response.cancelled": self._failed,
            "error": self._failed,
        }

    def opening(self, first: Any) -> Opening:
        response = fields(fields(first).get("response"))
        thread_id = word(fields(response.get("conversation")).get("id"))
        metadata = plain(response.get("metadata"))
        return Opening(self.resource, thread_id, metadata if isinstance(metadata, dict) else {})

    def feed(self, item: Any) -> None:
        event = fields(item)
        kind = event.get("type")
        if not isinstance(kind, str):
            raise AdaptError("an item is no event of the Responses API: it has no type")
        answer = self.answer
        if answer is None:
            response = fields(event.get("response"))
            answer = self.begin(word(response.get("id")), word(response.get("model")))
            self.say(answer, "")
        if self._result is not None:
            return
        if kind == _TEXT_DELTA:
            self._text(answer, event)
        elif (pieces := self._pieces.get(kind)) is not None:
            self._tell(answer, pieces(event))
        elif (end := self._endings.get(kind)) is not None:
            end(answer, event)

    def end(self) -> object:
        self.refuse_failed()
        if self._result is None:
            raise ProducerLost(
                "the events stop before response.completed: the connection broke off, or the"
                " recording was cut"
            )
        return self._result

    def _tell(self, answer: Answer, pieces: Iterable[Piece]) -> None:
        if found := tuple(pieces):
            self._place = ()
            self.say(answer, found)

    def _text(self, answer: Answer, event: Fields) -> None:
        delta = event.get("delta")
        if type(delta) is not str or not delta:
            return
        place = (event.get("item_id"), event.get("output_index"), event.get("content_index"))
        if place == self._place:
            self.say(answer, delta)
            return
        self._tell(answer, self._items.text(self._items.part_of(event), delta))
        self._place = place

    def _text_done(self, event: Fields) -> Iterator[Piece]:
        part = self._items.part_of(event)
        yield from self._items.whole_part(part, {**event, "type": "output_text"})
        if item_id := word(event.get("item_id")):
            yield TextPiece(part, "", (), {"id": item_id})

    def _summary_part(self, event: Fields) -> Iterator[Piece]:
        part = self._items.part_of(event, "summary_index")
        item_id = word(event.get("item_id"))
        if self._items.is_new(f"{part} begun"):
            yield ReasoningPiece(part, "", {"id": item_id} if item_id else None)

    # ---- endings -----------------------------------------------------------------------------

    def _completed(self, answer: Answer, event: Fields) -> None:
        response = fields(event.get("response"))
        for n, output in enumerate(listed(response.get("output"))):
            item = fields(output)
            key = self._items.key_of({"item": item, "output_index": n})
            self._tell(answer, self._items.done(key, item))
        usage = usage_metadata(response.get("usage"))
        counts = read_counts(usage)
        if counts is not None:
            self._tell(answer, (UsagePiece(counts),))
        metadata = {
            name: found for name in _METADATA if (found := plain(response.get(name))) is not None
        }
        metadata |= {"object": "response", "model_provider": PROVIDER}
        if model := word(response.get("model")):
            metadata["model_name"] = model
        metadata.setdefault("status", event["type"].removeprefix("response."))
        if (meta := read_metadata(metadata)) is not None:
            self._tell(answer, (meta,))
        self._result = self.finish(answer, metadata, usage)

    def _failed(self, answer: Answer, event: Fields) -> None:
        response = fields(event.get("response"))
        counts = read_counts(usage_metadata(response.get("usage")))
        if counts is not None:
            self._tell(answer, (UsagePiece(counts),))
        error = fields(response.get("error") or event.get("error")) or event
        text = word(error.get("message")) or f"the provider ended the response with {event['type']}"
        self.fail(text, word(error.get("code")))


def _audio(block: dict[str, Any]) -> Iterator[Piece]:
    yield WholeBlock("audio", {"type": "audio", **block})
