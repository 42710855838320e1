"""Runs of a server read by ``connect``: as any other run, and the server's own events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from langchain_core.callbacks import adispatch_custom_event
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_streamkit import (
    RemoteFailed,
    RunCancelled,
    RunSnapshot,
    check_stream,
    connect,
)
from langchain_streamkit.testing import RecordingSink, ScriptedModel, ToolCall, Turn
from tests.manager.managers import SAID, WAIT_S, Talking, asking_graph, speaker, text_of
from tests.serving.apps import served

if TYPE_CHECKING:
    from langchain_streamkit import RemoteRun
    from langchain_streamkit.events import Event


MUCH = 1500


def url_of(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


async def read(run: RemoteRun) -> list[Event]:
    async with asyncio.timeout(WAIT_S):
        return [event async for event in run]


def agent() -> Any:
    from langchain.agents import create_agent

    @tool
    def look(city: str) -> str:
        """Look at the weather."""
        return f"sunny in {city}"

    turns = [Turn(tool_calls=[ToolCall("look", {"city": "Paris"})]), Turn([SAID])]
    return create_agent(ScriptedModel(turns, cycle=True), [look])


async def test_run_is_started_and_read_as_any_other() -> None:
    with served(speaker()) as server:
        run = connect(url_of(server), input="hi", thread_id="t1", metadata={"k": "v"})
        assert (run.run_id, run.outcome) == ("", "pending")
        events = await read(run)
        assert check_stream(events, view=True) == []
        assert {event.run_id for event in events} == {run.run_id}
        assert (run.outcome, run.thread_id) == ("finished", "t1")
        assert run.snapshot.text == SAID
        assert server.get(f"/runs/{run.run_id}").json()["thread_id"] == "t1"


async def test_snapshot_in_the_view_all_is_that_of_the_run_itself() -> None:
    ends: list[RunSnapshot] = []
    with served(agent(), view="all", on_end=ends.append) as server:
        run = connect(url_of(server), input={"messages": [HumanMessage("How is it?")]})
        events = await read(run)
        assert check_stream(events) == []
        assert run.snapshot == ends[0]
        assert run.snapshot == RunSnapshot.from_events(events)
        assert run.usage == ends[0].usage
        assert [one.call_id for one in run.ledger] == [
            message.usage.call_id for message in ends[0].messages if message.usage
        ]


async def test_views_of_a_remote_run_are_those_of_a_run() -> None:
    with served(agent()) as server:
        run = connect(url_of(server), input="How is it?")
        async with asyncio.timeout(WAIT_S), run:
            text, calls, messages = await asyncio.gather(
                collected(run.text), collected(run.tool_calls), collected(run.messages)
            )
        assert "".join(text) == SAID
        assert [call.name for call in calls] == ["look"]
        assert len(messages) == 2


async def collected(view: Any) -> list[Any]:
    return [item async for item in view]


def _doubled(value: Any) -> Any:
    return {"double": 2 * value}


async def test_result_is_the_output_that_the_server_shows() -> None:
    with served(RunnableLambda(_doubled), view="all") as server:
        run = connect(url_of(server), input=21)
        assert await asyncio.wait_for(run.result(), WAIT_S) == {"double": 42}
        again = connect(url_of(server), run.run_id)
        assert await asyncio.wait_for(again.result(), WAIT_S) == {"double": 42}


async def test_failed_run_raises_the_code_and_the_id_that_the_servers_log_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(value: Any) -> None:
        raise ValueError("secret")

    with served(RunnableLambda(fail)) as server:
        run = connect(url_of(server), input="hi")
        events = await read(run)
        assert events[-1].type == "run.failed"
        with pytest.raises(RemoteFailed) as caught:
            await run.result()
        assert caught.value.code == "internal"
        assert not caught.value.retryable
        assert caught.value.error_id in caplog.text
        assert "secret" not in str(caught.value)


async def test_interrupted_run_is_resumed_with_answers_by_id() -> None:
    with served(asking_graph()) as server:
        run = connect(url_of(server), input={"answers": []}, thread_id="t1")
        result = await asyncio.wait_for(run.result(), WAIT_S)
        (asked,) = run.interrupts
        assert [one.id for one in result["__interrupt__"]] == [asked.interrupt_id]
        resumed = run.resume({asked.interrupt_id: "red"})
        assert await asyncio.wait_for(resumed.result(), WAIT_S) is None  # no output in the view
        assert resumed.outcome == "finished"
        assert resumed.run_id != run.run_id
        elsewhere = connect(url_of(server), input={"answers": []}, thread_id="t2")
        await read(elsewhere)
        answers = {elsewhere.interrupts[0].interrupt_id: "blue"}
        run = connect(url_of(server), thread_id="t2", resume=answers)
        await read(run)
        assert run.outcome == "finished"


async def test_cancel_stops_the_run_at_the_server_and_reads_its_end() -> None:
    with served(Talking().model) as server:
        run = connect(url_of(server), input="hi")
        seen: list[str] = []
        async with asyncio.timeout(WAIT_S):
            async for event in run:
                seen.append(event.type)
                if event.type == "text.delta":
                    await run.cancel()
        assert seen[-1] == "run.cancelled"
        assert server.get(f"/runs/{run.run_id}").json()["status"] == "cancelled"
        with pytest.raises(RunCancelled) as caught:
            await run.result()
        assert caught.value.reason == "user"
        await run.cancel()  # it has ended: nothing is asked


async def test_run_of_another_process_is_cancelled_without_reading_it() -> None:
    with served(Talking().model) as server:
        run_id = server.post(
            "/runs", json={"input": "hi"}, headers={"Prefer": "respond-async"}
        ).json()["run_id"]
        run = connect(url_of(server), run_id)
        await asyncio.wait_for(run.cancel(), WAIT_S)
        assert (run.outcome, run.snapshot.cancel_reason) == ("cancelled", "user")


@pytest.mark.parametrize("way", ["break", "async with", "aclose", "outer cancel"])
async def test_leaving_a_run_leaves_it_alone(way: str) -> None:
    talking = Talking()
    with served(talking.model) as server:
        sink = RecordingSink()
        run = connect(url_of(server), input="hi", sinks=[sink])
        async with asyncio.timeout(WAIT_S):
            last = await left(run, way)
            await run.aclose()
        assert check_stream(sink.events, view=True) == []
        end = sink.events[-1]
        assert (end.type, getattr(end, "reason", None)) == ("run.cancelled", "disconnect")
        with pytest.raises(RunCancelled, match="goes on"):
            await run.result()
        assert server.get(f"/runs/{run.run_id}").json()["status"] == "running"
        talking.gate.set()
        rest = connect(url_of(server), run.run_id, run.event_id(last))
        assert text_of(await read(rest)) == "second"
        assert rest.outcome == "finished"


async def left(run: RemoteRun, way: str) -> Event:
    found: list[Event] = []
    said = asyncio.Event()

    async def read_on() -> None:
        async for event in run:
            if event.type == "text.delta":
                found.append(event)
                said.set()
                if way == "outer cancel":
                    await asyncio.Event().wait()
                break

    if way == "async with":
        async with run:
            await read_on()
    elif way == "outer cancel":
        task = asyncio.create_task(read_on())
        await said.wait()
        task.cancel()
        await asyncio.wait({task})
    else:
        await read_on()
    return found[0]


async def test_every_position_gives_what_follows_it_and_the_last_one_the_end_again() -> None:
    with served(speaker()) as server:
        whole = connect(url_of(server), input="hi")
        events = await read(whole)
        for at, event in enumerate(events[:-1]):
            rest = connect(url_of(server), whole.run_id, whole.event_id(event))
            assert await read(rest) == events[at + 1 :]
        over = connect(url_of(server), whole.run_id, whole.event_id(events[-1]))
        assert await read(over) == events[-1:]
        assert over.outcome == "finished"


async def test_map_sinks_filters_and_on_end_are_the_readers_own() -> None:
    ends: list[RunSnapshot] = []
    sink = RecordingSink()
    with served(speaker()) as server:
        run = connect(
            url_of(server), input="hi", sinks=[sink], on_end=ends.append, include=["text", "run"]
        ).map(lambda event: None if event.type == "text.started" else event)
        events = await read(run)
        assert {event.type.partition(".")[0] for event in events} == {"text", "run"}
        assert "text.started" not in {event.type for event in events}
        assert list(sink.events) == events
        assert [end.outcome for end in ends] == ["finished"]


async def say_much(value: Any) -> None:
    for number in range(MUCH):
        await adispatch_custom_event("number", number)


async def test_slow_reader_makes_the_server_wait_and_loses_nothing() -> None:
    with served(RunnableLambda(say_much)) as server:
        run = connect(url_of(server), input="hi")
        ahead, found = 0, 0
        async with asyncio.timeout(WAIT_S):
            async for event in run:
                await asyncio.sleep(0)
                found += event.type == "custom"
                ahead = max(ahead, len(run.snapshot.customs) - found)
        assert found == MUCH
        assert ahead < 300


async def test_reader_that_waits_for_the_end_is_not_waited_for() -> None:
    with served(RunnableLambda(say_much)) as server:
        run = connect(url_of(server), input="hi")
        async with asyncio.timeout(WAIT_S):
            events = aiter(run)
            assert (await anext(events)).type == "run.started"
            await run.result()
            rest = [event async for event in events]
        assert len([event for event in rest if event.type == "custom"]) == MUCH


async def test_given_client_makes_the_requests_and_stays_open() -> None:
    with served(speaker(), authenticate=lambda request: request.headers.get("x-user")) as server:
        async with httpx.AsyncClient(headers={"x-user": "ada"}) as client:
            run = connect(url_of(server), input="hi", client=client)
            await read(run)
            assert run.outcome == "finished"
            assert not client.is_closed
        again = connect(url_of(server), run.run_id, headers={"x-user": "ada"})
        assert (await read(again))[-1].type == "run.finished"
