"""What becomes of a run when its readers leave: decided by the last one's real disconnect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import RunManager, StreamUsageError
from tests.manager.managers import WAIT_S, Talking, managing, read, text_of, until_said

if TYPE_CHECKING:
    from langchain_streamkit.events import Event
    from tests.log.stores import Place

GRACE_S = 0.05
CANCEL: dict[str, Any] = {"on_disconnect": "cancel", "disconnect_grace_s": GRACE_S}


async def settled(manager: RunManager) -> None:
    """Return when everything that a leaving reader set off is decided."""
    async with asyncio.timeout(WAIT_S):
        await manager.presence_settled()


async def test_run_goes_on_without_readers_unless_it_is_said_otherwise(place: Place) -> None:
    talking = Talking()
    async with managing(place, disconnect_grace_s=0) as manager:
        run_id = await manager.start(talking.model, "hi")
        await manager.attend(run_id)
        manager.leave(run_id, disconnected=True)
        await settled(manager)
        talking.gate.set()
        assert text_of(await read(manager, run_id)) == "first second"


async def test_run_whose_last_reader_vanished_is_stopped_after_the_grace(place: Place) -> None:
    talking = Talking()
    async with managing(place) as one, managing(place, **CANCEL) as other:
        run_id = await one.start(talking.model, "hi")
        await other.attend(run_id)
        await until_said(other, run_id)
        other.leave(run_id, disconnected=True)
        events = await read(one, run_id)
        assert events[-1].type == "run.cancelled"
        assert events[-1].reason == "disconnect"


async def test_reader_that_comes_back_within_the_grace_keeps_the_run(place: Place) -> None:
    talking = Talking()
    async with managing(place, **{**CANCEL, "disconnect_grace_s": 30}) as manager:
        run_id = await manager.start(talking.model, "hi")
        await manager.attend(run_id)
        manager.leave(run_id, disconnected=True)
        await manager.attend(run_id)
        await settled(manager)
        assert (await manager.status(run_id)).cancel_asked is None
        talking.gate.set()
        assert ended(await read(manager, run_id)) == "run.finished"
        manager.leave(run_id, disconnected=False)


async def test_reader_in_another_process_keeps_the_run(place: Place) -> None:
    talking = Talking()
    async with managing(place, **CANCEL) as one, managing(place, **CANCEL) as other:
        run_id = await one.start(talking.model, "hi")
        await one.attend(run_id)
        await other.attend(run_id)
        one.leave(run_id, disconnected=True)
        await settled(one)
        assert (await one.status(run_id)).cancel_asked is None
        other.leave(run_id, disconnected=True)
        assert ended(await read(one, run_id)) == "run.cancelled"


async def test_one_of_two_readers_in_a_process_may_leave(place: Place) -> None:
    talking = Talking()
    async with managing(place, **CANCEL) as manager:
        run_id = await manager.start(talking.model, "hi")
        await manager.attend(run_id)
        await manager.attend(run_id)
        manager.leave(run_id, disconnected=True)
        await settled(manager)
        assert (await manager.status(run_id)).cancel_asked is None
        assert manager.readers == 1
        talking.gate.set()
        assert ended(await read(manager, run_id)) == "run.finished"
        manager.leave(run_id, disconnected=False)


async def test_reader_that_leaves_of_itself_or_is_sent_away_stops_nothing(place: Place) -> None:
    talking = Talking()
    async with managing(place, **CANCEL) as manager:
        run_id = await manager.start(talking.model, "hi")
        await manager.attend(run_id)
        manager.leave(run_id, disconnected=False)
        await settled(manager)
        assert (await manager.status(run_id)).cancel_asked is None
        talking.gate.set()
        assert ended(await read(manager, run_id)) == "run.finished"


async def test_run_that_nobody_ever_read_goes_to_its_end(place: Place) -> None:
    talking = Talking()
    async with managing(place, **CANCEL) as manager:
        run_id = await manager.start(talking.model, "hi")
        await asyncio.sleep(2 * GRACE_S)
        talking.gate.set()
        assert ended(await read(manager, run_id)) == "run.finished"


async def test_reader_whose_process_died_does_not_keep_the_run(place: Place) -> None:
    talking = Talking()
    async with managing(place, **CANCEL) as manager:
        run_id = await manager.start(talking.model, "hi")
        await place.log().store.attend(run_id, "died", 15_000)
        await manager.attend(run_id)
        place.clock.turn(16)
        manager.leave(run_id, disconnected=True)
        assert ended(await read(manager, run_id)) == "run.cancelled"


@pytest.mark.parametrize("wrong", [{"on_disconnect": "detach"}, {"on_busy": "wait"}])
async def test_policy_that_is_none_is_refused_with_those_there_are(wrong: Any) -> None:
    with pytest.raises(StreamUsageError, match="is not known; write on_"):
        RunManager(**wrong)


def ended(events: list[Event]) -> str:
    return events[-1].type
