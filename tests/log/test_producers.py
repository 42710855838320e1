"""What every store gives a producer: one owner, a lease, retries that double nothing, cancels."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import Fenced, ProducerLost, StreamUsageError, check_stream
from langchain_streamkit.events import decode_event
from langchain_streamkit.log.contract import Append
from tests.foundation.samples import whole_run
from tests.log.reading import Reader, jsons, lines, new_name
from tests.log.stores import WAIT_S

if TYPE_CHECKING:
    from langchain_streamkit.log import EventLog
    from langchain_streamkit.log.contract import Answer, Claim, Status
    from tests.log.stores import Place


async def put(log: EventLog, wish: Append) -> tuple[Status, int]:
    (answer,) = await log.store.append([wish])
    return answer.status, answer.top


# ---- appending -----------------------------------------------------------------------------------


async def test_append_whose_answer_was_lost_is_made_again_without_a_double(place: Place) -> None:
    log, name = place.log(), new_name()
    async with await log.open(name, owner="me"):
        wish = Append(name, "me", 1, tuple(lines(1, 2)))
        assert await put(log, wish) == ("ok", 2)
        assert await put(log, wish) == ("ok", 2)
        overlapping = Append(name, "me", 2, tuple(lines(2, 3)))
        assert await put(log, overlapping) == ("ok", 3)
        assert [entry.data for entry in await log.read(name)] == lines(1, 2, 3)


async def test_last_append_may_be_made_again_after_the_end(place: Place) -> None:
    log, name = place.log(), new_name()
    async with await log.open(name, owner="me"):
        wish = Append(name, "me", 1, tuple(lines(1)), "finished")
        assert await put(log, wish) == ("ok", 1)
        assert await put(log, wish) == ("ok", 1)
        assert await put(log, Append(name, "me", 2, tuple(lines(2)))) == ("fenced", 1)


async def test_append_that_would_leave_a_hole_is_refused(place: Place) -> None:
    log, name = place.log(), new_name()
    async with await log.open(name, owner="me"):
        assert await put(log, Append(name, "me", 2, tuple(lines(2)))) == ("behind", 0)


async def test_append_of_somebody_else_is_fenced(place: Place) -> None:
    log, name = place.log(), new_name()
    async with await log.open(name, owner="me"):
        assert await put(log, Append(name, "you", 1, tuple(lines(1)))) == ("fenced", 0)


async def test_appends_to_several_streams_each_have_their_own_answer(place: Place) -> None:
    log, names = place.log(), [new_name() for _ in range(3)]
    await log.open(names[0], owner="me")
    await log.open(names[1], owner="me")
    wishes = [
        Append(names[0], "me", 1, tuple(lines(1))),
        Append(names[1], "you", 1, tuple(lines(1))),
        Append(names[2], "me", 1, tuple(lines(1))),
    ]
    answers = await log.store.append(wishes)
    assert [answer.status for answer in answers] == ["ok", "fenced", "gone"]


async def test_entry_with_a_line_break_is_refused(place: Place) -> None:
    async with await place.log().open(new_name()) as writer:
        with pytest.raises(StreamUsageError, match="line break"):
            await writer.append([b"{}\n{}"])


async def test_finished_writer_says_that_it_is_closed(place: Place) -> None:
    writer = await place.log().open(new_name())
    await writer.finish(lines(1))
    await writer.finish()
    with pytest.raises(StreamUsageError, match="closed"):
        await writer.append(lines(2))


async def test_producers_of_one_process_share_the_way_into_a_store_that_waits(place: Place) -> None:
    log = place.log()
    writers = [await log.open(new_name()) for _ in range(20)]
    calls: list[int] = []
    store_append = log.store.append

    async def counted(wishes: list[Append]) -> object:
        calls.append(len(wishes))
        return await store_append(wishes)

    vars(log.store)["append"] = counted
    await asyncio.gather(*(writer.append(lines(1)) for writer in writers))
    assert sum(calls) == 20
    assert len(calls) <= 2 or not log.store.waits
    await asyncio.gather(*(writer.finish() for writer in writers))


# ---- owners --------------------------------------------------------------------------------------


async def test_second_producer_is_refused_while_the_first_has_its_lease(place: Place) -> None:
    log, other, name = place.log(), place.log(), new_name()
    async with await log.open(name, run_id="first") as writer:
        with pytest.raises(Fenced, match="written by run 'first'") as caught:
            await other.open(name, run_id="second")
        assert caught.value.run_id == "first"
        await writer.append(lines(1))


async def test_opening_again_as_the_same_owner_goes_on(place: Place) -> None:
    log, other, name = place.log(), place.log(), new_name()
    first = await log.open(name, owner="me")
    await first.append(lines(1))
    await first.aclose()
    second = await other.open(name, owner="me")
    assert second.generation == first.generation
    await second.finish(lines(2))
    assert [entry.data for entry in await log.read(name)] == lines(1, 2)


async def test_who_is_cancelled_while_opening_holds_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other, name = place.log(), place.log(), new_name()
    claim, claimed, answered = log.store.claim, asyncio.Event(), asyncio.Event()

    async def answering_late(wish: Claim) -> Answer:
        answer = await claim(wish)
        claimed.set()
        await answered.wait()
        return answer

    monkeypatch.setattr(log.store, "claim", answering_late)
    opening = asyncio.ensure_future(log.open(name, lasting=True))
    async with asyncio.timeout(WAIT_S):
        await claimed.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    answered.set()
    await log.aclose()
    await other.open(name, run_id="next", lasting=True)


async def test_finished_stream_takes_no_other_run(place: Place) -> None:
    log, name = place.log(), new_name()
    await (await log.open(name)).finish(lines(1))
    with pytest.raises(Fenced, match="lasting=True"):
        await log.open(name)


# ---- leases --------------------------------------------------------------------------------------


async def test_lost_producer_is_closed_by_who_reads_next(place: Place) -> None:
    log, other, name = place.log(lease_s=60), place.log(), new_name()
    events = whole_run()[:12]
    writer = await log.open(name, run_id="run-1")
    await writer.append(jsons(events))
    await writer.aclose()
    place.clock.turn(59)
    assert not (await other.info(name)).lapsed
    place.clock.turn(2)
    assert (await other.info(name)).lapsed
    reader = Reader(other, name)
    found = [decode_event(data) for data in await reader.end()]
    assert found[:12] == events
    assert found[-1].to_dict()["error"]["code"] == "producer_lost"
    assert check_stream(found) == []
    assert (await other.info(name)).state == "finished"


async def test_reader_who_has_everything_gets_the_closing_events(place: Place) -> None:
    log, other, name = place.log(lease_s=60), place.log(), new_name()
    writer = await log.open(name, run_id="run-1")
    await writer.append(jsons(whole_run()[:12]))
    reader = Reader(log, name)
    await reader.has(12)
    await writer.aclose()
    place.clock.turn(61)
    assert await other.close_lost(name)
    found = [decode_event(data) for data in await reader.end()]
    assert found[-1].type == "run.failed"
    assert check_stream(found) == []


async def test_waiting_reader_notices_by_itself(place: Place) -> None:
    log, name = place.log(lease_s=0.3), new_name()
    writer = await log.open(name, run_id="run-1")
    await writer.append(jsons(whole_run()[:12]))
    reader = Reader(log, name)
    await writer.aclose()
    found = [decode_event(data) for data in await reader.end()]
    assert found[-1].type == "run.failed"


async def test_producer_that_was_paused_and_replaced_is_fenced(place: Place) -> None:
    log, other, name = place.log(lease_s=60), place.log(), new_name()
    writer = await log.open(name, run_id="run-1")
    await writer.append(jsons(whole_run()[:12]))
    place.clock.turn(61)
    assert await other.close_lost(name)
    before = [entry.data for entry in await other.read(name)]
    with pytest.raises(Fenced, match="no longer this producer's"):
        await writer.append(jsons(whole_run()[12:13]))
    with pytest.raises(Fenced):
        await writer.cancelled()
    assert [entry.data for entry in await other.read(name)] == before
    await writer.aclose()


async def test_only_one_of_many_who_notice_closes_the_run(place: Place) -> None:
    log, name = place.log(lease_s=60), new_name()
    others = [place.log() for _ in range(5)]
    writer = await log.open(name, run_id="run-1")
    await writer.append(jsons(whole_run()[:12]))
    await writer.aclose()
    place.clock.turn(61)
    closed = await asyncio.gather(*(other.close_lost(name) for other in others))
    assert closed.count(True) == 1
    found = [decode_event(entry.data) for entry in await log.read(name)]
    assert check_stream(found) == []


async def test_producer_that_nobody_replaced_may_go_on_after_its_lease(place: Place) -> None:
    log, name = place.log(lease_s=60), new_name()
    writer = await log.open(name)
    await writer.append(lines(1))
    place.clock.turn(61)
    await writer.append(lines(2))
    assert not (await log.info(name)).lapsed
    assert not await log.close_lost(name)
    await writer.finish()


async def test_heartbeat_keeps_a_silent_producer_alive(place: Place) -> None:
    log, name = place.log(lease_s=0.5), new_name()
    writer = await log.open(name)
    place.clock.turn(0.4)
    async with asyncio.timeout(WAIT_S):
        while (await log.info(name)).lease_left_s < 0.3:  # noqa: ASYNC110 - the heart's own time
            await asyncio.sleep(0.01)
    await writer.finish()


async def test_run_that_ended_before_its_producer_was_lost_is_left_as_it_is(place: Place) -> None:
    log, name = place.log(lease_s=60), new_name()
    writer = await log.open(name, run_id="run-1")
    await writer.append(jsons(whole_run()))
    await writer.aclose()
    place.clock.turn(61)
    assert await Reader(log, name).end() == jsons(whole_run())


async def test_producer_that_was_lost_before_its_first_event_is_an_error(place: Place) -> None:
    log, name = place.log(lease_s=60), new_name()
    writer = await log.open(name)
    await writer.aclose()
    place.clock.turn(61)
    for _ in range(2):
        with pytest.raises(ProducerLost, match="before its first event"):
            await Reader(log, name).end()


# ---- cancels -------------------------------------------------------------------------------------


async def test_cancel_of_another_instance_reaches_the_producer(place: Place) -> None:
    log, other, name = place.log(), place.log(), new_name()
    async with await log.open(name) as writer:
        waiting = asyncio.create_task(writer.cancelled())
        assert await other.cancel(name, "shutdown")
        assert await other.cancel(name, "user")
        assert await asyncio.wait_for(waiting, WAIT_S) == "shutdown"
        assert writer.cancel_reason == "shutdown"
        await writer.finish(lines(1))
    assert not await other.cancel(name)


async def test_cancel_is_seen_with_the_next_append_where_the_wake_up_was_missed(
    place: Place,
) -> None:
    log, other, name = place.log(), place.log(), new_name()
    async with await log.open(name) as writer:
        vars(log)["_stop_cancels"]()
        await other.cancel(name)
        assert writer.cancel_reason is None
        await writer.append(lines(1))
        assert writer.cancel_reason == "user"
