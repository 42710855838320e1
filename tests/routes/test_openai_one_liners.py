"""What people write by hand over an OpenAI stream is one line each; any stream at all is legal."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_streamkit import AdaptError, adapt, sse_bytes
from langchain_streamkit.testing import ToolCall, Turn, assert_legal, scripted_provider
from langchain_streamkit.testing.waiting import await_until
from langchain_streamkit.values import to_plain
from tests.routes.openai_parts import (
    ASKED,
    COUNTED,
    FORMS,
    answer,
    async_sdk,
    call_delta,
    created,
    ended,
    event,
    item_event,
    notes,
    numbered,
    sdk,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import openai

    from langchain_streamkit.testing import ScriptedProvider

APIS: dict[str, Callable[[openai.OpenAI], Any]] = {
    "chat": lambda c: c.chat.completions.create(**ASKED, stream=True, **COUNTED),
    "responses": lambda c: c.responses.create(model="scripted", input="hi", stream=True),
}
ASYNC_APIS: dict[str, Callable[[openai.AsyncOpenAI], Any]] = {
    "chat": lambda c: c.chat.completions.create(**ASKED, stream=True, **COUNTED),
    "responses": lambda c: c.responses.create(model="scripted", input="hi", stream=True),
}
ADD = [ToolCall("add", {"a": 1, "b": 2}, id="c1"), ToolCall("add", {"a": 3, "b": 4}, id="c2")]


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.contextmanager
def asked(api: str, *turns: Any) -> Iterator[tuple[Any, ScriptedProvider]]:
    """A stream of the client, and who sends it."""
    with scripted_provider(turns) as provider, sdk(provider) as client:
        yield APIS[api](client), provider


# ---- one line each -------------------------------------------------------------------------------


def test_print_while_it_streams(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    with asked(api, "Hello you there") as (stream, _):
        for one in adapt(stream):
            if one.type == "text.delta":
                print(one.text, end="", flush=True)  # noqa: T201 -- that is the recipe
    assert capsys.readouterr().out == "Hello you there"


def test_show_it_live(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    with asked(api, "Hello you there") as (stream, _):
        assert adapt(stream).show().text == "Hello you there"
    assert "Hello you there" in capsys.readouterr().out


def test_collect_the_text(api: str) -> None:
    with asked(api, "Hello you there") as (stream, _):
        assert adapt(stream).result().text == "Hello you there"


def test_collect_the_tool_calls(api: str) -> None:
    with asked(api, Turn("Adding", tool_calls=ADD, interleave=True)) as (stream, _):
        calls = adapt(stream).result().tool_calls
    assert [(call["id"], call["args"]) for call in calls] == [
        ("c1", {"a": 1, "b": 2}),
        ("c2", {"a": 3, "b": 4}),
    ]


def test_collect_the_usage(api: str) -> None:
    turn = Turn("Hello", usage={"input_tokens": 10, "output_tokens": 5})
    with asked(api, turn) as (stream, _):
        usage = adapt(stream).result().usage_metadata
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (10, 5, 15)


def test_write_it_to_a_file(api: str, tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"
    with asked(api, "Hello you") as (stream, _):
        adapt(stream, sinks=log).result()
    assert '"Hello you"' in log.read_text()


async def test_serve_it_as_server_sent_events(api: str) -> None:
    async with scripted_provider(["Hello you"]) as provider, async_sdk(provider) as client:
        body = b"".join([part async for part in sse_bytes(adapt(ASYNC_APIS[api](client)))])
    assert b"Hello" in body
    assert b"run.finished" in body


async def test_collect_the_text_in_async_code(api: str) -> None:
    async with scripted_provider(["Hello you"]) as provider, async_sdk(provider) as client:
        assert (await adapt(ASYNC_APIS[api](client)).result()).text == "Hello you"


async def test_several_streams_at_once_are_a_run_each(api: str) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    turns = [Turn(f"answer {n}", hold={1: gate}) for n, gate in enumerate(gates)]
    async with scripted_provider(turns) as provider, async_sdk(provider) as client:
        runs = [adapt(ASYNC_APIS[api](client)) for _ in turns]
        results = [asyncio.ensure_future(run.result()) for run in runs]
        await provider.await_request(3)  # all are being answered at the same time
        for gate in gates:
            gate.set()
        found = await asyncio.gather(*results)
    assert sorted(message.text for message in found) == ["answer 0", "answer 1", "answer 2"]
    assert len({run.run_id for run in runs}) == 3
    assert all(run.snapshot.text == message.text for run, message in zip(runs, found, strict=True))


async def test_the_others_go_on_when_one_of_several_is_cancelled(api: str) -> None:
    gate = asyncio.Event()
    turns = [Turn("a b", hold={1: gate}), Turn("a b", hold={1: gate})]
    async with scripted_provider(turns) as provider, async_sdk(provider) as client:
        first, second = (adapt(ASYNC_APIS[api](client)) for _ in turns)
        async with first, second:
            await asyncio.gather(first.started(), second.started())
            await provider.await_request(2)
            await first.cancel()
            both = provider.requests
            left = [request.disconnected.is_set for request in both]
            await await_until(lambda: any(is_set() for is_set in left), 5, lambda: repr(both))
            gate.set()
            assert (await second.result()).text == "a b"
    assert (first.outcome, second.outcome) == ("cancelled", "finished")
    assert sum(is_set() for is_set in left) == 1


def test_the_message_goes_into_the_next_call_as_it_is(api: str) -> None:
    with asked(api, Turn("Adding", reasoning="hm", tool_calls=ADD[:1]), "It is 3") as (stream, p):
        message: AIMessage = adapt(stream).result()
        model = ChatOpenAI(
            model="scripted",
            base_url=p.base_url,
            api_key=SecretStr("none"),
            use_responses_api=api == "responses",
        )
        history = [HumanMessage("hi"), message, ToolMessage("3", tool_call_id="c1")]
        assert model.invoke(history).text == "It is 3"
        sent = str(p.requests[1].body)
    assert "Adding" in sent
    assert "c1" in sent


# ---- whatever comes ------------------------------------------------------------------------------

RECORDED: dict[str, list[dict[str, Any]]] = {
    "chat": answer(
        {"reasoning_content": "hm"},
        "Hello ",
        "you",
        {"refusal": "no"},
        {"audio": {"id": "a", "data": "QUJD"}},
        {"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]},
        {"images": [{"type": "image_url", "image_url": {"url": "https://e.org"}}]},
        call_delta(0, id="c1", name="f", args=""),
        call_delta(0, args='{"a":'),
        call_delta(1, id="c2", name="g", args="{}"),
        call_delta(0, args="1}"),
        {"function_call": {"name": "h", "arguments": "{}"}},
    ),
    "responses": numbered(
        [
            created(metadata={"a": "b"}),
            item_event("added", 0, {"type": "reasoning", "id": "rs", "summary": []}),
            event("reasoning_summary_part.added", "rs", summary_index=0),
            event("reasoning_summary_text.delta", "rs", summary_index=0, delta="hm"),
            event("reasoning_text.delta", "rs", content_index=0, delta="raw"),
            item_event(
                "done",
                0,
                {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"},
            ),
            item_event(
                "added", 1, {"type": "message", "id": "msg", "content": [], "phase": "final"}
            ),
            event("output_text.delta", "msg", 1, content_index=0, delta="Hello "),
            event("output_text.delta", "msg", 1, content_index=0, delta="you"),
            event(
                "output_text.annotation.added",
                "msg",
                1,
                content_index=0,
                annotation={"type": "url_citation", "url": "u", "start_index": 0, "end_index": 1},
            ),
            event("output_text.done", "msg", 1, content_index=0, text="Hello you"),
            event("refusal.delta", "msg", 1, content_index=1, delta="no"),
            event("refusal.done", "msg", 1, content_index=1, refusal="no"),
            item_event(
                "done", 2, {"type": "web_search_call", "id": "ws", "action": {"query": "q"}}
            ),
            item_event(
                "added", 3, {"type": "function_call", "id": "fc", "call_id": "c", "name": "f"}
            ),
            event("function_call_arguments.delta", "fc", 3, delta='{"a":1}'),
            item_event(
                "done",
                3,
                {
                    "type": "function_call",
                    "id": "fc",
                    "call_id": "c",
                    "name": "f",
                    "arguments": '{"a":1}',
                },
            ),
            item_event(
                "done",
                4,
                {"type": "custom_tool_call", "id": "ct", "call_id": "d", "name": "s", "input": "x"},
            ),
            ended({"type": "message", "content": [{"type": "output_text", "text": "Hello you"}]}),
        ]
    ),
}
ODD: list[Any] = [None, True, 0, 1, -1, 2**70, 0.5, float("nan"), "", "x", "0"]
ODD += ["\ud83d", "\ud800", "{", [], {}, [None], ["x"], [[]], [{}], {"": None}, {"id": []}]
ODD += [{"type": "text"}, {"text": 1}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def mutate(data: st.DataObject, items: list[Any]) -> None:
    """Change one thing anywhere: drop it, double it, replace it, exchange it."""
    found = list(places(items))
    if not found:
        return
    *where, key = data.draw(st.sampled_from(found))
    holder: Any = items
    for step in where:
        holder = holder[step]
    match data.draw(st.sampled_from(["drop", "odd", "copy", "swap", "cut"])):
        case "drop":
            del holder[key]
        case "odd":
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        case "copy":
            items.insert(data.draw(st.integers(0, len(items))), copy.deepcopy(holder[key]))
        case "swap":
            n, m = (data.draw(st.integers(0, len(items) - 1)) for _ in range(2))
            items[n], items[m] = items[m], items[n]
        case _:
            del items[data.draw(st.integers(0, len(items))) :]


def as_object(item: Any) -> Any:
    """The SDK's object of an item, where the SDK can make one."""
    with contextlib.suppress(Exception):
        return FORMS["objects"]([item])[0]
    return item


