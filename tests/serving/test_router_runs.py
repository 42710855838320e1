"""Runs over HTTP: started, read by several connections, stopped, asked about."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableLambda

from langchain_streamkit import RunSnapshot, check_stream
from langchain_streamkit.testing import ScriptedModel
from tests.manager.managers import SAID, Talking, asking_graph, speaker
from tests.serve.servers import eventually
from tests.serving.apps import error_of, reading, served, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import HTTPConnection


def test_started_run_is_streamed_to_its_end() -> None:
    with served(speaker()) as client, started(client) as stream:
        *_, last = stream.rest()
        assert last.name == "end"
        assert stream.text == SAID
        assert not check_stream(stream.events, view=True)
        assert {event.run_id for event in stream.events} == {stream.run_id}
        assert stream.response.headers["location"] == f"/runs/{stream.run_id}/events"


def test_run_outlives_its_reader_who_comes_back_and_gets_the_rest() -> None:
    talking = Talking()
    with served(talking.model) as client:
        with started(client) as first:
            first.until("text.delta")
        talking.gate.set()
        with reading(client, first.run_id, first.last_id) as second:
            second.rest()
        assert first.text + second.text == "first second"
        assert [event.seq for event in first.events + second.events] == sorted(
            {event.seq for event in first.events + second.events}
        )
        assert second.frames[-1].name == "end"


def test_every_position_gives_what_follows_it_by_header_or_query() -> None:
    with served(speaker()) as client:
        with started(client) as whole:
            whole.rest()
        run_id, ids = whole.run_id, [frame.id for frame in whole.frames if frame.id]
        for at, since in enumerate(ids[:-1]):
            with reading(client, run_id, since) as rest:
                rest.rest()
            assert rest.frames == whole.frames[at + 1 :]
            response = client.get(f"/runs/{run_id}/events", params={"since": since})
            assert response.text.count("\ndata: ") == len(rest.frames)


def test_client_that_has_all_of_a_run_that_has_ended_is_told_so() -> None:
    with served(speaker()) as client:
        with started(client) as stream:
            stream.rest()
        response = client.get(
            f"/runs/{stream.run_id}/events", headers={"Last-Event-ID": stream.last_id}
        )
        assert response.status_code == 204
        assert response.content == b""


def test_run_can_be_started_without_waiting_for_it() -> None:
    with served(speaker(), prefix="/api/v1") as client:
        response = client.post("/runs", json={"input": "hi"}, headers={"Prefer": "respond-async"})
        assert response.status_code == 202
        run_id = response.json()["run_id"]
        where = response.headers["location"]
        assert where == response.json()["events"] == f"/api/v1/runs/{run_id}/events"
        with reading(client, run_id) as stream:
            stream.rest()
        assert stream.text == SAID


def test_run_is_stopped_by_another_request() -> None:
    talking = Talking()
    with served(talking.model) as client, started(client) as stream:
        stream.until("text.delta")
        answer = client.post(f"/runs/{stream.run_id}/cancel").json()
        assert answer["run_id"] == stream.run_id
        assert answer.get("cancel_asked") == "user" or answer["status"] == "cancelled"
        stream.rest()
        assert stream.events[-1].type == "run.cancelled"
        status = client.get(f"/runs/{stream.run_id}").json()
        assert (status["status"], status["reason"]) == ("cancelled", "user")
        assert client.post(f"/runs/{stream.run_id}/cancel").json()["status"] == "cancelled"


def test_status_has_the_position_to_read_from_and_what_the_run_used() -> None:
    with served(speaker()) as client:
        with started(client) as stream:
            stream.rest()
        status = client.get(f"/runs/{stream.run_id}").json()
        assert status["status"] == "finished"
        assert status["last_event_id"] == stream.last_id
        assert status["usage"]["output_tokens"] > 0


def test_interrupted_thread_is_resumed_with_answers_by_id() -> None:
    with served(asking_graph()) as client:
        with started(client, {"answers": []}, thread_id="t1") as first:
            asked = first.until("interrupt.requested")
            first.rest()
        waiting = client.get("/threads/t1/messages").json()["interrupts"]
        assert waiting == [{"interrupt_id": asked.interrupt_id, "payload": "Which colour?"}]
        status = client.get(f"/runs/{first.run_id}").json()
        assert status["interrupts"][0]["interrupt_id"] == asked.interrupt_id
        with started(client, None, thread_id="t1", resume={asked.interrupt_id: "red"}) as second:
            second.rest()
        assert second.events[-1].type == "run.finished"
        refused = client.post("/runs", json={"thread_id": "t1", "resume": {"x": 1}})
        assert refused.status_code == 422
        assert "pending: none" in error_of(refused)["message"]


def test_thread_that_has_a_run_refuses_another_and_tells_which_it_is() -> None:
    talking = Talking()
    with served(talking.model) as client, started(client, thread_id="t1") as stream:
        stream.until("text.delta")
        refused = client.post("/runs", json={"input": "hi", "thread_id": "t1"})
        assert refused.status_code == 409
        assert error_of(refused)["code"] == "thread_busy"
        assert error_of(refused)["run_id"] == stream.run_id
        active = client.get("/threads/t1/run").json()
        assert active == {"run_id": stream.run_id, "events": f"/runs/{stream.run_id}/events"}
        talking.gate.set()
        stream.rest()
        assert client.get("/threads/t1/run").status_code == 204


def test_text_sent_to_a_graph_of_messages_becomes_the_users_message() -> None:
    from langchain.agents import create_agent
    from langgraph.checkpoint.memory import InMemorySaver

    agent: Any = create_agent(speaker(), [], checkpointer=InMemorySaver())
    with served(agent) as client:
        with started(client, "How is it?", thread_id="t1") as stream:
            stream.rest()
        assert stream.text == SAID
        messages = client.get("/threads/t1/messages").json()["messages"]
        assert [(one["type"], one["content"]) for one in messages] == [
            ("human", "How is it?"),
            ("ai", SAID),
        ]


def test_runnable_may_be_made_for_each_request_and_is_closed_when_its_run_ends() -> None:
    talking, told = Talking(), []

    @asynccontextmanager
    async def model_for(request: HTTPConnection) -> AsyncIterator[ScriptedModel]:
        told.append(request.headers["x-model"])
        yield talking.model
        told.append("closed")

    with served(model_for) as client:
        with started(client, headers={"x-model": "big"}) as stream:
            stream.until("text.delta")
        assert told == ["big"]
        talking.gate.set()
        eventually(lambda: told == ["big", "closed"])


def test_hooks_of_the_application_may_be_plain_or_async() -> None:
    seen: list[Any] = []
    ended: list[RunSnapshot] = []

    def remember(value: Any, config: Any) -> str:
        seen.append((value, config["configurable"].get("flavour"), config["tags"]))
        return "done"

    async def config_for(request: HTTPConnection) -> Any:
        await asyncio.sleep(0)
        return {"configurable": {"flavour": request.headers["x-flavour"]}, "tags": ["web"]}

    async def on_end(snapshot: RunSnapshot) -> None:
        ended.append(snapshot)

    with (
        served(
            RunnableLambda(remember), config_for=config_for, parse_input=str.upper, on_end=on_end
        ) as client,
        started(client, "hi", headers={"x-flavour": "mint"}) as stream,
    ):
        stream.rest()
        eventually(lambda: ended)
    assert seen == [("HI", "mint", ["web"])]
    assert ended[0].outcome == "finished"


def test_view_decides_what_clients_see() -> None:
    with served(speaker(), view="all", metadata=["plan"]) as client:
        with started(client, metadata={"plan": "free", "secret": 1}) as stream:
            stream.rest()
        begun = stream.events[0]
        assert begun.type == "run.started"
        assert begun.metadata["plan"] == "free"
    with served(speaker(), metadata=["plan"]) as client:
        with started(client, metadata={"plan": "free", "secret": 1}) as stream:
            stream.rest()
        begun = stream.events[0]
        assert begun.type == "run.started"
        assert begun.metadata == {"plan": "free"}


def test_client_of_a_failed_run_sees_our_text_and_never_the_exceptions() -> None:
    with served(ScriptedModel([ValueError("secret")])) as client, started(client) as stream:
        stream.rest()
        assert stream.events[-1].type == "run.failed"
        assert "secret" not in stream.response.request.method + str(stream.frames)
