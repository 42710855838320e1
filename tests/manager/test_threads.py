"""Runs of one thread: one at a time, whatever process they are started in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import NotOwner, StreamUsageError, ThreadBusy
from langchain_streamkit.testing import ScriptedModel, assert_legal
from tests.log.reading import new_name
from tests.manager.managers import (
    Talking,
    asking_graph,
    managing,
    read,
    speaker,
    text_of,
    until_said,
)

if TYPE_CHECKING:
    from tests.log.stores import Place


async def test_second_run_of_a_thread_is_refused_with_the_id_of_the_first(place: Place) -> None:
    talking, thread = Talking(), new_name()
    async with managing(place) as one, managing(place) as other:
        first = await one.start(talking.model, "hi", thread_id=thread)
        with pytest.raises(ThreadBusy) as refused:
            await other.start(speaker(), "hi", thread_id=thread)
        assert refused.value.run_id == first
        assert await other.active(thread) == first
        talking.gate.set()
        await read(other, first)
        second = await other.start(speaker(), "hi", thread_id=thread)
        await read(one, second)
        assert await one.active(thread) is None


async def test_second_run_waits_in_a_queue_for_the_end_of_the_first(place: Place) -> None:
    talking, thread = Talking(), new_name()
    model = speaker()
    async with managing(place) as one, managing(place, on_busy="queue") as other:
        first = await one.start(talking.model, "hi", thread_id=thread)
        await until_said(one, first)
        second = await other.start(model, "hi", thread_id=thread)
        assert (await one.status(second)).status == "running"
        assert not model.calls
        talking.gate.set()
        assert text_of(await read(one, first)) == "first second"
        assert (await read(one, second))[-1].type == "run.finished"


async def test_runs_that_wait_begin_in_the_order_they_came(place: Place) -> None:
    talking, thread = Talking(), new_name()
    model = speaker()
    async with managing(place, on_busy="queue") as manager:
        first = await manager.start(talking.model, "hi", thread_id=thread)
        waiting = [await manager.start(model, str(n), thread_id=thread) for n in range(4)]
        talking.gate.set()
        for run_id in (first, *waiting):
            await read(manager, run_id)
        assert [call.messages[0].content for call in model.calls] == ["0", "1", "2", "3"]


async def test_waiting_run_can_be_stopped_and_never_calls_its_model(place: Place) -> None:
    talking, thread = Talking(), new_name()
    model = speaker()
    async with managing(place, on_busy="queue") as manager:
        first = await manager.start(talking.model, "hi", thread_id=thread)
        second = await manager.start(model, "hi", thread_id=thread)
        assert await manager.cancel(second)
        events = await read(manager, second)
        assert_legal(events)
        assert events[-1].type == "run.cancelled"
        talking.gate.set()
        assert (await read(manager, first))[-1].type == "run.finished"
        assert not model.calls


async def test_newer_run_may_stop_the_one_before(place: Place) -> None:
    talking, thread = Talking(), new_name()
    async with managing(place) as one, managing(place, on_busy="cancel") as other:
        first = await one.start(talking.model, "hi", thread_id=thread)
        await until_said(one, first)
        second = await other.start(speaker(), "hi", thread_id=thread)
        assert (await read(other, first))[-1].type == "run.cancelled"
        assert (await read(one, second))[-1].type == "run.finished"


async def test_newest_of_many_runs_stops_all_before_it(place: Place) -> None:
    talking, thread = Talking(), new_name()
    async with managing(place, on_busy="cancel") as manager:
        older = [await manager.start(talking.model, "hi", thread_id=thread) for _ in range(3)]
        newest = await manager.start(speaker(), "hi", thread_id=thread)
        for run_id in older:
            assert (await read(manager, run_id))[-1].type == "run.cancelled"
        assert (await read(manager, newest))[-1].type == "run.finished"


async def test_thread_of_one_user_is_not_there_for_another(place: Place) -> None:
    thread = new_name()
    async with managing(place) as manager:
        await read(manager, await manager.start(speaker(), "hi", user="ada", thread_id=thread))
        for user in ("bob", None):
            with pytest.raises(NotOwner):
                await manager.start(speaker(), "hi", user=user, thread_id=thread)
        talking = Talking()
        run_id = await manager.start(talking.model, "hi", user="ada", thread_id=thread)
        with pytest.raises(NotOwner):
            await manager.active(thread, user="bob")
        assert await manager.active(thread, user="ada") == run_id


async def test_checkpoints_say_whose_a_thread_is_when_its_log_is_long_gone(place: Place) -> None:
    graph, thread = asking_graph(), new_name()
    async with managing(place) as manager:
        first = await manager.start(graph, {"answers": []}, user="ada", thread_id=thread)
        await read(manager, first)
        place.clock.turn(100_000)
        with pytest.raises(NotOwner):
            await manager.start(graph, {"answers": []}, user="bob", thread_id=thread)


async def test_thread_made_elsewhere_is_open_to_users_only_if_it_is_said(place: Place) -> None:
    graph, thread = asking_graph(), new_name()
    await graph.ainvoke({"answers": []}, {"configurable": {"thread_id": thread}})
    async with managing(place) as manager:
        with pytest.raises(NotOwner, match="adopt_threads=True"):
            await manager.start(graph, {"answers": []}, user="ada", thread_id=thread)
    async with managing(place, adopt_threads=True) as manager:
        run_id = await manager.start(graph, {"answers": []}, user="ada", thread_id=thread)
        await read(manager, run_id)
        with pytest.raises(NotOwner):
            await manager.start(graph, {"answers": []}, user="bob", thread_id=thread)


async def test_user_cannot_say_in_metadata_that_a_thread_is_another_users(place: Place) -> None:
    graph, thread = asking_graph(), new_name()
    async with managing(place) as manager:
        metadata = {"streamkit_user": "bob", "plan": "free"}
        run_id = await manager.start(
            graph, {"answers": []}, user="ada", thread_id=thread, metadata=metadata
        )
        await read(manager, run_id)
        state = await graph.aget_state({"configurable": {"thread_id": thread}})
        assert state.metadata["streamkit_user"] == "ada"
        assert state.metadata["plan"] == "free"


async def test_interrupted_thread_goes_on_in_another_process_with_answers_by_id(
    place: Place,
) -> None:
    graph, thread = asking_graph(), new_name()
    async with managing(place) as one, managing(place) as other:
        first = await one.start(graph, {"answers": []}, thread_id=thread)
        await read(one, first)
        status = await other.status(first)
        assert status.status == "interrupted"
        (asked,) = status.interrupts
        assert asked.payload == "Which colour?"
        second = await other.start(graph, thread_id=thread, resume={asked.interrupt_id: "red"})
        events = await read(other, second)
        assert_legal(events)
        assert events[-1].type == "run.finished"
        assert events[-1].output == {"answers": ["red"]}


async def test_answers_that_nobody_waits_for_are_refused_with_those_that_are(place: Place) -> None:
    graph, thread = asking_graph(), new_name()
    async with managing(place) as manager:
        with pytest.raises(StreamUsageError, match="pending: none"):
            await manager.start(graph, thread_id=thread, resume={"x": 1})
        first = await manager.start(graph, {"answers": []}, thread_id=thread)
        await read(manager, first)
        (asked,) = (await manager.status(first)).interrupts
        for answers in ({"x": 1}, {}, "red"):
            with pytest.raises(StreamUsageError, match=f"pending: {asked.interrupt_id}"):
                await manager.start(graph, thread_id=thread, resume=answers)  # type: ignore[arg-type]
        with pytest.raises(StreamUsageError, match="no thread is named"):
            await manager.start(graph, resume={asked.interrupt_id: "red"})
        with pytest.raises(StreamUsageError, match="nothing here is kept"):
            await manager.start(ScriptedModel([]), thread_id=thread, resume={"x": 1})


async def test_process_that_dies_with_a_run_lets_go_of_its_thread(place: Place) -> None:
    thread = new_name()
    talking = Talking()
    async with managing(place) as survivor:
        dying = place.log(lease_s=60)
        await dying.open("thread:" + thread, run_id="lost", lasting=True)
        with pytest.raises(ThreadBusy):
            await survivor.start(speaker(), "hi", thread_id=thread)
        place.clock.turn(61)
        run_id = await survivor.start(talking.model, "hi", thread_id=thread)
        talking.gate.set()
        assert (await read(survivor, run_id))[-1].type == "run.finished"
        await asyncio.sleep(0)


async def test_answer_that_another_run_gave_meanwhile_fails_the_run_that_waited(
    place: Place,
) -> None:
    graph, thread = asking_graph(), new_name()
    async with managing(place, on_busy="queue") as manager:
        asked = (await read(manager, await manager.start(graph, {}, thread_id=thread)))[-1]
        assert asked.type == "run.interrupted"
        answers = {asked.interrupts[0].interrupt_id: "red"}
        first = await manager.start(graph, thread_id=thread, resume=answers)
        second = await manager.start(graph, thread_id=thread, resume=answers)
        ended = [(await read(manager, run_id))[-1] for run_id in (first, second)]
    assert ended[0].type == "run.finished"
    assert ended[1].type == "run.failed"
    assert ended[1].error.code == "invalid_input"
