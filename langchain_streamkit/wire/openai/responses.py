"""OpenAI's Responses: a run as a response of output items, streamed or whole.

Guarantees: ``response.created`` first; each block is an item that is added, filled and done before
the response ends, in the order of ``OneVoice``; ``sequence_number`` is 0, 1, 2 …; one terminal
event (completed, incomplete or failed) with the whole response. Its ``output`` is what stands:
items of an attempt that died were sent, but are not in it. Only event types that the SDKs know are
sent, as their helpers raise on others. Ids and ``created_at`` are the run's.
Format: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from langchain_streamkit import events as ev
from langchain_streamkit.wire.openai.items import REASONING, REFUSAL, TEXT, CallItem, PartItem
from langchain_streamkit.wire.openai.one_voice import OneVoice
from langchain_streamkit.wire.openai.terms import (
    CallIds,
    End,
    Reply,
    ToolsShown,
    arguments_of,
    error_of,
    error_reply,
    failure_of,
    metadata_of,
    pending_of,
    refusal_of,
    require_tools_shown,
    to_json,
    unfinished,
)
from langchain_streamkit.wire.sse import OK, PING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_streamkit.wire.openai.items import Item, Sent, Shape
    from langchain_streamkit.wire.openai.one_voice import Spoken

_INCOMPLETE: Mapping[str | None, str] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}
_ERROR_CODES: Mapping[str, str] = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "context_length_exceeded": "invalid_prompt",
    "content_policy_violation": "invalid_prompt",
    "invalid_input": "invalid_prompt",
}
"""What a response's error may be called, by what an error is called elsewhere."""


