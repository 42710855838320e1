"""OpenAI's chat completions: a run as the answer of a model, streamed or whole.

Guarantees: the role first, then what is said in the order of ``OneVoice``, then one finish reason,
the usage if it was asked for, and ``[DONE]``; a run that fails or is cancelled ends with an error,
at which the clients raise, in place of the finish reason. Ids and names of tool calls are sent
once. ``id`` and ``created`` are the run's.
Format: https://platform.openai.com/docs/api-reference/chat-streaming. Thinking is
``reasoning_content``, as DeepSeek, vLLM and others have it: OpenAI's own schema has no word for it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from langchain_streamkit import events as ev
from langchain_streamkit.snapshot import RunSnapshot
from langchain_streamkit.wire.openai.one_voice import OneVoice
from langchain_streamkit.wire.openai.terms import (
    DONE,
    CallIds,
    End,
    Reply,
    ToolsShown,
    arguments_of,
    error_body,
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
from langchain_streamkit.wire.sse import OK, PING, frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_streamkit.snapshot.parts import MessageView, ToolCallView
    from langchain_streamkit.wire.openai.one_voice import Spoken

_BETWEEN = "\n\n"
"""What stands between two messages, of which a client sees one."""
_REASONS: Mapping[str | None, str] = {"length": "length", "content_filter": "content_filter"}


class ChatEncoder:
    """Encodes one run as ``chat.completion.chunk``s.

    * ``model`` is the name that is told; that of the run by default.
    * ``include_usage``: a chunk with the usage of the whole run before the end.
    * ``tools``: which tool calls are told of (``ToolsShown``).
    * ``hold_back``: only the last whole message is sent, at the end.

    What was sent stays with the client: the text of an attempt that dies is followed by a blank
    line and the text of the next one. ``hold_back`` avoids that.

    Raises ``StreamUsageError`` for an unknown ``tools``.
    """

    media_type = "text/event-stream"
    headers: Mapping[str, str] = MappingProxyType({})
    ping = PING

    def __init__(
        self,
        *,
        model: str | None = None,
        include_usage: bool = False,
        tools: ToolsShown = "client",
        hold_back: bool = False,
    ) -> None:
        require_tools_shown(tools)
        self._model = model
        self._include_usage = include_usage
        self._every_call = tools == "all"
        self._voice = OneVoice(last_only=hold_back)
        self._head = b""
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._gaps: dict[str, str] = {}
        """By the field of a delta: what is to be said before its next text."""
        self._said: set[str] = set()
        """Fields of a delta that have had text."""
        self._calls: dict[tuple[str, int], int] = {}
        """By the block of a call: its number in the answer."""
        self._empty: set[tuple[str, int]] = set()
        """Calls without arguments so far."""
        self._ids = CallIds()
        self._reason: str | None = None

    def opening(self) -> bytes:
        """Return a comment, so that whoever waits for the first bytes has them."""
        return OK

    def encode(self, event: ev.Event, /) -> list[bytes]:
        """Return the frames of one event."""
        match event:
            case ev.TextDelta():  # nine of ten
                return self._say(self._voice.feed(event))
            case ev.RunStarted():
                fields = _fields(event, self._model, "chat.completion.chunk")
                self._head = b"data: " + to_json(fields).removesuffix(b"}") + b',"choices":['
                return [self._delta(b'{"role":"assistant","content":""}')]
            case ev.RunFinished() | ev.RunInterrupted() | ev.RunFailed() | ev.RunCancelled():
                return [*self._say(self._voice.rest()), *self._end(event)]
            case _:
                return self._say(self._voice.feed(event))

    def broken_off(self, code: str, message: str, /) -> list[bytes]:
        """Return an error, at which the clients raise."""
        return [frame(to_json(error_body(message, type="server_error", code=code))), DONE]

    def _say(self, said: Iterable[Spoken]) -> list[bytes]:
        return [self._delta(delta) for event in said if (delta := self._delta_of(event))]

    def _delta_of(self, event: Spoken) -> bytes | None:
        match event:
            case ev.TextDelta(text=text):
                return self._text("content", text)
            case ev.ReasoningDelta(text=text):
                return self._text("reasoning_content", text)
            case ev.MessageStarted():
                self._gaps = dict.fromkeys(self._said, _BETWEEN)
            case ev.ReasoningStarted() if "reasoning_content" in self._said:
                self._gaps["reasoning_content"] = _BETWEEN
            case ev.ToolCallStarted() | ev.ToolCallDelta() | ev.ToolCallFinished():
                return self._call(event) if self._every_call else None
            case ev.ContentAdded(block=block):
                return self._text("refusal", refusal_of(block) or "")
            case ev.MessageFinished():
                self._reason = event.finish_reason
            case ev.MessageAborted() | ev.MessageRetracted():
                self._reason = None
            case _:
                pass
        return None

    def _text(self, field: str, text: str) -> bytes | None:
        if not text:
            return None
        self._said.add(field)
        if self._gaps:
            text = self._gaps.pop(field, "") + text
        return b'{"%b":%b}' % (field.encode(), to_json(text))

    def _call(
        self, event: ev.ToolCallStarted | ev.ToolCallDelta | ev.ToolCallFinished
    ) -> bytes | None:
        key = (event.message_id, event.index)
        match event:
            case ev.ToolCallStarted(tool_call_id=call_id, name=name):
                number = self._calls[key] = len(self._calls)
                self._empty.add(key)
                call = _call(self._ids.told(call_id), name, "")
                return to_json({"tool_calls": [{"index": number, **call}]})
            case ev.ToolCallDelta(args=args):
                self._empty.discard(key)
            case _ if key in self._empty:  # clients parse the text, and "" is no JSON
                args = "{}"
            case _:
                return None
        if key not in self._calls:
            return None
        piece = {"index": self._calls[key], "function": {"arguments": args}}
        return to_json({"tool_calls": [piece]})

    def _end(self, event: End) -> list[bytes]:
        if (failure := failure_of(event)) is not None:
            return [frame(to_json(error_of(failure))), DONE]
        frames: list[bytes] = []
        pending = pending_of(event)
        if left := [call for call in pending if call.tool_call_id not in self._ids]:
            numbered = enumerate(left, len(self._calls))
            calls = [{"index": number, **_pending(call, self._ids)} for number, call in numbered]
            frames.append(self._delta(to_json({"tool_calls": calls})))
        reason = _finish_reason(event, self._reason)
        frames.append(self._delta(b"{}", b'"%b"' % reason.encode(), metadata_of(event)))
        if self._include_usage:
            frames.append(b'%b],"usage":%b}\n\n' % (self._head, to_json(_usage(event.usage))))
        return [*frames, DONE]

    def _delta(
        self, delta: bytes, reason: bytes = b"null", metadata: Mapping[str, str] | None = None
    ) -> bytes:
        """Return the chunk of a delta, which is JSON already, as the reason is."""
        choice = b'{"index":0,"delta":%b,"finish_reason":%b}]' % (delta, reason)
        more = b',"metadata":' + to_json(metadata) if metadata else b""
        return b"".join((self._head, choice, more, self._tail))


def chat_reply(
    events: Iterable[ev.Event],
    *,
    model: str | None = None,
    tools: ToolsShown = "client",
    hold_back: bool = False,
) -> Reply:
    """Return a whole run as a ``chat.completion``, or as an error with its HTTP status.

    The options are those of ``ChatEncoder``; messages of attempts that died are not in it.
    Raises ``StreamUsageError`` for events that do not end a run.
    """
    require_tools_shown(tools)
    snapshot = RunSnapshot()
    start = last = None
    for last in events:
        start = start or last
        snapshot.feed(last)
    if not isinstance(start, ev.RunStarted) or not isinstance(last, End):
        raise unfinished()
    if (failure := failure_of(last)) is not None:
        return error_reply(failure)
    said = [m for m in snapshot.messages if _is_said(m)]
    if hold_back:
        said = [m for m in said if m.status == "finished"][-1:]
    message = _message(said)
    ids = CallIds()
    calls = [_shown(call, ids) for m in said for call in m.tool_calls] if tools == "all" else []
    left = [call for call in pending_of(last) if call.tool_call_id not in ids]
    calls += [_pending(call, ids) for call in left]
    if calls:
        message["tool_calls"] = calls
    reason = _finish_reason(last, said[-1].finish_reason if said else None)
    body = _fields(start, model, "chat.completion")
    body["choices"] = [{"index": 0, "message": message, "finish_reason": reason}]
    body["usage"] = _usage(last.usage)
    if metadata := metadata_of(last):
        body["metadata"] = metadata
    return Reply(200, {}, to_json(body))


def _is_said(message: MessageView) -> bool:
    stands = message.stands or message.reason == "budget"  # cut short, as the answer is
    return stands and message.audience == "user" and message.role == "assistant"


def _fields(start: ev.RunStarted, model: str | None, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{start.run_id}",
        "object": kind,
        "created": start.ts // 1000,
        "model": model or start.name,
    }


def _message(said: Iterable[MessageView]) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    refusals: list[str] = []
    for message in said:
        texts.append(message.text)
        thoughts += [block.text for block in message.blocks if block.kind == "reasoning"]
        refusals.append("".join(refusal_of(block.content or {}) or "" for block in message.blocks))
    found: dict[str, Any] = {
        "role": "assistant",
        "content": _BETWEEN.join(filter(None, texts)) or None,
        "refusal": _BETWEEN.join(filter(None, refusals)) or None,
    }
    if thinking := _BETWEEN.join(filter(None, thoughts)):
        found["reasoning_content"] = thinking
    return found


def _finish_reason(event: ev.Event, said: str | None) -> str:
    if pending_of(event):
        return "tool_calls"
    return "length" if isinstance(event, ev.RunCancelled) else _REASONS.get(said, "stop")


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def _pending(call: ev.PendingToolCall, ids: CallIds) -> dict[str, Any]:
    return _call(ids.told(call.tool_call_id), call.name, arguments_of(call.args))


def _shown(call: ToolCallView, ids: CallIds) -> dict[str, Any]:
    args = call.args if call.invalid is None else call.invalid.text
    return _call(ids.told(call.tool_call_id), call.name, arguments_of(args))


def _usage(usage: ev.Usage) -> dict[str, Any]:
    details = usage.details
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": details.cache_read},
        "completion_tokens_details": {"reasoning_tokens": details.reasoning},
    }
