"""What a reader costs that takes five events and sleeps while four branches talk at once."""

from __future__ import annotations

import pytest

from benchmarks.memory import measure_sleep

TOKENS = 20_000
"""As events of their own these would cost 3.3 MB; `python -m benchmarks` takes 100,000."""
BOUND_BYTES = 2_000_000


@pytest.mark.timeout(600)  # two processes under tracemalloc
def test_a_sleeping_reader_costs_little_and_still_gets_all_the_text() -> None:
    slept = measure_sleep(TOKENS)
    assert slept.text_arrived
    assert slept.extra_bytes < BOUND_BYTES