@pytest.mark.parametrize("name", RECORDED)
@given(data=st.data())
def test_any_stream_at_all_is_a_legal_run_or_one_refusal(name: str, data: st.DataObject) -> None:
    items: list[Any] = copy.deepcopy(RECORDED[name])
    for _ in range(data.draw(st.integers(1, 6))):
        mutate(data, items)
    if data.draw(st.booleans()):
        items = [as_object(item) for item in items]
    run = adapt(items)
    try:
        events = list(run)
    except AdaptError:
        return
    assert_legal(events)
    assert set(notes(events)) <= {
        *("item_skipped", "choices_left_out"),
        *("usage_not_requested", "usage_not_reported", "price_unknown"),
    }
    if run.outcome == "finished" and run.snapshot.messages:
        message: AIMessage = run.result()
        (seen,) = run.snapshot.messages
        assert message.text == seen.text
        assert [(c["id"], to_plain(c["args"])) for c in message.tool_calls] == [
            (c.tool_call_id, c.args) for c in seen.tool_calls if c.args is not None
        ]
        assert message.content_blocks is not None


@pytest.mark.parametrize("name", RECORDED)
def test_the_recording_itself_is_whole(name: str) -> None:
    run = adapt(copy.deepcopy(RECORDED[name]))
    assert_legal(list(run))
    assert run.outcome == "finished"
    assert run.result().text == "Hello you"
