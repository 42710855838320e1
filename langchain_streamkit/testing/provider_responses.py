"""The Responses protocol (``POST /v1/responses``), sans-IO.

Guarantees the event order of the real API: ``response.created``, ``response.in_progress``, then for
each output item ``output_item.added``, its parts and deltas, their ``done`` events and
``output_item.done``, then ``response.completed`` (``response.incomplete`` for the finish reasons
length and content_filter) with the whole output and the usage. ``sequence_number`` is 0, 1, 2 …; an
item keeps its ``output_index``. Reasoning is an item with one summary part. Chunks of parallel tool
calls may interleave; each call is done right after its last chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_streamkit.testing.provider_answer import Answer, compact, mint
from langchain_streamkit.testing.turns import Reasoning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_streamkit.testing.faults import Malformed, ProviderError
    from langchain_streamkit.testing.turns import Piece

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponsesEncoder:
    """Encodes one answer; see the module for what it guarantees."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._id = mint("resp_")
        self._sequence = 0
        self._output: list[dict[str, Any]] = []
        self._prose: int | None = None
        """Output index of the message or reasoning item that is open."""
        self._call_items: dict[int, int] = {}
        self._left = _chunks_of_calls(answer.pieces)

    def open(self) -> bytes:
        """``response.created`` and ``response.in_progress``."""
        response = self._response("in_progress", [])
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def feed(self, piece: Piece) -> bytes:
        """The events of one piece."""
        if isinstance(piece, Mapping):
            return self._close_prose() + self._feed_call(piece)
        self._answer.add(piece)
        kind = "reasoning" if isinstance(piece, Reasoning) else "message"
        frames = b""
        if self._prose is None or self._output[self._prose]["type"] != kind:
            frames = self._close_prose() + self._open_prose(kind)
        text = str(piece)
        if kind == "reasoning":
            self._item["summary"][0]["text"] += text
            return frames + self._prose_event("response.reasoning_summary_text.delta", delta=text)
        self._item["content"][0]["text"] += text
        return frames + self._prose_event("response.output_text.delta", delta=text, logprobs=[])

    def malformed(self, piece: Malformed) -> bytes:
        """A text delta event whose data is not JSON."""
        return b"event: response.output_text.delta\ndata: " + piece.data.encode() + b"\n\n"

    def error(self, error: ProviderError) -> bytes:
        """The ``error`` event, flat as documented."""
        return self._event(
            "error", code=error.code or error.type, message=error.message, param=error.param
        )

    def close(self) -> bytes:
        """What is still open is done, then the whole response."""
        frames = self._close_prose()
        for place in [place for place, chunks in self._left.items() if chunks > 0]:
            frames += self._close_call(place)
        response = self.whole()
        return frames + self._event(f"response.{response['status']}", response=response)

    def whole(self) -> dict[str, Any]:
        """The ``response`` object."""
        reason = _INCOMPLETE.get(self._answer.finish_reason)
        response = self._response("incomplete" if reason else "completed", self._output)
        if reason:
            response["incomplete_details"] = {"reason": reason}
        if self._answer.usage is not None:
            response["usage"] = _usage(self._answer.usage)
        return response

    @property
    def _item(self) -> dict[str, Any]:
        assert self._prose is not None  # noqa: S101 (only asked for while one is open)
        return self._output[self._prose]

    def _open_prose(self, kind: str) -> bytes:
        self._prose = len(self._output)
        if kind == "reasoning":
            item: dict[str, Any] = {"type": kind, "id": mint("rs_"), "summary": []}
        else:
            item = {
                "type": kind,
                "id": mint("msg_"),
                "status": "in_progress",
                "role": "assistant",
                "content": [],
            }
        frames = self._event("response.output_item.added", output_index=self._prose, item=item)
        self._output.append(item)
        if kind == "reasoning":
            part: dict[str, Any] = {"type": "summary_text", "text": ""}
            added, parts = "response.reasoning_summary_part.added", item["summary"]
        else:
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            added, parts = "response.content_part.added", item["content"]
        parts.append(part)
        return frames + self._prose_event(added, part=part)

    def _close_prose(self) -> bytes:
        if self._prose is None:
            return b""
        item = self._item
        if item["type"] == "reasoning":
            part = item["summary"][0]
            text_done = self._prose_event("response.reasoning_summary_text.done", text=part["text"])
            part_done = "response.reasoning_summary_part.done"
        else:
            part = item["content"][0]
            text_done = self._prose_event(
                "response.output_text.done", text=part["text"], logprobs=[]
            )
            part_done = "response.content_part.done"
            item["status"] = "completed"
        frames = text_done + self._prose_event(part_done, part=part)
        frames += self._event("response.output_item.done", output_index=self._prose, item=item)
        self._prose = None
        return frames

    def _prose_event(self, kind: str, **fields: Any) -> bytes:
        item = self._item
        part = "summary_index" if item["type"] == "reasoning" else "content_index"
        where = {"item_id": item["id"], "output_index": self._prose, part: 0}
        return self._event(kind, **where, **fields)

    def _feed_call(self, piece: Mapping[str, Any]) -> bytes:
        place = self._answer.place(piece)
        self._answer.add(piece)
        self._left[place] -= 1
        frames = b""
        if place not in self._call_items:
            self._call_items[place] = len(self._output)
            item = {
                "type": "function_call",
                "id": mint("fc_"),
                "call_id": piece.get("id") or mint("call_"),
                "name": piece.get("name") or "",
                "arguments": "",
                "status": "in_progress",
            }
            frames = self._event(
                "response.output_item.added", output_index=len(self._output), item=item
            )
            self._output.append(item)
        if args := piece.get("args"):
            item = self._output[self._call_items[place]]
            item["arguments"] += args
            frames += self._call_event(place, "response.function_call_arguments.delta", delta=args)
        return frames if self._left[place] else frames + self._close_call(place)

    def _close_call(self, place: int) -> bytes:
        item = self._output[self._call_items[place]]
        frames = self._call_event(
            place, "response.function_call_arguments.done", arguments=item["arguments"]
        )
        item["status"] = "completed"
        return frames + self._event(
            "response.output_item.done", output_index=self._call_items[place], item=item
        )

    def _call_event(self, place: int, kind: str, **fields: Any) -> bytes:
        index = self._call_items[place]
        return self._event(kind, item_id=self._output[index]["id"], output_index=index, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        data = compact({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return f"event: {kind}\ndata: {data}\n\n".encode()

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        asked = self._answer.body
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._answer.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "model": self._answer.model,
            "output": output,
            "parallel_tool_calls": asked.get("parallel_tool_calls", True),
            "previous_response_id": asked.get("previous_response_id"),
            "reasoning": asked.get("reasoning") or {"effort": None, "summary": None},
            "store": asked.get("store", True),
            "temperature": asked.get("temperature", 1.0),
            "text": asked.get("text") or {"format": {"type": "text"}},
            "tool_choice": asked.get("tool_choice", "auto"),
            "tools": asked.get("tools") or [],
            "top_p": asked.get("top_p", 1.0),
            "truncation": asked.get("truncation", "disabled"),
            "usage": None,
            "user": asked.get("user"),
            "metadata": asked.get("metadata") or {},
        }


def _chunks_of_calls(pieces: Iterable[Piece]) -> Counter[int]:
    fold = Answer({}, (), None, None)
    chunks: Counter[int] = Counter()
    for piece in pieces:
        if isinstance(piece, Mapping):
            chunks[fold.place(piece)] += 1
            fold.add(piece)
    return chunks


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    inputs: Mapping[str, int] = usage.get("input_token_details") or {}
    outputs: Mapping[str, int] = usage.get("output_token_details") or {}
    return {
        "input_tokens": usage["input_tokens"],
        "input_tokens_details": {
            "cached_tokens": inputs.get("cache_read", 0),
            "cache_write_tokens": inputs.get("cache_creation", 0),
        },
        "output_tokens": usage["output_tokens"],
        "output_tokens_details": {"reasoning_tokens": outputs.get("reasoning", 0)},
        "total_tokens": usage["total_tokens"],
    }
