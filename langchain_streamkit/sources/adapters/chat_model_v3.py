"""``astream_events(version="v3")`` of a chat model: the content-block events of one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from langchain_streamkit.errors import AdaptError, ProducerLost, SourceFailed
from langchain_streamkit.sources.adapters.base import Adapter, Opening
from langchain_streamkit.sources.adapters.v3_messages import (
    BREAKS,
    MESSAGE_EVENTS,
    MessageReader,
    final,
    message_id_of,
)
from langchain_streamkit.sources.piece_types import as_dict

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage


def is_message_event(item: object) -> TypeGuard[dict[str, Any]]:
    """Whether an item is an event of a chat model's v3 stream."""
    kind = as_dict(item).get("event")
    return isinstance(kind, str) and kind in MESSAGE_EVENTS


class ChatModelV3(Adapter):
    """Adapts the events of one call; the run is the call."""

    route = "astream_events(version='v3') of a chat model"

    def opening(self, first: Any) -> Opening:
        self._reader: MessageReader | None = None
        self._ended = False
        self._failure: str | None = None
        self._output: AIMessage | None = None
        stated = as_dict(first.get("metadata")) if first["event"] == "message-start" else {}
        known = {"ls_provider": stated.get("provider"), "ls_model_name": stated.get("model")}
        self._metadata = {key: value for key, value in known.items() if isinstance(value, str)}
        return Opening(self._metadata.get("ls_model_name", "model"), None, self._metadata)

    def feed(self, item: Any) -> None:
        try:
            kind = item["event"]
            if self._ended:
                raise AdaptError(f"a {kind} comes after the end of the message")
            reader = self._reader
            if reader is None:
                reader = self._begin(item)
            elif kind == "message-start":
                raise AdaptError("a message begins before the one that is open has ended")
            if kind == "message-finish":
                self._ended = True
                self._finish(item, reader)
            elif kind == "error":
                self._ended = True
                self._failure = str(item.get("message"))
            else:
                reader.feed(item)
        except BREAKS as error:
            raise AdaptError(f"an event of v3 breaks its format: {error!r}") from error

    def end(self) -> object:
        if self._failure is not None:
            raise SourceFailed(self._failure)
        if not self._ended and not self.live:
            raise ProducerLost("the events stop before the end of the message")
        return self._output

    def broke(self, error: Exception) -> None:
        if self._reader is not None and not self._ended:
            self.tap.failed(self.root, error)

    def _begin(self, item: Any) -> MessageReader:
        starts = item["event"] == "message-start"
        message_id = message_id_of(item) if starts else None
        name = self._metadata.get("ls_model_name", "model")
        reader = self._reader = MessageReader(self.root, message_id, self.token)
        self.tap.model_start(self.root, None, name, (), self._metadata)
        return reader

    def _finish(self, item: Any, reader: MessageReader) -> None:
        cached = False
        try:
            self._output, cached = reader.end(item)
        finally:
            self.tap.answered(self.root, final(self._output), cached=cached)
