"""Real runs into a log: what is read there is what the run's own reader got."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import Fenced, SinkError, astream, check_stream
from langchain_streamkit.log import LogSink
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.log.reading import Reader, jsons, new_name

if TYPE_CHECKING:
    from tests.log.stores import Place

TEXT = "The log has every word of the answer."


async def test_log_has_the_events_of_the_run(place: Place) -> None:
    log, other, name = place.log(), place.log(), new_name()
    reader = Reader(other, name, wait=True)
    writer = await log.open(name)
    run = astream(ScriptedModel([TEXT]), "hi", sinks=[LogSink(writer)])
    events = [event async for event in run]
    assert check_stream(events) == []
    assert await reader.end() == jsons(events)
    assert reader.seqs == [event.seq for event in events]
    assert (await other.info(name)).state == "finished"


async def test_run_whose_log_was_taken_away_stops(place: Place) -> None:
    log, other, name = place.log(lease_s=60), place.log(), new_name()
    writer = await log.open(name)
    place.clock.turn(61)
    assert await other.close_lost(name)
    endless = ScriptedModel([Turn(chunks=[TEXT, asyncio.Event()])])  # it ends by the stop alone
    run = astream(endless, "hi", sinks=[LogSink(writer)], on_sink_error="raise")
    with pytest.raises((Fenced, SinkError)):
        await run.result()
    assert await other.read(name) == []


async def test_runs_at_the_same_time_each_have_their_log(place: Place) -> None:
    log, names = place.log(), [new_name() for _ in range(10)]

    async def one(name: str) -> list[bytes]:
        sink = LogSink(await log.open(name))
        run = astream(ScriptedModel([TEXT]), "hi", sinks=[sink])
        return jsons([event async for event in run])

    made = await asyncio.gather(*map(one, names))
    for name, data in zip(names, made, strict=True):
        assert [entry.data for entry in await log.read(name)] == data
