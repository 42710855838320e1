"""Whose a stream is, and who reads it: what a server asks a store besides the events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import NotOwner
from tests.log.reading import lines, new_name

if TYPE_CHECKING:
    from tests.log.stores import Place

LEASE_MS = 10_000


async def test_stream_tells_whose_it_is_and_to_which_conversation_it_belongs(place: Place) -> None:
    log, name, user = place.log(), new_name(), new_name()
    writer = await log.open(name, user=user, thread_id="t1")
    await writer.finish(lines(1))
    info = await place.log().info(name)
    assert (info.user, info.thread_id) == (user, "t1")


async def test_stream_of_nobody_in_particular_says_so(place: Place) -> None:
    log, name = place.log(), new_name()
    await log.open(name)
    info = await log.info(name)
    assert (info.user, info.thread_id) == ("", "")


async def test_streams_of_a_user_are_listed_in_the_order_they_were_made(place: Place) -> None:
    log, user = place.log(), new_name()
    names = [new_name() for _ in range(3)]
    for name in names:
        await (await log.open(name, user=user)).finish(lines(1))
        place.clock.turn(0.01)
    await log.open(new_name(), user=new_name())
    assert await place.log().of_user(user) == names


async def test_streams_that_are_gone_are_not_listed(place: Place) -> None:
    log, user = place.log(ttl_s=60), new_name()
    gone, expired, there = new_name(), new_name(), new_name()
    for name in (gone, expired):
        await (await log.open(name, user=user)).finish(lines(1))
    await log.expire(gone)
    place.clock.turn(61)
    await (await log.open(there, user=user)).finish(lines(1))
    assert await log.of_user(user) == [there]


async def test_thread_of_one_user_is_not_opened_for_another(place: Place) -> None:
    log, name = place.log(), new_name()
    await (await log.open(name, lasting=True, user="ada")).finish(lines(1))
    for user in ("bob", None):
        with pytest.raises(NotOwner, match="belongs to another user"):
            await log.open(name, lasting=True, user=user)
    writer = await log.open(name, lasting=True, user="ada")
    assert writer.run_id == name


async def test_user_may_have_any_name(place: Place) -> None:
    log, name = place.log(), new_name()
    user = "ada\r\n{x} \x00 ü 'or 1=1"
    await log.open(name, user=user)
    assert await log.of_user(user) == [name]
    assert (await log.info(name)).user == user


async def test_readers_of_a_stream_are_counted_over_all_processes(place: Place) -> None:
    one, other, name = place.log().store, place.log().store, new_name()
    assert await one.attend(name, "a", LEASE_MS) == 1
    assert await other.attend(name, "b", LEASE_MS) == 2
    assert await one.attend(name, "a", LEASE_MS) == 2
    assert await other.attend(name, "b", 0) == 1
    assert await other.attend(name, "b", 0) == 1
    assert await other.attend(new_name(), "b", 0) == 0


async def test_reader_whose_process_died_is_not_counted_after_its_lease(place: Place) -> None:
    store, name = place.log().store, new_name()
    await store.attend(name, "a", LEASE_MS)
    place.clock.turn(6)
    assert await store.attend(name, "b", LEASE_MS) == 2
    place.clock.turn(6)
    assert await store.attend(name, "nobody", 0) == 1
    place.clock.turn(6)
    assert await store.attend(name, "nobody", 0) == 0