class ResponsesEncoder:
    """Encodes one run as the events of a response.

    * ``model`` is the name that is told; that of the run by default.
    * ``tools``: which tool calls are told of (``ToolsShown``).
    * ``hold_back``: only the last whole message is sent, at the end.

    Raises ``StreamUsageError`` for an unknown ``tools``.
    """

    media_type = "text/event-stream"
    headers: Mapping[str, str] = MappingProxyType({})
    ping = PING

    def __init__(
        self,
        *,
        model: str | None = None,
        tools: ToolsShown = "client",
        hold_back: bool = False,
    ) -> None:
        require_tools_shown(tools)
        self._model = model
        self._every_call = tools == "all"
        self._voice = OneVoice(last_only=hold_back)
        self._start: ev.RunStarted | None = None
        self._run_id = ""
        self._number = 0
        """Of the next event."""
        self._count = 0
        """Of the items that were sent."""
        self._items: list[tuple[str | None, Item]] = []
        """Those that stand, each with its message."""
        self._open: dict[tuple[str, int], Item] = {}
        """By the block they are made of."""
        self._ids = CallIds()
        self._reason: str | None = None
        self._end: End | None = None

    def opening(self) -> bytes:
        """Return a comment, so that whoever waits for the first bytes has them."""
        return OK

    def encode(self, event: ev.Event, /) -> list[bytes]:
        """Return the frames of one event."""
        match event:
            case ev.TextDelta():  # nine of ten
                return self._say(self._voice.feed(event))
            case ev.RunStarted():
                self._start = event
                self._run_id = event.run_id
                fields = {"response": self._response()}
                return self._frames(
                    [("response.created", fields), ("response.in_progress", fields)]
                )
            case ev.RunFinished() | ev.RunInterrupted() | ev.RunFailed() | ev.RunCancelled():
                return [*self._say(self._voice.rest()), *self._finish(event)]
            case _:
                return self._say(self._voice.feed(event))

    def broken_off(self, code: str, message: str, /) -> list[bytes]:
        """Return an error event, at which the clients raise.

        It says everything twice: some clients look for it at the top, others under ``error``.
        """
        error = {"type": "server_error", "code": code, "message": message, "param": None}
        return self._frames([("error", {**error, "error": error})])

    def reply(self) -> Reply:
        """Return the whole response, or an error with its HTTP status.

        Raises ``StreamUsageError`` before the terminal event.
        """
        if self._end is None:
            raise unfinished()
        if (failure := failure_of(self._end)) is not None:
            return error_reply(failure)
        return Reply(200, {}, to_json(self._response(self._end)))

    def _say(self, said: Iterable[Spoken]) -> list[bytes]:
        return [frame for event in said for frame in self._frames(self._events_of(event))]

    def _events_of(self, event: Spoken) -> list[Sent]:
        match event:
            case ev.TextDelta(text=text) | ev.ReasoningDelta(text=text):
                shape = TEXT if isinstance(event, ev.TextDelta) else REASONING
                return self._filled(event, shape, text) if text else []
            case ev.ContentAdded(block=block):
                refusal = refusal_of(block)
                if refusal is None:
                    return []
                return [*self._filled(event, REFUSAL, refusal), *self._done(event)]
            case ev.ToolCallStarted(tool_call_id=call_id, name=name) if self._every_call:
                key = (event.message_id, event.index)
                item = self._open[key] = self._call(call_id, name, event.message_id)
                return item.added()
            case ev.ToolCallDelta(args=args):
                call = self._open.get((event.message_id, event.index))
                return [call.filled(args)] if call is not None and args else []
            case ev.TextFinished(annotations=annotations):
                return self._done(event, annotations)
            case ev.ReasoningFinished() | ev.ToolCallFinished():
                return self._done(event)
            case ev.MessageFinished():
                self._reason = event.finish_reason
            case ev.MessageAborted(reason="budget"):
                pass  # cut short, as the response is
            case ev.MessageAborted() | ev.MessageRetracted():
                self._reason = None
                self._items = [one for one in self._items if one[0] != event.message_id]
            case _:
                pass
        return []

    def _filled(
        self, event: ev.TextDelta | ev.ReasoningDelta | ev.ContentAdded, shape: Shape, text: str
    ) -> list[Sent]:
        key = (event.message_id, event.index)
        item = self._open.get(key)
        if item is not None:
            return [item.filled(text)]
        item_id, place = self._place("msg" if shape is not REASONING else "rs")
        item = self._open[key] = PartItem(shape, item_id, place)
        self._items.append((event.message_id, item))
        return [*item.added(), item.filled(text)]

    def _done(
        self,
        event: ev.TextFinished | ev.ReasoningFinished | ev.ToolCallFinished | ev.ContentAdded,
        annotations: Iterable[object] = (),
    ) -> list[Sent]:
        item = self._open.pop((event.message_id, event.index), None)
        return [] if item is None else item.done(annotations)

    def _call(self, call_id: str, name: str, message_id: str | None) -> CallItem:
        item = CallItem(self._ids.told(call_id), name, *self._place("fc"))
        self._items.append((message_id, item))
        return item

    def _place(self, kind: str) -> tuple[str, int]:
        """Return the id and the index of the next item."""
        place, self._count = self._count, self._count + 1
        return f"{kind}_{self._run_id}_{place}", place

    def _finish(self, event: End) -> list[bytes]:
        sent: list[Sent] = [one for item in self._open.values() for one in item.done()]
        self._open.clear()
        for call in pending_of(event):
            if call.tool_call_id not in self._ids:
                item = self._call(call.tool_call_id, call.name, call.message_id)
                sent += [*item.added(), item.filled(arguments_of(call.args)), *item.done()]
        self._end = event
        response = self._response(event)
        ends = "failed" if failure_of(event) is not None else response["status"]
        return self._frames([*sent, (f"response.{ends}", {"response": response})])

    def _response(self, end: End | None = None) -> dict[str, Any]:
        """Return the response as it stands."""
        start = self._start
        response: dict[str, Any] = {
            "id": f"resp_{self._run_id}",
            "object": "response",
            "created_at": start.ts // 1000 if start is not None else 0,
            "model": self._model or (start.name if start is not None else ""),
            "status": "in_progress",
            "output": [item.body() for _, item in self._items],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None,
        }
        return response if end is None else response | _ending(end, self._reason)

    def _frames(self, sent: Iterable[Sent]) -> list[bytes]:
        frames: list[bytes] = []
        for kind, fields in sent:
            data = to_json({"type": kind, "sequence_number": self._number, **fields})
            frames.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))
            self._number += 1
        return frames


def responses_reply(
    events: Iterable[ev.Event],
    *,
    model: str | None = None,
    tools: ToolsShown = "client",
    hold_back: bool = False,
) -> Reply:
    """Return a whole run as a ``response``, or as an error with its HTTP status.

    The options are those of ``ResponsesEncoder``. Raises ``StreamUsageError`` for events that do
    not end a run.
    """
    encoder = ResponsesEncoder(model=model, tools=tools, hold_back=hold_back)
    for event in events:
        encoder.encode(event)
    return encoder.reply()


def _ending(event: End, said: str | None) -> dict[str, Any]:
    """What the end of a run says of its response."""
    found: dict[str, Any] = {"metadata": metadata_of(event), "usage": _usage(event.usage)}
    if (failure := failure_of(event)) is not None:
        error = error_of(failure)["error"]
        status = "failed" if isinstance(failure, ev.RunFailed) else "cancelled"
        code = _ERROR_CODES.get(error["code"], "server_error")
        return found | {"status": status, "error": {"code": code, "message": error["message"]}}
    cut = "max_output_tokens" if isinstance(event, ev.RunCancelled) else _INCOMPLETE.get(said)
    if cut is not None and not pending_of(event):
        return found | {"status": "incomplete", "incomplete_details": {"reason": cut}}
    return found | {"status": "completed"}


def _usage(usage: ev.Usage) -> dict[str, Any]:
    details = usage.details
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": details.cache_read,
            "cache_write_tokens": details.cache_creation,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": details.reasoning},
        "total_tokens": usage.total_tokens,
    }
