"""``stream``: another thread makes what this one reads, and nothing of it is lost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit import check_stream, stream
from langchain_streamkit.testing import Turn
from tests.scenarios.told import says

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

WORDS = [f"w{number} " for number in range(100)]


@pytest.fixture
def _eager_switching() -> Iterator[None]:
    """Threads take turns after every few instructions, so that races happen in a second."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_eager_switching")
def test_no_event_is_lost_between_the_thread_that_makes_it_and_the_one_that_reads() -> None:
    for _ in range(300):
        events: list[Event] = list(stream(says(Turn(WORDS)), "hi"))
        assert check_stream(events) == []
        deltas = [event.text for event in events if event.type == "text.delta"]
        assert "".join(deltas) == "".join(WORDS)
