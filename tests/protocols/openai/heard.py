"""What the real SDK hears of bytes that were encoded before, however the network cuts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
from openai import APIError, OpenAI

from langchain_streamkit.wire.openai.chat import ChatEncoder
from langchain_streamkit.wire.openai.responses import ResponsesEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_streamkit import RunSnapshot
    from langchain_streamkit.events import Event
    from langchain_streamkit.snapshot.parts import MessageView
    from langchain_streamkit.wire.protocol import Encoder


def encoded(encoder: Encoder, events: Sequence[Event]) -> bytes:
    """The whole body."""
    frames = [encoder.opening()]
    for event in events:
        frames += encoder.encode(event)
    return b"".join(frames)


@dataclass
class Heard:
    """What a client has put together; ``end`` is a finish reason, a status or an error's code."""

    text: str = ""
    reasoning: str = ""
    calls: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    end: str | None = None


class Ear:
    """A client of the SDK that is answered with what ``body`` is, in pieces of these sizes."""

    def __init__(self) -> None:
        self.body = b""
        self.sizes: Sequence[int] = (1 << 20,)
        self._client: Any = OpenAI(
            api_key="k",
            base_url="http://server/v1",
            max_retries=0,
            http_client=httpx2.Client(transport=httpx2.MockTransport(self._answer)),
        )

    def close(self) -> None:
        self._client.close()

    def _answer(self, _: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, content=self._pieces()
        )

    def _pieces(self) -> Iterator[bytes]:
        place, turn = 0, 0
        while place < len(self.body):
            size = self.sizes[turn % len(self.sizes)]
            yield self.body[place : place + size]
            place, turn = place + size, turn + 1

    def chat(self, events: Sequence[Event], **options: Any) -> Heard:
        self.body = encoded(ChatEncoder(include_usage=True, **options), events)
        heard = Heard()
        try:
            for chunk in self._client.chat.completions.create(model="m", messages=[], stream=True):
                for choice in chunk.choices:
                    self._add(heard, choice.delta)
                    assert heard.end is None
                    heard.end = choice.finish_reason
        except APIError as exc:
            heard.end = exc.code
        return heard

    def _add(self, heard: Heard, delta: Any) -> None:
        heard.text += delta.content or ""
        heard.reasoning += getattr(delta, "reasoning_content", None) or ""
        for call in delta.tool_calls or ():
            if call.id is not None:
                assert call.index == len(heard.calls)
                heard.calls.append({"id": call.id, "name": call.function.name, "args": ""})
            heard.calls[call.index]["args"] += call.function.arguments

    def responses(self, events: Sequence[Event], **options: Any) -> Any:
        """The response that the SDK's helper comes to; that of a failure as it was sent."""
        self.body = encoded(ResponsesEncoder(**options), events)
        with self._client.responses.stream(model="m", input="hi") as stream:
            *_, last = stream
        return last.response

    def raised(self, body: bytes, protocol: str) -> tuple[str | None, str]:
        """Code and text of the error at which the SDK raises when it reads ``body``."""
        self.body = body
        try:
            if protocol == "chat":
                list(self._client.chat.completions.create(model="m", messages=[], stream=True))
            else:
                list(self._client.responses.create(model="m", input="hi", stream=True))
        except APIError as exc:
            return exc.code, exc.message
        raise AssertionError("nothing was raised")


def standing(snapshot: RunSnapshot) -> list[MessageView]:
    """The messages that a client is to know in the end."""
    return [
        message
        for message in snapshot.messages
        if message.stands and message.audience == "user" and message.role == "assistant"
    ]
