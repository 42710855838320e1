"""What a reader costs that takes five events and sleeps while four branches talk at once."""

from __future__ import annotations

import pytest

from benchmarks.memory import measure_sleep

TOKENS = 40_000
"""Enough that keeping each token as an event of its own would cost more than the bound."""
BOUND_BYTES = 4_000_000


@pytest.mark.timeout(300)  # two processes under tracemalloc
def test_a_sleeping_reader_costs_less_than_4_mb_and_still_gets_all_the_text() -> None:
    slept = measure_sleep(TOKENS)
    assert slept.text_arrived
    assert slept.extra_bytes < BOUND_BYTES
