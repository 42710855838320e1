"""Runs that a manager starts, and anybody who has their id reads, stops and asks about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import NotOwner, RunGone, StreamUsageError
from langchain_streamkit.testing import ScriptedModel, assert_legal
from tests.log.reading import new_name
from tests.manager.managers import SAID, Talking, managing, read, speaker, text_of, until_said

if TYPE_CHECKING:
    from tests.log.stores import Place


async def test_run_goes_to_its_end_with_nobody_reading(place: Place) -> None:
    async with managing(place) as manager:
        run_id = await manager.start(speaker(), "hi")
        events = await read(manager, run_id)
        assert_legal(events)
        assert text_of(events) == SAID
        assert {event.run_id for event in events} == {run_id}
        assert (await manager.status(run_id)).status == "finished"


async def test_every_process_reads_the_same_events_live_and_later(place: Place) -> None:
    talking = Talking()
    async with managing(place) as one, managing(place) as other:
        run_id = await one.start(talking.model, "hi")
        live = [asyncio.create_task(read(manager, run_id)) for manager in (one, other, other)]
        await until_said(other, run_id)
        talking.gate.set()
        first, *others = await asyncio.gather(*live)
        assert text_of(first) == "first second"
        assert all(events == first for events in others)
        assert await read(other, run_id) == first


async def test_reader_goes_on_after_the_last_event_it_has(place: Place) -> None:
    async with managing(place) as manager:
        run_id = await manager.start(speaker(), "hi")
        entries = [entry async for batch in manager.entries(run_id) for entry in batch]
        for at, entry in enumerate(entries):
            rest = await read(manager, run_id, str(entry.position))
            assert [event.seq for event in rest] == [e.position.seq for e in entries[at + 1 :]]


async def test_run_is_stopped_from_another_process(place: Place) -> None:
    talking = Talking()
    async with managing(place) as one, managing(place) as other:
        run_id = await one.start(talking.model, "hi")
        await until_said(other, run_id)
        assert await other.cancel(run_id)
        events = await read(other, run_id)
        assert_legal(events)
        assert events[-1].type == "run.cancelled"
        assert events[-1].reason == "user"
        assert not await other.cancel(run_id)
        status = await other.status(run_id)
        assert (status.status, status.reason) == ("cancelled", "user")


async def test_status_tells_what_goes_on_and_what_was_asked(place: Place) -> None:
    talking = Talking()
    async with managing(place) as one, managing(place) as other:
        run_id = await one.start(talking.model, "hi", user="ada")
        await until_said(other, run_id)
        status = await other.status(run_id)
        assert (status.status, status.user, status.cancel_asked) == ("running", "ada", None)
        assert status.last_event_id is not None
        await read_rest(other, run_id, status.last_event_id, talking)


async def read_rest(manager: object, run_id: str, since: str, talking: Talking) -> None:
    talking.gate.set()
    events = await read(manager, run_id, since)  # type: ignore[arg-type]
    assert text_of(events) == "second"


async def test_status_of_a_failed_run_has_the_error_but_not_its_words(place: Place) -> None:
    async with managing(place) as manager:
        run_id = await manager.start(ScriptedModel([ValueError("secret")]), "hi")
        await read(manager, run_id)
        status = await manager.status(run_id)
        assert status.status == "failed"
        assert status.error is not None
        assert status.error.code == "model_error"
        assert "secret" not in str(status)


async def test_runs_of_a_user_are_listed_from_any_process(place: Place) -> None:
    async with managing(place) as one, managing(place) as other:
        mine = [await one.start(speaker(), "hi", user=place_user(place)) for _ in range(2)]
        await one.start(speaker(), "hi", user="somebody else")
        for run_id in mine:
            await read(one, run_id)
        listed = await other.list(user=place_user(place))
        assert [status.run_id for status in listed] == mine
        assert {status.status for status in listed} == {"finished"}


def place_user(place: Place) -> str:
    return f"ada of {id(place)}"


async def test_run_of_one_user_is_not_there_for_another(place: Place) -> None:
    async with managing(place) as manager:
        run_id = await manager.start(speaker(), "hi", user="ada")
        for user in ("bob", None):
            with pytest.raises(NotOwner):
                await manager.status(run_id, user=user)
            with pytest.raises(NotOwner):
                await manager.cancel(run_id, user=user)
            with pytest.raises(NotOwner):
                async for _ in manager.events(run_id, user=user):
                    pass
        assert (await manager.status(run_id, user="ada")).run_id == run_id


async def test_run_that_was_never_there_is_gone(place: Place) -> None:
    async with managing(place) as manager:
        with pytest.raises(RunGone):
            await manager.status("1f0c9a3e")
        with pytest.raises(RunGone):
            await read(manager, "1f0c9a3e")


async def test_lock_of_a_thread_is_no_run(place: Place) -> None:
    talking, name = Talking(), new_name()
    async with managing(place) as manager:
        run_id = await manager.start(talking.model, "hi", thread_id=name)
        lock = f"thread:{name}"
        for asked in (manager.status(lock), manager.cancel(lock), read(manager, lock)):
            with pytest.raises(RunGone):
                await asked
        talking.gate.set()
        assert (await read(manager, run_id))[-1].type == "run.finished"


async def test_what_cannot_run_is_refused_before_anything_begins(place: Place) -> None:
    async with managing(place) as manager:
        with pytest.raises(StreamUsageError, match="plain function"):
            await manager.start(lambda value: value, "hi", user="nobody")  # type: ignore[arg-type]
        with pytest.raises(StreamUsageError, match="no option budgett="):
            await manager.start(speaker(), "hi", user="nobody", budgett=1)
        assert manager.stats.started == 0
        assert await manager.list(user="nobody") == []


async def test_each_run_has_an_id_that_cannot_be_guessed(place: Place) -> None:
    async with managing(place) as manager:
        ids = [await manager.start(speaker(), "hi") for _ in range(3)]
        # A random (version 4) UUID has 122 bits of chance, one of the time (7) tells when it began.
        assert {run_id[14] for run_id in ids} == {"4"}
