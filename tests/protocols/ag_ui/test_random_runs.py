"""Random chains and graphs, whole or stopped: AG-UI's client shows what each of them came to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_streamkit import RunSnapshot, stream
from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder
from langchain_streamkit.wire.ag_ui.request import AgUiRequest
from tests.conftest import CI
from tests.protocols.ag_ui.clients import validated
from tests.protocols.ag_ui.shown import by_client, by_snapshot
from tests.scenarios.kinds import KINDS
from tests.scenarios.random_building import Built
from tests.scenarios.random_examples import roots
from tests.scenarios.random_watching import left_sync, watched_sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Event
    from tests.protocols.ag_ui.clients import Client

EXAMPLES = 100 if CI else 25

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "langchain_streamkit")


def encoded(events: Sequence[Event]) -> list[bytes]:
    encoder = AgUiEncoder(AgUiRequest(thread_id="thread-1", run_id="asked"))
    return [frame for event in events for frame in encoder.encode(event)]


def test_random_runs_are_shown_as_they_ended(client: Client) -> None:
    unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large]

    @settings(max_examples=EXAMPLES, suppress_health_check=unhurried)
    @given(
        root=roots(fault=True),
        after=st.none() | st.integers(1, 40),
        size=st.sampled_from([1, 7, 1 << 16]),
        cut=st.integers(0, 200),
    )
    def check(root: Any, after: int | None, size: int, cut: int) -> None:
        built = Built(root, plain_only=True)
        if after is None:
            events = watched_sync(root, built, "events").events
        else:
            events = left_sync(root, built, "cancel", after).events
        frames = encoded(events)
        assert encoded(events) == frames
        sent = encoded(events[:cut])
        assert frames[: len(sent)] == sent
        validated(frames)
        ran = client.read(b"".join(frames), size)
        assert ran.failed is None
        assert by_client(ran) == by_snapshot(RunSnapshot.from_events(events))

    check()


def test_stream_that_breaks_off_is_an_error_at_any_place(client: Client) -> None:
    for name in ("agent_in_a_tool", "model", "branches"):
        kind = KINDS[name]
        events = list(stream(kind.make(), kind.input))
        for place in range(len(events)):
            encoder = AgUiEncoder(AgUiRequest(thread_id="thread-1", run_id="asked"))
            frames = [frame for event in events[:place] for frame in encoder.encode(event)]
            frames += encoder.broken_off("producer_lost", "Whoever made the run is gone.")
            assert encoder.broken_off("producer_lost", "once more") == []
            assert encoder.encode(events[-1]) == []
            ran = client.read(b"".join(frames))
            assert ran.failed is None
            assert ran.error == {
                "code": "producer_lost",
                "message": "Whoever made the run is gone.",
            }


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 4096])
def test_any_split_into_chunks_is_read_the_same(client: Client, size: int) -> None:
    kind = KINDS["agent_in_a_tool"]
    events = list(stream(kind.make(), kind.input, capture={"state"}, show_subagents=True))
    body = b"".join(encoded(events))
    assert client.read(body, size) == client.read(body)
