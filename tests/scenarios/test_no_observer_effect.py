"""Watching changes nothing: with us and without us, everything the user can see is equal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler

from langchain_streamkit import StreamCallbackHandler, astream, stream
from tests.scenarios.kinds import KINDS, Kind
from tests.scenarios.story import story

_IDS = re.compile(
    r"(lc_run--|call_|msg_)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}(-0|_\d+)?"
)
KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def without_ids(value: Any) -> str:
    return _IDS.sub("ID", repr(_in_key_order(value)))


def _in_key_order(value: Any) -> Any:
    # RunnableParallel fills its output in the order in which the branches speak.
    if isinstance(value, dict):
        return {key: _in_key_order(value[key]) for key in sorted(value, key=str)}
    return value


class Recorder(BaseCallbackHandler):
    """The user's own handler: notes every callback with its name, parent, tags and metadata."""

    run_inline = True

    def __init__(self) -> None:
        self.rows: list[str] = []
        self._names: dict[Any, str] = {}

    def _start(self, what: str, serialized: Any, given: dict[str, Any]) -> None:
        name = given.get("name") or (serialized or {}).get("name") or "?"
        self._names[given["run_id"]] = name
        shown = {
            key: value
            for key, value in (given.get("metadata") or {}).items()
            if "checkpoint" not in key and key != "langgraph_path"
        }
        parent = self._names.get(given.get("parent_run_id"))
        options = given.get("invocation_params"), given.get("options")
        self._note(what, name, parent, sorted(given.get("tags") or []), shown, options)

    def _end(self, what: str, given: dict[str, Any], *seen: Any) -> None:
        self._note(what, self._names.get(given["run_id"]), *seen)

    def _note(self, *row: Any) -> None:
        self.rows.append(without_ids(row))

    def on_chain_start(self, serialized: Any, inputs: Any, **given: Any) -> None:
        self._start("chain_start", serialized, given)

    def on_chain_end(self, outputs: Any, **given: Any) -> None:
        self._end("chain_end", given)

    def on_chain_error(self, error: Any, **given: Any) -> None:
        self._end("chain_error", given, type(error))

    def on_chat_model_start(self, serialized: Any, messages: Any, **given: Any) -> None:
        self._start("chat_model_start", serialized, given)

    def on_llm_start(self, serialized: Any, prompts: Any, **given: Any) -> None:
        self._start("llm_start", serialized, given)

    def on_llm_new_token(self, token: Any, **given: Any) -> None:
        self._end("token", given, token)

    def on_llm_end(self, response: Any, **given: Any) -> None:
        self._end("llm_end", given, response.generations[0][0].text)

    def on_llm_error(self, error: Any, **given: Any) -> None:
        self._end("llm_error", given, error)

    def on_tool_start(self, serialized: Any, input_str: Any, **given: Any) -> None:
        self._start("tool_start", serialized, given)

    def on_tool_end(self, output: Any, **given: Any) -> None:
        self._end("tool_end", given, output)

    def on_tool_error(self, error: Any, **given: Any) -> None:
        self._end("tool_error", given, error)

    def on_retriever_start(self, serialized: Any, query: Any, **given: Any) -> None:
        self._start("retriever_start", serialized, given)

    def on_retriever_end(self, documents: Any, **given: Any) -> None:
        self._end("retriever_end", given, documents)

    def on_custom_event(self, name: Any, data: Any, **given: Any) -> None:
        self._end("custom_event", given, name, data)


class StreamingOn(BaseCallbackHandler):
    """A streaming handler that does nothing: models stream under ``invoke`` because of it."""

    run_inline = True

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        return output

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        return output


def config(kind: Kind, *handlers: Any) -> Any:
    made: dict[str, Any] = {"tags": ["mine"], "metadata": {"mine": 1}}
    if handlers:  # BaseLLM.agenerate fails on an empty list
        made["callbacks"] = list(handlers)
    if kind.thread_id is not None:
        made["configurable"] = {"thread_id": kind.thread_id}
    return made


