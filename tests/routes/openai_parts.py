"""Items of the OpenAI SDK as a recording has them: as plain dicts, and as the SDK's own objects."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import openai
from openai._models import construct_type
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent

from langchain_streamkit import adapt
from langchain_streamkit.testing import assert_legal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from langchain_streamkit import AsyncRun, Run
    from langchain_streamkit.events import Event
    from langchain_streamkit.testing import ScriptedProvider

Item = dict[str, Any]
ASKED: Any = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}
COUNTED: Any = {"stream_options": {"include_usage": True}}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


# ---- clients -------------------------------------------------------------------------------------


@contextlib.contextmanager
def sdk(provider: ScriptedProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.base_url, api_key="none", max_retries=0) as client:
        yield client


@contextlib.asynccontextmanager
async def async_sdk(provider: ScriptedProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    client = openai.AsyncOpenAI(base_url=provider.base_url, api_key="none", max_retries=0)
    async with client:
        yield client


# ---- chat completions ----------------------------------------------------------------------------


def chunk(delta: Item | None = None, finish: str | None = None, **more: Any) -> Item:
    """A chunk of one choice, or of none without a delta and a finish reason."""
    choices: list[Item] = []
    if delta is not None or finish is not None:
        choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish, "logprobs": None}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x"}
    return {**head, "choices": choices, **more}


def answer(*deltas: Item | str, finish: str = "stop", usage: Item | None = USAGE) -> list[Item]:
    """Chunks as the real API sends them: role, deltas, finish reason, usage."""
    spoken = [chunk({"content": d} if isinstance(d, str) else d) for d in deltas]
    first = chunk({"role": "assistant", "content": "", "refusal": None})
    return [first, *spoken, chunk({}, finish), *([chunk(usage=usage)] if usage else [])]


def call_delta(index: int | None, **fields: Any) -> Item:
    """A delta with one piece of a tool call; ``name`` and ``args`` are those of its function."""
    function = {"name": fields.pop("name", None), "arguments": fields.pop("args", None)}
    piece = {"index": index, **fields, "function": function}
    return {"tool_calls": [{k: v for k, v in piece.items() if v is not None}]}


def as_chunks(items: Iterable[Item]) -> list[Any]:
    """The SDK's objects, built as it builds them from a stream."""
    return [construct_type(type_=ChatCompletionChunk, value=item) for item in items]


# ---- responses -----------------------------------------------------------------------------------


def response(*output: Item, status: str = "completed", **more: Any) -> Item:
    """The ``response`` object."""
    usage = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 27,
    }
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-y"}
    return {**head, "status": status, "output": list(output), "usage": usage, **more}


def created(**more: Any) -> Item:
    """The first event."""
    return {"type": "response.created", "response": response(status="in_progress", **more)}


def ended(*output: Item, status: str = "completed", **more: Any) -> Item:
    """The last event."""
    kind = f"response.{status}"
    return {"type": kind, "response": response(*output, status=status, **more)}


def event(kind: str, item: str = "msg_1", n: int = 0, **fields: Any) -> Item:
    """An event about an item, or a part of one."""
    return {"type": f"response.{kind}", "item_id": item, "output_index": n, **fields}


def item_event(kind: str, n: int, item: Item) -> Item:
    """``output_item.added`` or ``.done``."""
    return {"type": f"response.output_item.{kind}", "output_index": n, "item": item}


def numbered(items: Iterable[Item]) -> list[Item]:
    return [{**item, "sequence_number": n} for n, item in enumerate(items)]


def as_events(items: Iterable[Item]) -> list[Any]:
    """The SDK's objects, built as it builds them from a stream."""
    union = cast("Any", ResponseStreamEvent)
    return [construct_type(type_=union, value=item) for item in numbered(items)]


MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""}
WHOLE_CALL = {**CALL, "arguments": '{"a":1}'}


def said(text: str, **part: Any) -> Item:
    """A complete message item."""
    return {**MESSAGE, "content": [{"type": "output_text", "text": text, **part}]}


def streamed(*items: Item, whole: list[Item] | None = None) -> list[Any]:
    return [created(), *items, ended(*(whole or []))]


def text_events(text: str, *between: Item) -> list[Item]:
    return [
        item_event("added", 0, MESSAGE),
        event("content_part.added", content_index=0, part={"type": "output_text", "text": ""}),
        *[event("output_text.delta", content_index=0, delta=letter) for letter in text],
        *between,
        event("output_text.done", content_index=0, text=text),
        event("content_part.done", content_index=0, part={"type": "output_text", "text": text}),
        item_event("done", 0, said(text)),
    ]


FORMS: dict[str, Callable[[Iterable[Item]], list[Any]]] = {
    "dicts": list,
    "objects": lambda items: [
        (as_events if "type" in item else as_chunks)([item])[0] for item in items
    ],
}


# ---- reading -------------------------------------------------------------------------------------


def told(items: Iterable[Any]) -> tuple[Run[Any], list[Event]]:
    """A recorded stream, read to its end."""
    run = adapt(list(items))
    events = list(run)
    assert_legal(events)
    return run, events


async def read(run: AsyncRun[Any]) -> list[Event]:
    events = [event async for event in run]
    assert_legal(events)
    return events


def of_type(events: Iterable[Event], kind: str) -> list[Any]:
    return [one for one in events if one.type == kind]


def texts(events: Iterable[Event]) -> list[str]:
    return [one.text for one in of_type(events, "text.finished")]


def notes(events: Iterable[Event]) -> list[str]:
    return [one.code for one in of_type(events, "diagnostic")]


SEEN_ONLY_HERE = ("seq", "run_id", "ts", "step_id", "usage", "timing", "output")


def plainly(events: Iterable[Event]) -> list[Item]:
    """Events without ids and clocks of the run, texts whole."""
    return [
        {k: v for k, v in one.to_dict().items() if k not in SEEN_ONLY_HERE}
        for one in events
        if not one.type.endswith(".delta")
    ]
