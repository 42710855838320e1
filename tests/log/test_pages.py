"""How much a reader takes from the store at once: few events where they are large."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from langchain_streamkit.log import tailing
from tests.log.reading import new_name

if TYPE_CHECKING:
    from tests.log.stores import Place


async def batches_of(place: Place, entries: list[bytes]) -> list[list[bytes]]:
    """What a reader who comes late is given, batch by batch."""
    log, name = place.log(), new_name()
    writer = await log.open(name)
    await writer.finish(entries)
    async with aclosing(log.tail(name)) as tail:
        batches = [[entry.data for entry in batch] async for batch in tail]
    assert [entry for batch in batches for entry in batch] == entries
    return batches


async def test_reader_holds_a_bounded_number_of_bytes_however_large_events_are(
    place: Place,
) -> None:
    entry = b'"%b"' % (b"x" * 40_000)
    batches = await batches_of(place, [entry] * 200)
    most = max(sum(map(len, batch)) for batch in batches)
    assert most <= tailing.FIRST_PAGE * len(entry)
    assert max(sum(map(len, batch)) for batch in batches[1:]) <= tailing.PAGE_BYTES


async def test_small_events_are_read_many_at_once(place: Place) -> None:
    batches = await batches_of(place, [b"{}"] * 2_000)
    assert [len(batch) for batch in batches[1:4]] == [tailing.PAGE] * 3


async def test_event_larger_than_a_page_is_read_by_itself(place: Place) -> None:
    entry = b'"%b"' % (b"x" * (tailing.PAGE_BYTES + 1))
    batches = await batches_of(place, [entry] * (tailing.FIRST_PAGE + 3))
    assert [len(batch) for batch in batches[1:]] == [1, 1, 1]