def by_run(rows: list[str]) -> list[str]:
    """Rows whose order does not depend on which thread was faster."""
    return sorted(rows)


async def outcome(call: Any) -> str:
    try:
        return without_ids(await call)
    except Exception as exc:  # noqa: BLE001 -- the outcome is the error
        return without_ids(exc)


def outcome_sync(call: Any) -> str:
    try:
        return without_ids(call())
    except Exception as exc:  # noqa: BLE001 -- the outcome is the error
        return without_ids(exc)


@KIND
async def test_astream_gives_the_result_and_callbacks_of_ainvoke(kind: Kind) -> None:
    bare, seen = Recorder(), Recorder()
    run = astream(kind.make(), kind.input, config(kind, seen))
    story([event async for event in run])
    watched = await outcome(run.result())
    runnable = kind.make()
    if kind.text_model:

        async def collected() -> Any:
            whole = ""
            async for chunk in runnable.astream(kind.input, config(kind, bare)):
                whole += chunk
            return whole

        unwatched = await outcome(collected())
    else:
        unwatched = await outcome(runnable.ainvoke(kind.input, config(kind, bare, StreamingOn())))
    assert watched == unwatched
    assert by_run(seen.rows) == by_run(bare.rows)


@KIND
def test_stream_gives_the_result_and_callbacks_of_invoke(kind: Kind) -> None:
    bare, seen = Recorder(), Recorder()
    run = stream(kind.make(), kind.input, config(kind, seen))
    story(run)
    watched = outcome_sync(run.result)
    runnable = kind.make()
    if kind.text_model:
        unwatched = outcome_sync(lambda: "".join(runnable.stream(kind.input, config(kind, bare))))
    else:
        unwatched = outcome_sync(
            lambda: runnable.invoke(kind.input, config(kind, bare, StreamingOn()))
        )
    assert watched == unwatched
    assert by_run(seen.rows) == by_run(bare.rows)


@KIND
async def test_astream_gives_the_result_of_a_plain_ainvoke(kind: Kind) -> None:
    watched = await outcome(astream(kind.make(), kind.input, config(kind)).result())
    assert watched == await outcome(kind.make().ainvoke(kind.input, config(kind)))


@KIND
async def test_astream_events_beside_our_handler_gives_the_same_events(kind: Kind) -> None:
    async def events(*handlers: Any) -> list[str]:
        told: list[str] = []
        try:
            source = kind.make().astream_events(kind.input, config(kind, *handlers), version="v2")
            async for event in source:
                shown = {k: v for k, v in event.items() if k not in ("run_id", "parent_ids")}
                shown["metadata"] = {
                    key: value
                    for key, value in event["metadata"].items()
                    if "checkpoint" not in key and key != "langgraph_path"
                }
                # create_agent names its model's message after the event with it was sent
                told.append(without_ids(shown).replace("name='researcher', ", ""))
        except Exception as exc:  # noqa: BLE001 -- it ends the events
            told.append(without_ids(exc))
        return told

    handler = StreamCallbackHandler()
    beside = await events(handler)
    story(handler)
    assert by_run(beside) == by_run(await events())


class Ordinary(AsyncCallbackHandler):
    """A handler as users write them: not inline."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_llm_start(self, *args: Any, **given: Any) -> None:
        self.heard.append("llm_start")

    async def on_llm_end(self, *args: Any, **given: Any) -> None:
        self.heard.append("llm_end")


async def test_an_ordinary_handler_still_hears_a_text_model_start() -> None:
    """LangChain skips handlers that are not inline once one is inline (``on_llm_start``)."""
    ordinary = Ordinary()
    await astream(KINDS["text_model"].make(), "hi", {"callbacks": [ordinary]}).result()
    assert ordinary.heard == ["llm_start", "llm_end"]
